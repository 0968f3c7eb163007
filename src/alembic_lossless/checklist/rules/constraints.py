"""Rules for constraints on rows that are there: on PostgreSQL they are looked at without a lock."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy.schema import conv

from ...run.recorder import whole_name
from ..data_operations import DropByAnyName, Fill, other_names
from ..finding import ON_POSTGRESQL, Operation, Phase, Reverse, Verdict
from . import EVERYWHERE, Match, ReviewContext, rule
from .postgresql import apart, concurrently, not_valid, on_postgresql, others, quote, quoted_table


@rule(
    "add-unique",
    EVERYWHERE,
    Verdict.KEEP,
    on=ops.CreateUniqueConstraintOp,
    old=True,
    bad="""
    op.create_unique_constraint("uq_account_email", "account", ["email"])
    """,
    good="""
    with op.get_context().autocommit_block():
        op.drop_index("uq_account_email", "account", if_exists=True, postgresql_concurrently=True)
        op.create_index(
            "uq_account_email", "account", ["email"], unique=True, postgresql_concurrently=True
        )
    op.execute(
        "ALTER TABLE account ADD CONSTRAINT uq_account_email UNIQUE USING INDEX uq_account_email"
    )
    """,
    what="{subject} is UNIQUE on a table that may have rows.",
    cost="It fails on duplicates.",
    remedy="The rehearsal looks for them.{detail}",
)
def add_unique(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Build the index while others write, then make it the constraint's."""
    op: Any = operation.forward
    needed = {
        s.forward.referent_table
        for s in context.operations
        if isinstance(s.forward, ops.CreateForeignKeyOp)
    }
    if not on_postgresql(operation, context) or op.table_name in needed:
        yield from () if _held(operation, context) else [Match(operation.subject)]
        return
    name, kw = str(op.constraint_name), dict(op.kw)
    words = " DEFERRABLE" if kw.pop("deferrable", None) else ""
    words += f" INITIALLY {kw['initially']}" if kw.pop("initially", None) else ""
    index = ops.CreateIndexOp(
        conv(name), op.table_name, list(op.columns), schema=op.schema, unique=True, **kw
    )
    quoted = quote(name)
    sql = f"ALTER TABLE {quoted_table(op)} ADD CONSTRAINT {quoted} UNIQUE USING INDEX {quoted}"
    using = Operation(
        ops.ExecuteSQLOp(sql + words), op.reverse(), databases=ON_POSTGRESQL, phase=Phase.INDEX
    )
    yield Match(
        operation.subject,
        " PostgreSQL blocks reads and writes while its index is built, so it is built "
        "CONCURRENTLY, in a revision of its own.",
        apart(operation, context, *concurrently(index, using)),
        Verdict.SPLIT,
    )


@rule(
    "add-foreign-key",
    EVERYWHERE,
    Verdict.KEEP,
    on=ops.CreateForeignKeyOp,
    old=True,
    bad="""
    op.create_foreign_key("fk_account_team_id_team", "account", "team", ["team_id"], ["id"])
    """,
    good="""
    op.create_foreign_key(
        "fk_account_team_id_team", "account", "team", ["team_id"], ["id"], postgresql_not_valid=True
    )
    # The next revision
    op.execute("ALTER TABLE account VALIDATE CONSTRAINT fk_account_team_id_team")
    """,
    what="{subject} is a foreign key on a table that may have rows.",
    cost="It fails on rows without the row they point to.",
    remedy="The rehearsal looks for them.{detail}",
)
def add_foreign_key(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Add a foreign key without looking at the rows under lock."""
    mysql = "mysql" in context.databases and operation.runs_on("mysql")
    locked = " MySQL locks both tables meanwhile." if mysql else ""
    yield from _added(operation, context, locked)


@rule(
    "add-check",
    EVERYWHERE,
    Verdict.KEEP,
    on=ops.CreateCheckConstraintOp,
    old=True,
    bad="""
    op.create_check_constraint("ck_account_age", "account", "age >= 0")
    """,
    good="""
    op.create_check_constraint("ck_account_age", "account", "age >= 0", postgresql_not_valid=True)
    # The next revision
    op.execute("ALTER TABLE account VALIDATE CONSTRAINT ck_account_age")
    """,
    what="{subject} is a CHECK on a table that may have rows.",
    cost="It fails on rows that break it.",
    remedy="The rehearsal looks for them.{detail}",
)
def add_check(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Add a CHECK without looking at the rows under lock."""
    yield from _added(operation, context)


def _added(operation: Operation, context: ReviewContext, locked: str = "") -> Iterator[Match]:
    """Yield what becomes of a constraint that PostgreSQL can add without looking at the rows."""
    if operation.forward.kw.get("postgresql_not_valid"):
        return
    if on_postgresql(operation, context):
        first, *later = not_valid(operation)
        if any(
            isinstance(s.forward, Fill) and s.forward.table_name == operation.table
            for s in context.operations
        ):
            # Elsewhere there is no NOT VALID: there it comes when the rows are changed.
            for_postgresql = replace(first, databases=ON_POSTGRESQL)
            later = [*others(replace(operation, phase=Phase.FILL), context), *later]
            first = for_postgresql
        yield Match(operation.subject, _NOT_VALID, [first, *later], Verdict.SPLIT)
    elif locked or not _held(operation, context):
        yield Match(operation.subject, locked)


_NOT_VALID = (
    " PostgreSQL blocks writes while it checks the rows, so the constraint is added NOT VALID, "
    "which takes no time, and validated in a revision of its own, while others read and write."
)


def _held(operation: Operation, context: ReviewContext) -> bool:
    """Tell whether the rows keep to the constraint already: one that goes said as much."""
    every = [s for s in (*context.done, *context.operations) if s.databases >= operation.databases]
    if any(s.table == operation.table and _changes_rows(s.forward) for s in every):
        return False
    dropped = (s for s in every if isinstance(s.forward, ops.DropConstraintOp))
    gone = (
        getattr(s.forward, "_reverse", None) if isinstance(s.backward, Reverse) else s.backward
        for s in dropped
    )
    return any(
        type(old) is type(operation.forward) and _says_as_much(old, operation.forward)
        for old in gone
    )


def _changes_rows(op: Any) -> bool:
    retyped = isinstance(op, ops.AlterColumnOp) and op.modify_type is not None
    return retyped or isinstance(op, Fill)


def _says_as_much(old: Any, new: Any) -> bool:
    if isinstance(new, ops.CreateUniqueConstraintOp):
        return bool(old.table_name == new.table_name and set(old.columns) <= set(new.columns))
    if isinstance(new, ops.CreateForeignKeyOp):
        return _ends(old) == _ends(new)
    if old.table_name != new.table_name:
        return False
    before, after = (_values(str(op.condition)) for op in (old, new))
    return before[0] == after[0] and before[1] <= after[1]


def _ends(op: ops.CreateForeignKeyOp) -> tuple[Any, ...]:
    return op.source_table, op.referent_table, list(op.local_cols), list(op.remote_cols)


def _values(condition: str) -> tuple[str, set[str]]:
    """Return the column of a condition that lists its values, and these; else it, and none."""
    values = _LIST.fullmatch(condition.strip())
    if not values:
        return condition, set()
    return values[1].strip('"'), set(re.findall(_TEXT, values[2]))


_TEXT = r"'(?:[^']|'')*'"
_LIST = re.compile(rf"""("(?:[^"]|"")+"|\w+) IN \(((?:{_TEXT}(?:, *)?)+)\)""")


@rule(
    "add-exclusion",
    ["postgresql"],
    Verdict.KEEP,
    on=CreateExcludeConstraintOp,
    old=True,
    bad="""
    op.create_exclude_constraint(
        "ex_booking_room", "booking", ("room", "="), ("during", "&&"), using="gist"
    )
    """,
    good="""
    # There is no gentler way: look at the rows before, and run it while few use the table.
    accepted = {"add-exclusion ex_booking_room": "no two bookings overlap in production"}


    def upgrade():
        op.create_exclude_constraint(
            "ex_booking_room", "booking", ("room", "="), ("during", "&&"), using="gist"
        )
    """,
    what="{subject} is an exclusion constraint on a table that may have rows.",
    cost="It fails on rows that exclude one another, and blocks reads and writes while it checks.",
    remedy="The rehearsal looks for such rows.",
)
def add_exclusion(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Say what an exclusion constraint costs, which there is no gentler way to add."""
    yield Match(operation.subject)


@rule(
    "other-name",
    EVERYWHERE,
    Verdict.REWRITE,
    on=ops.DropConstraintOp | ops.DropIndexOp,
    bad="""
    # Made without a name, before the models had a naming convention.
    op.drop_constraint("uq_account_email", "account", type_="unique")
    """,
    good="""
    op.drop_constraint("uq_account_email", "account", type_="unique", if_exists=True)
    op.drop_constraint("account_email_key", "account", type_="unique", if_exists=True)
    """,
    what="{subject} may have another name in an older database: {detail}.",
    cost="A drop by one name fails where it has the other.",
    remedy="It is dropped by each of its names, with if_exists=True.",
)
def other_name(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Say by which names a constraint is dropped, and of a file that has but one of them."""
    op: Any = operation.forward
    if isinstance(op, DropByAnyName):
        yield Match(operation.subject, " or ".join(other_names(op)))
    elif isinstance(op, ops.DropConstraintOp) and not op.if_exists:
        on_server = set(context.databases) - {"sqlite"}  # where it has no name, and is found
        if on_server and (whole_name(op), str(op.constraint_name)) in context.unnamed:
            yield Match(operation.subject, "its revision leaves it to the naming convention")
