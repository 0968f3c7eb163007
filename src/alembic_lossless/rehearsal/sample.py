"""Copies the development database's rows into a scratch database: all, or a sample of many."""

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Connection, ForeignKeyConstraint, MetaData, NullPool, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NULLTYPE

from ..errors import plural, reason
from ..quoting import qualified
from ..run import connection as connections
from ..run import status
from .fixtures import Row, attempt, delete_orphans, is_numbered, keys_deferred, parents_first

#: What can be copied in a few seconds: of more rows or bytes a sample is taken, and what is added
#: to a sample has as many seconds.
ROWS, BYTES, SECONDS = 50_000, 64 * 2**20, 4.0
#: A table this small is always copied whole.
SMALL = 1000


@dataclass
class Copied:
    """How many rows were copied, and what a person should know of it."""

    rows: int = 0
    notes: list[str] = field(default_factory=list)


def copy_rows(url: URL, connection: Connection, tables: MetaData) -> Copied:
    """Copy the rows of the development database at *url*, which is opened for reading only.

    :param url: the development database.
    :param connection: to the scratch database.
    :param tables: its tables, from :func:`fixtures.reflect`.
    :return: how many, and what was left out: a sample is taken where all would last too long.
    """
    copied = Copied()
    try:
        with _opened(url) as source:
            same = url.get_backend_name() == "sqlite" == connection.dialect.name
            rows = _Sample(source, tables, copied, same).read() if source is not None else {}
    except (SQLAlchemyError, sqlite3.Error) as error:
        copied.notes.append(f"the development database was not read: {reason(error)}")
        return copied
    order, _ = parents_first(tables)
    keys = [key for table in order for key in table.foreign_key_constraints]
    with warnings.catch_warnings(), keys_deferred(connection, keys):
        warnings.simplefilter("ignore")  # on what this database stores in its own way
        for table in reversed(order):
            if rows.get(table.key):  # what the chain inserted is copied in its present state
                connection.execute(table.delete())
        for table in order:
            copied.rows += _insert(connection, table, rows.get(table.key, []), copied, raw=same)
        refused = copied.rows < sum(map(len, rows.values()))
        if refused or connection.dialect.name == "postgresql":  # which would not commit them
            for table, number in delete_orphans(connection, keys).items():
                copied.rows -= number
                orphans = f"{plural(number, 'row')} of {table.name} not copied"
                copied.notes.append(f"{orphans}: without the row pointed to")
        connection.commit()
    return copied


def _insert(
    connection: Connection, table: Table, rows: Sequence[Row], copied: Copied, raw: bool
) -> int:
    """Insert *rows*, all at once or else one by one; return how many the table took."""
    if not rows:
        return 0
    names = {c.name.casefold(): c.name for c in table.columns}
    values = [{names[name.casefold()]: value for name, value in row.items()} for row in rows]
    plain = sa.table(table.name, *(sa.column(name) for name in values[0]))
    insert = (plain if raw else table).insert().inline()
    try:
        with attempt(connection):
            connection.execute(insert, values)
        inserted = len(values)
    except (SQLAlchemyError, ValueError, TypeError, OverflowError):
        inserted = _insert_one_by_one(connection, insert, table, values, copied)
    if connection.dialect.name == "postgresql":
        for column in table.columns:
            if is_numbered(column, "postgresql"):
                name = qualified(connection.dialect, table.name, table.schema)
                sequence = sa.func.pg_get_serial_sequence(name, column.name)
                last = sa.func.setval(sequence, sa.func.max(column))
                connection.execute(sa.select(last).select_from(table))
    return inserted


def _insert_one_by_one(
    connection: Connection, insert: Any, table: Table, rows: list[Row], copied: Copied
) -> int:
    if connection.dialect.name != "postgresql":
        connection.execute(table.delete())
    refused, error_text = 0, ""
    for row in rows:
        try:
            with attempt(connection):
                connection.execute(insert, row)
        except (SQLAlchemyError, ValueError, TypeError, OverflowError) as error:
            refused, error_text = refused + 1, reason(error)
    if refused:
        copied.notes.append(f"{plural(refused, 'row')} of {table.name} not copied: {error_text}")
    return len(rows) - refused


def revisions(url: URL) -> frozenset[str]:
    """Return the revisions that the development database at *url* is at."""
    try:
        with _opened(url) as source:
            return frozenset() if source is None else status.current(source)
    except (SQLAlchemyError, sqlite3.Error):  # copying its rows notes it
        return frozenset()


@contextmanager
def _opened(url: URL) -> Iterator[Connection | None]:
    """Give a connection that cannot write; None where there is no database yet."""
    if url.get_backend_name() != "sqlite":
        with connections.private(url).connect() as connection:
            verb = "SET" if connection.dialect.name == "postgresql" else "START"
            connection.exec_driver_sql(f"{verb} TRANSACTION READ ONLY")
            yield connection
        return
    file = connections.sqlite_file(url)
    if file is None or not file.is_file():
        yield None
        return
    # In WAL mode even a reader leaves files beside the database, unless it is told that nobody
    # writes; and nobody does where there is no log.
    log = file.with_name(file.name + "-wal")
    mode = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    address = f"{file.absolute().as_uri()}?{mode}"
    engine = sa.create_engine(
        "sqlite://", poolclass=NullPool, creator=lambda: sqlite3.connect(address, uri=True)
    )
    with engine.connect() as connection:
        yield connection


class _Sample:
    """Reads the rows of the tables that both databases have."""

    def __init__(self, source: Connection, tables: MetaData, copied: Copied, raw: bool) -> None:
        self.source = source
        self.copied = copied
        inspector = sa.inspect(source)
        self.tables: dict[str, Any] = {}
        self.target = dict(tables.tables)
        for key, table in self.target.items():
            if inspector.has_table(table.name, schema=table.schema):
                columns = inspector.get_columns(table.name, table.schema)
                names = {column["name"].casefold() for column in columns}
                self.tables[key] = sa.table(
                    table.name,
                    *(
                        sa.column(c.name, NULLTYPE if raw else c.type.as_generic(True))
                        for c in table.columns
                        if c.name.casefold() in names and not c.computed
                    ),
                    schema=table.schema,
                )
        self.rows: dict[str, list[Row]] = {}
        self.stop = monotonic() + SECONDS

    def read(self) -> dict[str, list[Row]]:
        """Return the rows by table: all, or a sample with the rows that it points to."""
        count = sa.select(sa.func.count())
        counts = {k: self.source.scalar(count.select_from(t)) or 0 for k, t in self.tables.items()}
        total = sum(counts.values())
        every = max(-(-total // ROWS), -(-self._bytes() // BYTES), 1)
        for key, table in self.tables.items():
            whole = every == 1 or counts[key] <= SMALL
            self.rows[key] = self._fetch(
                key, sa.select(table) if whole else self._every_nth(key, every)
            )
            if not whole:
                self._extremes(key)
        if every > 1:
            self._add_parents()
        self.copied.notes += [
            f"{table.name} is too large to copy: {len(self.rows[key]):,} of {counts[key]:,} rows"
            " were taken"
            for key, table in self.tables.items()
            if 0 < len(self.rows[key]) < counts[key] and every > 1  # else noted where it failed
        ]
        return self.rows

    def _bytes(self) -> int:
        if self.source.dialect.name == "sqlite":
            pages = self.source.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages * self.source.exec_driver_sql("PRAGMA page_size").scalar_one())
        query = "SELECT pg_database_size(current_database())"
        if self.source.dialect.name != "postgresql":
            query = (
                "SELECT sum(data_length) FROM information_schema.tables"
                " WHERE table_schema = database()"
            )
        # An empty PostgreSQL database has 8 MB.
        return max(int(self.source.exec_driver_sql(query).scalar() or 0) - 2**23, 0)

    def _fetch(self, key: str, query: Any) -> list[Row]:
        try:
            return [dict(row) for row in self.source.execute(query).mappings()]
        except (ValueError, TypeError, SQLAlchemyError) as error:
            self.copied.notes.append(
                f"the rows of {self.tables[key].name} were not copied: {reason(error)}"
            )
            return []

    def _every_nth(self, key: str, every: int) -> Any:
        """Select every n-th row, in primary key order."""
        table = self.tables[key]
        names = [c.name for c in self.target[key].primary_key.columns if c.name in table.c]
        number = sa.func.row_number().over(order_by=[table.c[name] for name in names] or None)
        numbered = sa.select(*table.c, number.label("rehearsal_number")).subquery()
        columns = [numbered.c[c.name] for c in table.c]
        return sa.select(*columns).where(numbered.c.rehearsal_number % every == 1 % every)

    def _extremes(self, key: str) -> None:
        """Add for each column a NULL, the smallest, the largest, the longest: while time lasts."""
        table, known = self.tables[key], {repr(row) for row in self.rows[key]}
        for column in table.c:
            conditions, type_ = [column.is_(None)], self.target[key].c[column.name].type
            if isinstance(type_, sa.Integer | sa.Numeric | sa.Float | sa.Date | sa.DateTime):
                ends = [sa.func.min(column), sa.func.max(column)]
                conditions += [column == sa.select(end).scalar_subquery() for end in ends]
            elif isinstance(type_, sa.String):
                longest = sa.select(sa.func.max(sa.func.length(column))).scalar_subquery()
                conditions.append(sa.func.length(column) == longest)
            for condition in conditions:
                if monotonic() < self.stop:
                    for row in self._fetch(key, sa.select(table).where(condition).limit(1)):
                        if repr(row) not in known:
                            known.add(repr(row))
                            self.rows[key].append(row)

    def _add_parents(self) -> None:
        """Fetch the rows that the sample points to, and those that these point to."""
        more = True
        while more:
            more = False
            for table in self.target.values():
                for key in table.foreign_key_constraints:
                    more = self._fetch_parents(table, key) or more

    def _fetch_parents(self, table: Table, key: ForeignKeyConstraint) -> bool:
        parent = self.tables.get(key.referred_table.key)
        names = [(c.name, e.column.name) for c, e in zip(key.columns, key.elements, strict=True)]
        if parent is None or any(referred not in parent.c for _, referred in names):
            return False
        pointing = _tuples(self.rows.get(table.key, []), [name for name, _ in names])
        parents = _tuples(self.rows[parent_key := key.referred_table.key], [r for _, r in names])
        missing = sorted(pointing - parents, key=repr)
        columns = sa.tuple_(*(parent.c[referred] for _, referred in names))
        before = len(self.rows[parent_key])
        for start in range(0, len(missing), 200):
            query = sa.select(parent).where(columns.in_(missing[start : start + 200]))
            self.rows[parent_key] += self._fetch(parent_key, query)
        return len(self.rows[parent_key]) > before


def _tuples(rows: Sequence[Row], names: Sequence[str]) -> set[tuple[Any, ...]]:
    tuples = {tuple(row.get(name) for name in names) for row in rows}
    return {values for values in tuples if None not in values}
