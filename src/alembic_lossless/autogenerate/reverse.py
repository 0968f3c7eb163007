"""The operations that make an object again, from its definition: the way back of what drops it."""

import re
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Connection
from sqlalchemy.schema import conv

from ..schema.diff import is_unnamed
from ..schema.model import (
    Check,
    Constraint,
    Definition,
    ForeignKey,
    Index,
    Key,
    PrimaryKey,
    Unique,
)
from ..schema.sqlite import definition_of
from ..sqlite import names, parser
from ..tokens import unquote
from .comparison import Lookup


def recreate(key: Key, definition: Definition, lookup: Lookup) -> Any:
    """Return what makes an index or a constraint again; None where no operation of Alembic's does.

    :param key: its name, and its table's.
    :param definition: what the database has; what the chain declares comes first.
    """
    op = lookup.declared.objects.get((key.table, key.name))
    is_index = isinstance(op, ops.CreateIndexOp)
    if op is None or is_index != (key.kind == "index"):
        op = creation(key, definition)
    if isinstance(op, ops.CreateCheckConstraintOp) and op.constraint_name:
        op.constraint_name = conv(key.name)  # also where the table has another name by then
    lookup.separate_schema(op)
    return op


def derived_name(connection: Connection, key: Key, definition: Constraint) -> str | None:
    """Name a constraint that has no name on SQLite, as a revision that drops it does.

    :return: the name by which it is found (sqlite/names.py); None where it has a name, or no
        convention can give one.
    """
    if not is_unnamed(key, definition) or connection.dialect.name != "sqlite":
        return None
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
    table = parser.parse(str(connection.exec_driver_sql(query, (key.table,)).scalar_one()))
    for constraint in table.constraints_of(*parser.NAMED_KINDS):
        if constraint.name is None and definition_of(constraint) == definition:
            return names.by_convention(table, constraint)
    return None


def creation(key: Key, definition: Definition) -> Any:
    """Return the operation that makes an index or a constraint; None where there is none."""
    name = None if is_unnamed(key, definition) else key.name
    match definition:
        case Check(options=""):
            condition = sa.text(definition.typed or definition.condition)
            return ops.CreateCheckConstraintOp(name, key.table, condition)
        case Unique(options="", nulls_not_distinct=False):
            return ops.CreateUniqueConstraintOp(name, key.table, definition.columns)
        case PrimaryKey():
            return ops.CreatePrimaryKeyOp(name, key.table, definition.columns)
        case ForeignKey():
            return _foreign_key(name, key.table, definition)
        case Index():
            return _index(key, definition)
    return None


def _foreign_key(name: str | None, table: str, definition: ForeignKey) -> ops.CreateForeignKeyOp:
    options: dict[str, Any] = {
        "ondelete": definition.ondelete,
        "onupdate": definition.onupdate,
        "deferrable": definition.deferrable or None,
        "initially": definition.initially,
        "match": definition.match,
    }
    return ops.CreateForeignKeyOp(
        name,
        table,
        definition.referred_table,
        list(definition.columns),
        list(definition.referred_columns),
        **{option: value for option, value in options.items() if value is not None},
    )


def _index(key: Key, definition: Index) -> ops.CreateIndexOp:
    options: dict[str, Any] = {}
    if condition := definition.typed_condition or definition.condition:
        options["postgresql_where"] = options["sqlite_where"] = sa.text(condition)
    if definition.method.isupper():
        options["mysql_prefix"] = definition.method
    elif definition.method not in ("", "btree"):
        options["postgresql_using"] = definition.method
    if definition.included:
        options["postgresql_include"] = list(definition.included)
    if "NULLS NOT DISTINCT" in definition.options:
        options["postgresql_nulls_not_distinct"] = True
    elements = [_element(element) for element in definition.typed or definition.elements]
    return ops.CreateIndexOp(key.name, key.table, elements, unique=definition.unique, **options)


def _element(text: str) -> Any:
    is_column = re.fullmatch(r"""(["`]?)([^"`()\s]+)\1|"[^"]+"|`[^`]+`""", text)
    return unquote(text) if is_column else sa.text(text)
