"""Which revision a database is at, beside those that the code knows."""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from .. import hints
from ..errors import MigrationError
from ..schema.own_tables import version_table
from . import binds, git
from .chain import Chain, read_chain
from .connection import Target, private, sqlite_file


def is_ahead(connection: Connection, at: frozenset[str], chain: Chain) -> bool:
    """Tell whether the log says that *at*, which the code does not know, came after its heads."""
    if at <= chain.known:
        return False
    before = behind(connection, at, chain.known)
    return before is not None and chain.heads <= before


def behind(
    connection: Connection, at: frozenset[str], known: frozenset[str]
) -> frozenset[str] | None:
    """Return the revisions that *at* came after, as the log tells, back to those that are *known*.

    :return: ``None`` where the log does not tell it of each.
    """
    from . import history

    entries = history.entries(connection)
    todo, seen = set(at - known), set(at)
    while todo:
        entry = entries.get(todo.pop())
        if entry is None or entry.event == "downgrade":
            return None
        before = set(entry.came_from.split(",")) - {""} - seen
        seen |= before
        todo |= before - known
    return frozenset(seen)


def current(connection: Connection) -> frozenset[str]:
    """Return the revisions that *connection*'s database is at; none where it has no chain yet."""
    table = version_table()
    try:
        rows = connection.execute(
            text(f"SELECT version_num FROM {table.quoted(connection.dialect)}")
        )
        return frozenset(rows.scalars())
    except DBAPIError:
        connection.rollback()
        if connection.dialect.has_table(connection, table.name, schema=table.schema):
            raise
        return frozenset()


def is_readable(connection: Connection) -> bool:
    """Tell whether the role of *connection* may read which revisions there are, and the log."""
    from . import history

    try:
        current(connection)
        history.entries(connection)
    except DBAPIError:
        return False
    return True


class Probe(NamedTuple):
    """What a look at a database told: its revisions, whether it is ahead of the code, and the
    revision that is half undone."""

    at: frozenset[str]
    ahead: bool = False
    half: str = ""


def half_undone(connection: Connection, chain: Chain) -> str:
    """Name the revision of *chain* that a downgrade has begun to undo; empty where there is none.

    One that is half applied does not count: at this chain's head it is newer code's, and may be
    running now.
    """
    if connection.dialect.name == "sqlite":  # spare the import of what the answer does not need
        return ""
    from . import history

    begun = [name.partition("downgrade ")[2] for name in history.half_applied(connection)]
    return next((revision for revision in begun if revision in chain.known), "")


@contextmanager
def look(target: Target) -> Iterator[Connection | None]:
    """Connect to the database of *target* in order to look: no lock, no write, no question.

    Where the application's own role reaches the same database, it is asked, because it needs no
    more privileges than to serve.

    :return: ``None`` where there is no such database, or no way to it without a question.
    """
    url, engine = target.url, target.engine
    file = sqlite_file(url)
    if file is not None and not file.exists():
        yield None
        return
    try:
        if engine is not None and _place(engine.url) == _place(url):
            private_engine = private(engine, read_only=True, echo=target.echo)
        else:
            private_engine = target.private_engine(read_only=True)
        connection = private_engine.connect()
    except DBAPIError:
        yield None
        return
    with connection:
        yield connection


def probe(target: Target, known: Chain) -> Probe | None:
    """Tell where the database of *target* is; ``None`` where :func:`look` cannot tell."""
    with look(target) as connection:
        if connection is None:  # a SQLite file that is missing is an empty database
            return Probe(frozenset()) if target.kind == "sqlite" else None
        try:
            at = current(connection)
            return Probe(at, is_ahead(connection, at, known), half_undone(connection, known))
        except DBAPIError:  # the application's role may not read it
            return None


def _place(url: URL) -> tuple[Any, ...]:
    # Flask-SQLAlchemy adds a character set to the application's own URL on MariaDB.
    query = {name: value for name, value in url.query.items() if name != "charset"}
    return url.get_backend_name(), url.host, url.port, url.database, query


def require_known(
    at: Iterable[str], known: Collection[str], script: ScriptDirectory | None = None
) -> None:
    """Refuse a database that is at a revision whose file is not here.

    :param at: the revisions that the database is at.
    :param known: those that have a file.
    :param script: where the files are, to be looked for in git.
    :raises MigrationError: with the ways out.
    """
    if unknown := sorted(set(at) - set(known)):
        folder = Path(script.dir) if script else None
        commands = [git.command_to_restore(folder, revision) for revision in unknown if folder]
        restore = "".join(f"bring its file back, {command}; or " for command in commands if command)
        alternatives = (
            f"; in development {hints.command('reset')} rebuilds the database; one that another "
            f"project made is taken in by {hints.command('adopt')}"
        )
        raise MigrationError(
            f"The database is at revision {', '.join(unknown)}, which is not among these "
            f"migrations: {restore}go back to the branch or the release that has its file"
            f"{alternatives if binds.current() is None else ''}."
        )


def pending(script: ScriptDirectory, at: Iterable[str]) -> list[str]:
    """Return the revisions between *at* and the heads of *script*, the next one first.

    :raises MigrationError: where *at* is not among them.
    """
    everything = [revision.revision for revision in script.walk_revisions()]
    require_known(at := tuple(at), everything, script)
    done = applied(script, at)
    return [revision for revision in reversed(everything) if revision not in done]


def applied(script: ScriptDirectory, at: Iterable[str]) -> set[str]:
    """Return the revisions of *script* that a database has which is *at* some."""
    known = tuple(set(at) & read_chain(script).known)
    return {revision.revision for revision in script.iterate_revisions(known, "base")}


def lacks(script: ScriptDirectory, at: Iterable[str], destination: str) -> bool:
    """Tell whether one of several databases, *at* some, lacks the *destination* of a downgrade.

    :param destination: as it was typed; what is relative is never lacking.
    :raises MigrationError: where it is lacking and there is one database.
    """
    if not re.fullmatch(r"\w+", destination):
        return False
    at = frozenset(at)
    revision = script.get_revision(destination)
    if revision is None or revision.revision in applied(script, at):
        return False
    if binds.current() is None:
        raise MigrationError(
            f"Nothing was undone: {destination} is not applied to this database, which is at "
            f"{', '.join(sorted(at)) or 'no revision'}. To apply it: "
            f"{hints.command('upgrade', destination)}"
        )
    return True


def known_at(connection: Connection, at: frozenset[str], script: ScriptDirectory) -> frozenset[str]:
    """Return where *at* is among the revisions of *script*: for one it lacks, where that came from
    by the log."""
    known = read_chain(script).known
    return (behind(connection, at, known) or at) & known
