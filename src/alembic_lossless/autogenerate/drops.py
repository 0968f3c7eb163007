"""What goes, and how it comes back: as the chain declared it, with what it took along."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, UniqueConstraint

from ..checklist.finding import Guard, Step, whole_name
from ..schema import dialect_support
from ..schema.diff import describe
from ..schema.model import Key, Schema
from .dialects import identity
from .fills import Fill, Numbered, is_number, is_text, stand_in
from .replayed import fresh
from .reverse import columns_of
from .to_operations import Mender


def dropped_table(mender: Mender, op: ops.DropTableOp, printed: Schema) -> Iterable[Step]:
    """Return what the table of *op* takes along and Alembic does not bring back.

    Reflection loses CHECKs and passes over indexes with expressions; the steps do nothing on
    the way forward. A foreign key into a schema goes by itself: SQLite does not have it.
    """
    create: Any = op._reverse
    into_schema = [] if op.schema else [one for one in create.columns if _into_schema(one)]
    for item in into_schema:
        yield Step(ops.DropConstraintOp.from_constraint(item), Guard.POSTGRESQL)
    create.columns = [
        fresh(mender.declared.columns.get((op.table_name, item.name), item), item)
        if isinstance(item, Column)
        else item
        for item in create.columns
        if not isinstance(item, CheckConstraint) and not _into_schema(item)
    ]
    unique = any(isinstance(item, UniqueConstraint) for item in create.columns)
    missing = ("CHECK",) if unique else ("CHECK", "UNIQUE")  # MySQL reflects it as an index
    for key, text in printed.items():
        if key.table == whole_name(op):
            lost = key.kind == "constraint" and text.startswith(missing)
            if key.kind == "index" or lost:
                yield Step(None, Guard.of(op), mender.back(key, text))


def _into_schema(item: Any) -> bool:
    return isinstance(item, ForeignKeyConstraint) and bool(dialect_support.only_postgresql(item))


def dropped_column(mender: Mender, step: Step) -> Step:
    """Return the step that drops a column and brings it back as the chain declared it."""
    op: ops.DropColumnOp = step.op
    reflected = op.to_column()
    declared = mender.declared.columns.get((op.table_name, op.column_name))
    column = fresh(reflected if declared is None else declared, reflected)
    return Step(op, back=ops.AddColumnOp(op.table_name, column, schema=op.schema))


def relaxed(steps: Sequence[Step], mender: Mender) -> Iterator[Step]:
    """Let a NOT NULL column that goes be NULL first, for the release that does not know it.

    Its INSERTs name the column no more, and it runs before the column is dropped. What the column
    held is gone on the way back; the rows get what stands in for it. A column that comes and is to
    count gets numbers for the rows.
    """
    printed = describe(mender.connection)
    was = {s.op.new_table_name: s.op.table_name for s in steps if isinstance(s.op, _RENAME)}
    for step in steps:
        if isinstance(step.op, ops.AddColumnOp) and step.op.table_name not in was:
            yield from identity.comes(mender, step.op)
        elif isinstance(step.op, ops.DropColumnOp):
            place = f"{step.op.schema}." * bool(step.op.schema)
            before = place + was.get(step.op.table_name, step.op.table_name)
            own = {key: text for key, text in printed.items() if key.table == before}
            yield from _relaxed(step, before, own, mender)
        else:
            yield step


_RENAME = ops.RenameTableOp


def _relaxed(step: Step, before: str, printed: Schema, mender: Mender) -> Iterator[Step]:
    """Yield the steps that drop a column of the table that is called *before* by now."""
    column = step.back.column
    table, name = step.op.table_name, column.name
    key = Key(before, "default", name)
    if printed.get(key) == "SERIAL":  # an Identity is the column's own
        counts, _ = identity.counter(mender, key, printed[key])
        yield Step(None, Guard.POSTGRESQL, identity.said(key, counts, late=True))
    if column.nullable or column.computed or column.server_default:
        yield step
        return
    keys = [set(columns_of(text)) for text in printed.values() if text.startswith(_KEYS)]
    shared = [columns - {name} for columns in keys if name in columns]
    back = _values(mender, table, column, shared, _points_to(mender, before, name))
    back.schema = step.op.schema
    nullable = fresh(column)
    nullable.nullable = True
    yield Step(_set_null(step.op, column, True), back=_set_null(step.op, column, False))
    yield Step(None, Guard.of(step.op), back)
    yield replace(step, back=ops.AddColumnOp(table, nullable, schema=step.op.schema))


_KEYS = ("UNIQUE", "PRIMARY KEY")


def _values(
    mender: Mender,
    table: str,
    column: Column[Any],
    shared: Iterable[set[str]],
    points_to: tuple[str, str] | None,
) -> Fill | Numbered:
    """Return what gives the rows values on the way back.

    :param shared: the other columns of each key that the column was in; where these alone tell
        rows apart, any value does.
    :param points_to: the table and column that it referred to.
    """
    key = list(mender.model(table).primary_key)
    names = [one.name for one in key]
    if all(others >= set(names) for others in shared):
        return Fill(table, column.name, stand_in(column, points_to=points_to))
    by_key = is_text(column) or (is_number(column) and all(map(is_number, key)))
    if points_to is None and len(key) == 1 and by_key:
        return Fill(table, column.name, stand_in(column, names[0]))
    if points_to is None and not (is_text(column) or is_number(column)):
        return Fill(table, column.name, stand_in(column))
    text = column.type if is_text(column) else None
    return Numbered(table, column.name, names, text, points_to)


def _set_null(op: ops.DropColumnOp, column: Column[Any], nullable: bool) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        op.table_name,
        op.column_name,
        schema=op.schema,
        existing_type=column.type,
        existing_nullable=not nullable,
        existing_comment=column.comment,
        modify_nullable=nullable,
    )


def _points_to(mender: Mender, table: str, column: str) -> tuple[str, str] | None:
    for key in sa.inspect(mender.connection).get_foreign_keys(*mender.place(table)):
        if key["constrained_columns"] == [column]:
            return key["referred_table"], key["referred_columns"][0]
    return None
