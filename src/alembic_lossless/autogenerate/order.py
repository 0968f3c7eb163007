"""Puts operations into an order that runs, and several on one column into one."""

from collections.abc import Sequence
from types import NoneType
from typing import Any

from alembic.operations import ops

from ..checklist.finding import Step, is_comment, whole_name
from .data_operations import Exchange, LateSQL, Rebuild, TableSQL
from .fills import Fill, LateFill, Numbered

# What stands in the way goes first, what needs the rest comes last.
_STAGES: list[tuple[Any, ...]] = [
    (ops.ExecuteSQLOp,),
    (ops.RenameTableOp,),
    (ops.CreateTableOp,),
    (ops.DropTableOp, NoneType),
    (),  # everything else, table by table
    (ops.CreateForeignKeyOp,),
]
_WITHIN_A_TABLE: list[tuple[Any, ...]] = [
    (ops.DropIndexOp, ops.DropConstraintOp),
    (ops.AddColumnOp,),
    (ops.AlterColumnOp,),
    (ops.DropColumnOp,),
    (ops.CreatePrimaryKeyOp,),
    (),
]


def ordered(steps: Sequence[Step]) -> list[Step]:
    """Return *steps* so that none stands in another's way; equals keep their order."""
    freed = {name for step in steps if isinstance(step.op, Exchange) for name in step.op.freed}
    return merged(sorted(_tables_that_go(steps), key=lambda step: _place(step, freed)))


def _place(step: Step, freed: set[str]) -> tuple[Any, ...]:
    stage = _index(_STAGES, step)
    if step.op is None and isinstance(step.back, Fill | Numbered):
        # On the way back it is before the column is NOT NULL again.
        column = f"{step.back.table_name}.{step.back.column_name}"
        altered = _WITHIN_A_TABLE.index((ops.AlterColumnOp,))
        return _STAGES.index(()), step.back.table_name, altered, column, True
    if step.op is None and isinstance(step.back, ops.ExecuteSQLOp):
        stage = 0
    if isinstance(step.op, TableSQL):
        within = -1 if step.op.early else _WITHIN_A_TABLE.index((ops.DropColumnOp,)) - 0.5
        return _STAGES.index(()), step.op.table_name, within, "", False
    if isinstance(step.op, LateSQL | LateFill | Rebuild):
        # A table that is STRICT no longer takes types that it did not take before.
        loosened = isinstance(step.op, Rebuild) and step.op.options.get("sqlite_strict") is False
        stage = 0.5 if loosened else len(_STAGES)
    foreign = isinstance(step.op, ops.DropConstraintOp) and step.op.constraint_type == "foreignkey"
    if foreign:
        stage = 0.5
    if stage != _STAGES.index(()):
        return (stage,)
    within = _index(_WITHIN_A_TABLE, step)
    if isinstance(step.op, ops.DropColumnOp) and step.op.to_column().computed is not None:
        within = 0.5  # it is added again where it is computed otherwise
    if isinstance(step.op, ops.AddColumnOp) and step.op.column.computed is not None:
        within = _WITHIN_A_TABLE.index((ops.AlterColumnOp,)) + 0.5
    altered = isinstance(step.op, ops.AlterColumnOp)
    counts = step.op.kw.get("autoincrement") if altered else None
    if counts is False:
        within = -1  # what counts stays a key
    elif counts and not any(_changes(step.op)):
        within = _index(_WITHIN_A_TABLE, Step(ops.CreatePrimaryKeyOp(None, "", []))) + 0.5
    column = step.subject if altered else ""
    if column in freed and counts is None:
        within = _WITHIN_A_TABLE.index((ops.DropColumnOp,)) - 0.25  # it may be NULL from then on
    return stage, step.table or "", within, column, is_comment(step.op)


def _changes(op: Any) -> list[bool]:
    return [getattr(op, f"modify_{name}") is not absent for name, absent in _CHANGES.items()]


def _index(kinds: list[tuple[Any, ...]], step: Step) -> float:
    for at, kind in enumerate(kinds):
        if kind and isinstance(step.op, kind):
            return at
    return kinds.index(())


def _tables_that_go(steps: Sequence[Step]) -> list[Step]:
    """Put tables that point to others before them; a circle is cut at its foreign keys."""
    gone = {whole_name(step.op): step for step in steps if isinstance(step.op, ops.DropTableOp)}
    left, order = dict(gone), list[Step]()

    def drop(name: str) -> None:
        if step := left.pop(name, None):
            for other in list(left):
                if other in left and name in pointed_to(left[other].op):
                    drop(other)
            order.append(step)

    for name in list(gone):
        drop(name)
    changed = {whole_name(step.op) for step in steps if isinstance(step.op, _LOOSENS)}
    circle = [
        cut
        for at, step in enumerate(order)
        for cut in _cut(step.op, changed | {whole_name(before.op) for before in order[:at]})
    ]
    others = [step for step in steps if not isinstance(step.op, ops.DropTableOp)]
    return [*circle, *others, *order]


#: What a foreign key may stand in the way of.
_LOOSENS = (ops.DropColumnOp, ops.DropConstraintOp)


def _cut(op: ops.DropTableOp, gone: set[str]) -> list[Step]:
    """Return the steps that drop the foreign keys to tables that are *gone* by then, or other."""
    create: Any = op._reverse
    keys = [key for key in op.to_table().foreign_key_constraints if target(key) in gone]
    names = [key.name for key in keys]
    create.columns = [item for item in create.columns if item.name not in names]
    return [Step(ops.DropConstraintOp.from_constraint(key)) for key in keys]


def pointed_to(op: ops.CreateTableOp | ops.DropTableOp) -> set[str]:
    """Return the names of the tables that this one's foreign keys point to."""
    return {target(key) for key in op.to_table().foreign_key_constraints}


def target(key: Any) -> str:
    """Return the name of the table that a foreign key points to."""
    name: str = key.elements[0].target_fullname.rpartition(".")[0]
    return name


def merged(steps: Sequence[Step]) -> list[Step]:
    """Make one operation of several on one column, as a person would write them.

    Rows are filled before NOT NULL and after a change of type, so these two stay apart; so does a
    comment, which SQLite does not have. Each then says what the one before it left: MySQL is told
    the whole column every time.
    """
    result: list[Step] = []
    for step in steps:
        last = result[-1] if result else None
        if last is not None and _same_column(last, step):
            if last.guard == step.guard and not _apart(last.op, step.op):
                for name, absent in _CHANGES.items():
                    value = getattr(step.op, f"modify_{name}")
                    if value is not absent:
                        setattr(last.op, f"modify_{name}", value)
                continue
            for name, absent in _CHANGES.items():
                value = getattr(last.op, f"modify_{name}")
                kept = value if value is not absent else getattr(last.op, f"existing_{name}")
                setattr(step.op, f"existing_{name}", kept)
        result.append(step)
    return result


_CHANGES = {"type": None, "nullable": None, "server_default": False, "comment": False}


def _same_column(one: Step, other: Step) -> bool:
    altered = isinstance(one.op, ops.AlterColumnOp) and isinstance(other.op, ops.AlterColumnOp)
    return altered and one.subject == other.subject


def _apart(one: ops.AlterColumnOp, other: ops.AlterColumnOp) -> bool:
    filled = one.modify_type is not None and other.modify_nullable is False
    return filled or is_comment(one) or is_comment(other)
