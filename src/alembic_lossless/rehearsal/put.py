"""Puts rows into a throwaway database, as many as it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, ForeignKeyConstraint, Table
from sqlalchemy.exc import SQLAlchemyError

from ..errors import plural
from ..scratch.hints import reason
from .maker import attempt, automatic

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
            refused, why = refused + 1, reason(error)
    if refused:
        copied.notes.append(f"{plural(refused, 'row')} of {table.name} not copied: {why}")
    return len(rows) - refused


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
