"""Completes a proposal: what two databases still have otherwise becomes operations too."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops

from ..checklist.finding import Guard, Step, is_comment, is_rename, whole_name
from ..errors import MigrationError
from ..schema import dialect_support, diff
from ..schema.model import Key
from . import render
from .data_operations import LateSQL
from .dialects.mysql import computed, repointed, retyped, taken_out
from .order import ordered
from .proposal import Database
from .reverse import columns_of

Review = Callable[[Sequence[Step]], list[Step]]


def complete(steps: Sequence[Step], found: Sequence[Database], review: Review) -> list[Step]:
    """Apply *steps* everywhere and add what the comparison finds missing, until nothing is.

    :param review: the checklist, which gives back the steps as they are to be written.
    :return: all the steps, as they ran.
    :raises MigrationError: for a difference that no operation ends, or a step that does not run.
    """
    whole: list[Step] = []

    def run(proposed: Sequence[Step]) -> bool:
        more = review(proposed)
        if more:
            text, imports = render.body(more, found[0].context)
            for database in found:
                database.apply(text, imports)
            whole.extend(more)
        return bool(more)

    # A server carries a new name into what speaks of it: what differs then is less.
    run(ordered([step for step in steps if is_rename(step.op)]))
    run([step for step in steps if step.reworded])
    steps = [step for step in steps if not (is_rename(step.op) or step.reworded)]
    first = (ops.DropConstraintOp, ops.DropIndexOp, ops.ExecuteSQLOp)
    early = [
        s
        for s in _mended(found, early=True)
        if s.guard is Guard.MYSQL or (isinstance(s.op, first) and not isinstance(s.op, LateSQL))
    ]
    late = _in_a_key(steps, found)
    run(ordered([*early, *(step for step in steps if step not in late)]))
    for _ in range(3):
        if not run(_mended(found)):
            break
    run(ordered(late))
    for database in found:
        for item in database.differences():
            raise MigrationError(
                f"On {database.kind} the migrations and the models would still differ: {item}. "
                "Nothing was written; write this revision by hand (empty=yes)."
            )
    return whole


def _in_a_key(steps: Sequence[Step], found: Sequence[Database]) -> list[Step]:
    """Return the steps about columns that go and are in a primary key, which changes first."""
    gone = {_column(step) for step in steps if isinstance(step.op, ops.DropColumnOp)}
    keyed = {
        f"{item.key.table}.{column}"
        for database in (found if gone else ())
        for item in database.differences()
        if (item.actual or "").startswith("PRIMARY KEY")
        for column in columns_of(item.actual)
    }
    return [step for step in steps if _column(step) in gone & keyed]


def _column(step: Step) -> str | None:
    op = step.back if step.op is None else step.op
    column = getattr(op, "column_name", None)
    return f"{whole_name(op)}.{column}" if column else None


def _is_in_the_way(item: diff.Difference) -> bool:
    """Tell what goes before tables and columns change, or comes before they do."""
    if item.key.kind == "sequence":
        return item.actual is None
    if item.key.kind == "type":
        return item.actual is not None and item.expected is not None
    if item.actual is None or item.key.kind not in ("constraint", "index"):
        return False
    return not item.actual.startswith("PRIMARY KEY")


def _mended(found: Sequence[Database], early: bool = False) -> list[Step]:
    """Return the steps for what still differs: unguarded where it differs on every database.

    :param early: only for what is in the way of tables and columns.
    """
    steps: list[Step] = []
    differing: dict[str, dict[Key, diff.Difference]] = {}
    for database in found:
        items = {item.key: item for item in database.differences()}
        own = {key: item for key, item in items.items() if not early or _is_in_the_way(item)}
        between = retyped(own, database) | computed(own, database)
        steps += taken_out(items, database, early)
        own = {key: item for key, item in own.items() if key in items}
        differing[database.kind] = own | between | repointed(own, database)
    everywhere = set.intersection(*(set(items) for items in differing.values()))
    for database in found:
        mender = database.mender
        for key, item in differing[database.kind].items():
            mended = mender.mend(item)
            if key in everywhere or len(found) == 1:
                steps += mended if database is found[0] else []
            else:
                guard = Guard.only(database.kind)
                steps += [s if _has_a_rule(s.op) else replace(s, guard=guard) for s in mended]
    return ordered(steps)


def _has_a_rule(op: Any) -> bool:
    """Tell whether a rule says where *op* runs, and why."""
    if isinstance(op, ops.CreateIndexOp):
        return dialect_support.only_postgresql(op.to_index()) is not None
    return is_comment(op) or isinstance(
        op, ops.CreateTableCommentOp | ops.DropTableCommentOp | CreateExcludeConstraintOp
    )
