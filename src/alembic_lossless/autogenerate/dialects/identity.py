"""Columns that count by themselves: PostgreSQL's by a sequence, MySQL's as a key."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import ops

from ...checklist.finding import NOTHING, Guard, Step
from ...schema.diff import Difference
from ...schema.model import Key
from ...sqlite.parser import literal
from ..data_operations import LateSQL, WordedSQL
from ..fills import Numbered
from ..replayed import fresh

if TYPE_CHECKING:
    from ..to_operations import Mender


def changed(mender: "Mender", item: Difference, default: Any) -> Iterable[Step]:
    """Yield the steps that let a column count, or stop it.

    :param default: the model's, for a column that counts no more.
    """
    if "auto_increment" in (item.actual, item.expected):
        on = item.expected == "auto_increment"
        key = sa.inspect(mender.connection).get_pk_constraint(*mender.place(item.key.table))
        # What is no key yet comes in the next round.
        if item.key.name in key["constrained_columns"] or not on:
            yield _counted(mender, item, on)
        return
    found, wanted = (counter(mender, item.key, text) for text in (item.actual, item.expected))
    if wanted[0] and item.actual and not found[0]:
        yield from mender.altered(item, modify_server_default=None)
    # What stops counting may get another type afterwards; what begins has it by then.
    there, back = (
        said(item.key, [*stops[1], *begins[0]], late=bool(wanted[0]))
        for stops, begins in ((found, wanted), (wanted, found))
    )
    yield Step(there, Guard.POSTGRESQL, back)
    if isinstance(default, sa.DefaultClause):
        yield from mender.altered(item, modify_server_default=default)


def comes(mender: "Mender", op: ops.AddColumnOp) -> list[Step]:
    """Return the steps that add a column; one that is to count, with numbers for its rows."""
    table: sa.Table = mender.model(op.table_name)
    counts = table.autoincrement_column
    there = sa.inspect(mender.connection).get_pk_constraint(op.table_name, op.schema)
    key = there["constrained_columns"]
    if counts is None or counts.name != op.column.name or not key:
        return [Step(op)]
    column = fresh(op.column)
    column.nullable = True
    numbered = Numbered(op.table_name, column.name, key, schema=op.schema)
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


def counter(mender: "Mender", key: Key, printed: str | None) -> tuple[Sequence[str], Sequence[str]]:
    """Return what lets a column of PostgreSQL count as it is *printed*, and what stops it."""
    if printed not in COUNTERS:
        return (), ()
    quote = mender.quote
    column, table = quote(key.name), mender.quoted(key.table)
    alter = f"ALTER TABLE {table} ALTER {column}"
    # Rows that are there have numbers already.
    after = f"SELECT setval({{}}, max({column})) FROM {table}"
    if printed == "SERIAL":
        own, schema = mender.place(key.table)
        name = (f"{quote(schema)}." if schema else "") + quote(f"{own}_{key.name}_seq")
        make = f"CREATE SEQUENCE {name} OWNED BY {table}.{column}"
        give = f"{alter} SET DEFAULT nextval('{name}')"
        there = make, give, after.format(f"'{name}'")
        return there, (f"{alter} DROP DEFAULT", f"DROP SEQUENCE {name}")
    when = "ALWAYS" if printed.endswith("ALWAYS") else "BY DEFAULT"
    name = f"pg_get_serial_sequence({literal(table)}, {literal(key.name)})"
    make = f"{alter} ADD GENERATED {when} AS IDENTITY"
    return (make, after.format(name)), (f"{alter} DROP IDENTITY",)


def said(key: Key, statements: Sequence[str], late: bool) -> WordedSQL:
    """Return the operation of what :func:`counter` returns; *late* where the column changes too."""
    on = any(" setval(" in statement for statement in statements)
    column = f"{key.table}.{key.name}"
    words = f"let a sequence number {column}" if on else f"number {column} no more"
    return (LateSQL if late else WordedSQL)(words, *statements)


#: How ``schema`` prints what numbers the rows.
COUNTERS = ("SERIAL", "IDENTITY", "IDENTITY ALWAYS")
