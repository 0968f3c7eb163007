"""The way back: the copy that was made before a migration takes the database's place.

SQLite's copy is written over the live file by SQLite's own backup, in one transaction, so that
servers that have it open see it (https://www.sqlite.org/backup.html). A dump of a server is never
played back from here: :func:`by_hand` says how.
"""

import shlex
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import URL

from ..errors import MigrationError
from ..schema.dialect_support import kind_of
from ..schema.own_tables import LOG_TABLE, VERSION_TABLE, without_own
from .changes import PATIENCE, beside, changes, tables, uri
from .store import Copy, Shelf, mysql_target, postgresql_target, sqlite_file

__all__ = ["bring_back", "by_hand", "changes", "choose", "verify"]


def choose(shelf: Shelf, name: str = "") -> Copy:
    """Return the copy that *name* names, or the newest that ``undo`` has not set aside.

    :raises MigrationError: when there is none.
    """
    copies = shelf.copies()
    wanted = [c for c in copies if c.path.name == name] if name else _not_aside(copies)
    if wanted:
        return wanted[0]
    missing = f"no copy named {name}" if name else "no copy to go back to"
    names = [copy.path.name for copy in copies]
    there = f"Name one of these, make undo copy=NAME: {', '.join(names)}."
    raise MigrationError(
        f"There is {missing} in {shelf.folder}. "
        + (there if names else "One is made before each migration.")
    )


def _not_aside(copies: list[Copy]) -> list[Copy]:
    return [copy for copy in copies if not copy.aside]


def verify(live: Path, copy: Path, script: ScriptDirectory) -> None:
    """Make sure that *copy* is whole and of this database.

    :raises MigrationError: when it is damaged, or belongs to another database.
    """
    try:
        with beside(live, copy) as connection:
            said = connection.execute("PRAGMA copy.quick_check(1)").fetchone()[0]
            reason = _of_another(connection, script) if said == "ok" else None
    except sqlite3.DatabaseError as error:
        said, reason = str(error), None
    if said != "ok":
        raise MigrationError(
            f"{copy.name} is damaged ({said}), so nothing was changed: name an older copy, "
            "make undo copy=NAME."
        )
    if reason:
        raise MigrationError(
            f"{copy.name} is a copy of another database ({reason}), so nothing was changed."
        )


def _of_another(connection: sqlite3.Connection, script: ScriptDirectory) -> str | None:
    now, then = tables(connection, "main"), tables(connection, "copy")
    if VERSION_TABLE in then:
        known = {revision.revision for revision in script.walk_revisions()}
        at = {row[0] for row in connection.execute(f"SELECT version_num FROM copy.{VERSION_TABLE}")}
        if at - known:
            return f"revision {', '.join(sorted(at - known))} is not among these migrations"
    if LOG_TABLE in now and LOG_TABLE in then:
        # What was applied first, and when, is never the same in two databases.
        query = "SELECT * FROM {}." + LOG_TABLE + " ORDER BY rowid LIMIT 1"
        oldest = [connection.execute(query.format(side)).fetchone() for side in ("main", "copy")]
        if None not in oldest and oldest[0] != oldest[1]:
            return "its log of migrations begins otherwise"
    now, then = without_own(now), without_own(then)
    if now and then and not now & then:
        return "they have no table in common"
    return None


def bring_back(shelf: Shelf, copy: Copy, at: set[str] | frozenset[str]) -> Path | None:
    """Put *copy* in the place of the live database; the caller holds the migration lock.

    :param at: the revisions that the live database is at.
    :return: the copy that was made of it first; None where there was nothing to copy.
    :raises MigrationError: when that copy cannot be made, another process keeps writing, or wrote
        meanwhile. The database is then as it was.
    """
    live = sqlite_file(shelf.url)
    assert live is not None, "of a server: by_hand"
    with closing(sqlite3.connect(live, timeout=0)) as watch:
        seen = _version(watch)
        aside = shelf.add(at, instead_of=copy) if shelf.has_something() else None
        try:
            _write_over(live, copy.path, unchanged=lambda: _version(watch) in (seen, None))
        except (TimeoutError, InterruptedError, sqlite3.Error) as error:
            raise MigrationError(
                f"{live} was left as it was: {error}. Stop the application and run undo again."
            ) from None
    if not copy.aside:
        copy.path.rename(copy.path.with_suffix(".undo.bak"))
    return aside


def _version(connection: sqlite3.Connection) -> int | None:
    """Return a number that another connection's writing changes; None while one has it locked."""
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.OperationalError:
        return None


def _write_over(live: Path, copy: Path, unchanged: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE

    def step(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process kept it locked for {PATIENCE} seconds")
        elif remaining == total - 1 and not unchanged():
            raise InterruptedError("rows were written while it was being copied")

    source = sqlite3.connect(uri(copy), uri=True)
    target = sqlite3.connect(live, timeout=PATIENCE)
    with closing(source), closing(target):
        # The first page takes the lock; then comes the look for what was written since.
        source.backup(target, pages=1, progress=step, sleep=0.05)


def by_hand(url: URL, copy: Copy) -> list[str]:
    """Return the commands that play a server's dump back, into a new database beside the old one.

    Nothing is overwritten, and the application goes on until its URI names the new one.
    """
    database = f"{url.database}_restored"
    file = shlex.quote(str(copy.path))
    if kind_of(url) == "postgresql":
        admin, _ = postgresql_target(url)
        target, _ = postgresql_target(url, database)
        create = 'CREATE DATABASE "{}"'.format(database.replace('"', '""'))
        return [
            f"psql --dbname={shlex.quote(admin)} --command={shlex.quote(create)}",
            f"pg_restore --exit-on-error --no-owner --dbname={shlex.quote(target)} {file}",
        ]
    where = shlex.join(mysql_target(url)[0])
    create = "CREATE DATABASE `{}`".format(database.replace("`", "``"))
    ask = "" if not url.password else " --password"
    return [
        f"mariadb {where}{ask} --execute={shlex.quote(create)}",
        f"mariadb {where}{ask} {shlex.quote(database)} < {file}",
    ]
