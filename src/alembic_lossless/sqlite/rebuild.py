"""The third way: a new table, its rows copied once, and everything that belongs to it restored.

The twelve steps of https://sqlite.org/lang_altertable.html#otheralter, with one turned round: the
*old* table is renamed, first, and the new one made under its own name. Renaming last writes the
name anew (``CREATE TABLE "t"``) and loses the table's statistics; SQLite's page warns against
renaming first because references would follow the name, which ``legacy_alter_table`` prevents.
"""

import sys
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager

from ..errors import MigrationError
from ..quoting import quote
from ..tokens import scan
from .change import TableChange
from .database import Run, SQLiteDatabase
from .parser import ParsedTable, fold
from .rows import rowid_name


@contextmanager
def renamed_aside(db: SQLiteDatabase, name: str, run: Run) -> Iterator[str]:
    """Rename a table without any reference following.

    :param db: where the table is.
    :param name: its name.
    :param run: runs a statement.
    :return: a context manager that gives the new, quoted name.
    """
    aside = f"_alembic_lossless_{name}"
    db.rows("PRAGMA legacy_alter_table = ON")
    try:
        run(f"ALTER TABLE {db.name(name)} RENAME TO {quote(aside)}")
    finally:
        db.rows("PRAGMA legacy_alter_table = OFF")
    yield db.name(aside)


def rebuild(change: TableChange, without: Set[str], run: Run) -> None:
    """Put a table's new form in its place, with the rows, indexes and triggers.

    :param change: the edits.
    :param without: folded names of indexes that are not to come back.
    :param run: runs and records a statement.
    :raises MigrationError: if not every row arrived.
    :raises sqlalchemy.exc.IntegrityError: where a row does not satisfy the new table.
    """
    db, before, after = change.db, change.before, change.after
    name = before.name
    indexes = [sql for n, sql in db.objects("index", name).items() if fold(n) not in without]
    triggers = db.objects("trigger", name).values()
    counter = _counter(db, before)
    with renamed_aside(db, name, run) as old:
        run(f"CREATE TABLE {quote(db.schema)}.{after.text[after.name_start :]}")
        _copy(change, old, run)
        run(f"DROP TABLE {old}")
    for sql in [*indexes, *triggers]:
        run(_in_schema(db, sql))
    if after.autoincrement and counter is not None:
        table = f"{quote(db.schema)}.sqlite_sequence"
        db.rows(f"DELETE FROM {table} WHERE name = ?", name)
        db.rows(f"INSERT INTO {table} (name, seq) VALUES (?, ?)", name, counter)


def _in_schema(db: SQLiteDatabase, sql: str) -> str:
    """Put an index or trigger of an attached database where it was: its text holds no schema."""
    if db.schema == "main":
        return sql
    word = next(t for t in scan(sql) if t.key in ("INDEX", "TRIGGER"))
    return f"{sql[: word.end]} {quote(db.schema)}.{sql[word.end :].lstrip()}"


def _counter(db: SQLiteDatabase, table: ParsedTable) -> int | None:
    """Return where AUTOINCREMENT stands, so that no number is given twice."""
    if not table.autoincrement:
        return None
    query = f"SELECT seq FROM {quote(db.schema)}.sqlite_sequence WHERE name = ?"
    rows = db.rows(query, table.name)
    return int(rows[0][0]) if rows else None


def _copy(change: TableChange, old: str, run: Run) -> None:
    db, before, after = change.db, change.before, change.after
    names = [c.name for c in after.columns if before.column(c.name) and not c.generated]
    into = [quote(name) for name in names]
    source = list(into)
    expected = db.rows(f"SELECT count(*) FROM {old}")[0][0]
    old_rowid, new_rowid = rowid_name(before), rowid_name(after)
    order = f" ORDER BY {old_rowid}" if old_rowid else ""
    if old_rowid and new_rowid and after.rowid_alias is None:
        first = db.rows(f"SELECT min({old_rowid}) FROM {old}")[0][0]
        last = db.rows(f"SELECT max({old_rowid}) FROM {old}")[0][0]
        if (first, last) != (1, expected):  # else they come out as they are, which is faster
            into.append(new_rowid)
            source.append(old_rowid)
    for name in change.numbered:
        into.append(quote(name))
        source.append(f"row_number() OVER ({order})")
    # ABORT overrules an ON CONFLICT of the table that would leave rows out.
    sql = (
        f"INSERT OR ABORT INTO {db.name(after.name)} ({', '.join(into)}) "
        f"SELECT {', '.join(source)} FROM {old}{order}"
    )
    with progress(db, after.name):
        run(sql)
    arrived = db.rows("SELECT changes()")[0][0]
    if expected != arrived:
        raise MigrationError(
            f'Table "{after.name}": {arrived} of {expected} rows arrived in its new form.'
        )


@contextmanager
def progress(db: SQLiteDatabase, table: str) -> Iterator[None]:
    """On a terminal, print every second how long the work on a table has been going on.

    :param db: where the table is.
    :param table: its name.
    :return: a context manager around the work.
    """
    driver = db.driver
    if not sys.stderr.isatty() or not hasattr(driver, "set_progress_handler"):
        yield
        return
    begun = shown = time.monotonic()

    def tell() -> int:
        nonlocal shown
        if time.monotonic() - shown >= 1:
            shown = time.monotonic()
            sys.stderr.write(f"\rRebuilding table {table}: {shown - begun:.0f} s ")
            sys.stderr.flush()
        return 0

    driver.set_progress_handler(tell, 100_000)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
        if shown > begun:
            sys.stderr.write("\n")
