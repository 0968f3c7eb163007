"""Columns as operations declare them."""

from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Column

from .. import compat

#: Columns by the names of their table and of themselves.
Columns = dict[tuple[str, str], Column[Any]]


def apply_to_columns(op: Any, columns: Columns) -> None:
    """Change *columns* as *op* does: what it declares is noted, what it drops is forgotten.

    :param op: an operation of Alembic's.
    """
    if isinstance(op, ops.CreateTableOp):
        items = [item for item in op.columns if isinstance(item, Column)]
        columns.update({(op.table_name, item.name): detached(item) for item in items})
    elif isinstance(op, ops.DropTableOp):
        for key in [key for key in columns if key[0] == op.table_name]:
            del columns[key]
    elif isinstance(op, ops.RenameTableOp):
        for key in [key for key in columns if key[0] == op.table_name]:
            columns[op.new_table_name, key[1]] = columns.pop(key)
    elif isinstance(op, ops.AddColumnOp):
        columns[op.table_name, op.column.name] = detached(op.column)
    elif isinstance(op, ops.DropColumnOp):
        columns.pop((op.table_name, op.column_name), None)
    elif isinstance(op, ops.AlterColumnOp) and (op.table_name, op.column_name) in columns:
        column = columns.pop((op.table_name, op.column_name))
        default = op.modify_server_default
        changes = {"server_default": default} if default is not False else {}
        name = op.modify_name or op.column_name
        columns[op.table_name, name] = detached(column, name=name, type_=op.modify_type, **changes)


def detached(column: Column[Any], like: Column[Any] | None = None, **changes: Any) -> Column[Any]:
    """Return a copy of *column* without its table and its constraints.

    :param like: the column that says whether it is NOT NULL, and its comment; else *column* does.
    :param changes: ``name``, ``type_``, ``server_default`` of the copy.
    """
    default: Any = changes.get("server_default", column.server_default)
    extra = [default] if isinstance(default, sa.Computed | sa.Identity) else []
    if extra:
        default = None
    elif default is not None and not isinstance(default, sa.FetchedValue):
        default = sa.DefaultClause(default)
    return Column(
        changes.get("name") or column.name,
        without_check(changes.get("type_") or column.type),
        *[compat.copy_item(item) for item in extra],
        nullable=(like if like is not None else column).nullable,
        server_default=default,
        autoincrement=column.autoincrement,
        comment=(like if like is not None else column).comment,
    )


def without_check(type_: Any) -> Any:
    """Return *type_* without the CHECK that an Enum or a Boolean may bring: it comes by itself."""
    type_ = sa.types.to_instance(type_)
    if getattr(type_, "create_constraint", False):
        type_ = type_.copy()
        type_.create_constraint = False
    return type_
