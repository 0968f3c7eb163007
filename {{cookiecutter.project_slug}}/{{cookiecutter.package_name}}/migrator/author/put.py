"""Puts rows into a throwaway database, as many as it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.exc import SQLAlchemyError

from .. import plural, scratch
from .maker import attempt, automatic
from .rows import held_back

Row = dict[str, Any]


@dataclass
class Copied:
    """How many rows were copied, and what a person should know of it."""

    rows: int = 0
    notes: list[str] = field(default_factory=list)


def put(
    connection: Connection, table: Table, rows: Sequence[Row], copied: Copied, raw: bool
) -> int:
    """Put *rows* in, all at once or else one by one; return how many the table took."""
    if not rows:
        return 0
    target = {c.name.casefold(): c for c in table.columns}
    given = [{target[name.casefold()].name: value for name, value in row.items()} for row in rows]
    plain = sa.table(table.name, *(sa.column(name) for name in given[0]))
    insert = (plain if raw else table).insert().inline()
    try:
        with attempt(connection):
            connection.execute(insert, given)
        taken = len(given)
    except (SQLAlchemyError, ValueError, TypeError, OverflowError):
        taken = _one_by_one(connection, insert, table, given, copied)
    if connection.dialect.name == "postgresql":
        for column in table.columns:
            if automatic(column, "postgresql"):
                name = connection.dialect.identifier_preparer.format_table(table)
                sequence = sa.func.pg_get_serial_sequence(name, column.name)
                last = sa.func.setval(sequence, sa.func.max(column))
                connection.execute(sa.select(last).select_from(table))
    return taken


def _one_by_one(
    connection: Connection, insert: Any, table: Table, rows: list[Row], copied: Copied
) -> int:
    if connection.dialect.name != "postgresql":
        connection.execute(table.delete())
    refused, why = 0, ""
    for row in rows:
        try:
            with attempt(connection):
                connection.execute(insert, row)
        except (SQLAlchemyError, ValueError, TypeError, OverflowError) as error:
            refused, why = refused + 1, scratch.reason(error)
    if refused:
        copied.notes.append(f"{plural(refused, 'row')} of {table.name} not copied: {why}")
    return len(rows) - refused


def take_out(
    connection: Connection, tables: MetaData, name: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Take *rows* out of a table, and those that point to them; they stay where that fails."""
    table = next(one for one in tables.tables.values() if one.name.casefold() == name.casefold())
    keys = [key for one in tables.tables.values() for key in one.foreign_key_constraints]
    try:
        with held_back(connection, keys):
            for row in rows:
                connection.execute(sa.delete(table).where(_is(table, row)))
            drop_orphans(connection, keys, Copied())
            connection.commit()
    except SQLAlchemyError:  # a foreign key that lets nothing go
        connection.rollback()


def _is(table: Table, row: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    """Return what *row*, or, where it has no key, every row but the first that is like it, meets.

    Values are as the driver gave them: a column of no type takes them back.
    """
    key: list[Any] = [sa.column(column.name) for column in table.primary_key.columns]
    if key and all(column.name in row for column in key):
        return sa.and_(*(column == row[column.name] for column in key))
    like = sa.and_(*(sa.column(c.name) == row[c.name] for c in table.columns if c.name in row))
    if len(key) != 1:
        return like
    # A table of its own: MySQL does not read the one that it deletes from.
    first = sa.select(sa.func.min(key[0])).select_from(table).where(like).subquery()
    return sa.and_(like, key[0] != sa.select(first).scalar_subquery())


def drop_orphans(
    connection: Connection, keys: Sequence[ForeignKeyConstraint], copied: Copied
) -> int:
    """Take out the rows that point to one which was refused, and those that point to these.

    :return: how many.
    """
    tables = {key.table.key: key.table for key in keys}.values()
    count = {table: sa.select(sa.func.count()).select_from(table) for table in tables}
    before = {table: connection.scalar(count[table]) or 0 for table in tables}
    while sum(connection.execute(_orphans(key)).rowcount for key in keys):
        pass
    gone = {table: before[table] - (connection.scalar(count[table]) or 0) for table in tables}
    copied.notes += [
        f"{plural(number, 'row')} of {table.name} not copied: without the row pointed to"
        for table, number in gone.items()
        if number
    ]
    return sum(gone.values())


def _orphans(key: ForeignKeyConstraint) -> sa.Delete:
    pairs = [(c, element.column) for c, element in zip(key.columns, key.elements, strict=True)]
    # A table of its own: MySQL does not read the one that it deletes from.
    there = sa.select(*(column for _, column in pairs)).distinct().subquery()
    found = sa.and_(*(c == there.c[column.name] for c, column in pairs))
    points = sa.and_(*(c.is_not(None) for c, _ in pairs))
    return key.table.delete().where(points, ~sa.exists().where(found))
