"""Makes rows for every table: what its constraints allow, and of that the odd things."""

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import sort_tables_and_constraints

from ..schema.own_tables import is_own
from .maker import Maker, Row, attempt


def reflect(connection: Connection) -> MetaData:
    """Return the tables behind *connection*, Alembic's own and the log left out."""
    metadata = MetaData()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on types and indexes that it does not know
        for name in _schemas(connection):
            metadata.reflect(connection, schema=name, only=lambda name, _: not is_own(name))
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, sa.JSON):
                column.type.none_as_null = True  # None is a NULL
    connection.rollback()
    return metadata


def names(connection: Connection) -> MetaData:
    """Return the same tables by their names alone, which costs less."""
    metadata = MetaData()
    for name in _schemas(connection):
        for table in sa.inspect(connection).get_table_names(schema=name):
            if not is_own(table):
                Table(table, metadata, schema=name)
    connection.rollback()
    return metadata


def _schemas(connection: Connection) -> list[str | None]:
    if connection.dialect.name != "postgresql":
        return [None]
    names = sa.inspect(connection).get_schema_names()
    ours = sa.inspect(connection).default_schema_name
    return [None, *(name for name in names if name not in (ours, "information_schema"))]


def quoted(connection: Connection, table: Table) -> str:
    """Return the name of *table* as it stands in a statement."""
    return connection.dialect.identifier_preparer.format_table(table)


def fill(
    connection: Connection, metadata: MetaData, left_out: Collection[str] = ()
) -> dict[str, str]:
    """Put rows into every table of *metadata* and commit them.

    :param metadata: the tables as they are, from :func:`reflect`.
    :param left_out: tables that get none.
    :return: the tables that no row could be made for, each with the last thing that stood in the
        way.
    """
    unmade = dict.fromkeys(left_out, "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on what this database stores in its own way
        while (failed := _fill(connection, metadata, unmade)) is not None:
            # Others point to its rows in a circle: once more, without it.
            unmade[failed.key] = "its rows and those it points to need one another"
    return {table: why for table, why in unmade.items() if table not in left_out}


def in_order(metadata: MetaData) -> tuple[list[Table], set[ForeignKeyConstraint]]:
    """Return the tables, parents first, and the foreign keys that point on or in a circle."""
    order = sort_tables_and_constraints(metadata.tables.values())  # type: ignore[no-untyped-call]
    later = {key for table, keys in order if table is None for key in keys}
    tables = [table for table, _ in order if table is not None]
    for table in tables:
        later |= {key for key in table.foreign_key_constraints if key.referred_table is table}
    return tables, later


def _fill(connection: Connection, metadata: MetaData, unmade: dict[str, str]) -> Table | None:
    tables, later = in_order(metadata)
    hard = [key for key in later if not all(column.nullable for column in key.columns)]
    parents: dict[str, list[Row]] = {}
    left_out = set(unmade)
    with held_back(connection, hard):
        for table in tables:
            own = {key for key in table.foreign_key_constraints if key in later}
            maker = Maker(connection, table, parents, own)
            if table.key not in left_out:
                if maker.search():
                    maker.vary()
                    unmade.pop(table.key, None)
                else:
                    unmade[table.key] = maker.error
            parents[table.key] = _keys(connection, table, metadata)
        for key in later:
            if not _close(connection, key, parents):
                connection.rollback()
                return key.table
        connection.commit()
    return None


def _keys(connection: Connection, table: Table, metadata: MetaData) -> list[Row]:
    """Return of each row what identifies it and what foreign keys may point to."""
    pointed = {
        element.column
        for other in metadata.tables.values()
        for key in other.foreign_key_constraints
        for element in key.elements
        if key.referred_table is table
    }
    names = [c for c in table.columns if c.primary_key or c in pointed]
    if not names:
        return []
    return [dict(row._mapping) for row in connection.execute(sa.select(*names))]


def _close(
    connection: Connection, key: ForeignKeyConstraint, parents: dict[str, list[Row]]
) -> bool:
    """Let the rows of a cycle point to one another; where NULL is allowed, every other one.

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
        this = sa.and_(*(c == row[c.key] for c in table.primary_key.columns))
        parent = rows[(number // 2 if optional else number) % len(rows)]
        try:
            with attempt(connection):
                values = {c: parent[there] for c, there in pairs}
                connection.execute(table.update().where(this).values(values))
        except SQLAlchemyError:
            if not optional:
                return False
    return True


@contextmanager
def held_back(connection: Connection, keys: Sequence[ForeignKeyConstraint]) -> Iterator[None]:
    """Let *keys* be broken until the body commits, on a throwaway database."""
    dialect = connection.dialect
    alter = [
        f"ALTER TABLE {quoted(connection, key.table)} "
        f"ALTER CONSTRAINT {dialect.identifier_preparer.quote(str(key.name))} "
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
