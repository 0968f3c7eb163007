"""Rules for MySQL and MariaDB: what they refuse, and what they copy a whole table for."""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, Enum, String
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import conv

from ..finding import Operation, Verdict
from . import Match, ReviewContext, rule

_DIALECT: Any = mysql.dialect()
_LONGEST = 64


@rule(
    "mysql-limits",
    ["mysql"],
    Verdict.STOP,
    bad="""
    op.add_column("account", sa.Column("nickname", sa.String()))
    """,
    good="""
    op.add_column("account", sa.Column("nickname", sa.String(50)))
    """,
    what="{subject}: {detail}.",
    cost="MySQL and MariaDB refuse it, when earlier statements are already committed.",
    remedy="Give a length, such as String(255), or a shorter name.",
)
def mysql_limits(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Refuse text without a length, and names that are too long."""
    op: Any = operation.forward
    for column in _columns(op):
        type_: Any = column.type.dialect_impl(_DIALECT)
        plain = isinstance(type_, mysql.VARCHAR | String) and type_.__visit_name__ in (
            "string",
            "VARCHAR",
        )
        if plain and not isinstance(type_, Enum) and type_.length is None:
            yield Match(
                f"{operation.table or operation.subject}.{column.name}", "a String without a length"
            )
    names = [getattr(op, "index_name", None), getattr(op, "constraint_name", None)]
    names += [getattr(item, "name", None) for item in getattr(op, "columns", None) or ()]
    for name in names:
        # What a convention named, SQLAlchemy shortens.
        if isinstance(name, str) and not isinstance(name, conv) and len(name) > _LONGEST:
            yield Match(name, f"a name of {len(name)} characters, of {_LONGEST} at most")


def _columns(op: Any) -> Iterable[Column[Any]]:
    if isinstance(op, ops.CreateTableOp):
        return [item for item in op.columns if isinstance(item, Column)]
    if isinstance(op, ops.AddColumnOp):
        return [op.column]
    if isinstance(op, ops.AlterColumnOp) and op.modify_type is not None:
        return [Column(op.column_name, op.modify_type)]
    return []


@rule(
    "mysql-copy",
    ["mysql"],
    Verdict.KEEP,
    on=ops.AlterColumnOp,
    old=True,
    bad="""
    op.alter_column("account", "city", existing_type=sa.String(50), type_=sa.String(100))
    """,
    good="""
    # Up to 63 characters of utf8mb4 the length is counted in one byte: nothing is copied.
    op.alter_column("account", "city", existing_type=sa.String(50), type_=sa.String(63))
    """,
    what="The type of {subject} changes.",
    cost="{detail}",
    remedy="On a large table do it when few write, or with gh-ost or pt-online-schema-change.",
)
def mysql_copy(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Say which lock a change of type takes."""
    op: Any = operation.forward
    if op.modify_type is None:
        return
    before, after = (getattr(type_, "length", None) for type_ in (op.existing_type, op.modify_type))
    text = isinstance(op.existing_type, String) and isinstance(op.modify_type, String)
    # utf8mb4 takes four bytes a character, and 255 of them are counted in one byte.
    if text and before and after and before <= after and (after < 64 or before >= 64):
        return
    yield Match(
        operation.subject,
        "MySQL copies the table (ALGORITHM=COPY, LOCK=SHARED): writes are blocked.",
    )
