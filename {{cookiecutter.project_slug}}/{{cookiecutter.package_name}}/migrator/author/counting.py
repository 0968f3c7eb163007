"""Columns that count by themselves: PostgreSQL's by a sequence, MySQL's as a key."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from ..schema import Difference, Key
from .declared import fresh
from .fills import Numbered
from .finding import NOTHING, Guard, Step
from .operations import LateSQL

if TYPE_CHECKING:
    from .mend import Mender


def changed(mender: "Mender", item: Difference, default: Any) -> Iterable[Step]:
    """Yield the steps that let a column count, or stop it.

    :param default: the model's, for a column that counts no more.
    """
    if "auto_increment" in (item.found, item.wanted):
        on = item.wanted == "auto_increment"
        key = sa.inspect(mender.connection).get_pk_constraint(item.key.table)
        # What is no key yet comes in the next round.
        if item.key.name in key["constrained_columns"] or not on:
            yield _counted(mender, item, on)
        return
    there, back = by_sequence(mender, item.key.table, item.key.name)
    if item.wanted == "SERIAL":
        yield from mender.altered(item, modify_server_default=None) if item.found else []
        yield Step(there, Guard.POSTGRESQL, back)
    else:
        yield Step(back, Guard.POSTGRESQL, there)
        yield from mender.altered(item, modify_server_default=default) if default else []


def comes(mender: "Mender", op: ops.AddColumnOp) -> list[Step]:
    """Return the steps that add a column; one that is to count, with numbers for its rows."""
    table: sa.Table = mender.model(op.table_name)
    counts = table.autoincrement_column
    key = sa.inspect(mender.connection).get_pk_constraint(op.table_name)["constrained_columns"]
    if counts is None or counts.name != op.column.name or not key:
        return [Step(op)]
    column = fresh(op.column)
    column.nullable = True
    numbered = Numbered(op.table_name, column.name, key)
    added = ops.AddColumnOp(op.table_name, column, schema=op.schema)
    return [Step(added), Step(numbered, back=NOTHING)]


def stopped(mender: "Mender", table: str) -> Iterable[Step]:
    """MySQL takes no primary key away from a column that counts: it stops counting first."""
    for column in sa.inspect(mender.connection).get_columns(table):
        if column.get("autoincrement") is True:
            key = Key(table, "default", column["name"])
            yield _counted(mender, Difference(key, None, None), False)


def _counted(mender: "Mender", item: Difference, on: bool) -> Step:
    (there,) = mender.altered(item, autoincrement=on)
    (back,) = mender.altered(item, autoincrement=not on)
    return Step(there.op, Guard.MYSQL, back.op)


def sequence(name: str, printed: str) -> ops.ExecuteSQLOp:
    """Return what makes the sequence *name* again, as ``schema`` prints it."""
    type_, start, increment, smallest, largest, cycle = printed.rsplit(" ", 5)
    sql = (
        f"CREATE SEQUENCE {name} AS {type_} INCREMENT BY {increment} MINVALUE {smallest} "
        f"MAXVALUE {largest} START WITH {start}" + " CYCLE" * (cycle == "t")
    )
    return ops.ExecuteSQLOp(sql)


def by_sequence(mender: "Mender", table: str, column: str) -> tuple[LateSQL, LateSQL]:
    """Return what lets a sequence number a column on PostgreSQL, as SERIAL does; and back."""
    quote = mender.quote
    sequence = quote(f"{table}_{column}_seq")
    alter = f"ALTER TABLE {quote(table)} ALTER {quote(column)}"
    make = f"CREATE SEQUENCE {sequence} OWNED BY {quote(table)}.{quote(column)}"
    give = f"{alter} SET DEFAULT nextval('{sequence}')"
    # Rows that are there have numbers already.
    after = f"SELECT setval('{sequence}', max({quote(column)})) FROM {quote(table)}"
    there = LateSQL(f"let a sequence number {table}.{column}", make, give, after)
    drop = f"DROP SEQUENCE {sequence}"
    return there, LateSQL(f"number {table}.{column} no more", f"{alter} DROP DEFAULT", drop)
