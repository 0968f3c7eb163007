"""Rules for PostgreSQL: the ways that do not hold up who reads and writes meanwhile."""

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import conv

from ... import naming
from ..finding import NOTHING, Guard, Part, Step, Verdict
from ..operations import Batches, Fill
from . import Hit, Project, rule

_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
quote = _DIALECT.identifier_preparer.quote
EVERYWHERE = ["sqlite", "postgresql", "mysql"]
ONLY = Guard.POSTGRESQL


def _table(op: Any) -> str:
    schema = getattr(op, "schema", None) or op.kw.get("source_schema")
    name = getattr(op, "table_name", None) or op.source_table
    return (f"{quote(schema)}." if schema else "") + str(quote(name))


def _apart(step: Step, project: Project, *instead: Step) -> list[Step]:
    """Return PostgreSQL's own steps, and *step* as it is for the other databases."""
    return [*instead, *_others(replace(step, part=instead[0].part), project)]


def _others(step: Step, project: Project) -> list[Step]:
    """Return *step* for the databases that are not PostgreSQL."""
    others = {kind for kind in project.databases if step.runs_on(kind)} - {"postgresql"}
    guard = {None: Guard.NOT_POSTGRESQL, Guard.NOT_SQLITE: Guard.MYSQL}.get(step.guard)
    return [replace(step, guard=guard)] if others and guard else []


def _on_postgresql(step: Step, project: Project) -> bool:
    return "postgresql" in project.databases and step.runs_on("postgresql")


@rule(
    "add-index",
    ["postgresql"],
    Verdict.SPLIT,
    what="{subject} is an index on a table that may have rows.",
    cost="PostgreSQL would hold up every write to the table until the index is built.",
    remedy="It is built CONCURRENTLY, outside a transaction, in a revision of its own; what an "
    "attempt that failed left behind is dropped first.",
)
def add_index(step: Step, project: Project) -> Iterator[Hit]:
    """Build the index while others write."""
    op: Any = step.op
    if not isinstance(op, ops.CreateIndexOp) or op.table_name in project.created:
        return
    if not op.kw.get("postgresql_concurrently"):
        # Built plainly in a downgrade, it would hold up writes there.
        yield Hit(step.subject, instead=_apart(step, project, *_concurrently(op)))


def _concurrently(op: Any, using: Step | None = None) -> list[Step]:
    index = copy.copy(op)
    index.kw = {**op.kw, "postgresql_concurrently": True}
    index.if_not_exists = True  # it may run again: outside a transaction nothing is rolled back
    options = {"schema": op.schema, "if_exists": True, "postgresql_concurrently": True}
    drop = ops.DropIndexOp(op.index_name, op.table_name, **options)
    back = NOTHING if using else drop
    return [
        Step(drop, ONLY, NOTHING, Part.INDEX, alone=True),
        Step(index, ONLY, back, Part.INDEX, alone=True),
        *([using] if using else []),
    ]


@rule(
    "add-unique",
    EVERYWHERE,
    Verdict.KEEP,
    what="{subject} is UNIQUE on a table that may have rows.",
    cost="It fails on duplicates; PostgreSQL would also hold up reads and writes meanwhile.",
    remedy="The rehearsal looks for duplicates.{detail}",
)
def add_unique(step: Step, project: Project) -> Iterator[Hit]:
    """Build the index while others write, then make it the constraint's."""
    op: Any = step.op
    if not isinstance(op, ops.CreateUniqueConstraintOp) or op.table_name in project.created:
        return
    needed = {
        s.op.referent_table for s in project.steps if isinstance(s.op, ops.CreateForeignKeyOp)
    }
    if not _on_postgresql(step, project) or op.table_name in needed:
        yield Hit(step.subject)
        return
    name, kw = str(op.constraint_name), dict(op.kw)
    words = " DEFERRABLE" * bool(kw.pop("deferrable", None))
    words += f" INITIALLY {kw['initially']}" if kw.pop("initially", None) else ""
    index = ops.CreateIndexOp(
        conv(name), op.table_name, list(op.columns), schema=op.schema, unique=True, **kw
    )
    sql = f"ALTER TABLE {_table(op)} ADD CONSTRAINT {quote(name)} UNIQUE USING INDEX {quote(name)}"
    using = Step(ops.ExecuteSQLOp(sql + words), ONLY, op.reverse(), Part.INDEX)
    yield Hit(
        step.subject,
        " PostgreSQL builds the index CONCURRENTLY, in a revision of its own.",
        _apart(step, project, *_concurrently(index, using)),
        Verdict.SPLIT,
    )


def _not_valid(step: Step) -> list[Step]:
    """Return the steps that add a constraint for new rows, and look at the old ones later."""
    added = copy.copy(step.op)
    added.kw = {**added.kw, "postgresql_not_valid": True}
    # Not the model's own, which the operation may hold: its options are other ones.
    added._orig_constraint = None
    validate = f"ALTER TABLE {_table(added)} VALIDATE CONSTRAINT {quote(added.constraint_name)}"
    drop = step.back or step.op.reverse()
    later = [
        Step(ops.ExecuteSQLOp(validate), ONLY, NOTHING, Part.VALIDATE),
        # Nothing makes it NOT VALID again but making it again.
        *(Step(None, ONLY, back, Part.VALIDATE) for back in (added, drop)),
    ]
    return [replace(step, op=added, back=drop), *later]


_NOT_VALID = (
    " PostgreSQL adds it NOT VALID, which takes no time, and looks at the rows in a revision of "
    "its own, without a lock that others would feel."
)


@rule(
    "add-foreign-key",
    EVERYWHERE,
    Verdict.KEEP,
    what="{subject} is a foreign key on a table that may have rows.",
    cost="It fails on rows without the row they point to; PostgreSQL and MySQL would lock both "
    "tables meanwhile.",
    remedy="The rehearsal looks for such rows.{detail}",
)
def add_foreign_key(step: Step, project: Project) -> Iterator[Hit]:
    """Add a foreign key without looking at the rows under lock."""
    op: Any = step.op
    if isinstance(op, ops.CreateForeignKeyOp) and op.source_table not in project.created:
        yield from _constrained(step, project)


@rule(
    "add-check",
    EVERYWHERE,
    Verdict.KEEP,
    what="{subject} is a CHECK on a table that may have rows.",
    cost="It fails on rows that break it; PostgreSQL would hold up reads and writes meanwhile.",
    remedy="The rehearsal looks for such rows.{detail}",
)
def add_check(step: Step, project: Project) -> Iterator[Hit]:
    """Add a CHECK without looking at the rows under lock."""
    op: Any = step.op
    if isinstance(op, ops.CreateCheckConstraintOp) and op.table_name not in project.created:
        yield from _constrained(step, project)


@rule(
    "add-exclusion",
    ["postgresql"],
    Verdict.KEEP,
    what="{subject} is an exclusion constraint on a table that may have rows.",
    cost="It fails on rows that exclude one another, and holds up reads and writes meanwhile.",
    remedy="The rehearsal looks for such rows.",
)
def add_exclusion(step: Step, project: Project) -> Iterator[Hit]:
    """Say what an exclusion constraint costs, which there is no gentler way to add."""
    op = step.op
    if isinstance(op, CreateExcludeConstraintOp) and op.table_name not in project.created:
        yield Hit(step.subject)


def _constrained(step: Step, project: Project) -> Iterator[Hit]:
    if step.op.kw.get("postgresql_not_valid"):
        return
    if _on_postgresql(step, project):
        first, *later = _not_valid(step)
        if any(isinstance(s.op, Fill) and s.op.table_name == step.table for s in project.steps):
            # Elsewhere there is no NOT VALID: there it comes when the rows are changed.
            own = replace(first, guard=ONLY)
            later = [*_others(replace(step, part=Part.FILL), project), *later]
            first = own
        yield Hit(step.subject, _NOT_VALID, [first, *later], Verdict.SPLIT)
    else:
        yield Hit(step.subject)


@rule(
    "set-not-null",
    ["postgresql"],
    Verdict.SPLIT,
    what="{subject} becomes NOT NULL.",
    cost="PostgreSQL would look at every row while nobody can read or write.",
    remedy="A CHECK, NOT VALID at first, is validated in a revision of its own; NOT NULL then "
    "takes no time, and the CHECK goes.",
)
def set_not_null(step: Step, project: Project) -> Iterator[Hit]:
    """Let a CHECK look at the rows, so that NOT NULL need not."""
    op: Any = step.op
    if not isinstance(op, ops.AlterColumnOp) or op.modify_nullable is not False:
        return
    if op.table_name in project.created or project.checked(op.table_name, op.column_name):
        return
    if project.in_primary_key(op.table_name, op.column_name):
        return  # the key looks at the rows anyhow
    others, alone = _only_nullable(step)
    name = conv(naming.check(op.table_name, f"{alone.column_name}_not_null"))
    condition = sa.text(f"{quote(alone.column_name)} IS NOT NULL")
    check = ops.CreateCheckConstraintOp(name, op.table_name, condition, schema=op.schema)
    added, validate, *_ = _not_valid(Step(check, ONLY))
    drop = ops.DropConstraintOp(name, op.table_name, "check", schema=op.schema)
    yield Hit(
        step.subject,
        instead=[
            *others,
            added,
            *_others(Step(alone, step.guard, part=Part.FILL), project),
            validate,
            Step(alone, ONLY, part=Part.VALIDATE),
            Step(drop, ONLY, added.op, Part.VALIDATE),
        ],
    )


def _only_nullable(step: Step) -> tuple[list[Step], Any]:
    """Part what changes NULL from what else the operation changes of the column."""
    op = step.op
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
    back = step.back or op.reverse()
    rest = [copy.copy(op), copy.copy(back)]
    for one in rest:
        one.modify_nullable, one.existing_nullable = None, True
    return [replace(step, op=rest[0], back=rest[1])], alone


@rule(
    "backfill",
    ["postgresql", "mysql"],
    Verdict.SPLIT,
    what="Rows of {subject} are changed beside the table.",
    cost="Those who write to them wait until all is done.",
    remedy="{detail}",
)
def backfill(step: Step, project: Project) -> Iterator[Hit]:
    """Change rows in transactions of their own, on PostgreSQL in many small ones."""
    if isinstance(step.op, Fill) and step.op.beside:
        return
    if isinstance(step.op, Fill) and _on_postgresql(step, project):
        own = Step(Batches(step.op), ONLY, NOTHING, Part.FILL, alone=True)
        detail = "They are changed in a revision of their own, on PostgreSQL in batches."
        yield Hit(step.op.table_name, detail, _apart(step, project, own))
    elif isinstance(step.op, Fill):
        detail = "On a large table of MySQL or MariaDB change them in batches, before this."
        yield Hit(step.op.table_name, detail, verdict=Verdict.KEEP)
    elif _ROWS.match(str(getattr(step.op, "sqltext", ""))) and any(
        isinstance(s.op, _CHANGES) and getattr(s.op, "table_name", "") not in project.created
        for s in project.steps
    ):
        words = " ".join(str(step.op.sqltext).split())[:40]
        yield Hit(words, "Change them in a revision of their own, a large table in batches.")


_ROWS = re.compile(r"\s*(UPDATE|DELETE|INSERT)\b", re.IGNORECASE)
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
    what="{subject} is new, with a default that differs from row to row.",
    cost="PostgreSQL would write the whole table anew while nobody can read it.",
    remedy="{detail}",
)
def volatile_default(step: Step, project: Project) -> Iterator[Hit]:
    """Add the column first and give it its default afterwards."""
    op: Any = step.op
    if not isinstance(op, ops.AddColumnOp) or op.table_name in project.created:
        return
    default = getattr(op.column.server_default, "arg", "")
    if not str(default).strip("( ").lower().startswith(_VOLATILE):
        return
    if not op.column.nullable:
        remedy = "It is NOT NULL, so the rows need it at once: make it nullable for one release."
        yield Hit(step.subject, remedy, verdict=Verdict.KEEP)
        return
    column = op.column._copy()
    column.server_default = None
    give = ops.AlterColumnOp(
        op.table_name,
        column.name,
        schema=op.schema,
        existing_type=column.type,
        existing_nullable=True,
        modify_server_default=op.column.server_default,
    )
    steps = [
        Step(ops.AddColumnOp(op.table_name, column, schema=op.schema)),
        Step(give, None, NOTHING),
    ]
    remedy = "The default is set once the column is there; the rows that are there hold NULL."
    yield Hit(step.subject, remedy, steps)
