"""What happened to a SQLite database since a copy of it was made."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import MigratorError, plural
from ..schema import LOG_TABLE, VERSION_TABLE

#: Seconds to wait for another writer.
PATIENCE = 30


@dataclass(frozen=True)
class Loss:
    """What one table has otherwise than the copy: rows, and columns the copy does not have.

    *whole* says that the table is on one side only: "now" or "copy".
    """

    table: str
    added: int = 0
    changed: int = 0
    removed: int = 0
    columns: Mapping[str, int] | None = None
    whole: str = ""

    def __str__(self) -> str:
        if self.whole:
            fate = "would go" if self.whole == "now" else "would come back"
            return (
                f"{self.table}: the table {fate}, with {plural(self.added + self.removed, 'row')}"
            )
        rows = f"rows since: {self.added:,} added, {self.changed:,} changed, {self.removed:,} gone"
        held = "".join(
            f"; column {name} would go, with {plural(number, 'value')}"
            for name, number in (self.columns or {}).items()
        )
        return f"{self.table}: {rows}{held}"


def losses(live: Path, copy: Path) -> list[Loss]:
    """Compare the database *live* with its *copy*: what bringing the copy back would undo.

    Rows are told apart by their primary key; without one, a changed row counts as added and gone.
    """
    with beside(live, copy) as connection:
        now, then = tables(connection, "main"), tables(connection, "copy")
        found = [_table(connection, table, now, then) for table in sorted(now | then)]
    return [loss for loss in found if loss]


def _table(
    connection: sqlite3.Connection, table: str, now: set[str], then: set[str]
) -> Loss | None:
    if table in (VERSION_TABLE, LOG_TABLE):
        return None
    name = _quoted(table)
    if table not in then:
        return Loss(table, added=_one(connection, f"main.{name}"), whole="now")
    if table not in now:
        return Loss(table, removed=_one(connection, f"copy.{name}"), whole="copy")
    here, there = _columns(connection, "main", table), _columns(connection, "copy", table)
    new = {
        column: _one(connection, f"main.{name} WHERE {_quoted(column)} IS NOT NULL")
        for column in here
        if column not in there
    }
    common = [column for column in here if column in there]
    key = [column for column in common if here[column]]
    if key and len(key) == sum(map(bool, here.values())) == sum(map(bool, there.values())):
        on = " AND ".join(f"a.{_quoted(c)} IS b.{_quoted(c)}" for c in key)
        other = " OR ".join(f"a.{_quoted(c)} IS NOT b.{_quoted(c)}" for c in common)
        lone = "{0}.{2} a WHERE NOT EXISTS (SELECT 1 FROM {1}.{2} b WHERE {3})"
        added = _one(connection, lone.format("main", "copy", name, on))
        gone = _one(connection, lone.format("copy", "main", name, on))
        changed = _one(connection, f"main.{name} a JOIN copy.{name} b ON {on} WHERE {other}")
    else:
        columns = ", ".join(map(_quoted, common))
        lone = f"(SELECT {columns} FROM {{}}.{name} EXCEPT SELECT {columns} FROM {{}}.{name})"
        added, gone, changed = (
            _one(connection, lone.format("main", "copy")),
            _one(connection, lone.format("copy", "main")),
            0,
        )
    return Loss(table, added, changed, gone, new) if added or gone or changed or new else None


def _one(connection: sqlite3.Connection, what: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


def tables(connection: sqlite3.Connection, side: str) -> set[str]:
    rows = connection.execute(
        f"SELECT name FROM {side}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    )
    return {row[0] for row in rows}


def _columns(connection: sqlite3.Connection, side: str, table: str) -> dict[str, int]:
    """Return the columns with their place in the primary key, 0 for none."""
    rows = connection.execute(f"PRAGMA {side}.table_info({_quoted(table)})")
    return {row[1]: row[5] for row in rows}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def beside(live: Path, copy: Path) -> Iterator[sqlite3.Connection]:
    """Open *live*, with *copy* attached under that name; neither is written to."""
    here = f"{live.absolute().as_uri()}?mode=rw" if live.exists() else "file::memory:"
    with closing(sqlite3.connect(here, uri=True, timeout=PATIENCE)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            raise MigratorError(
                f"{live} cannot be read ({error}): stop the application, put the file aside, and "
                f"copy {copy} in its place yourself."
            ) from None
        connection.execute("ATTACH ? AS copy", (uri(copy),))
        yield connection


def uri(copy: Path) -> str:
    """Name *copy* so that it has to be there, and that no file is made beside it."""
    return f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
