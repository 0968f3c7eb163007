"""How rows get into PostgreSQL and MySQL/MariaDB, and out again to be compared."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, inspect, text

from ..errors import MigrationError, plural
from ..schema.own_tables import MOVE_TABLE
from .rows import Table
from .source import BATCH
from .statements import is_postgresql, quoted, run


def require_unicode(target: Connection) -> None:
    """Make sure that the target holds any text.

    :raises MigrationError: when it does not.
    """
    if is_postgresql(target):
        wanted, found = "UTF8", target.scalar(text("SHOW server_encoding"))
    else:
        wanted, found = "utf8mb4", target.scalar(text("SELECT @@character_set_database"))
    if found != wanted:
        raise MigrationError(
            f"The target keeps text in {found}, which cannot hold every text: make the database "
            f"with {wanted}."
        )


@contextmanager
def emptied(target: Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Empty *tables*, and keep away while they are filled what would change rows or want an order.

    :raises MigrationError: where the target cannot be kept from that, or rows point to nothing.
    """
    with (_postgresql if is_postgresql(target) else _mysql)(target, tables):
        yield


_LOOPS = """
SELECT format('ALTER TABLE %s ALTER CONSTRAINT %I ', conrelid::regclass, conname)
FROM pg_constraint WHERE contype = 'f' AND NOT condeferrable AND conname = ANY (:names)
AND connamespace = current_schema()::regnamespace
"""
_TRIGGERS = """
SELECT format('ALTER TABLE %s ', tgrelid::regclass),
  CASE tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, format(' TRIGGER %I', tgname)
FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')
AND relnamespace = current_schema()::regnamespace
"""


@contextmanager
def _postgresql(target: Connection, tables: Sequence[Table]) -> Iterator[None]:
    run(target, "SET LOCAL TIME ZONE 'UTC'")
    # Keys in a circle have no order; these are held when all rows are there.
    loops = inspect(target).get_sorted_table_and_fkc_names()[-1][1]
    names = [key[-1] for key in loops]
    later = target.scalars(text(_LOOPS), {"names": names}).all()
    triggers = target.execute(text(_TRIGGERS)).all()
    for alter in later:
        run(target, f"{alter} DEFERRABLE INITIALLY DEFERRED")
    for table, _, trigger in triggers:
        run(target, f"{table} DISABLE {trigger}")
    if tables:
        run(target, f"TRUNCATE {quoted(target, *(table.name for table in tables))}")
    run(target, "SET CONSTRAINTS ALL DEFERRED")
    yield
    run(target, "SET CONSTRAINTS ALL IMMEDIATE")
    for alter in later:
        run(target, f"{alter} NOT DEFERRABLE")
    for table, enable, trigger in triggers:
        run(target, f"{table} {enable} {trigger}")


_OF_MYSQL = {
    "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = database()"
    " AND event_manipulation = 'INSERT'": (
        "has triggers ({}) that would change what is copied, and no way to hold them off: drop "
        "them, and make them again afterwards"
    ),
    "SELECT table_name FROM information_schema.tables WHERE table_schema = database()"
    " AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'": (
        "has tables ({}) without transactions, which could be left half filled: make them InnoDB"
    ),
}


@contextmanager
def _mysql(target: Connection, tables: Sequence[Table]) -> Iterator[None]:
    for question, words in _OF_MYSQL.items():
        if names := run(target, question).scalars().all():
            raise MigrationError(f"The target {words.format(', '.join(names))}.")
    # Rather refuse than change a value; a key may be 0; a TIMESTAMP without a zone is UTC.
    run(
        target,
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00',"
        " foreign_key_checks = 0",
    )
    for table in tables:
        run(target, f"DELETE FROM {quoted(target, table.name)}")
    yield
    for table in tables:
        for key in inspect(target).get_foreign_keys(table.name):
            _require_parents(target, table.name, key)


def _require_parents(target: Connection, table: str, key: Any) -> None:
    """Look for what the server was told not to look for: rows that point to nothing."""
    here = [f"c.{quoted(target, name)}" for name in key["constrained_columns"]]
    there = [f"p.{quoted(target, name)}" for name in key["referred_columns"]]
    on = " AND ".join(f"{a} = {b}" for a, b in zip(here, there, strict=True))
    missing = run(
        target,
        f"SELECT count(*) FROM {quoted(target, table)} c"
        f" LEFT JOIN {quoted(target, key['referred_table'])} p ON {on}"
        f" WHERE {' AND '.join(f'{a} IS NOT NULL' for a in here)} AND {there[0]} IS NULL",
    ).scalar_one()
    if missing:
        raise MigrationError(
            f"{plural(missing, 'row')} of {table} would point to no row of {key['referred_table']} "
            f"({key['name']}), so nothing was moved."
        )


def send(
    target: Connection,
    table: Table,
    name: str,
    batches: Iterable[Sequence[Sequence[Any]]],
    advance: Callable[[int], None] = lambda rows: None,
) -> None:
    """Send *batches* of rows into the table called *name*, whose columns are those of *table*."""
    into = f"{quoted(target, name)} ({quoted(target, *(field.name for field in table.fields))})"
    driver: Any = target.connection.driver_connection
    with driver.cursor() as cursor:
        if is_postgresql(target):
            with cursor.copy(f"COPY {into} FROM STDIN") as stream:
                for rows in batches:
                    for row in rows:
                        stream.write_row(row)
                    advance(len(rows))
            return
        marks = ", ".join(["%s"] * len(table.fields))
        insert = f"INSERT INTO {into.replace('%', '%%')} VALUES ({marks})"
        for rows in batches:
            cursor.executemany(insert, rows)
            advance(len(rows))


def read(target: Connection, table: Table) -> Iterator[Sequence[Any]]:
    """Give what the target's *table* holds, in batches."""
    columns = ", ".join(
        quoted(target, field.name) + "::text" * field.as_text for field in table.fields
    )
    query = f"SELECT {columns} FROM {quoted(target, table.name)}"
    yield from run(target, query, stream_results=True, max_row_buffer=BATCH).partitions(BATCH)


def set_counters(target: Connection, tables: Sequence[Table], given: dict[str, int]) -> None:
    """Let PostgreSQL give the next row a number that no row has, or had."""
    for table in tables if is_postgresql(target) else ():
        for column in inspect(target).get_columns(table.name):
            if sequence := _sequence(target, table.name, column):
                most = f"SELECT max({quoted(target, column['name'])}) FROM "
                highest = run(target, most + quoted(target, table.name)).scalar()
                value = max(highest or 0, given.get(table.name, 0))
                if value > 0:
                    numbers = {"sequence": sequence, "value": value}
                    target.execute(text("SELECT setval(:sequence, :value)"), numbers)


def _sequence(target: Connection, table: str, column: Any) -> str | None:
    default = column["default"] or ""
    if "identity" not in column and not default.startswith("nextval("):
        return None
    owned = target.scalar(
        text("SELECT pg_get_serial_sequence(quote_ident(:table), :column)"),
        {"table": table, "column": column["name"]},
    )
    return str(owned or default.split("'")[1])


def commit(target: Connection, given: dict[str, int]) -> None:
    """Let everybody see the rows, and take the mark away."""
    if not is_postgresql(target):
        # What follows would end the transaction of itself.
        target.commit()
        for table, highest in given.items():
            # InnoDB knows the highest number there is, but not of rows that are gone.
            run(target, f"ALTER TABLE {quoted(target, table)} AUTO_INCREMENT = {highest + 1}")
    run(target, f"DROP TABLE {MOVE_TABLE}")
    target.commit()
