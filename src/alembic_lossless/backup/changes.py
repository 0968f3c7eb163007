"""What happened to a SQLite database since a copy of it was made."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import MigrationError, plural
from ..schema.own_tables import without_own

#: Seconds to wait for another writer.
PATIENCE = 30


@dataclass(frozen=True)
class Change:
    """What bringing the copy back would do to one table: what would be lost, what comes back."""

    table: str
    lost: list[str]
    back: list[str]


def changes(live: Path, copy: Path) -> list[Change]:
    """Compare the database *live* with its *copy*, table by table.

    Rows are told apart by their primary key; without one, a changed row counts as one that was
    added and one that is gone.
    """
    with beside(live, copy) as connection:
        now, then = tables(connection, "main"), tables(connection, "copy")
        found = [_change(connection, table, now, then) for table in sorted(without_own(now | then))]
    return [change for change in found if change.lost or change.back]


def _change(connection: sqlite3.Connection, table: str, now: set[str], then: set[str]) -> Change:
    name = _quoted(table)
    if table not in then:
        rows = _one(connection, f"main.{name}")
        kept = any(_same_rows(connection, name, _quoted(other)) for other in then - now)
        lost = [f"{table}: the table, {plural(rows, 'row')}"] * bool(rows and not kept)
        return Change(table, lost, [])
    if table not in now:
        rows = _one(connection, f"copy.{name}")
        return Change(table, [], [f"{table}: the table, {plural(rows, 'row')}"])
    here, there = _columns(connection, "main", name), _columns(connection, "copy", name)
    common = [column for column in here if column in there]
    added, changed, gone = _rows(connection, name, common, here, there)
    lost = [
        f"{table}: {plural(number, 'row')} {word}"
        for number, word in ((added, "added since"), (changed, "changed since"))
        if number
    ]
    gone_columns = [column for column in there if column not in here]
    on = _on(common, here, there)
    for column in here:
        if column not in there:
            values = _one(connection, f"main.{name} WHERE {_quoted(column)} IS NOT NULL")
            kept = any(_same_values(connection, name, on, column, old) for old in gone_columns)
            lost += [f"{table}.{column}: the column, {plural(values, 'value')}"] * bool(
                values and not kept
            )
    back = [f"{table}: {plural(gone, 'row')}"] * bool(gone)
    back += [f"{table}.{column}: the column" for column in gone_columns]
    return Change(table, lost, back)


def _same_rows(connection: sqlite3.Connection, table: str, other: str) -> bool:
    """Tell whether *other* in the copy holds what *table* holds: it was renamed."""
    here, there = f"main.{table}", f"copy.{other}"
    if list(_columns(connection, "main", table)) != list(_columns(connection, "copy", other)):
        return False
    if _one(connection, here) != _one(connection, there):
        return False
    return not _one(connection, f"(SELECT * FROM {here} EXCEPT SELECT * FROM {there})")


def _same_values(
    connection: sqlite3.Connection, table: str, on: str, column: str, old: str
) -> bool:
    """Tell whether each row has in *old* of the copy what it has in *column*: it was renamed."""
    rows = f"main.{table} a LEFT JOIN copy.{table} b ON {on}"
    differ = f"a.{_quoted(column)} IS NOT b.{_quoted(old)}"
    return bool(on) and not _one(connection, f"{rows} WHERE {differ}")


def _rows(
    connection: sqlite3.Connection,
    name: str,
    common: list[str],
    here: dict[str, int],
    there: dict[str, int],
) -> tuple[int, int, int]:
    """Count the rows that were added, changed and deleted since."""
    if on := _on(common, here, there):
        other = " OR ".join(f"a.{_quoted(c)} IS NOT b.{_quoted(c)}" for c in common)
        lone = "{0}.{2} a WHERE NOT EXISTS (SELECT 1 FROM {1}.{2} b WHERE {3})"
        changed = _one(connection, f"main.{name} a JOIN copy.{name} b ON {on} WHERE {other}")
        return (
            _one(connection, lone.format("main", "copy", name, on)),
            changed,
            _one(connection, lone.format("copy", "main", name, on)),
        )
    columns = ", ".join(map(_quoted, common))
    lone = f"(SELECT {columns} FROM {{}}.{name} EXCEPT SELECT {columns} FROM {{}}.{name})"
    added, gone = lone.format("main", "copy"), lone.format("copy", "main")
    return _one(connection, added), 0, _one(connection, gone)


def _on(common: list[str], here: dict[str, int], there: dict[str, int]) -> str:
    """Return the condition for a row being the same one; empty where there is no key for it."""
    key = [column for column in common if here[column]]
    whole = len(key) == sum(map(bool, here.values())) == sum(map(bool, there.values()))
    return " AND ".join(f"a.{_quoted(c)} IS b.{_quoted(c)}" for c in key) if whole else ""


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
    rows = connection.execute(f"PRAGMA {side}.table_info({table})")
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
            raise MigrationError(
                f"{live} cannot be read ({error}): stop the application, put the file aside, and "
                f"copy {copy} in its place yourself."
            ) from None
        connection.execute("ATTACH ? AS copy", (uri(copy),))
        yield connection


def uri(copy: Path) -> str:
    """Name *copy* so that it has to be there, and that no file is made beside it."""
    return f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
