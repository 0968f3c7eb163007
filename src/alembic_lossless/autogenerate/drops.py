"""Drops of tables and columns, and how they come back: as the chain declared them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, UniqueConstraint

from ..checklist.columns import detached
from ..checklist.data_operations import Fill, NumberRows, is_number, is_text, placeholder
from ..checklist.finding import ON_POSTGRESQL, Operation, databases_of
from ..run.recorder import whole_name
from ..schema import dialect_support
from ..schema.diff import describe
from ..schema.model import Check, Counter, Index, Key, PrimaryKey, Schema, Unique
from .comparison import Lookup
from .dialects import postgresql
from .reverse import recreate


def objects_of_dropped_table(
    lookup: Lookup, op: ops.DropTableOp, schema: Schema
) -> Iterable[Operation]:
    """Return what the table of *op* takes along and Alembic does not bring back.

    Reflection loses CHECKs and passes over indexes with expressions; the operations do nothing on
    the way forward. A foreign key into a schema goes by itself: SQLite does not have it.
    """
    create: Any = op._reverse
    into_schema = [] if op.schema else [item for item in create.columns if _into_schema(item)]
    for item in into_schema:
        yield Operation(ops.DropConstraintOp.from_constraint(item), databases=ON_POSTGRESQL)
    create.columns = [
        detached(lookup.declared.columns.get((op.table_name, item.name), item), item)
        if isinstance(item, Column)
        else item
        for item in create.columns
        if not isinstance(item, CheckConstraint) and not _into_schema(item)
    ]
    unique = any(isinstance(item, UniqueConstraint) for item in create.columns)
    for key, definition in schema.items():
        if key.table != whole_name(op):
            continue
        # MySQL reflects a UNIQUE as an index.
        if isinstance(definition, Check | Index) or (isinstance(definition, Unique) and not unique):
            yield Operation(None, recreate(key, definition, lookup), databases=databases_of(op))


def _into_schema(item: Any) -> bool:
    return isinstance(item, ForeignKeyConstraint) and bool(dialect_support.only_postgresql(item))


def reversible_drop(lookup: Lookup, operation: Operation) -> Operation:
    """Return the operation that drops a column and brings it back as the chain declared it."""
    op: ops.DropColumnOp = operation.forward
    reflected = op.to_column()
    declared = lookup.declared.columns.get((op.table_name, op.column_name))
    column = detached(reflected if declared is None else declared, reflected)
    return Operation(op, ops.AddColumnOp(op.table_name, column, schema=op.schema))


def with_values_for_rows(operations: Sequence[Operation], lookup: Lookup) -> Iterator[Operation]:
    """Let a NOT NULL column be NULL before it is dropped, for the release that does not know it.

    That release's INSERTs do not name the column, and it runs before the column is dropped. The
    downgrade cannot bring back what the column held: rows get placeholders. A new column that is to
    number the rows gets their numbers.

    :param operations: the proposal, with its renames.
    """
    schema = describe(lookup.connection)
    was = {
        s.forward.new_table_name: s.forward.table_name
        for s in operations
        if isinstance(s.forward, _RENAME)
    }
    for operation in operations:
        if (
            isinstance(operation.forward, ops.AddColumnOp)
            and operation.forward.table_name not in was
        ):
            yield from _add_column(operation.forward, lookup)
        elif isinstance(operation.forward, ops.DropColumnOp):
            before = was.get(operation.forward.table_name, operation.forward.table_name)
            if operation.forward.schema:
                before = f"{operation.forward.schema}.{before}"
            of_table = {
                key: definition for key, definition in schema.items() if key.table == before
            }
            yield from _drop_column(operation, before, of_table, lookup)
        else:
            yield operation


_RENAME = ops.RenameTableOp


def _add_column(op: ops.AddColumnOp, lookup: Lookup) -> Iterator[Operation]:
    """Yield what adds a column; one that is to number the rows, with their numbers."""
    table: sa.Table = lookup.model(op.table_name)
    counts = table.autoincrement_column
    primary_key = sa.inspect(lookup.connection).get_pk_constraint(op.table_name, op.schema)
    key = primary_key["constrained_columns"]
    if counts is None or counts.name != op.column.name or not key:
        yield Operation(op)
        return
    column = detached(op.column)
    column.nullable = True
    yield Operation(ops.AddColumnOp(op.table_name, column, schema=op.schema))
    numbers = NumberRows(op.table_name, column.name, key, schema=op.schema)
    yield Operation(numbers, None)


def _drop_column(
    operation: Operation, before: str, schema: Schema, lookup: Lookup
) -> Iterator[Operation]:
    """Yield the operations that drop a column of the table that is called *before* by now."""
    column = operation.backward.column
    table, name = operation.forward.table_name, column.name
    key = Key(before, "default", name)
    if schema.get(key) == Counter("SERIAL"):  # an Identity is the column's own
        starts, _ = postgresql.counter_statements(lookup, key, schema[key])
        back = postgresql.counter_operation(key, starts, late=True)
        yield Operation(None, back, databases=ON_POSTGRESQL)
    if column.nullable or column.computed or column.server_default:
        yield operation
        return
    keys = [set(key.columns) for key in schema.values() if isinstance(key, Unique | PrimaryKey)]
    shared = [columns - {name} for columns in keys if name in columns]
    values = _values(lookup, table, column, shared, _points_to(lookup, before, name))
    values.schema = operation.forward.schema
    nullable = detached(column)
    nullable.nullable = True
    yield Operation(
        _set_null(operation.forward, column, True), _set_null(operation.forward, column, False)
    )
    yield Operation(None, values, databases=databases_of(operation.forward))
    yield replace(
        operation, backward=ops.AddColumnOp(table, nullable, schema=operation.forward.schema)
    )


def _values(
    lookup: Lookup,
    table: str,
    column: Column[Any],
    shared: Iterable[set[str]],
    points_to: tuple[str, str] | None,
) -> Fill | NumberRows:
    """Return what gives the rows values on the way back.

    :param shared: the other columns of each key that the column was in; where these alone tell
        rows apart, any value does.
    :param points_to: the table and column that it referred to.
    """
    key = list(lookup.model(table).primary_key)
    names = [column_of_key.name for column_of_key in key]
    if all(rest >= set(names) for rest in shared):
        return Fill(table, column.name, placeholder(column, points_to=points_to))
    by_key = is_text(column) or (is_number(column) and all(map(is_number, key)))
    if points_to is None and len(key) == 1 and by_key:
        return Fill(table, column.name, placeholder(column, names[0]))
    if points_to is None and not (is_text(column) or is_number(column)):
        return Fill(table, column.name, placeholder(column))
    text = column.type if is_text(column) else None
    return NumberRows(table, column.name, names, text, points_to)


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


def _points_to(lookup: Lookup, table: str, column: str) -> tuple[str, str] | None:
    for key in sa.inspect(lookup.connection).get_foreign_keys(*lookup.place(table)):
        if key["constrained_columns"] == [column]:
            return key["referred_table"], key["referred_columns"][0]
    return None
