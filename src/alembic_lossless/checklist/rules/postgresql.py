"""Rules for PostgreSQL: the ways that do not hold up who reads and writes meanwhile."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from ...quoting import qualified
from ...run.recorder import table_of
from ..finding import (
    ON_POSTGRESQL,
    Operation,
    Phase,
    Verdict,
)
from . import Match, ReviewContext, rule

_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
quote = partial(qualified, _DIALECT)


def quoted_table(op: Any) -> str:
    schema = getattr(op, "schema", None) or op.kw.get("source_schema")
    return quote(str(table_of(op)), schema)


def apart(operation: Operation, context: ReviewContext, *instead: Operation) -> list[Operation]:
    """Return PostgreSQL's own operations, and *operation* as it is for the other databases."""
    return [*instead, *others(replace(operation, phase=instead[0].phase), context)]


def others(operation: Operation, context: ReviewContext) -> list[Operation]:
    """Return *operation* for the databases that are not PostgreSQL."""
    kinds = {kind for kind in context.databases if operation.runs_on(kind)} - {"postgresql"}
    databases = operation.databases - ON_POSTGRESQL
    return [replace(operation, databases=databases)] if kinds and databases else []


def on_postgresql(operation: Operation, context: ReviewContext) -> bool:
    return "postgresql" in context.databases and operation.runs_on("postgresql")


@rule(
    "add-index",
    ["postgresql"],
    Verdict.SPLIT,
    on=ops.CreateIndexOp,
    old=True,
    bad="""
    op.create_index("ix_account_email", "account", ["email"])
    """,
    good="""
    with op.get_context().autocommit_block():
        # An attempt that failed leaves an invalid index behind.
        op.drop_index("ix_account_email", "account", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_account_email", "account", ["email"], postgresql_concurrently=True)
    """,
    what="{subject} is an index on a table that may have rows.",
    cost="PostgreSQL blocks every write to the table while the index is built.",
    remedy="It is built CONCURRENTLY, outside a transaction, in a revision of its own. What a "
    "failed attempt left behind is dropped first.",
)
def add_index(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Build the index while others write."""
    op: Any = operation.forward
    if not op.kw.get("postgresql_concurrently"):
        # Built plainly in a downgrade, it would hold up writes there.
        yield Match(operation.subject, instead=apart(operation, context, *concurrently(op)))


def concurrently(op: Any, using: Operation | None = None) -> list[Operation]:
    index = copy.copy(op)
    index.kw = {**op.kw, "postgresql_concurrently": True}
    index.if_not_exists = True  # it may run again: outside a transaction nothing is rolled back
    options = {"schema": op.schema, "if_exists": True, "postgresql_concurrently": True}
    drop = ops.DropIndexOp(op.index_name, op.table_name, **options)
    back = None if using else drop
    return [
        Operation(drop, None, databases=ON_POSTGRESQL, phase=Phase.INDEX, alone=True),
        Operation(index, back, databases=ON_POSTGRESQL, phase=Phase.INDEX, alone=True),
        *([using] if using else []),
    ]


def not_valid(operation: Operation) -> list[Operation]:
    """Return the operations that add a constraint for new rows, and look at the old ones later."""
    added = copy.copy(operation.forward)
    added.kw = {**added.kw, "postgresql_not_valid": True}
    # Not the model's own, which the operation may hold: its options are other ones.
    added._orig_constraint = None
    validate = (
        f"ALTER TABLE {quoted_table(added)} VALIDATE CONSTRAINT {quote(added.constraint_name)}"
    )
    drop = operation.reverse().forward
    later = [
        Operation(ops.ExecuteSQLOp(validate), None, databases=ON_POSTGRESQL, phase=Phase.VALIDATE),
        # Nothing makes it NOT VALID again but making it again.
        *(
            Operation(None, back, databases=ON_POSTGRESQL, phase=Phase.VALIDATE)
            for back in (added, drop)
        ),
    ]
    return [replace(operation, forward=added, backward=drop), *later]
