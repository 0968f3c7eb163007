"""Rules for PostgreSQL about rows: they are looked at, changed and written anew without a lock."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.schema import conv

from ... import compat, naming
from ..data_operations import Fill, FillInBatches
from ..finding import ON_POSTGRESQL, Operation, Phase, Verdict
from . import Match, ReviewContext, rule
from .postgresql import apart, not_valid, on_postgresql, others, quote


@rule(
    "set-not-null",
    ["postgresql"],
    Verdict.SPLIT,
    on=ops.AlterColumnOp,
    old=True,
    bad="""
    op.execute("UPDATE account SET email = '' WHERE email IS NULL")
    op.alter_column("account", "email", existing_type=sa.String(50), nullable=False)
    """,
    good="""
    op.create_check_constraint(
        "ck_account_email_not_null", "account", "email IS NOT NULL", postgresql_not_valid=True
    )
    # The next revision
    op.execute("UPDATE account SET email = '' WHERE email IS NULL")
    # The next revision
    op.execute("ALTER TABLE account VALIDATE CONSTRAINT ck_account_email_not_null")
    op.alter_column("account", "email", existing_type=sa.String(50), nullable=False)
    op.drop_constraint("ck_account_email_not_null", "account", type_="check")
    """,
    what="{subject} becomes NOT NULL.",
    cost="PostgreSQL blocks reads and writes while it checks every row.",
    remedy="A CHECK, NOT VALID at first, is validated in a revision of its own; NOT NULL then "
    "takes no time, and the CHECK is dropped.",
)
def set_not_null(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Let a CHECK look at the rows, so that NOT NULL need not."""
    op: Any = operation.forward
    if op.modify_nullable is not False or context.checked(op.table_name, op.column_name):
        return
    table = context.table(op.table_name)
    if table is not None and op.column_name in table.primary_key.columns:
        return  # the key looks at the rows anyhow
    rest, alone = _only_nullable(operation)
    name = conv(naming.check(op.table_name, f"{alone.column_name}_not_null"))
    condition = sa.text(f"{quote(alone.column_name)} IS NOT NULL")
    check = ops.CreateCheckConstraintOp(name, op.table_name, condition, schema=op.schema)
    added, validate, *_ = not_valid(Operation(check, databases=ON_POSTGRESQL))
    drop = ops.DropConstraintOp(name, op.table_name, "check", schema=op.schema)
    yield Match(
        operation.subject,
        instead=[
            *rest,
            added,
            *others(Operation(alone, databases=operation.databases, phase=Phase.FILL), context),
            validate,
            Operation(alone, databases=ON_POSTGRESQL, phase=Phase.VALIDATE),
            Operation(drop, added.forward, databases=ON_POSTGRESQL, phase=Phase.VALIDATE),
        ],
    )


def _only_nullable(operation: Operation) -> tuple[list[Operation], Any]:
    """Part what changes NULL from what else the operation changes of the column."""
    op = operation.forward
    changed = op.modify_type is not None or op.modify_server_default is not False or op.modify_name
    alone = ops.AlterColumnOp(
        op.table_name,
        op.modify_name or op.column_name,
        schema=op.schema,
        existing_type=op.modify_type or op.existing_type,
        existing_nullable=True,
        existing_server_default=op.existing_server_default
        if op.modify_server_default is False
        else op.modify_server_default,
        existing_comment=op.existing_comment,
        modify_nullable=False,
    )
    if not changed:
        return [], alone
    back = operation.reverse().forward
    rest = [copy.copy(op), copy.copy(back)]
    for alteration in rest:
        alteration.modify_nullable, alteration.existing_nullable = None, True
    return [replace(operation, forward=rest[0], backward=rest[1])], alone


@rule(
    "backfill",
    ["postgresql", "mysql"],
    Verdict.SPLIT,
    bad="""
    op.add_column("account", sa.Column("country", sa.String(2)))
    op.execute("UPDATE account SET country = 'de'")
    """,
    good="""
    op.add_column("account", sa.Column("country", sa.String(2)))
    # The next revision
    op.execute("UPDATE account SET country = 'de'")
    """,
    what="Rows of {subject} are changed together with the table.",
    cost="Whoever writes to these rows waits until the whole revision is done.",
    remedy="{detail}",
)
def backfill(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Change rows in transactions of their own, on PostgreSQL in many small ones."""
    op: Any = operation.forward
    if isinstance(op, Fill) and op.beside:
        return
    if isinstance(op, Fill) and on_postgresql(operation, context):
        in_batches = Operation(
            FillInBatches(op), None, databases=ON_POSTGRESQL, phase=Phase.FILL, alone=True
        )
        detail = "They are changed in a revision of their own, on PostgreSQL in batches."
        yield Match(op.table_name, detail, apart(operation, context, in_batches))
    elif isinstance(op, Fill):
        yield Match(op.table_name, _LARGE, verdict=Verdict.KEEP)
    elif (written := [w.table for s in context.statements(op) for w in s.writes]) and any(
        isinstance(s.forward, _CHANGES)
        and getattr(s.forward, "table_name", "") not in context.created
        for s in context.operations
    ):
        alone = "Change them in a revision of their own, a large table in batches."
        yield Match(written[0].name, alone if on_postgresql(operation, context) else _LARGE)


_LARGE = "On a large table of MySQL or MariaDB change them in batches, before this."
_CHANGES = (ops.AlterColumnOp, ops.AddColumnOp, ops.AddConstraintOp, ops.DropColumnOp)


_VOLATILE = (
    "gen_random_uuid",
    "uuid_generate",
    "random",
    "clock_timestamp",
    "nextval",
    "timeofday",
)


@rule(
    "volatile-default",
    ["postgresql"],
    Verdict.REWRITE,
    on=ops.AddColumnOp,
    old=True,
    bad="""
    random = sa.text("gen_random_uuid()")
    op.add_column("account", sa.Column("key", sa.Uuid(), server_default=random))
    """,
    good="""
    op.add_column("account", sa.Column("key", sa.Uuid()))
    op.alter_column("account", "key", server_default=sa.text("gen_random_uuid()"))
    """,
    what="{subject} is new, with a default that differs from row to row.",
    cost="PostgreSQL rewrites the whole table, and blocks reads and writes meanwhile.",
    remedy="{detail}",
)
def volatile_default(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Add the column first and give it its default afterwards."""
    op: Any = operation.forward
    default = getattr(op.column.server_default, "arg", "")
    if not str(default).strip("( ").lower().startswith(_VOLATILE):
        return
    if not op.column.nullable:
        remedy = "It is NOT NULL, so the rows need it at once: make it nullable for one release."
        yield Match(operation.subject, remedy, verdict=Verdict.KEEP)
        return
    column = compat.copy_item(op.column)
    column.server_default = None
    give = ops.AlterColumnOp(
        op.table_name,
        column.name,
        schema=op.schema,
        existing_type=column.type,
        existing_nullable=True,
        modify_server_default=op.column.server_default,
    )
    operations = [
        Operation(ops.AddColumnOp(op.table_name, column, schema=op.schema)),
        Operation(give, None),
    ]
    remedy = "The default is set after the column is added; rows already in the table hold NULL."
    yield Match(operation.subject, remedy, operations)
