"""Puts operations into an order that runs, and merges those on one column and on one table.

What the comparison finds missing comes after what Alembic proposed, so the operations as they were
tried go from table to table and back. The order of two matters only where they speak of the same
thing.
"""

from collections.abc import Collection, Sequence
from types import NoneType
from typing import Any, NamedTuple

from alembic.operations import ops

from ..checklist.data_operations import (
    DropByAnyName,
    Fill,
    LateFill,
    LateSQL,
    NumberRows,
    RebuildTable,
    ReplaceIndexes,
    TableSQL,
)
from ..checklist.finding import NAMES, Databases, Operation, is_comment, is_rename
from ..run.recorder import table_of, whole_name

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


def ordered(operations: Sequence[Operation]) -> list[Operation]:
    """Return *operations* so that none stands in another's way; equals keep their order."""
    freed = {
        name
        for operation in operations
        if isinstance(operation.forward, ReplaceIndexes)
        for name in operation.forward.freed
    }
    return merged(
        sorted(_with_drops_ordered(operations), key=lambda operation: _place(operation, freed))
    )


def _place(operation: Operation, freed: set[str]) -> tuple[Any, ...]:
    stage = _index(_STAGES, operation)
    if operation.forward is None and isinstance(operation.backward, Fill | NumberRows):
        # On the way back it is before the column is NOT NULL again.
        column = f"{operation.backward.table_name}.{operation.backward.column_name}"
        altered = _WITHIN_A_TABLE.index((ops.AlterColumnOp,))
        return _STAGES.index(()), operation.backward.table_name, altered, column, True
    if operation.forward is None and isinstance(operation.backward, ops.ExecuteSQLOp):
        stage = 0
    if isinstance(operation.forward, TableSQL):
        within = -1 if operation.forward.early else _WITHIN_A_TABLE.index((ops.DropColumnOp,)) - 0.5
        return _STAGES.index(()), operation.forward.table_name, within, "", False
    if isinstance(operation.forward, LateSQL | LateFill | RebuildTable):
        # A table that is STRICT no longer takes types that it did not take before.
        loosened = (
            isinstance(operation.forward, RebuildTable)
            and operation.forward.options.get("sqlite_strict") is False
        )
        stage = 0.5 if loosened else len(_STAGES)
    foreign = (
        isinstance(operation.forward, ops.DropConstraintOp)
        and operation.forward.constraint_type == "foreignkey"
    )
    if foreign:
        stage = 0.5
    if stage != _STAGES.index(()):
        return (stage,)
    within = _index(_WITHIN_A_TABLE, operation)
    if (
        isinstance(operation.forward, ops.DropColumnOp)
        and operation.forward.to_column().computed is not None
    ):
        within = 0.5  # it is added again where it is computed otherwise
    if (
        isinstance(operation.forward, ops.AddColumnOp)
        and operation.forward.column.computed is not None
    ):
        within = _WITHIN_A_TABLE.index((ops.AlterColumnOp,)) + 0.5
    altered = isinstance(operation.forward, ops.AlterColumnOp)
    counts = operation.forward.kw.get("autoincrement") if altered else None
    if counts is False:
        within = -1  # what counts stays a key
    elif counts and not any(_changes(operation.forward)):
        within = _index(_WITHIN_A_TABLE, Operation(ops.CreatePrimaryKeyOp(None, "", []))) + 0.5
    column = operation.subject if altered else ""
    if column in freed and counts is None:
        within = _WITHIN_A_TABLE.index((ops.DropColumnOp,)) - 0.25  # it may be NULL from then on
    return stage, operation.table or "", within, column, is_comment(operation.forward)


def _changes(op: Any) -> list[bool]:
    return [getattr(op, f"modify_{name}") is not absent for name, absent in _CHANGES.items()]


def _index(kinds: list[tuple[Any, ...]], operation: Operation) -> float:
    for at, kind in enumerate(kinds):
        if kind and isinstance(operation.forward, kind):
            return at
    return kinds.index(())


def _with_drops_ordered(operations: Sequence[Operation]) -> list[Operation]:
    """Put tables that point to others before them; a circle is cut at its foreign keys."""
    gone = {
        whole_name(operation.forward): operation
        for operation in operations
        if isinstance(operation.forward, ops.DropTableOp)
    }
    left, order = dict(gone), list[Operation]()

    def drop(name: str) -> None:
        if operation := left.pop(name, None):
            for pointing in list(left):
                if pointing in left and name in pointed_to(left[pointing].forward):
                    drop(pointing)
            order.append(operation)

    for name in list(gone):
        drop(name)
    changed = {
        whole_name(operation.forward)
        for operation in operations
        if isinstance(operation.forward, _LOOSENS)
    }
    circle = [
        cut
        for at, operation in enumerate(order)
        for cut in _cut(
            operation.forward, changed | {whole_name(before.forward) for before in order[:at]}
        )
    ]
    rest = [
        operation for operation in operations if not isinstance(operation.forward, ops.DropTableOp)
    ]
    return [*circle, *rest, *order]


#: What a foreign key may stand in the way of.
_LOOSENS = (ops.DropColumnOp, ops.DropConstraintOp)


def _cut(op: ops.DropTableOp, gone: set[str]) -> list[Operation]:
    """Return what drops the foreign keys to tables that are *gone* by then, or other."""
    create: Any = op._reverse
    keys = [key for key in op.to_table().foreign_key_constraints if target(key) in gone]
    names = [key.name for key in keys]
    create.columns = [item for item in create.columns if item.name not in names]
    return [Operation(ops.DropConstraintOp.from_constraint(key)) for key in keys]


def pointed_to(op: ops.CreateTableOp | ops.DropTableOp) -> set[str]:
    """Return the names of the tables that this one's foreign keys point to."""
    return {target(key) for key in op.to_table().foreign_key_constraints}


def target(key: Any) -> str:
    """Return the name of the table that a foreign key points to."""
    name: str = key.elements[0].target_fullname.rpartition(".")[0]
    return name


def merged(operations: Sequence[Operation]) -> list[Operation]:
    """Make one operation of several on one column, as a person would write them.

    Rows are filled before NOT NULL and after a change of type, so these two stay apart; so does a
    comment, which SQLite does not have. Each then says what the one before it left: MySQL is told
    the whole column every time.
    """
    result: list[Operation] = []
    for operation in operations:
        last = result[-1] if result else None
        if last is not None and _same_column(last, operation):
            if last.databases == operation.databases and not _stay_apart(
                last.forward, operation.forward
            ):
                for name, absent in _CHANGES.items():
                    value = getattr(operation.forward, f"modify_{name}")
                    if value is not absent:
                        setattr(last.forward, f"modify_{name}", value)
                continue
            for name, absent in _CHANGES.items():
                value = getattr(last.forward, f"modify_{name}")
                existing = (
                    value if value is not absent else getattr(last.forward, f"existing_{name}")
                )
                setattr(operation.forward, f"existing_{name}", existing)
        result.append(operation)
    return result


_CHANGES = {"type": None, "nullable": None, "server_default": False, "comment": False}


def _same_column(first: Operation, second: Operation) -> bool:
    altered = isinstance(first.forward, ops.AlterColumnOp) and isinstance(
        second.forward, ops.AlterColumnOp
    )
    return altered and first.subject == second.subject


def _stay_apart(first: ops.AlterColumnOp, second: ops.AlterColumnOp) -> bool:
    filled = first.modify_type is not None and second.modify_nullable is False
    return filled or is_comment(first) or is_comment(second)


def grouped(operations: Sequence[Operation]) -> list[Operation]:
    """Return *operations* in an order that does the same, with fewer blocks."""
    result: list[Operation] = []
    for operation in operations:
        result.insert(_insert_at(result, operation), operation)
    return result


def _insert_at(before: Sequence[Operation], operation: Operation) -> int:
    for at in range(len(before) - 1, -1, -1):
        if _in_one_block(before[at], operation):
            return at + 1
        if _has_to_stay_before(before[at], operation):
            near = (
                table_of(before[at].either) == table_of(operation.either) is not None
                and before[at].databases == operation.databases
            )
            return _end(before, at) if near else len(before)
    return len(before)


class Block(NamedTuple):
    """What operations that are written in one block have in common.

    A column gets its new name in a block of its own: in one batch, stock Alembic knows a column by
    the old name, and an index by the new one.
    """

    databases: Databases
    is_alone: bool
    is_rename: bool
    table: str | None


def block(operation: Operation) -> Block:
    """Return the block that *operation* is written in."""
    is_alone = operation.alone and not getattr(operation.forward, "is_whole", False)
    has_no_batch = is_alone or isinstance(operation.forward, DropByAnyName)
    return Block(
        operation.databases,
        is_alone,
        is_rename(operation.forward),
        None if has_no_batch else operation.table,
    )


def _in_one_block(first: Operation, second: Operation) -> bool:
    shared = block(second)
    return block(first) == shared and (shared.is_alone or shared.table is not None)


def _end(operations: Sequence[Operation], at: int) -> int:
    while at + 1 < len(operations) and _in_one_block(operations[at], operations[at + 1]):
        at += 1
    return at + 1


def _has_to_stay_before(first: Operation, second: Operation) -> bool:
    """Tell whether *first* has to stay before *second*."""
    if not any(first.runs_on(kind) and second.runs_on(kind) for kind in NAMES):
        return False
    of_first, of_second = _tables(first), _tables(second)
    if of_first is None or of_second is None:
        return True
    if table_of(first.either) == table_of(second.either):
        return first.subject == second.subject or not (
            is_comment(first.forward) or is_comment(second.forward)
        )
    keys = [(operation, _foreign_key(operation)) for operation in (first, second)]
    if of_first & of_second and any(key for _, key in keys):
        columns = {name for _, key in keys if key for name in key.remote_cols}
        return any(_is_referred(operation.forward, columns) for operation, key in keys if not key)
    return bool(of_first & of_second)


def _tables(operation: Operation) -> set[str] | None:
    """Return the tables that an operation speaks of; None where it may be all."""
    op, name = operation.either, table_of(operation.either)
    if name is None or is_rename(op):
        return None
    key = _foreign_key(operation)
    if isinstance(op, ops.CreateTableOp | ops.DropTableOp):
        return {name, *pointed_to(op)}
    return {name, key.referent_table} if key else {name}


def _foreign_key(operation: Operation) -> Any:
    candidates = (
        operation.forward,
        operation.backward,
        getattr(operation.forward, "_reverse", None),
    )
    return next((op for op in candidates if isinstance(op, ops.CreateForeignKeyOp)), None)


def _is_referred(op: Any, columns: Collection[str]) -> bool:
    """Tell whether *op* changes what a foreign key to *columns* needs."""
    if isinstance(op, ops.AddColumnOp):
        return op.column.name in columns
    if isinstance(op, ops.DropColumnOp | ops.AlterColumnOp):
        return op.column_name in columns
    if isinstance(op, ops.CreateIndexOp):
        return bool(op.unique)
    return not isinstance(op, ops.CreateCheckConstraintOp | ops.CreateTableCommentOp)
