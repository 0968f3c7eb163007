"""Rules that hold on every database: names, and what happens to rows."""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, PrimaryKeyConstraint, UniqueConstraint

from ... import naming
from ..finding import Step, Verdict
from . import Hit, Project, casts, rule

EVERYWHERE = ["sqlite", "postgresql", "mysql"]


@rule(
    "unnamed-constraint",
    EVERYWHERE,
    Verdict.REWRITE,
    what="A constraint on {subject} has no name.",
    cost="Each database would name it in its own way, and no later revision could drop it.",
    remedy="It is named {detail}.",
)
def unnamed_constraint(step: Step, project: Project) -> Iterator[Hit]:
    """Name by convention what the models left without a name."""
    op: Any = step.op
    if isinstance(op, ops.CreateTableOp):
        items: Any = op.columns
        for item in items:
            name = _conventional(item, op.table_name)
            if name and not item.name:
                item.name = name
                yield Hit(op.table_name, name)
    elif isinstance(step.op, ops.AddConstraintOp) and not op.constraint_name:
        name = _conventional(op.to_constraint(), step.table or "")
        if name:
            op.constraint_name = name
            yield Hit(step.table or "", name)


@rule(
    "narrow-type",
    EVERYWHERE,
    Verdict.KEEP,
    what="The type of {subject} changes: {detail}.",
    cost="A row that does not fit stops the revision; SQLite takes the value as it is.",
    remedy="Look at the rows first.",
)
def narrow_type(step: Step, project: Project) -> Iterator[Hit]:
    """Tell PostgreSQL how to cast, and say what may not fit."""
    op = step.op
    if not isinstance(op, ops.AlterColumnOp) or op.modify_type is None:
        return
    instead = casts.with_cast(step) if "postgresql" in project.databases else [step]
    lost = list(casts.losses(op.existing_type, op.modify_type))
    if lost:
        yield Hit(step.subject, ", ".join(lost), instead)


def _conventional(item: Any, table: str) -> str | None:
    if isinstance(item, ForeignKeyConstraint):
        referred = item.elements[0].target_fullname.split(".")[-2]
        return naming.foreign_key(table, item.column_keys, referred)
    if isinstance(item, PrimaryKeyConstraint):
        return naming.primary_key(table) if len(item.columns) else None
    if isinstance(item, UniqueConstraint):
        return naming.unique(table, _names(item.columns))
    if isinstance(item, CheckConstraint) and not getattr(item, "_type_bound", False):
        return naming.check_of_text(table, str(item.sqltext))
    return None


def _names(columns: Iterable[Any]) -> list[str]:
    return [column.name for column in columns]
