"""The server that rows are moved to: its tables, how rows get in, and out again to be compared."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Connection, CursorResult, inspect, text, types
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError, plural, reason
from ..quoting import quote
from ..schema.own_tables import MOVE_TABLE, is_own
from ..schema.values import Conversion, Misfit, conversion
from .source import BATCH


def run(target: Connection, statement: str, **options: Any) -> CursorResult[*tuple[Any, ...]]:
    """Run *statement* as it is; a per cent sign in it stands for itself."""
    return target.exec_driver_sql(statement, execution_options={"no_parameters": True, **options})


def quoted(target: Connection, *names: str) -> str:
    """Quote *names* for the target, with commas between them."""
    return ", ".join(quote(name, target.dialect.name) for name in names)


def is_postgresql(target: Connection) -> bool:
    """Tell whether the target is PostgreSQL; else it is MySQL or MariaDB."""
    return target.dialect.name == "postgresql"


@dataclass(frozen=True)
class MovedColumn:
    """A column that is moved, as the target has it, and how its values get there.

    A value is as SQLite stores it, never read through the models: what a type of theirs encrypts
    stays as it is.
    """

    name: str
    type: str
    nullable: bool
    conversion: Conversion

    def convert(self, value: Any) -> Any:
        """Return a value of SQLite for the target's driver.

        :raises Misfit: where the column does not hold it.
        """
        if value is not None:
            return self.conversion.convert(value)
        if not self.nullable:
            raise Misfit("is missing (NULL)")
        return None

    def comparable(self, value: Any) -> Any:
        """Return a value that was sent, or read back, in a form that is the same on both sides."""
        comparable = self.conversion.comparable
        return value if value is None or comparable is None else comparable(value)


@dataclass(frozen=True)
class TargetTable:
    """A table that is moved, as the target has it."""

    name: str
    columns: Sequence[MovedColumn]
    #: Its primary key.
    key: Sequence[str]

    def comparable(self, values: Sequence[Any]) -> bytes:
        """Return a row of the target's values in a form that is the same on both sides."""
        row = [
            column.comparable(value)
            for column, value in zip(self.columns, values, strict=True)
            if column.conversion.compared
        ]
        return repr(row).encode("utf-8", "surrogatepass")


def tables(target: Connection) -> list[TargetTable]:
    """Return the target's tables, parents first."""
    inspector = inspect(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a type that SQLAlchemy does not know
        ordered = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
        return [_table(inspector, name, target) for name in ordered if not is_own(name)]


def _table(inspector: Any, name: str, target: Connection) -> TargetTable:
    columns = [c for c in inspector.get_columns(name) if "computed" not in c]
    if not is_postgresql(target):
        # MariaDB's JSON is a text with a CHECK.
        statement = run(target, f"SHOW CREATE TABLE {quoted(target, name)}").one()[1]
        for column in columns:
            if f"json_valid({quoted(target, column['name'])})" in statement:
                column["type"] = JSON()
    key = inspector.get_pk_constraint(name)["constrained_columns"]
    return TargetTable(name, [_moved(column, target) for column in columns], key)


def _moved(column: Any, target: Connection) -> MovedColumn:
    kind = column["type"]
    spelled = "unknown" if isinstance(kind, types.NullType) else kind.compile(target.dialect)
    into = conversion(kind, target.dialect.name)
    return MovedColumn(column["name"], spelled, column["nullable"], into)


def require_unicode(target: Connection) -> None:
    """Make sure that the target holds any text.

    :raises MigrationError: when it does not.
    """
    if is_postgresql(target):
        expected, actual = "UTF8", target.scalar(text("SHOW server_encoding"))
    else:
        expected, actual = "utf8mb4", target.scalar(text("SELECT @@character_set_database"))
    if actual != expected:
        raise MigrationError(
            f"The target stores text in {actual}, which cannot hold every text. Create the "
            f"database with {expected}."
        )


@contextmanager
def emptied(target: Connection, tables: Sequence[TargetTable]) -> Iterator[None]:
    """Empty *tables*, and hold off while they are filled what would change rows or need an order.

    :param target: in a transaction.
    :param tables: the tables to fill.
    :raises MigrationError: where the target cannot be held off, or rows point to none.
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
def _postgresql(target: Connection, tables: Sequence[TargetTable]) -> Iterator[None]:
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
        "has triggers ({}), which would change the rows that are copied. Drop them, and create "
        "them again afterwards"
    ),
    "SELECT table_name FROM information_schema.tables WHERE table_schema = database()"
    " AND table_type = 'BASE TABLE' AND engine <> 'InnoDB'": (
        "has tables ({}) without transactions, which could be left half filled. Make them InnoDB"
    ),
}


@contextmanager
def _mysql(target: Connection, tables: Sequence[TargetTable]) -> Iterator[None]:
    for query, words in _OF_MYSQL.items():
        if names := run(target, query).scalars().all():
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
    """Look for what the server was told not to look for: rows that point to none."""
    columns = [f"c.{quoted(target, name)}" for name in key["constrained_columns"]]
    referred = [f"p.{quoted(target, name)}" for name in key["referred_columns"]]
    on = " AND ".join(f"{a} = {b}" for a, b in zip(columns, referred, strict=True))
    missing = run(
        target,
        f"SELECT count(*) FROM {quoted(target, table)} c"
        f" LEFT JOIN {quoted(target, key['referred_table'])} p ON {on}"
        f" WHERE {' AND '.join(f'{a} IS NOT NULL' for a in columns)} AND {referred[0]} IS NULL",
    ).scalar_one()
    if missing:
        raise MigrationError(
            f"{plural(missing, 'row')} of {table} would point to no row of "
            f"{key['referred_table']} ({key['name']}). Nothing was moved, because the server would "
            "not find this later. Correct these rows in the source, and run the move again."
        )


def send(
    target: Connection,
    table: TargetTable,
    name: str,
    batches: Iterable[Sequence[Sequence[Any]]],
    advance: Callable[[int], None] = lambda rows: None,
) -> None:
    """Send *batches* of rows into the table called *name*, whose columns are those of *table*."""
    into = f"{quoted(target, name)} ({quoted(target, *(column.name for column in table.columns))})"
    if target.dialect.driver == "psycopg":
        driver: Any = target.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as stream:
            for rows in batches:
                for row in rows:
                    stream.write_row(row)
                advance(len(rows))
        return
    if target.dialect.paramstyle == "numeric_dollar":
        marks = ", ".join(f"${number}" for number in range(1, len(table.columns) + 1))
    else:
        marks, into = ", ".join(["%s"] * len(table.columns)), into.replace("%", "%%")
    with closing(target.connection.cursor()) as cursor:
        for rows in batches:
            cursor.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)
            advance(len(rows))


def read(target: Connection, table: TargetTable) -> Iterator[Sequence[Any]]:
    """Yield the rows of the target's *table*, in batches."""
    columns = ", ".join(
        quoted(target, column.name) + ("::text" if column.conversion.as_text else "")
        for column in table.columns
    )
    query = f"SELECT {columns} FROM {quoted(target, table.name)}"
    yield from run(target, query, stream_results=True, max_row_buffer=BATCH).partitions(BATCH)


def set_counters(
    target: Connection, tables: Sequence[TargetTable], highest: dict[str, int]
) -> None:
    """Let PostgreSQL give the next row a number that no row has, or had."""
    for table in tables if is_postgresql(target) else ():
        for column in inspect(target).get_columns(table.name):
            if sequence := _sequence(target, table.name, column):
                most = f"SELECT max({quoted(target, column['name'])}) FROM "
                last = run(target, most + quoted(target, table.name)).scalar()
                value = max(last or 0, highest.get(table.name, 0))
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


def commit(target: Connection, highest: dict[str, int]) -> None:
    """Let everybody see the rows, and drop the table that says that a move is not finished."""
    if not is_postgresql(target):
        # What follows would end the transaction of itself.
        target.commit()
        for table, number in highest.items():
            # InnoDB knows the highest number there is, but not of rows that are gone.
            run(target, f"ALTER TABLE {quoted(target, table)} AUTO_INCREMENT = {number + 1}")
    run(target, f"DROP TABLE {MOVE_TABLE}")
    target.commit()


def server_failed(error: DBAPIError) -> MigrationError:
    """Return the error to raise where the server could not go on, whatever the rows are."""
    return MigrationError(
        f"The target failed: {reason(error)}. Nothing was moved. Run the move again."
    )
