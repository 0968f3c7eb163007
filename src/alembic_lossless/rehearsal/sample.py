"""Copies the development database's rows into a throwaway one: all, or a sample of many."""

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Connection, ForeignKeyConstraint, MetaData, NullPool, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NULLTYPE

from ..run import connection as connections
from ..run import status
from ..scratch.hints import reason
from .fixtures import held_back, in_order
from .put import Copied, Row, drop_orphans, put

#: What can be copied in a few seconds.
ROWS, BYTES, SECONDS = 50_000, 64 * 2**20, 4.0
#: A table this small is always copied whole.
SMALL = 1000


def copy(url: URL, connection: Connection, tables: MetaData) -> Copied:
    """Copy the rows of the development database at *url*, which is opened for reading only.

    :param connection: to the throwaway database; its tables are *tables*.
    :return: how many, and what was left out: a sample is taken where all would last too long.
    """
    copied = Copied()
    try:
        with _opened(url) as source:
            same = url.get_backend_name() == "sqlite" == connection.dialect.name
            rows = _Reader(source, tables, copied, same).read() if source is not None else {}
    except (SQLAlchemyError, sqlite3.Error) as error:
        copied.notes.append(f"the development database was not read: {reason(error)}")
        return copied
    order, _ = in_order(tables)
    keys = [key for table in order for key in table.foreign_key_constraints]
    with warnings.catch_warnings(), held_back(connection, keys):
        warnings.simplefilter("ignore")  # on what this database stores in its own way
        for table in reversed(order):
            if rows.get(table.key):  # what the chain put in is there in its present state
                connection.execute(table.delete())
        for table in order:
            copied.rows += put(connection, table, rows.get(table.key, []), copied, raw=same)
        refused = copied.rows < sum(map(len, rows.values()))
        if refused or connection.dialect.name == "postgresql":  # which would not commit them
            copied.rows -= drop_orphans(connection, keys, copied)
        connection.commit()
    return copied


def at(url: URL) -> frozenset[str]:
    """Return the revisions that the development database at *url* is at."""
    try:
        with _opened(url) as source:
            return frozenset() if source is None else status.current(source)
    except (SQLAlchemyError, sqlite3.Error):  # copying its rows says so
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
    file = Path(str(url.database))
    if not file.is_file():
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


class _Reader:
    """Reads the rows of the tables that both databases have."""

    def __init__(self, source: Connection, tables: MetaData, copied: Copied, raw: bool) -> None:
        self.source = source
        self.copied = copied
        there = sa.inspect(source)
        self.tables: dict[str, Any] = {}
        self.target = dict(tables.tables)
        for key, table in self.target.items():
            if there.has_table(table.name, schema=table.schema):
                names = {c["name"].casefold() for c in there.get_columns(table.name, table.schema)}
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
            self.rows[key] = self._fetch(key, sa.select(table) if whole else self._some(key, every))
            if not whole:
                self._extremes(key)
        if every > 1:
            self._close()
        self.copied.notes += [
            f"{table.name} is too large to copy: {len(self.rows[key]):,} of {counts[key]:,} rows"
            " were taken"
            for key, table in self.tables.items()
            if 0 < len(self.rows[key]) < counts[key] and every > 1  # else said where it failed
        ]
        return self.rows

    def _bytes(self) -> int:
        if self.source.dialect.name == "sqlite":
            pages = self.source.exec_driver_sql("PRAGMA page_count").scalar_one()
            return int(pages * self.source.exec_driver_sql("PRAGMA page_size").scalar_one())
        query = "SELECT pg_database_size(current_database())"
        if self.source.dialect.name != "postgresql":
            own = "information_schema.tables WHERE table_schema = database()"
            query = f"SELECT sum(data_length) FROM {own}"
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

    def _some(self, key: str, every: int) -> Any:
        """Select every so manieth row, in the order of the primary key."""
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
            wanted, type_ = [column.is_(None)], self.target[key].c[column.name].type
            if isinstance(type_, sa.Integer | sa.Numeric | sa.Float | sa.Date | sa.DateTime):
                ends = [sa.func.min(column), sa.func.max(column)]
                wanted += [column == sa.select(end).scalar_subquery() for end in ends]
            elif isinstance(type_, sa.String):
                longest = sa.select(sa.func.max(sa.func.length(column))).scalar_subquery()
                wanted.append(sa.func.length(column) == longest)
            for condition in wanted:
                if monotonic() < self.stop:
                    for row in self._fetch(key, sa.select(table).where(condition).limit(1)):
                        if repr(row) not in known:
                            known.add(repr(row))
                            self.rows[key].append(row)

    def _close(self) -> None:
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
        if parent is None or any(there not in parent.c for _, there in names):
            return False
        wanted = _tuples(self.rows.get(table.key, []), [here for here, _ in names])
        have = _tuples(self.rows[parent_key := key.referred_table.key], [t for _, t in names])
        missing = sorted(wanted - have, key=repr)
        columns = sa.tuple_(*(parent.c[there] for _, there in names))
        before = len(self.rows[parent_key])
        for start in range(0, len(missing), 200):
            query = sa.select(parent).where(columns.in_(missing[start : start + 200]))
            self.rows[parent_key] += self._fetch(parent_key, query)
        return len(self.rows[parent_key]) > before


def _tuples(rows: Sequence[Row], names: Sequence[str]) -> set[tuple[Any, ...]]:
    found = {tuple(row.get(name) for name in names) for row in rows}
    return {one for one in found if None not in one}
