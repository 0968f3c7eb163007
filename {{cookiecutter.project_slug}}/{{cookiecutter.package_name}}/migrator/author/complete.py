"""Completes a proposal: what two databases still have otherwise becomes operations too."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops

from .. import MigratorError, portable, schema
from . import write
from .back import columns_of
from .detect import Database
from .exchanged import in_between, taken_out
from .finding import Guard, Step, is_comment, is_rename
from .operations import LateSQL
from .order import ordered

Review = Callable[[Sequence[Step]], list[Step]]


def complete(steps: Sequence[Step], found: Sequence[Database], review: Review) -> list[Step]:
    """Apply *steps* everywhere and add what the comparison finds missing, until nothing is.

    :param review: the checklist, which gives back the steps as they are to be written.
    :return: all the steps, as they ran.
    :raises MigratorError: for a difference that no operation ends, or a step that does not run.
    """
    whole: list[Step] = []

    def run(proposed: Sequence[Step]) -> bool:
        more = review(proposed)
        if more:
            text, imports = write.body(more, found[0].context)
            for database in found:
                database.apply(text, imports)
            whole.extend(more)
        return bool(more)

    # A server carries a new name into what speaks of it: what differs then is less.
    run(ordered([step for step in steps if is_rename(step.op)]))
    run([step for step in steps if step.reworded])
    steps = [step for step in steps if not (is_rename(step.op) or step.reworded)]
    first = (ops.DropConstraintOp, ops.DropIndexOp, ops.ExecuteSQLOp)
    dropped = {step.subject for step in steps if isinstance(step.op, ops.DropColumnOp)}
    in_the_way = _mended(found, lambda item: _is_in_the_way(item, dropped))
    early = [
        s
        for s in in_the_way
        if s.guard is Guard.MYSQL or (isinstance(s.op, first) and not isinstance(s.op, LateSQL))
    ]
    run(ordered([*early, *steps]))
    for _ in range(3):
        if not run(_mended(found)):
            break
    for database in found:
        for item in database.differences():
            raise MigratorError(
                f"On {database.kind} the migrations and the models would still differ: {item}. "
                "Nothing was written; write this revision by hand (empty=yes)."
            )
    return whole


def _is_in_the_way(item: schema.Difference, dropped: set[str]) -> bool:
    """Tell what goes before tables and columns change, or comes before they do."""
    if item.key.kind == "sequence":
        return item.found is None
    if item.key.kind == "type":
        return item.found is not None and item.wanted is not None
    if item.found is None or item.key.kind not in ("constraint", "index"):
        return False
    if item.found.startswith("PRIMARY KEY"):
        return any(f"{item.key.table}.{name}" in dropped for name in columns_of(item.found))
    return True


def _mended(
    found: Sequence[Database],
    wanted: Callable[[schema.Difference], bool] = lambda item: True,
) -> list[Step]:
    """Return the steps for what still differs: unguarded where it differs on every database."""
    steps: list[Step] = []
    differing: dict[str, dict[schema.Key, schema.Difference]] = {}
    for database in found:
        items = {item.key: item for item in database.differences()}
        between = in_between(items, database)
        steps += taken_out(items, database)
        here = {key: item for key, item in items.items() if wanted(item)}
        retyped = any(key.kind in ("column", "table") for key in here)
        differing[database.kind] = here | between if retyped else here
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
        return portable.only_postgresql(op.to_index()) is not None
    return is_comment(op) or isinstance(
        op, ops.CreateTableCommentOp | ops.DropTableCommentOp | CreateExcludeConstraintOp
    )
