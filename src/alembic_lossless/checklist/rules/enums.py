"""PostgreSQL's enum types: made before they are needed, extended outside a transaction."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Column, Connection, Enum, MetaData

from ... import compat
from ...quoting import literal
from ...run import binds
from ...schema.diff import Change
from ...schema.model import values_of
from ...statements import Name, Statement, read
from ..data_operations import LateSQL, Statements
from ..finding import ON_POSTGRESQL, Operation, Verdict
from . import Match, ReviewContext, rule
from .postgresql import quote


class ExistingEnum(Enum):
    """An enum whose type PostgreSQL has already: a table that uses it does not make it."""


def native(type_: Any) -> Enum | None:
    """Return the enum that *type_* is on PostgreSQL as a type of its own, else None."""
    is_enum = isinstance(type_, Enum) and type_.native_enum and type_.name
    return type_ if is_enum else None


def _create(name: str, values: Any) -> str:
    return f"CREATE TYPE {quote(name)} AS ENUM ({', '.join(map(literal, values))})"


@rule(
    "enum",
    ["postgresql"],
    Verdict.REWRITE,
    bad="""
    op.add_column("account", sa.Column("role", sa.Enum("admin", "guest", name="role")))
    """,
    good="""
    op.execute("CREATE TYPE role AS ENUM ('admin', 'guest')")
    op.add_column("account", sa.Column("role", sa.Enum("admin", "guest", name="role")))
    """,
    what="{subject} is an enum, which PostgreSQL holds as a type of its own.",
    cost="A column cannot be added before its type exists, a second table must not create the type "
    "again, and a new value cannot be added and used in one transaction.",
    remedy="{detail}",
)
def enum(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Make the type before the first column that needs it, and only once."""
    op: Any = operation.forward
    if isinstance(op, ops.ExecuteSQLOp):
        where = "outside a transaction" if binds.current() is None else "in its transaction"
        for each in _alters_type(str(op.sqltext)):
            if each.has("ADD", "VALUE"):
                yield Match(str(each.name), f"{each.text}, {where}.")
    elif isinstance(op, Statements):
        words = "The type is created anew, which fails on rows that hold a removed value."
        yield from (Match(str(each.name), words) for each in _alters_type(op.statements[0]))
    elif isinstance(op, ops.DropTableOp) and op._reverse is not None:
        back: Any = op._reverse
        back.columns = [_there(item) for item in back.columns]
    if context.types is None:
        return
    if isinstance(op, ops.CreateTableOp):
        yield from _in_table(op, operation, context.types)
        return
    column = op.column if isinstance(op, ops.AddColumnOp) else None
    type_ = native(column.type if column is not None else getattr(op, "modify_type", None))
    if type_ is None or type_.name in context.types:
        return
    name = str(type_.name)
    context.types.add(name)
    statements = (each for s in context.operations for each in context.statements(s.forward))
    if any(each.object == "TYPE" and each.creates == Name(name) for each in statements):
        return
    create = ops.ExecuteSQLOp(_create(name, type_.enums))
    drop = ops.ExecuteSQLOp(f"DROP TYPE {quote(name)}")
    instead = [Operation(create, drop, databases=ON_POSTGRESQL), operation]
    yield Match(operation.subject, "CREATE TYPE comes first, on PostgreSQL.", instead)


def _alters_type(sql: str) -> list[Statement]:
    statements = read(sql, "postgresql")
    return [each for each in statements if (each.verb, each.object) == ("ALTER", "TYPE")]


def _in_table(op: Any, operation: Operation, types: set[str]) -> Iterator[Match]:
    columns, created = [], []
    for item in op.columns:
        type_ = native(item.type) if isinstance(item, Column) else None
        if type_ is None:
            columns.append(item)
            continue
        name = str(type_.name)
        if name in types:
            item = _there(item)
            yield Match(f"{op.table_name}.{item.name}", "The existing type is used.")
        elif name not in created:
            created.append(name)
        columns.append(item)
    op.columns = columns
    types.update(created)
    if created:
        # With the table the type comes; it does not go with the table.
        back = [
            Operation(None, ops.ExecuteSQLOp(f"DROP TYPE {quote(name)}"), databases=ON_POSTGRESQL)
            for name in created
        ]
        words = "The downgrade drops the type after the table, which would leave it behind."
        yield Match(op.table_name, words, [*back, operation])


def _there(item: Any) -> Any:
    """Return the column so that its table does not make its enum type, which is there."""
    type_ = native(item.type) if isinstance(item, Column) else None
    if type_ is None:
        return item
    item = compat.copy_item(item)
    item.type = ExistingEnum(*type_.enums, name=str(type_.name))
    return item


def operations(item: Change, connection: Connection, metadata: MetaData) -> Iterator[Operation]:
    """Yield what ends the difference *item* of an enum; what adds values runs alone."""
    name, before, after = item.key.name, values_of(item.actual), values_of(item.expected)
    create, drop = ops.ExecuteSQLOp, ops.ExecuteSQLOp(f"DROP TYPE {quote(name)}")
    if item.expected is None:
        # When no column is of it any more.
        yield Operation(
            LateSQL(f"drop type {name}", str(drop.sqltext)),
            create(_create(name, before)),
            databases=ON_POSTGRESQL,
        )
    elif item.actual is None:
        yield Operation(create(_create(name, after)), drop, databases=ON_POSTGRESQL)
    elif set(after) - set(before):
        # A value cannot be taken out again: on the way back the type is made anew.
        backward: Any = Statements(*_anew(name, before, connection))
        for at, value in enumerate(after):
            if value not in before:
                place = f"AFTER {literal(after[at - 1])}" if at else f"BEFORE {literal(before[0])}"
                add = f"ALTER TYPE {quote(name)} ADD VALUE IF NOT EXISTS {literal(value)} {place}"
                yield Operation(
                    ops.ExecuteSQLOp(add), backward, databases=ON_POSTGRESQL, alone=True
                )
                backward = None
    else:
        # When nothing speaks any more of a value that goes.
        forward, backward = (
            LateSQL(
                f"make type {name} of {', '.join(values)}",
                *_anew(name, values, connection, metadata),
            )
            for values in (after, before)
        )
        yield Operation(forward, backward, databases=ON_POSTGRESQL)


_USES = """
SELECT nullif(c.table_schema, current_schema()), c.table_name, c.column_name, c.column_default,
  c.data_type = 'ARRAY'
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.udt_name IN (:name, :array) AND c.udt_schema = current_schema()
  AND t.table_type = 'BASE TABLE'
"""


def _anew(
    name: str, values: list[str], connection: Connection, metadata: MetaData | None = None
) -> Iterator[str]:
    """Yield the statements that make the type anew; they fail on rows with a value that goes.

    :param metadata: the models, whose defaults stand by then; else those of the database do.
    """
    old, new = quote(f"{name}_old"), quote(name)
    yield f"ALTER TYPE {new} RENAME TO {old}"
    yield _create(name, values)
    for schema, table, column, default, many in connection.execute(
        sa.text(_USES), {"name": name, "array": f"_{name}"}
    ).all():
        whole = f"{schema}.{table}" if schema else table
        model = metadata.tables.get(whole) if metadata is not None else None
        if model is not None and column in model.c:
            default = _default(model.c[column].server_default)
        alter = f"ALTER TABLE {quote(table, schema)} ALTER COLUMN {quote(column)}"
        if default:
            yield f"{alter} DROP DEFAULT"
        array = "[]" if many else ""
        yield f"{alter} TYPE {new}{array} USING {quote(column)}::text{array}::{new}{array}"
        if default:
            yield f"{alter} SET DEFAULT {default}"
    yield f"DROP TYPE {old}"


def _default(default: Any) -> str | None:
    argument = getattr(default, "arg", None)
    if argument is None or isinstance(argument, str):
        return argument and literal(argument)
    return str(argument)
