"""The columns as the chain's own files declare them.

What a server reflects is its own spelling of a type or a default, and often runs nowhere else. The
way back of a new revision is written as the earlier revisions were: ``sa.Boolean()``, not
``mysql.TINYINT(display_width=1)``.
"""

from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Column, Connection, Dialect

from ..scratch import quiet
from ..watch import followed, invoked

Columns = dict[tuple[str, str], Column[Any]]


def columns(connection: Connection, script: ScriptDirectory | None = None) -> Columns:
    """Return the last declaration of each column, of the chain that ran on *connection*.

    :param script: the chain; it is asked where its database was kept from an earlier run.
    """
    found: Columns = {}
    done = invoked(connection)
    chain = list(script.walk_revisions()) if script else []
    if {revision.revision for revision in chain} - {revision for revision, _ in done}:
        read = connection.info.get("declared") or _read(chain, connection.dialect)
        connection.info["declared"] = read
        # What is tried on top of the chain has no revision yet.
        done = [*read, *(item for item in done if not item[0])]
    for _, op in done:
        _follow(op, found)
    return found


def _read(newest_first: list[Script], dialect: Dialect) -> list[tuple[str, Any]]:
    """Return the operations of a chain without executing one; what reads rows is passed over."""
    with quiet():
        return [("", op) for one in reversed(newest_first) for op in followed(one, dialect)[0]]


def _follow(op: Any, found: Columns) -> None:
    if isinstance(op, ops.CreateTableOp):
        items = [item for item in op.columns if isinstance(item, Column)]
        found.update({(op.table_name, item.name): fresh(item) for item in items})
    elif isinstance(op, ops.DropTableOp):
        for key in [key for key in found if key[0] == op.table_name]:
            del found[key]
    elif isinstance(op, ops.RenameTableOp):
        for key in [key for key in found if key[0] == op.table_name]:
            found[op.new_table_name, key[1]] = found.pop(key)
    elif isinstance(op, ops.AddColumnOp):
        found[op.table_name, op.column.name] = fresh(op.column)
    elif isinstance(op, ops.DropColumnOp):
        found.pop((op.table_name, op.column_name), None)
    elif isinstance(op, ops.AlterColumnOp) and (op.table_name, op.column_name) in found:
        column = found.pop((op.table_name, op.column_name))
        default = op.modify_server_default
        changes = {"server_default": default} if default is not False else {}
        name = op.modify_name or op.column_name
        found[op.table_name, name] = fresh(column, name=name, type_=op.modify_type, **changes)


def fresh(column: Column[Any], like: Column[Any] | None = None, **changes: Any) -> Column[Any]:
    """Return *column* without its table and its constraints; NOT NULL as in *like*, if given."""
    default: Any = changes.get("server_default", column.server_default)
    extra = [default] if isinstance(default, sa.Computed | sa.Identity) else []
    if extra:
        default = None
    elif default is not None and not isinstance(default, sa.FetchedValue):
        default = sa.DefaultClause(default)
    return Column(
        changes.get("name") or column.name,
        plain_type(changes.get("type_") or column.type),
        *[item._copy() for item in extra],
        nullable=(like if like is not None else column).nullable,
        server_default=default,
        autoincrement=column.autoincrement,
        comment=(like if like is not None else column).comment,
    )


def plain_type(type_: Any) -> Any:
    """Return *type_* without the CHECK that an Enum or a Boolean may bring: it comes by itself."""
    type_ = sa.types.to_instance(type_)
    if getattr(type_, "create_constraint", False):
        type_ = type_.copy()
        type_.create_constraint = False
    return type_
