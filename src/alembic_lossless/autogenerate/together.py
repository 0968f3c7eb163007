"""Brings what is about one table into one block, where nothing in between forbids it.

What is found missing comes after what Alembic proposed, so the steps as they were tried go from
table to table and back. The order of two steps matters only where they speak of the same thing.
"""

from collections.abc import Collection, Sequence
from typing import Any

from alembic.operations import ops

from ..checklist.finding import NAMES, Step, is_comment, is_rename
from .order import pointed_to


def together(steps: Sequence[Step]) -> list[Step]:
    """Return *steps* in an order that does the same, with fewer blocks."""
    result: list[Step] = []
    for step in steps:
        result.insert(_place(result, step), step)
    return result


def _place(before: Sequence[Step], step: Step) -> int:
    for at in range(len(before) - 1, -1, -1):
        if _one_block(before[at], step):
            return at + 1
        if _bound(before[at], step):
            near = _own(before[at]) == _own(step) is not None and before[at].guard == step.guard
            return _end(before, at) if near else len(before)
    return len(before)


def block(step: Step) -> tuple[Any, bool, str | None]:
    """Return what steps that are written in one block have in common."""
    alone = step.alone and not getattr(step.op, "is_whole", False)
    return step.guard, alone, None if alone else step.table


def _one_block(one: Step, other: Step) -> bool:
    return block(one) == block(other) != (other.guard, False, None)


def _end(steps: Sequence[Step], at: int) -> int:
    while at + 1 < len(steps) and _one_block(steps[at], steps[at + 1]):
        at += 1
    return at + 1


def _bound(one: Step, other: Step) -> bool:
    """Tell whether *one* has to stay before *other*."""
    if not any(one.runs_on(kind) and other.runs_on(kind) for kind in NAMES):
        return False
    mine, theirs = _tables(one), _tables(other)
    if mine is None or theirs is None:
        return True
    if _own(one) == _own(other):
        return one.subject == other.subject or not (is_comment(one.op) or is_comment(other.op))
    keys = [(step, _foreign_key(step)) for step in (one, other)]
    if mine & theirs and any(key for _, key in keys):
        columns = {name for _, key in keys if key for name in key.remote_cols}
        return any(_is_referred(step.op, columns) for step, key in keys if not key)
    return bool(mine & theirs)


def _own(step: Step) -> str | None:
    op = step.op or step.back
    return getattr(op, "table_name", None) or getattr(op, "source_table", None)


def _tables(step: Step) -> set[str] | None:
    """Return the tables that a step speaks of; None where it may be all."""
    op, name = step.op or step.back, _own(step)
    if name is None or is_rename(op):
        return None
    key = _foreign_key(step)
    if isinstance(op, ops.CreateTableOp | ops.DropTableOp):
        return {name, *pointed_to(op)}
    return {name, key.referent_table} if key else {name}


def _foreign_key(step: Step) -> Any:
    made = (step.op, step.back, getattr(step.op, "_reverse", None))
    return next((op for op in made if isinstance(op, ops.CreateForeignKeyOp)), None)


def _is_referred(op: Any, columns: Collection[str]) -> bool:
    """Tell whether *op* changes what a foreign key to *columns* needs."""
    if isinstance(op, ops.AddColumnOp):
        return op.column.name in columns
    if isinstance(op, ops.DropColumnOp | ops.AlterColumnOp):
        return op.column_name in columns
    if isinstance(op, ops.CreateIndexOp):
        return bool(op.unique)
    return not isinstance(op, ops.CreateCheckConstraintOp | ops.CreateTableCommentOp)
