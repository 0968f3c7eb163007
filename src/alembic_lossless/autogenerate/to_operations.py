"""Makes operations of the changes between two schemas: what each does, and what undoes it.

The way forward is read from the models; the way back from the definition that stood there.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import CreateSequence, DropSequence, Sequence, conv

from ..checklist.columns import detached, without_check
from ..checklist.data_operations import LateFill
from ..checklist.finding import ON_MYSQL, ON_POSTGRESQL, Operation
from ..checklist.rules import enums
from ..errors import MigrationError
from ..schema.diff import Change
from ..schema.model import (
    ColumnType,
    Comment,
    Counter,
    Definition,
    Key,
    PrimaryKey,
    Unique,
)
from ..schema.model import Sequence as SequenceDefinition
from ..schema.mysql import AUTO_INCREMENT
from . import render
from .comparison import Lookup
from .dialects import mysql, postgresql, sqlite
from .replayed import add_operation, name_of
from .reverse import creation, derived_name, recreate


def operations_for(item: Change, lookup: Lookup) -> list[Operation]:
    """Return the operations that make the change *item*; none where nothing plain does.

    :param lookup: the models, and the database that the difference is of.
    :raises MigrationError: where the models do not say enough, or rows would lose values.
    """
    convert = _BY_KIND.get(item.key.kind)
    operations = list(convert(item, lookup)) if convert else []
    for operation in operations:
        for op in (operation.forward, operation.backward):
            lookup.separate_schema(op)
    return operations


def _sequence(item: Change, lookup: Lookup) -> Iterable[Operation]:
    sequence = lookup.metadata._sequences.get(item.key.name) or Sequence(item.key.name)
    create = ops.ExecuteSQLOp(str(CreateSequence(sequence).compile(dialect=lookup.dialect)))
    drop = ops.ExecuteSQLOp(str(DropSequence(sequence).compile(dialect=lookup.dialect)))
    if isinstance(item.actual, SequenceDefinition):
        again = postgresql.create_sequence(lookup.quote(item.key.name), item.actual)
        yield Operation(drop, again)
    if item.expected is not None:
        yield Operation(create, drop)


def _table(item: Change, lookup: Lookup) -> Iterable[Operation]:
    return [sqlite.change_options(item)] if lookup.dialect.name == "sqlite" else []


def _type(item: Change, lookup: Lookup) -> Iterable[Operation]:
    return enums.operations(item, lookup.connection, lookup.metadata)


def _index(item: Change, lookup: Lookup) -> Iterable[Operation]:
    table, _, name = item.key
    if item.actual is not None:
        yield Operation(ops.DropIndexOp(name, table), recreate(item.key, item.actual, lookup))
    if item.expected is not None:
        model = lookup.model(table)
        indexes = [index for index in model.indexes if index.name == name]
        if indexes:
            yield Operation(ops.CreateIndexOp.from_index(indexes[0]))
        else:
            # MySQL makes it with the foreign key, unless another index served by then, and
            # leaves it there when that goes.
            key = next(key for key in model.foreign_key_constraints if key.name == name)
            create = ops.CreateIndexOp(name, table, key.column_keys)
            keys = sa.inspect(lookup.connection).get_foreign_keys(*lookup.place(table))
            has_key = name in [key["name"] for key in keys]
            drop = ops.DropIndexOp(name, table)
            yield Operation(create if has_key else None, drop, databases=ON_MYSQL)


def _constraint(item: Change, lookup: Lookup) -> Iterable[Operation]:
    if item.actual is not None:
        is_mysql = lookup.dialect.name in ("mysql", "mariadb")
        if is_mysql and isinstance(item.actual, PrimaryKey):
            yield from mysql.stop_counting(lookup, item.key.table)
        yield _drop_constraint(item.key, item.actual, lookup)
    if item.expected is not None:
        yield _add_constraint(item.key, item.expected, lookup)


def _drop_constraint(key: Key, definition: Any, lookup: Lookup) -> Operation:
    back = recreate(key, definition, lookup)
    if back is None:
        table, name = lookup.quoted(key.table), lookup.quote(key.name)
        if isinstance(definition, Unique):
            definition = replace(definition, columns=tuple(map(lookup.quote, definition.columns)))
        sql = f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
        drop = ops.DropConstraintOp(key.name, key.table)
        return Operation(drop, ops.ExecuteSQLOp(sql), databases=ON_POSTGRESQL)
    kind = {"primarykey": "primary"}.get(back.constraint_type, back.constraint_type)
    name = back.constraint_name
    if derived := derived_name(lookup.connection, key, definition):
        # Stock Alembic makes none without a name: it has one from the downgrade on.
        back.constraint_name = name = conv(derived)
        return Operation(render.DropUnnamedConstraintOp(name, key.table, kind), back)
    if kind == "check":
        name = conv(name)  # as it is: the convention's prefix is not to be put before it
    return Operation(ops.DropConstraintOp(name, key.table, kind), back)


def _add_constraint(key: Key, definition: Definition, lookup: Lookup) -> Operation:
    table = lookup.model(key.table)
    for constraint in table.constraints:
        primary = constraint is table.primary_key and key.name == "PRIMARY KEY"
        if primary or name_of(constraint, lookup.dialect) == key.name:
            named = None if key.name == "PRIMARY KEY" else key.name
            return Operation(add_operation(key.table, named, constraint, lookup.dialect))
    # Nobody named it, so that it may have another name on each database.
    unnamed = creation(key, definition)
    if unnamed is not None:
        return Operation(unnamed)
    raise MigrationError(
        f"{key} has no name in the models: their MetaData needs this project's "
        "naming_convention (alembic_lossless.naming). No migration was written."
    )


def _column(item: Change, lookup: Lookup) -> Iterable[Operation]:
    if item.actual is None or item.expected is None:
        return
    model = lookup.model_column(item.key)
    changes = {"modify_type": without_check(model.type)}
    if isinstance(model.server_default, sa.DefaultClause):
        # The old default has the old type, as the server holds it.
        changes["modify_server_default"] = model.server_default
    operation = lookup.alter_column(item.key, **changes)
    if lookup.dialect.name == "sqlite":
        actual, expected = _collation(item.actual), _collation(item.expected)
        operation.forward.modify_type = _collated(operation.forward.modify_type, expected, actual)
        operation.forward.existing_type = _collated(
            operation.forward.existing_type, actual, expected
        )
    yield operation


def _collation(definition: Definition | None) -> str | None:
    return definition.collation if isinstance(definition, ColumnType) else None


def _collated(type_: Any, collation: str | None, opposite: str | None) -> Any:
    """Return *type_* with SQLite's usual collation where only the opposite side names one.

    :param collation: the collation on the side that *type_* is from.
    """
    if collation or not opposite or not isinstance(type_, sa.String):
        return type_
    type_ = type_.copy()
    type_.collation = "BINARY"
    return type_


def _null(item: Change, lookup: Lookup) -> Iterable[Operation]:
    return [lookup.alter_column(item.key, modify_nullable=item.expected is None)]


def _default(item: Change, lookup: Lookup) -> Iterable[Operation]:
    default = lookup.model_column(item.key).server_default
    counters = [side for side in (item.actual, item.expected) if isinstance(side, Counter)]
    if Counter(AUTO_INCREMENT) in counters:
        return mysql.change_counter(lookup, item)
    if counters:
        return postgresql.change_counter(lookup, item, default)
    if default is not None and not isinstance(default, sa.DefaultClause):
        return []
    return [lookup.alter_column(item.key, modify_server_default=default)]


def _comment(item: Change, lookup: Lookup) -> Iterable[Operation]:
    table = item.key.table
    before, after = (
        side.text if isinstance(side, Comment) else None for side in (item.actual, item.expected)
    )
    if item.key.name:
        return [lookup.alter_column(item.key, modify_comment=after)]
    if after is None:
        return [Operation(ops.DropTableCommentOp(table, existing_comment=before))]
    return [Operation(ops.CreateTableCommentOp(table, after, existing_comment=before))]


def _generated(item: Change, lookup: Lookup) -> Iterable[Operation]:
    """Drop and add: what a generated column holds is no one's data."""
    table, _, name = item.key
    if item.actual is None:
        raise MigrationError(
            f"{table}.{name} is to be computed from now on, and what it holds would go. Nothing"
            " was written: take it out of the model and run this, then put it in as computed."
        )
    reflected = sa.Table(
        table, sa.MetaData(), autoload_with=lookup.connection, resolve_fks=False
    ).c[name]
    column = detached(lookup.declared.columns.get((table, name), reflected))
    drop = ops.DropColumnOp.from_column_and_tablename(None, table, reflected)
    yield Operation(drop, ops.AddColumnOp(table, column))
    yield Operation(
        ops.AddColumnOp.from_column_and_tablename(None, table, lookup.model_column(item.key))
    )
    if item.expected is None and column.computed is not None:
        # It keeps what was computed last.
        yield Operation(LateFill(table, name, str(column.computed.sqltext)), None)


_BY_KIND: dict[str, Callable[[Change, Lookup], Iterable[Operation]]] = {
    "sequence": _sequence,
    "table": _table,
    "type": _type,
    "index": _index,
    "constraint": _constraint,
    "column": _column,
    "null": _null,
    "default": _default,
    "comment": _comment,
    "generated": _generated,
}
