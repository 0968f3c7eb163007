"""What restoring a backup of a SQLite database would lose, and what it would bring back."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import MigrationError, plural
from ..quoting import quote
from ..schema.own_tables import without_own

#: Seconds to wait for another process that writes.
PATIENCE = 30


@dataclass(frozen=True)
class TableChanges:
    """What restoring the backup would do to one table, a line for each loss and each return."""

    table: str
    lost: list[str]
    restored: list[str]


def changes(live: Path, backup: Path) -> list[TableChanges]:
    """Compare the database *live* with its *backup*, table by table.

    Rows are told apart by their primary key; without one, a changed row counts as one that was
    added and one that was deleted.

    :param live: the database's file.
    :param backup: the backup's file.
    :return: the tables that restoring would change.
    :raises MigrationError: where *live* cannot be read.
    """
    with attached(live, backup) as connection:
        now, then = tables(connection, "main"), tables(connection, "backup")
        names = sorted(without_own(now | then))
        compared = [_table_changes(connection, name, now, then) for name in names]
    return [table for table in compared if table.lost or table.restored]


def _table_changes(
    connection: sqlite3.Connection, table: str, now: set[str], then: set[str]
) -> TableChanges:
    name = quote(table)
    if table not in then:
        rows = _count(connection, f"main.{name}")
        renamed = any(_same_rows(connection, name, quote(old)) for old in then - now)
        if not rows or renamed:
            return TableChanges(table, [], [])
        return TableChanges(table, [f"{table}: the table, {plural(rows, 'row')}"], [])
    if table not in now:
        rows = _count(connection, f"backup.{name}")
        return TableChanges(table, [], [f"{table}: the table, {plural(rows, 'row')}"])
    columns_now = _columns(connection, "main", name)
    columns_then = _columns(connection, "backup", name)
    common = [column for column in columns_now if column in columns_then]
    same_row = _same_row(common, columns_now, columns_then)
    added, changed, deleted = _rows(connection, name, common, same_row)
    lost = [
        f"{table}: {plural(number, 'row')} {word} since"
        for number, word in ((added, "added"), (changed, "changed"))
        if number
    ]
    dropped = [column for column in columns_then if column not in columns_now]
    for column in columns_now:
        if column in columns_then:
            continue
        values = _count(connection, f"main.{name} WHERE {quote(column)} IS NOT NULL")
        renamed = any(_same_values(connection, name, same_row, column, old) for old in dropped)
        if values and not renamed:
            lost.append(f"{table}.{column}: the column, {plural(values, 'value')}")
    restored = [f"{table}: {plural(deleted, 'row')}"] if deleted else []
    restored += [f"{table}.{column}: the column" for column in dropped]
    return TableChanges(table, lost, restored)


def _same_rows(connection: sqlite3.Connection, table: str, old: str) -> bool:
    """Tell whether *old* in the backup holds what *table* holds: it was renamed."""
    now, then = f"main.{table}", f"backup.{old}"
    if list(_columns(connection, "main", table)) != list(_columns(connection, "backup", old)):
        return False
    if _count(connection, now) != _count(connection, then):
        return False
    return not _count(connection, f"(SELECT * FROM {now} EXCEPT SELECT * FROM {then})")


def _same_values(
    connection: sqlite3.Connection, table: str, same_row: str, column: str, old: str
) -> bool:
    """Tell whether each row has in *old* of the backup what it has in *column*: it was renamed."""
    rows = f"main.{table} a LEFT JOIN backup.{table} b ON {same_row}"
    differ = f"a.{quote(column)} IS NOT b.{quote(old)}"
    return bool(same_row) and not _count(connection, f"{rows} WHERE {differ}")


def _rows(
    connection: sqlite3.Connection, name: str, common: list[str], same_row: str
) -> tuple[int, int, int]:
    """Count the rows that were added, changed and deleted since."""
    if same_row:
        differ = " OR ".join(f"a.{quote(c)} IS NOT b.{quote(c)}" for c in common)
        only = "{0}.{2} a WHERE NOT EXISTS (SELECT 1 FROM {1}.{2} b WHERE {3})"
        both = f"main.{name} a JOIN backup.{name} b ON {same_row} WHERE {differ}"
        return (
            _count(connection, only.format("main", "backup", name, same_row)),
            _count(connection, both),
            _count(connection, only.format("backup", "main", name, same_row)),
        )
    columns = ", ".join(map(quote, common))
    only = f"(SELECT {columns} FROM {{}}.{name} EXCEPT SELECT {columns} FROM {{}}.{name})"
    added, deleted = only.format("main", "backup"), only.format("backup", "main")
    return _count(connection, added), 0, _count(connection, deleted)


def _same_row(common: list[str], now: dict[str, int], then: dict[str, int]) -> str:
    """Return the condition for a row being the same one; empty where no primary key tells."""
    key = [column for column in common if now[column]]
    whole = len(key) == sum(map(bool, now.values())) == sum(map(bool, then.values()))
    return " AND ".join(f"a.{quote(c)} IS b.{quote(c)}" for c in key) if whole else ""


def _count(connection: sqlite3.Connection, what: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


def tables(connection: sqlite3.Connection, schema: str) -> set[str]:
    """Name the tables of *schema*, ``main`` or ``backup``, but SQLite's own and virtual ones."""
    rows = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = ? AND type = 'table'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        (schema,),
    )
    return {row[0] for row in rows}


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> dict[str, int]:
    """Return the columns with their place in the primary key, 0 for none."""
    rows = connection.execute(f"PRAGMA {schema}.table_info({table})")
    return {row[1]: row[5] for row in rows}


@contextmanager
def attached(live: Path, backup: Path) -> Iterator[sqlite3.Connection]:
    """Open *live*, with *backup* attached as ``backup``; neither is written to.

    :raises MigrationError: where *live* cannot be read.
    """
    uri = f"{live.absolute().as_uri()}?mode=rw" if live.exists() else "file::memory:"
    with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            raise MigrationError(
                f"{live} cannot be read ({error}), so it cannot be compared with its backup. Stop "
                f"the application, move the file away, and copy {backup} to its place yourself."
            ) from None
        connection.execute("ATTACH ? AS backup", (read_only_uri(backup),))
        yield connection


def read_only_uri(backup: Path) -> str:
    """Return the URI of *backup* for SQLite: the file has to exist, and none is made beside it."""
    return f"{backup.absolute().as_uri()}?mode=ro&immutable=1"
