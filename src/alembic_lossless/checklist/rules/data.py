"""Rules that hold on every database: names, and what happens to rows."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Constraint

from ... import compat, naming
from ...quoting import literal
from ...run import expand_contract
from ...schema.dialect_support import without_parameters
from ...schema.values import fits
from ...tokens import unquote
from ..columns import apply_to_columns, detached
from ..data_operations import Fill, NumberRows, placeholder
from ..finding import Operation, Phase, Verdict
from . import EVERYWHERE, Match, ReviewContext, casts, rule


@rule(
    "unnamed-constraint",
    EVERYWHERE,
    Verdict.REWRITE,
    bad="""
    op.create_unique_constraint(None, "account", ["email"])
    """,
    good="""
    op.create_unique_constraint("uq_account_email", "account", ["email"])
    """,
    what="A constraint on {subject} has no name.",
    cost="Each database gives it another name, so no later revision can drop it.",
    remedy="It is named {detail}.",
)
def unnamed_constraint(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Name by convention what the models left without a name."""
    op: Any = operation.forward
    given = naming.names_given(context.metadata)
    if isinstance(op, ops.CreateTableOp):
        items: Any = op.columns
        for item in items:
            if not isinstance(item, Constraint) or compat.is_of_type(item):
                continue
            if (op.table_name, item.name) in given:
                yield Match(op.table_name, str(item.name))
            elif not item.name and (name := naming.of_constraint(item, op.table_name)):
                item.name = name
                yield Match(op.table_name, name)
    elif isinstance(operation.forward, ops.AddConstraintOp) and not op.constraint_name:
        name = naming.of_constraint(op.to_constraint(), operation.table or "")
        if name:
            op.constraint_name = name
            yield Match(operation.table or "", name)


@rule(
    "narrow-type",
    EVERYWHERE,
    Verdict.KEEP,
    on=ops.AlterColumnOp,
    bad="""
    op.alter_column("account", "city", existing_type=sa.Text(), type_=sa.String(50))
    """,
    good="""
    # The type stays, and a CHECK limits new rows.
    op.create_check_constraint(
        "ck_account_city_length", "account", "length(city) <= 50", postgresql_not_valid=True
    )
    """,
    what="The type of {subject} changes: {detail}.",
    cost="PostgreSQL, MySQL and MariaDB fail on a row whose value does not fit.",
    remedy="Look at the rows of every database first.",
)
def narrow_type(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Tell PostgreSQL how to cast, and say what may not fit."""
    op: Any = operation.forward
    if op.modify_type is None:
        return
    instead = casts.with_cast(operation) if "postgresql" in context.databases else [operation]
    on_mysql = "mysql" in context.databases
    lost = ", ".join(casts.losses(op.existing_type, op.modify_type, on_mysql=on_mysql))
    if lost:
        held = context.rows.values(op.table_name, op.column_name)
        filled = {
            s.forward.old for s in (*context.done, *context.operations) if _fills(s.forward, op)
        }
        odd = sum(
            rows
            for value, rows in held.items()
            if value not in filled
            and any(fits(value, op.modify_type, kind) for kind in context.databases)
        )
        # Without the values: this is written into the file, and they may be somebody's.
        many = f"{odd} of {held.total()}" if odd else f"all {held.total()}"
        fit = ("does not" if odd == 1 else "do not") if odd else "do"
        evidence = f"{many} rows of the development database {fit} fit"
        detail = f"{lost}; {evidence}" if held else lost
        yield Match(operation.subject, detail, instead, Verdict.ASK if odd else Verdict.KEEP)


def _fills(op: Any, altered: ops.AlterColumnOp) -> bool:
    column = altered.table_name, altered.column_name
    return isinstance(op, Fill) and (op.table_name, op.column_name) == column


@rule(
    "not-null-column",
    EVERYWHERE,
    Verdict.REWRITE,
    on=ops.AddColumnOp,
    old=True,
    bad="""
    op.add_column("account", sa.Column("lang", sa.String(2), nullable=False))
    """,
    good="""
    op.add_column("account", sa.Column("lang", sa.String(2), nullable=False, server_default="en"))
    op.alter_column("account", "lang", existing_type=sa.String(2), server_default=None)
    """,
    what="{subject} is new and NOT NULL, on a table that may have rows.",
    cost="It fails where the table has rows; MySQL silently writes 0 or an empty string.",
    remedy="{detail}",
)
def not_null_column(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Add the column with a value for the rows that may be there."""
    op: Any = operation.forward
    column = op.column
    if column.nullable or column.server_default is not None or column.computed is not None:
        return
    value = context.answers.value(
        operation.subject,
        example=placeholder(column),
        type_=column.type,
        databases=context.databases,
    )
    if value is None:
        give = "Add it with a server_default for rows already in the table; drop that afterwards."
        yield Match(operation.subject, give, verdict=Verdict.ASK)
        return
    plain = re.fullmatch(r"'(?:[^']|'')*'", value)
    text = sa.text(without_parameters(value))
    filled = detached(column, server_default=unquote(value) if plain else text)
    filled.nullable = False
    drop = ops.AlterColumnOp(
        op.table_name,
        column.name,
        schema=op.schema,
        existing_type=filled.type,
        existing_nullable=False,
        existing_server_default=filled.server_default,
        modify_server_default=None,
    )
    add = ops.AddColumnOp(op.table_name, filled, schema=op.schema)
    operations = [Operation(add), Operation(drop, None)]
    yield Match(operation.subject, f"Rows already in the table get {value}, {_DROPPED}", operations)


_DROPPED = (
    "by a default that is dropped afterwards. The release that still runs does not know the "
    "column, so its INSERTs fail from then on. To keep it running, keep the default for one "
    "release (server_default in the model)."
)


@rule(
    "not-null-column",
    EVERYWHERE,
    Verdict.REWRITE,
    on=NumberRows,
    what="{subject} is new and NOT NULL, and takes numbers by itself.",
    cost="It fails where the table has rows; MySQL silently writes 0.",
    remedy="Rows already in the table are numbered, in the order of {detail}; reads and writes are "
    "blocked meanwhile.",
)
def numbered_column(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Say that the rows get numbers, each its own."""
    yield Match(operation.subject, ", ".join(operation.forward.key))


@rule(
    "set-not-null",
    EVERYWHERE,
    Verdict.REWRITE,
    on=ops.AlterColumnOp,
    old=True,
    bad="""
    op.alter_column("account", "email", existing_type=sa.String(50), nullable=False)
    """,
    good="""
    op.execute("UPDATE account SET email = '' WHERE email IS NULL")
    op.alter_column("account", "email", existing_type=sa.String(50), nullable=False)
    """,
    what="{subject} becomes NOT NULL.",
    cost="It fails on rows that hold NULL.",
    remedy="{detail}",
)
def set_not_null(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Fill the rows that hold NULL; the model's default does where there is one."""
    op: Any = operation.forward
    numbered = any(
        isinstance(s.forward, NumberRows) and s.subject == operation.subject for s in context.done
    )
    if op.modify_nullable is not False or context.filled(op.table_name, op.column_name) or numbered:
        return
    type_ = op.modify_type or op.existing_type
    example = placeholder(sa.Column(op.column_name, type_))
    value = _literal(op) or context.answers.value(
        operation.subject, example=example, type_=type_, databases=context.databases
    )
    if value is None:
        yield Match(operation.subject, "UPDATE such rows first.", verdict=Verdict.ASK)
        return
    table = context.table(op.table_name)
    keyed = table is not None and op.column_name in table.primary_key.columns
    filled = Fill(op.table_name, op.column_name, value, beside=keyed, schema=op.schema)
    fill = Operation(filled, None, databases=operation.databases)
    yield Match(operation.subject, f"Such rows get {value} first.", [fill, operation])


def _literal(op: ops.AlterColumnOp) -> str | None:
    """Return the column's default as it will be, as an SQL literal."""
    default: Any = op.existing_server_default
    if op.modify_server_default is not False:
        default = op.modify_server_default
    value = getattr(default, "arg", default)
    if isinstance(value, str):
        return literal(value)
    # Alembic says False where nobody said what the default is.
    return None if value is None or value is False else str(value)


@rule(
    "drop-column",
    EVERYWHERE,
    Verdict.ASK,
    on=ops.DropColumnOp,
    bad="""
    op.drop_column("account", "nickname")
    """,
    good="""
    accepted = {"drop-column account.nickname": "no release reads it since 1.4"}
    phase = "contract"


    def upgrade():
        op.drop_column("account", "nickname")
    """,
    what="The column {subject} is dropped, with its values.",
    cost="The values are lost, and the release that still runs reads the column.",
    remedy="Deploy the release that does not use it first.{detail}",
)
def drop_column(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Ask for consent to one column; a generated one holds no one's data."""
    if not _generated(operation, context):
        relaxed = any(
            isinstance(earlier.forward, ops.AlterColumnOp) and earlier.subject == operation.subject
            for earlier in context.operations
        )
        detail = " It allows NULL until then, so that this release can insert rows."
        instead = [replace(operation, phase=Phase.CONTRACT)]
        yield Match(operation.subject, detail if relaxed else "", instead)


def _generated(operation: Operation, context: ReviewContext) -> bool:
    column = getattr(operation.backward, "column", None)
    if column is None:
        columns: dict[tuple[str, str], Any] = {}
        for earlier in context.before:
            apply_to_columns(earlier.forward, columns)
        column = columns.get((operation.forward.table_name, operation.forward.column_name))
    return column is not None and column.computed is not None


@rule(
    "drop-table",
    EVERYWHERE,
    Verdict.ASK,
    on=ops.DropTableOp,
    bad="""
    op.drop_table("visit")
    """,
    good="""
    accepted = {"drop-table visit": "moved to the warehouse"}
    phase = "contract"


    def upgrade():
        op.drop_table("visit")
    """,
    what="The table {subject} is dropped, with its rows.",
    cost="The rows are lost, and the release that still runs reads the table.",
    remedy="Deploy the release that does not use it first.",
)
def drop_table(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Ask for consent to one table."""
    yield Match(operation.subject, instead=[replace(operation, phase=Phase.CONTRACT)])


@rule(
    "rename",
    EVERYWHERE,
    Verdict.KEEP,
    on=(ops.RenameTableOp, ops.AlterColumnOp),
    bad="""
    op.alter_column("account", "name", existing_type=sa.String(50), new_column_name="full_name")
    """,
    good="""
    op.add_column("account", sa.Column("full_name", sa.String(50)))
    # The next revision, once a release runs that writes to both
    op.execute("UPDATE account SET full_name = name")
    # A release later the old column goes (drop-column).
    """,
    what="{subject} is renamed to {detail}; its values stay.",
    cost="The release that still runs breaks, because it asks for the old name.",
    remedy="Where that matters, add the new one beside it, write to both, and drop the old one "
    "a release later.",
)
def rename(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Say what a rename does to the release that still runs."""
    name = getattr(operation.forward, "new_table_name", None) or getattr(
        operation.forward, "modify_name", None
    )
    if name:
        yield Match(operation.subject, name)


@rule(
    "contract-phase",
    EVERYWHERE,
    Verdict.STOP,
    bad="""
    op.drop_table("visit")
    """,
    good="""
    phase = "contract"


    def upgrade():
        op.drop_table("visit")
    """,
    what="The file does not say that it takes something away: {detail}.",
    cost="The release before may still use it, so a deployment in two phases stops here.",
    remedy='Write into the file, below down_revision: phase = "contract"',
)
def contract_phase(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Demand, once a file, that a revision says what ``upgrade --phase expand`` stops before."""
    if context.has_phase or operation is not context.operations[-1]:
        return
    (kind,) = context.databases
    if taken := expand_contract.taken_away([each.forward for each in context.operations], kind):
        yield Match(taken[0].partition(" ")[2], ", ".join(taken))
