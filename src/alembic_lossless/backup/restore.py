"""Restores the backup that was made before an upgrade.

SQLite's is written over the live file by SQLite's own backup, in one transaction, so that
servers that have it open see it (https://www.sqlite.org/backup.html). A dump of a server is never
restored from here: :func:`restore_commands` returns the commands to paste.
"""

import shlex
import sqlite3
import time
from collections.abc import Callable, Set
from contextlib import closing
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from ..hints import command
from ..quoting import literal, quote
from ..run.connection import private, sqlite_file
from ..schema.dialect_support import kind_of
from ..schema.own_tables import LOG_TABLE, version_table, without_own
from .changes import PATIENCE, attached, read_only_uri, tables
from .store import Backup, BackupStore, mysql_target, postgresql_target


def choose(store: BackupStore, name: str = "") -> Backup:
    """Return the backup to restore.

    :param store: the backups of the database.
    :param name: the file name of one; else the newest that is of a whole revision, and that
        ``undo`` has not set aside.
    :return: the backup.
    :raises MigrationError: when there is none.
    """
    backups = store.backups()
    candidates = [
        b
        for b in backups
        if (b.path.name == name if name else not (b.set_aside or b.is_half_applied))
    ]
    if candidates:
        return candidates[0]
    missing = f"no backup named {name}" if name else "no backup to restore"
    if not backups:
        raise MigrationError(
            f"There is {missing} in {store.folder}: one is made before each upgrade, and none was "
            f"made yet. Undo revisions without one: {command('downgrade')}"
        )
    commands = "; or ".join(command("undo", backup=backup.path.name) for backup in backups)
    raise MigrationError(f"There is {missing} in {store.folder}. Restore another one: {commands}")


def verify(live: Path, backup: Path, script: ScriptDirectory) -> None:
    """Make sure that *backup* is whole and of this database.

    :param live: the database's file.
    :param backup: the backup's file.
    :param script: the chain, which knows the revision that the backup is at.
    :raises MigrationError: when it is damaged, or belongs to another database.
    """
    try:
        with attached(live, backup) as connection:
            verdict = connection.execute("PRAGMA backup.quick_check(1)").fetchone()[0]
            mismatch = _mismatch(connection, script) if verdict == "ok" else None
    except sqlite3.DatabaseError as error:
        verdict, mismatch = str(error), None
    if verdict != "ok":
        raise MigrationError(
            f"The backup {backup.name} is damaged ({verdict}). Nothing was changed. Restore an "
            f"older one: {command('undo', backup='NAME')}"
        )
    if mismatch:
        raise MigrationError(
            f"The backup {backup.name} is of another database: {mismatch}. Nothing was changed. "
            f"Restore one of this database: {command('undo', backup='NAME')}"
        )


def _mismatch(connection: sqlite3.Connection, script: ScriptDirectory) -> str | None:
    """Say why the attached backup cannot be of this database; None where nothing speaks so."""
    now, then = tables(connection, "main"), tables(connection, "backup")
    versions = version_table().name
    if versions in then:
        known = {revision.revision for revision in script.walk_revisions()}
        rows = connection.execute(f"SELECT version_num FROM backup.{quote(versions)}")
        unknown = sorted({row[0] for row in rows} - known)
        if unknown:
            return f"its revision {', '.join(unknown)} is not among these migrations"
    if LOG_TABLE in now and LOG_TABLE in then:
        # What was applied first, and when, is never the same in two databases.
        query = "SELECT * FROM {}." + LOG_TABLE + " ORDER BY rowid LIMIT 1"
        oldest = [connection.execute(query.format(side)).fetchone() for side in ("main", "backup")]
        if None not in oldest and oldest[0] != oldest[1]:
            return "its log of migrations begins with another entry"
    now, then = without_own(now), without_own(then)
    if now and then and not now & then:
        return "they have no table in common"
    return None


def restore(store: BackupStore, backup: Backup, at: Set[str]) -> Path | None:
    """Put *backup* in the place of the live database; the caller holds the migration lock.

    :param store: the backups of the database.
    :param backup: the one to restore.
    :param at: the revisions that the live database is at.
    :return: the backup that was made of the live database first; None where there was nothing to
        back up.
    :raises MigrationError: when that backup cannot be made, another process keeps writing, or
        wrote meanwhile. The database is then as it was.
    """
    live = sqlite_file(store.url)
    assert live is not None, "of a server: restore_commands"
    with closing(sqlite3.connect(live, timeout=0)) as watch:
        seen = _version(watch)
        set_aside = store.add(at, instead_of=backup) if store.has_tables() else None
        try:
            _write_over(live, backup.path, unchanged=lambda: _version(watch) in (seen, None))
        except (TimeoutError, InterruptedError, sqlite3.Error) as error:
            raise MigrationError(
                f"The backup was not restored: {error}. {live} was left as it was. Stop the "
                f"application, and run again: {command('undo')}"
            ) from None
    if not backup.set_aside:
        backup.path.rename(backup.path.with_suffix(".undo.bak"))
    return set_aside


def _version(connection: sqlite3.Connection) -> int | None:
    """Return a number that another connection's writing changes; None while one has it locked."""
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.OperationalError:
        return None


def _write_over(live: Path, backup: Path, unchanged: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE

    def progress(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process kept it locked for {PATIENCE} seconds")
        elif remaining == total - 1 and not unchanged():
            raise InterruptedError("rows were written while it was backed up")

    source = sqlite3.connect(read_only_uri(backup), uri=True)
    target = sqlite3.connect(live, timeout=PATIENCE)
    with closing(source), closing(target):
        # The first page takes the lock; then comes the look for what was written since.
        source.backup(target, pages=1, progress=progress, sleep=0.05)


def restore_commands(url: URL, backup: Backup) -> list[str]:
    """Return the commands that restore a server's dump, into a new database beside the old one.

    Nothing is overwritten, and the application goes on until its URI names the new one. The new
    database gets the encoding of the old one, where that can be asked.

    :param url: the database that was dumped.
    :param backup: the dump.
    :return: a line of shell each.
    """
    database = f"{url.database}_restored"
    file = shlex.quote(str(backup.path))
    if kind_of(url) == "postgresql":
        admin, _ = postgresql_target(url)
        target, _ = postgresql_target(url, database)
        create = f"CREATE DATABASE {quote(database)}{_options_of(url)}"
        return [
            f"psql --dbname={shlex.quote(admin)} --command={shlex.quote(create)}",
            f"pg_restore --exit-on-error --no-owner --dbname={shlex.quote(target)} {file}",
        ]
    server = shlex.join(mysql_target(url)[0])
    create = f"CREATE DATABASE {quote(database, 'mysql')}{_options_of(url)}"
    password = " --password" if url.password else ""
    return [
        f"mariadb {server}{password} --execute={shlex.quote(create)}",
        f"mariadb {server}{password} {shlex.quote(database)} < {file}",
    ]


#: What a server says of the database that it is asked in.
_MYSQL_OPTIONS = """
SELECT default_character_set_name, default_collation_name FROM information_schema.schemata
WHERE schema_name = database()
"""
#: As JSON: what holds the locale of a provider is called otherwise in each version.
_POSTGRESQL_OPTIONS = """
SELECT to_jsonb(d) || jsonb_build_object('encoding', pg_encoding_to_char(encoding))
FROM pg_database d WHERE datname = current_database()
"""


def _options_of(url: URL) -> str:
    """Return the options of CREATE DATABASE for another database like that at *url*."""
    is_mysql = kind_of(url) == "mysql"
    try:
        with private(url).connect() as connection:
            row = connection.execute(
                text(_MYSQL_OPTIONS if is_mysql else _POSTGRESQL_OPTIONS)
            ).one()
    except DBAPIError:  # its password may be typed by hand alone
        return " CHARACTER SET utf8mb4" if is_mysql else ""
    if is_mysql:
        return f" CHARACTER SET {row[0]} COLLATE {row[1]}"
    catalogued = row[0]
    options = " TEMPLATE template0 ENCODING " + literal(catalogued["encoding"])
    for word, name in (("LC_COLLATE", "datcollate"), ("LC_CTYPE", "datctype")):
        options += f" {word} " + literal(catalogued[name])
    locale = catalogued.get("datlocale") or catalogued.get("daticulocale")
    provider = {"i": "icu", "b": "builtin"}.get(catalogued.get("datlocprovider", ""), "")
    if provider and locale:
        word = f"{provider.upper()}_LOCALE"
        options += f" LOCALE_PROVIDER {provider} {word} " + literal(locale)
    return options
