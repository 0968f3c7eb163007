"""Changes of a column's type: what PostgreSQL has to be told, and what may not fit."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Boolean, Date, DateTime, Enum, Float, Integer, Numeric, String, Time
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.exc import CompileError

from ...quoting import qualified
from ...schema.values import byte_limit
from ..finding import Operation

_POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
_MYSQL: Any = mysql.dialect()
_FAMILIES = (Boolean, Integer, Numeric, Float, Enum, String, DateTime, Date, Time)

#: Pairs that PostgreSQL casts by itself.
_BY_ITSELF = {(Integer, Numeric), (Numeric, Integer), (Date, DateTime), (DateTime, Date)}


def family(type_: Any) -> Any:
    """Return the kind of value that *type_* holds."""
    kind = next((kind for kind in _FAMILIES if isinstance(type_, kind)), None)
    if kind is not None:
        return kind
    try:
        is_binary = type_.python_type is bytes
    except (AttributeError, NotImplementedError):
        is_binary = False
    return bytes if is_binary else type(type_)


def using(column: str, old: Any, new: Any) -> str | None:
    """Return the cast that PostgreSQL asks for, None where it needs none."""
    pair = family(old), family(new)
    on_postgresql = new.dialect_impl(_POSTGRESQL), old.dialect_impl(_POSTGRESQL)
    alike = pair[0] is pair[1] and family(on_postgresql[0]) is pair[0]
    if pair in _BY_ITSELF or (alike and not _another_enum(old, new)):
        return None
    quoted = qualified(_POSTGRESQL, column)
    name = _name(new)
    if String in pair:
        return f"{quoted}::{name}"
    # A boolean becomes a plain integer only, and back.
    by = "integer" if Boolean in pair and set(pair) & {Integer, Numeric, Float} else "text"
    return f"{quoted}::{by}::{name}"


def _another_enum(old: Any, new: Any) -> bool:
    """Tell whether PostgreSQL holds the values in a type of another name."""
    names = [getattr(type_, "native_enum", None) and type_.name for type_ in (old, new)]
    return isinstance(old, Enum) and isinstance(new, Enum) and names[0] != names[1]


def with_cast(operation: Operation) -> list[Operation]:
    """Return what changes a type with a cast, its default out of the way meanwhile."""
    op: Any = operation.forward
    operations = [operation]
    forward = using(op.column_name, op.existing_type, op.modify_type)
    backward = using(op.column_name, op.modify_type, op.existing_type)
    if forward is None and backward is None:
        return operations
    old, new = op.existing_server_default, op.modify_server_default
    changed = new is not False
    op.kw["postgresql_using"] = forward
    op.existing_server_default, op.modify_server_default = None, False
    reverse = op.reverse()
    reverse.kw["postgresql_using"] = backward
    operations = [Operation(op, reverse, databases=operation.databases)]
    default = old if not changed else new
    if old is not None:
        operations.insert(0, _default(operation, op.existing_type, old, None))
    if default is not None:
        operations.append(_default(operation, op.modify_type, None, default))
    return operations


def _default(operation: Operation, type_: Any, old: Any, new: Any) -> Operation:
    op = ops.AlterColumnOp(
        operation.forward.table_name,
        operation.forward.column_name,
        existing_type=type_,
        existing_nullable=operation.forward.existing_nullable,
        existing_server_default=old,
        modify_server_default=new,
    )
    return Operation(op, databases=operation.databases)


def losses(old: Any, new: Any, *, on_mysql: bool = False) -> Iterator[str]:
    """Yield what values of *old* may not fit into *new*.

    :param on_mysql: whether the column is in a database of MySQL or MariaDB, too.
    """
    pair = family(old), family(new)
    is_other_family = pair[0] is not pair[1] and pair not in {(Integer, Numeric), (Date, DateTime)}
    if is_other_family or _another_enum(old, new):
        yield f"values become {_name(new)}"
    narrower = False
    for name in ("length", "precision"):
        before, after = getattr(old, name, None), getattr(new, name, None)
        if after is not None and (before is None or before > after) and pair[0] is pair[1]:
            narrower = True
            yield f"{name} {after} instead of {before or 'any'}"
    more, fewer = byte_limit(old), byte_limit(new)
    if on_mysql and not narrower and more and fewer and more > fewer:
        yield f"{fewer:,} bytes instead of {more:,} on MySQL and MariaDB"


def _name(type_: Any) -> str:
    try:
        return str(type_.compile(dialect=_POSTGRESQL))
    except CompileError:  # another database's own
        return str(type_)
