"""Rules for PostgreSQL: the ways that do not hold up who reads and writes meanwhile."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import conv

from ..finding import NOTHING, Guard, Part, Step, Verdict
from ..operations import Fill
from . import Hit, Project, rule

_DIALECT: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
quote = _DIALECT.identifier_preparer.quote
EVERYWHERE = ["sqlite", "postgresql", "mysql"]
ONLY = Guard.POSTGRESQL


def _table(op: Any) -> str:
    schema = getattr(op, "schema", None) or op.kw.get("source_schema")
    name = getattr(op, "table_name", None) or op.source_table
    return (f"{quote(schema)}." if schema else "") + str(quote(name))


def apart(step: Step, project: Project, *instead: Step) -> list[Step]:
    """Return PostgreSQL's own steps, and *step* as it is for the other databases."""
    return [*instead, *others(replace(step, part=instead[0].part), project)]


def others(step: Step, project: Project) -> list[Step]:
    """Return *step* for the databases that are not PostgreSQL."""
    others = {kind for kind in project.databases if step.runs_on(kind)} - {"postgresql"}
    guard = {None: Guard.NOT_POSTGRESQL, Guard.NOT_SQLITE: Guard.MYSQL}.get(step.guard)
    return [replace(step, guard=guard)] if others and guard else []


def on_postgresql(step: Step, project: Project) -> bool:
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
        yield Hit(step.subject, instead=apart(step, project, *_concurrently(op)))


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
    if not on_postgresql(step, project) or op.table_name in needed:
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
        apart(step, project, *_concurrently(index, using)),
        Verdict.SPLIT,
    )


def not_valid(step: Step) -> list[Step]:
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
    if on_postgresql(step, project):
        first, *later = not_valid(step)
        if any(isinstance(s.op, Fill) and s.op.table_name == step.table for s in project.steps):
            # Elsewhere there is no NOT VALID: there it comes when the rows are changed.
            own = replace(first, guard=ONLY)
            later = [*others(replace(step, part=Part.FILL), project), *later]
            first = own
        yield Hit(step.subject, _NOT_VALID, [first, *later], Verdict.SPLIT)
    else:
        yield Hit(step.subject)
