"""Fixture rows: for every table rows that its constraints allow, odd values among them.

Only the database can say which rows it takes, a CHECK's above all: rows are found by inserting
them. A table's first row has the ordinary value of each column; the next ones have in one column
each a value that breaks migrations.
"""

import itertools
import re
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, Table, types
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import sort_tables_and_constraints

from ..errors import reason
from ..quoting import qualified
from ..schema.own_tables import is_own
from ..schema.sqlite import virtual_tables
from ..sqlite import parser

#: How many rows are tried before a table is given up.
ATTEMPTS = 2000

Row = dict[str, Any]


#: A day that not every year has, in a second that not every type holds.
_DAY = datetime(2024, 2, 29, 7, 8, 9)
#: For types that SQLAlchemy has no Python values for: a text that the server reads.
_TEXTS = {
    "INET": "127.0.0.1",
    "CIDR": "10.0.0.0/8",
    "MACADDR": "08:00:2b:01:02:03",
    "MACADDR8": "08:00:2b:01:02:03:04:05",
    "TSVECTOR": "a word",
    "TSQUERY": "word",
    "HSTORE": "a=>1",
    "YEAR": "2024",
    "MONEY": "1.50",
    "OID": "1",
    "XML": "<a/>",
    "POINT": "(0,0)",
    "INT4RANGE": "[1,5)",
    "INT8RANGE": "[1,5)",
    "NUMRANGE": "[1.5,5)",
    "DATERANGE": "[2024-01-01,2024-02-01)",
    "TSRANGE": "[2024-01-01,2024-02-01)",
    "TSTZRANGE": "[2024-01-01,2024-02-01)",
}
_GUESSES = ("", "1", "{}", "a", "127.0.0.1", "2024-02-29", "POINT(0 0)")


def candidates(type_: types.TypeEngine[Any]) -> list[Any]:
    """Return values for a column of *type_*, an ordinary one first, without NULL."""
    if isinstance(type_, postgresql.DOMAIN):
        return candidates(type_.data_type)
    if isinstance(type_, sa.ARRAY):
        return [candidates(type_.item_type)[:2], []]
    if isinstance(type_, sa.Enum) and type_.enums:
        return list(type_.enums)
    if isinstance(type_, mysql.SET):
        return [{type_.values[0]}, set(), set(type_.values)]
    for kind, generate in _VALUES:
        if isinstance(type_, kind):
            return (
                list(dict.fromkeys(generate(type_)))
                if kind is not sa.JSON
                else list(generate(type_))
            )
    known = _TEXTS.get(type_.__visit_name__.upper())
    if isinstance(type_, postgresql.BIT):
        known = "1" * (type_.length or 1)
    texts = [known] if known else _GUESSES
    return [sa.literal_column("'" + text + "'") for text in texts]


def _integers(type_: Any) -> Iterator[int]:
    name = type_.__visit_name__.upper()
    bits = {"BIGINT": 63, "SMALLINT": 15, "TINYINT": 7, "MEDIUMINT": 23}.get(name, 31)
    unsigned = getattr(type_, "unsigned", False)
    yield from (7, 0, 2 ** (bits + unsigned) - 1)
    if not unsigned:
        yield from (-1, -(2**bits))


def _numbers(type_: Any) -> Iterator[Any]:
    if isinstance(type_, sa.Float):
        yield from (1.5, 0.0, -1.5, 3e37, 1e-30)
        return
    scale = type_.scale or 0
    whole = (type_.precision or 18) - scale
    smallest = Decimal(1).scaleb(-scale)
    most = Decimal(10) ** whole - smallest
    yield from (min(Decimal("7.5").quantize(smallest), most), Decimal(0), most, -most, smallest)


def _texts(type_: Any) -> Iterator[str]:
    length = type_.length
    texts = ["x9", "", "007", "12", " Ada ", 'It\'s 100% \\ "so"', "ÅDA", "åda"]
    yield from (text[:length] for text in texts)
    if length is None:
        yield from ("x" * 65535, "ä" * 255)
    else:
        yield from ("ä" * min(length, 65535), "x" * min(length, 65535))


def _bytes(type_: Any) -> Iterator[bytes]:
    length = getattr(type_, "length", None)
    yield from (b"\x00\xff"[:length], b"", b"\xff" * min(length or 1000, 65535))


#: Looked through in this order: a Boolean or a Float is more than its base.
_VALUES: list[tuple[Any, Any]] = [
    (sa.Boolean, lambda _: (True, False)),
    (mysql.BIT, lambda _: (1, 0)),
    (sa.Integer, _integers),
    ((sa.Numeric, sa.Float), _numbers),
    (sa.JSON, lambda _: ({"a": [1, None]}, {}, [], "ä")),
    (sa.Uuid, lambda _: (UUID(int=7), UUID(int=0), UUID(int=2**128 - 1))),
    (sa.String, _texts),
    (
        sa.DateTime,
        # The second within a microsecond, the year 2038 as MySQL's TIMESTAMP ends.
        lambda _: (
            _DAY,
            _DAY.replace(microsecond=123456),
            datetime(1970, 1, 2),
            datetime(2037, 1, 1),
        ),
    ),
    (sa.Date, lambda _: (_DAY.date(), date(1000, 1, 1), date(9999, 12, 31))),
    (sa.Time, lambda _: (_DAY.time(), time(0), time(23, 59, 59))),
    (
        (sa.Interval, postgresql.INTERVAL),
        lambda _: (timedelta(hours=1), timedelta(0), timedelta(days=400)),
    ),
    (types._Binary, _bytes),
]


def numbered_value(type_: types.TypeEngine[Any], number: int) -> Any:
    """Return another value for each *number*; of a type with few values they come again."""
    if isinstance(type_, postgresql.DOMAIN):
        return numbered_value(type_.data_type, number)
    if isinstance(type_, sa.Enum | sa.Boolean):
        values = candidates(type_)
        return values[number % len(values)]
    if isinstance(type_, sa.Integer | sa.Numeric | sa.Float):
        return number + 1
    if isinstance(type_, sa.Uuid):
        return UUID(int=number + 1000)
    if isinstance(type_, sa.String):
        return f"{number:x}" if (type_.length or 9) < 5 else f"x{number}"
    if isinstance(type_, sa.DateTime):
        return _DAY + timedelta(days=number)
    if isinstance(type_, sa.Date):
        return _DAY.date() + timedelta(days=number)
    if isinstance(type_, sa.Time):
        return (_DAY + timedelta(seconds=number)).time()
    if isinstance(type_, types._Binary):
        return number.to_bytes(min(getattr(type_, "length", None) or 4, 4), "big")
    return candidates(type_)[number % len(candidates(type_))]


_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])-?\d+(?:\.\d+)?")


def literals(check: str, type_: types.TypeEngine[Any]) -> list[Any]:
    """Return values for a column of *type_* that *check*, a condition as text, makes likely."""
    likely: list[Any] = []
    if "json" in check.lower() and isinstance(type_, sa.String):
        likely += ['{"a": [1, null]}', "{}", "[]"]
    for match in _LITERAL.finditer(check):
        if match[1] is not None:
            text = match[1].replace("''", "'")
            likely += (
                [text, text.strip("^$%")] if isinstance(type_, sa.String) else _parsed(type_, text)
            )
        elif isinstance(type_, sa.String):
            size = min(abs(int(float(match[0]))), 1000)
            likely += [letter * n for n in (size, size + 1) for letter in ("x", "1", "A")]
        elif isinstance(type_, sa.Integer | sa.Numeric | sa.Float) and not isinstance(
            type_, sa.Boolean
        ):
            number = Decimal(match[0])
            near = [number, number + 1, number - 1]
            likely += [int(n) if isinstance(type_, sa.Integer) else n for n in near]
    return list(dict.fromkeys(likely))


def _parsed(type_: types.TypeEngine[Any], text: str) -> list[Any]:
    try:
        if isinstance(type_, sa.DateTime):
            day = datetime.fromisoformat(text)
        elif isinstance(type_, sa.Date):
            return [date.fromisoformat(text) + timedelta(days=n) for n in (0, 1, -1)]
        elif isinstance(type_, sa.Integer):
            return [int(text)]
        else:
            return []
    except (ValueError, OverflowError):
        return []
    return [day + timedelta(days=n) for n in (0, 1, -1)]


@dataclass
class TableFixture:
    """Inserts fixture rows into one table."""

    connection: Connection
    table: Table
    #: The rows of the tables filled before, which foreign keys point to.
    parents: dict[str, list[Row]]
    #: Foreign keys of a circle, which are set when all rows are inserted.
    later: set[ForeignKeyConstraint]
    #: How many rows were tried.
    number: int = 0
    #: Values that every row needs, as was found out.
    chosen: Row = field(default_factory=dict)
    #: Why the last row was refused.
    error: str = ""

    def __post_init__(self) -> None:
        table = self.table
        self.statement = table.insert().inline()
        self.columns = [c for c in table.columns if not c.computed and not _always_generated(c)]
        dialect = self.connection.dialect.name
        self.numbered = {c.key for c in self.columns if is_numbered(c, dialect)}
        self.checks, uniques = _conditions(self.connection, table)
        indexes = [[c.key for c in index.columns] for index in table.indexes if index.unique]
        unique = [list(table.primary_key.columns.keys()), *uniques, *indexes]
        self.unique = [columns for columns in unique if columns]
        self.keys = [key for key in table.foreign_key_constraints if key not in self.later]
        self.keyed = {c.key for key in table.foreign_key_constraints for c in key.columns}
        self.values = {c.key: self._values(c) for c in self.columns}
        self.mentioned = {name: self._mentioned(text) for name, text in self.checks}

    def _values(self, column: Any) -> list[Any]:
        likely = [
            value
            for _, text in self.checks
            if re.search(rf"\b{re.escape(column.name)}\b", text, re.IGNORECASE)
            for value in literals(text, column.type)
        ]
        usual = candidates(column.type)
        guessed = len(usual) > 1 and isinstance(usual[0], sa.ColumnElement)
        return [*likely, *([None] if guessed and column.nullable else []), *usual]

    def _mentioned(self, text: str) -> list[str]:
        return [
            c.key
            for c in self.columns
            if re.search(rf"\b{re.escape(c.name)}\b", text, re.IGNORECASE)
        ]

    def row(self) -> Row | None:
        """Return the next row as the constraints would have it; None where a parent is missing."""
        row: Row = {}
        for column in self.columns:
            if column.key not in self.numbered:
                row[column.key] = self.chosen.get(column.key, self.values[column.key][0])
        for key in self.later:
            row.update(dict.fromkeys(c.key for c in key.columns if c.nullable))
        for columns in self.unique:
            free = [c for c in columns if c in row and c not in self.keyed | self.chosen.keys()]
            for name in free[:1]:
                row[name] = numbered_value(self.table.c[name].type, self.number)
        stride = 1
        pointing: set[str] = set()
        for key in self.keys:
            names = [c.key for c in key.columns]
            parents = self._parents(key, {name: row[name] for name in names if name in pointing})
            if not parents and not all(c.nullable for c in key.columns):
                self.error = f"there is no row of {key.referred_table.name} to point to"
                return None
            parent = parents[(self.number // stride) % len(parents)] if parents else {}
            for name, element in zip(names, key.elements, strict=True):
                row[name] = parent.get(element.column.key)
            pointing |= set(names)
            if any(set(names) & set(unique) and len(unique) > len(names) for unique in self.unique):
                stride *= max(len(parents), 1)
        return row

    def _parents(self, key: ForeignKeyConstraint, fixed: Row) -> list[Row]:
        pairs = [(c.key, e.column.key) for c, e in zip(key.columns, key.elements, strict=True)]
        return [
            parent
            for parent in self.parents.get(key.referred_table.key, [])
            if all(parent[referred] is not None for _, referred in pairs)
            and all(parent[referred] == fixed[name] for name, referred in pairs if name in fixed)
        ]

    def insert(self, special: Row | None = None, without: str = "") -> bool:
        """Insert the next row, with *special* values; tell whether the database took it."""
        self.number += 1
        row = self.row()
        if row is None:
            return False
        row.update(special or {})
        row.pop(without, None)
        try:
            with attempt(self.connection):
                self.connection.execute(self.statement.values(row))
        except (SQLAlchemyError, OverflowError, ValueError, TypeError) as error:
            self.error = reason(error)
            return False
        return True

    def insert_first(self) -> bool:
        """Find values that the table takes, and insert them; tell whether there are any."""
        if self.insert():
            return True
        attempts: dict[str, Iterator[Row]] = {}
        for _ in range(ATTEMPTS):
            check = next((name for name in self.mentioned if name in self.error), "")
            if check not in attempts:
                attempts[check] = self._combinations(self.mentioned.get(check) or self._suspects())
            try:
                self.chosen |= next(attempts[check])
            except StopIteration:
                return False
            if self.insert():
                return True
        return False

    def _suspects(self) -> list[str]:
        """Return the columns that may be the cause where the error names no CHECK."""
        if self.numbered and "null" in self.error.lower():
            self.numbered = set()  # WITHOUT ROWID numbers no rows by itself
        checked = {name for names in self.mentioned.values() for name in names}
        guessed = {
            name for name, values in self.values.items() if isinstance(values[0], sa.ColumnElement)
        }
        unique = {name for columns in self.unique for name in columns}
        return sorted(checked | guessed) or [c.key for c in self.columns if c.key not in unique]

    def _combinations(self, names: Sequence[str]) -> Iterator[Row]:
        free = [n for n in names if n not in self.keyed and n not in self.numbered]
        for values in itertools.product(*(self.values[name] for name in free)):
            yield dict(zip(free, values, strict=True))

    def insert_variations(self) -> None:
        """Insert each column's further values, NULL among them, and the same row again."""
        for _ in range(5):
            self.insert()
        for column in self.columns:
            if column.nullable and not column.primary_key:
                self.insert({column.key: None})
            if column.key in self.keyed or column.primary_key:
                continue
            if column.server_default is not None:
                self.insert(without=column.key)
            for value in self.values[column.key]:
                self.insert({column.key: value})
        self.insert({c.key: None for c in self.columns if c.nullable and not c.primary_key})
        for columns in self.unique:
            self._repeat([c for c in columns if c not in self.keyed | self.numbered], len(columns))

    def _repeat(self, names: Sequence[str], together: int) -> None:
        """Repeat a value in each of *names* that is unique only *together* with other columns."""
        for name in names if together > 1 else ():
            second = next((c for c in names if c != name), name)
            for _ in range(3):
                value = numbered_value(self.table.c[second].type, self.number + 1)
                self.insert({second: value, name: self.values[name][0]})


@contextmanager
def attempt(connection: Connection) -> Iterator[None]:
    """Run a statement that may fail: on PostgreSQL a failure would end the transaction."""
    if connection.dialect.name != "postgresql":
        yield
        return
    with connection.begin_nested():
        yield


def _conditions(
    connection: Connection, table: Table
) -> tuple[list[tuple[str, str]], list[list[str]]]:
    """Return what an error calls each CHECK of *table* and its condition; and what is unique."""
    checks = [c for c in table.constraints if isinstance(c, sa.CheckConstraint)]
    named = [(str(c.name or c.sqltext), str(c.sqltext)) for c in checks]
    unique = [
        list(c.columns.keys()) for c in table.constraints if isinstance(c, sa.UniqueConstraint)
    ]
    if connection.dialect.name == "sqlite":  # SQLAlchemy misses some that have no name
        query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
        sql = connection.scalar(query, {"name": table.name})
        written = list(parser.parse(sql).all_constraints()) if sql else []
        named = [(c.name or c.expression, c.expression) for c in written if c.kind == "check"]
        unique = [list(c.columns) for c in written if c.kind == "unique"]
    elif getattr(connection.dialect, "is_mariadb", False):  # and those written at their column
        query = sa.text(
            "SELECT constraint_name, check_clause FROM information_schema.check_constraints"
            " WHERE constraint_schema = database() AND table_name = :name"
        )
        named = [(row[0], row[1]) for row in connection.execute(query, {"name": table.name})]
    return named, unique


def _always_generated(column: Any) -> bool:
    return bool(column.identity and column.identity.always)


def is_numbered(column: Any, dialect: str) -> bool:
    """Tell whether the database numbers *column* itself; its counter must not lag behind."""
    alone = column.primary_key and len(column.table.primary_key.columns) == 1
    if not alone or not isinstance(column.type, sa.Integer) or column.foreign_keys:
        return False
    if dialect == "sqlite":
        return column.type.__visit_name__ == "INTEGER"
    return column.autoincrement is True or bool(column.identity or column.server_default)


def fill(
    connection: Connection, metadata: MetaData, left_out: Collection[str] = ()
) -> dict[str, str]:
    """Insert fixture rows into every table of *metadata*, and commit them.

    :param connection: to the scratch database.
    :param metadata: its tables, from :func:`reflect`.
    :param left_out: tables that get none.
    :return: the tables without a fixture row, each with the last error.
    """
    without = dict.fromkeys(left_out, "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what this database stores in its own way
        while (failed := _fill(connection, metadata, without)) is not None:
            # Others point to its rows in a circle: once more, without it.
            without[failed.key] = "its rows and those it points to need one another"
    return {table: error for table, error in without.items() if table not in left_out}


def parents_first(metadata: MetaData) -> tuple[list[Table], set[ForeignKeyConstraint]]:
    """Return the tables, parents first, and the foreign keys that point in a circle."""
    order = sort_tables_and_constraints(metadata.tables.values())  # type: ignore[no-untyped-call]
    circular = {key for table, keys in order if table is None for key in keys}
    tables = [table for table, _ in order if table is not None]
    for table in tables:
        circular |= {key for key in table.foreign_key_constraints if key.referred_table is table}
    return tables, circular


def _fill(connection: Connection, metadata: MetaData, without: dict[str, str]) -> Table | None:
    """Insert rows, and note in *without* which tables took none.

    :return: the table whose rows cannot point to any, where a circle of keys needs them to.
    """
    tables, circular = parents_first(metadata)
    required = [key for key in circular if not all(column.nullable for column in key.columns)]
    parents: dict[str, list[Row]] = {}
    left_out = set(without)
    with keys_deferred(connection, required):
        for table in tables:
            later = {key for key in table.foreign_key_constraints if key in circular}
            fixture = TableFixture(connection, table, parents, later)
            if table.key not in left_out:
                if fixture.insert_first():
                    fixture.insert_variations()
                    without.pop(table.key, None)
                else:
                    without[table.key] = fixture.error
            parents[table.key] = _keys(connection, table, metadata)
        for key in circular:
            if not _close_circle(connection, key, parents):
                connection.rollback()
                return key.table
        connection.commit()
    return None


def _keys(connection: Connection, table: Table, metadata: MetaData) -> list[Row]:
    """Return of each row what identifies it and what foreign keys may point to."""
    referred = {
        element.column
        for child in metadata.tables.values()
        for key in child.foreign_key_constraints
        for element in key.elements
        if key.referred_table is table
    }
    columns = [c for c in table.columns if c.primary_key or c in referred]
    if not columns:
        return []
    return [dict(row._mapping) for row in connection.execute(sa.select(*columns))]


def _close_circle(
    connection: Connection, key: ForeignKeyConstraint, parents: dict[str, list[Row]]
) -> bool:
    """Let the rows of a circle point to one another; where NULL is allowed, every second one.

    :return: whether all rows do that have to.
    """
    table, rows = key.table, parents.get(key.referred_table.key, [])
    pairs = [(c, e.column.key) for c, e in zip(key.columns, key.elements, strict=True)]
    optional = any(column.nullable for column, _ in pairs)
    for number, row in enumerate(parents[table.key]):
        if optional and (number % 2 or not rows):
            continue
        if not rows:
            return False
        is_row = sa.and_(*(c == row[c.key] for c in table.primary_key.columns))
        parent = rows[(number // 2 if optional else number) % len(rows)]
        try:
            with attempt(connection):
                values = {column: parent[referred] for column, referred in pairs}
                connection.execute(table.update().where(is_row).values(values))
        except SQLAlchemyError:
            if not optional:
                return False
    return True


@contextmanager
def keys_deferred(connection: Connection, keys: Sequence[ForeignKeyConstraint]) -> Iterator[None]:
    """Let *keys* be broken until the body commits, on a scratch database."""
    dialect = connection.dialect
    alter = [
        f"ALTER TABLE {qualified(dialect, key.table.name, key.table.schema)} "
        f"ALTER CONSTRAINT {qualified(dialect, str(key.name))} "
        for key in keys
    ]
    if dialect.name == "postgresql":
        for statement in alter:
            connection.exec_driver_sql(statement + "DEFERRABLE INITIALLY DEFERRED")
    elif dialect.name != "sqlite":
        connection.exec_driver_sql("SET foreign_key_checks = 0")
    yield
    if dialect.name == "postgresql":
        for statement, key in zip(alter, keys, strict=True):
            timing = "DEFERRABLE" if key.deferrable else "NOT DEFERRABLE"
            initially = f" INITIALLY {key.initially}" if key.deferrable and key.initially else ""
            connection.exec_driver_sql(f"{statement}{timing}{initially}")
    elif dialect.name != "sqlite":
        connection.exec_driver_sql("SET foreign_key_checks = 1")
    connection.commit()


def delete_orphans(
    connection: Connection, keys: Sequence[ForeignKeyConstraint]
) -> dict[Table, int]:
    """Delete the rows that point to none, and those that point to these.

    :return: how many of which table.
    """
    tables = {key.table.key: key.table for key in keys}.values()
    count = {table: sa.select(sa.func.count()).select_from(table) for table in tables}
    before = {table: connection.scalar(count[table]) or 0 for table in tables}
    while sum(connection.execute(_orphans(key)).rowcount for key in keys):
        pass
    return {
        table: deleted
        for table in tables
        if (deleted := before[table] - (connection.scalar(count[table]) or 0))
    }


def _orphans(key: ForeignKeyConstraint) -> sa.Delete:
    pairs = [(c, element.column) for c, element in zip(key.columns, key.elements, strict=True)]
    # A table of its own: MySQL does not read the one that it deletes from.
    parents = sa.select(*(column for _, column in pairs)).distinct().subquery()
    has_parent = sa.and_(*(c == parents.c[column.name] for c, column in pairs))
    points = sa.and_(*(c.is_not(None) for c, _ in pairs))
    return key.table.delete().where(points, ~sa.exists().where(has_parent))


def reflect(connection: Connection) -> MetaData:
    """Return the application's tables, with their columns and constraints."""
    metadata = MetaData()
    virtual = virtual_tables(connection)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on types and indexes that it does not know
        for schema in _schemas(connection):
            metadata.reflect(
                connection, schema, only=lambda name, _: not is_own(name) and name not in virtual
            )
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, sa.JSON):
                column.type.none_as_null = True  # None is a NULL
    connection.rollback()
    return metadata


def table_names(connection: Connection) -> MetaData:
    """Return the application's tables by their names alone, which costs less."""
    metadata = MetaData()
    virtual = virtual_tables(connection)
    for schema in _schemas(connection):
        for name in sa.inspect(connection).get_table_names(schema=schema):
            if not is_own(name) and name not in virtual:
                Table(name, metadata, schema=schema)
    connection.rollback()
    return metadata


def _schemas(connection: Connection) -> list[str | None]:
    if connection.dialect.name != "postgresql":
        return [None]
    inspector = sa.inspect(connection)
    usual = (inspector.default_schema_name, "information_schema")
    return [None, *(name for name in inspector.get_schema_names() if name not in usual)]
