"""What changed in the models, whole: Alembic proposes, the comparison of two databases decides.

One database is at the head of the chain with the proposal applied, the other made by
``create_all``, both on each kind of server that the project uses. What they still have otherwise
becomes operations too, or a refusal that names it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from .. import MigratorError, portable, schema, scratch
from . import write
from .finding import Guard, Step, flatten
from .mend import mend

Review = Callable[[Sequence[Step]], list[Step]]


@dataclass
class Database:
    """One kind of database: at the head of the chain, and as the models want it."""

    kind: str
    context: MigrationContext
    wanted: schema.Schema
    kept: list[str] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        """Return the connection to the throwaway database of the chain."""
        assert self.context.connection is not None
        return self.context.connection

    def differences(self) -> list[schema.Difference]:
        """Say what the chain, with what was applied to it since, has otherwise."""
        found = schema.describe(self.connection)
        by_hand = self.by_hand()
        return [
            item
            for item in schema.difference(found, self.wanted)
            if not (item.wanted is None and item.key.name in by_hand)
        ]

    def by_hand(self) -> set[str]:
        """Return the names that a hand-written statement of the chain made."""
        names: set[str] = self.connection.info.get(scratch.BY_HAND, set())
        return names

    def apply(self, text: str, imports: set[str]) -> None:
        """Run the text of some steps as the file will hold it.

        :raises MigratorError: where this kind of database refuses it.
        """
        names: dict[str, Any] = {"sa": sa, "op": Operations(self.context)}
        try:
            exec("\n".join(sorted(imports)), names)
            exec(text, names)
        except MigratorError:
            raise
        except Exception as error:
            raise MigratorError(
                f"The proposed revision does not run on {self.kind}: {scratch.reason(error)}. "
                "Nothing was written; change the models, or write it by hand (empty=yes)."
            ) from error


@contextmanager
def databases(
    script: ScriptDirectory,
    metadata: MetaData,
    sources: Sequence[scratch.Source],
    primary: MigrationContext | None = None,
) -> Iterator[list[Database]]:
    """Give a :class:`Database` for each of *sources*, the last first.

    :param primary: a context at the head of the chain on the last source, where there is one.
    """
    portable.portable(metadata)
    with ExitStack() as stack:
        found: list[Database] = []
        for source in reversed(sources):
            context = primary if not found else None
            if context is None:
                chain = stack.enter_context(scratch.from_chain(script, source, metadata=metadata))
                context = scratch.configure(chain, {"target_metadata": metadata})
                stack.enter_context(context.begin_transaction(_per_migration=True))
            assert context.connection is not None
            models = stack.enter_context(
                scratch.from_models(metadata, source, like=context.connection)
            )
            kept = schema.kept(context.connection, metadata)
            found.append(Database(source.kind, context, schema.describe(models), kept))
        yield found


def proposal(container: ops.UpgradeOps, database: Database, metadata: MetaData) -> list[Step]:
    """Return what of Alembic's proposal is taken: tables, columns, keys.

    CHECKs and the indexes of tables that stay are left to the comparison: Alembic knows a CHECK by
    its name alone, and passes over indexes with expressions. What a person made by hand stays.
    """
    by_hand = database.by_hand() - schema.known_names(metadata)
    steps = flatten(container)
    whole = {
        step.op.table_name
        for step in steps
        if isinstance(step.op, ops.CreateTableOp | ops.DropTableOp)
    }
    return [step for step in steps if not _left(step.op, whole, by_hand)]


def _left(op: Any, whole: set[str], by_hand: set[str]) -> bool:
    if isinstance(op, ops.CreateIndexOp | ops.DropIndexOp):
        return op.table_name not in whole or op.table_name in by_hand
    if isinstance(op, ops.DropTableOp):
        return op.table_name in by_hand
    check = isinstance(op, ops.DropConstraintOp) and op.constraint_type == "check"
    return check or isinstance(op, ops.CreateCheckConstraintOp)


def complete(
    steps: Sequence[Step], found: Sequence[Database], metadata: MetaData, review: Review
) -> list[Step]:
    """Apply *steps* everywhere and add what the comparison finds missing, until nothing is.

    :param review: the checklist, which gives back the steps as they are to be written.
    :return: all the steps, as they ran.
    :raises MigratorError: for a difference that no operation ends, or a step that does not run.
    """
    dropping = {step.op.table_name for step in steps if isinstance(step.op, ops.DropColumnOp)}

    def first(item: schema.Difference) -> bool:
        """What stands in the way of *steps*, and what they need."""
        if item.key.kind == "sequence":
            return item.found is None
        gone = item.wanted is None or (item.found is not None and item.key.table in dropping)
        return gone and item.key.kind in ("constraint", "index") and _own(item)

    whole: list[Step] = []
    for proposed in (_mended(found, metadata, first), steps, None, None):
        more = review(_mended(found, metadata) if proposed is None else proposed)
        text, imports = write.body(more, found[0].context)
        for database in found:
            database.apply(text, imports)
        whole += more
    for database in found:
        for item in database.differences():
            raise MigratorError(
                f"On {database.kind} the migrations and the models would still differ: {item}. "
                "Nothing was written; write this revision by hand (empty=yes)."
            )
    return whole


def _own(item: schema.Difference) -> bool:
    return item.key.kind == "index" or (item.found or "").startswith(("CHECK", "EXCLUDE"))


def _mended(
    found: Sequence[Database],
    metadata: MetaData,
    wanted: Callable[[schema.Difference], bool] = lambda item: True,
) -> list[Step]:
    """Return the steps for what still differs: unguarded where it differs on every database."""
    differing = {
        database.kind: {item.key: item for item in database.differences() if wanted(item)}
        for database in found
    }
    everywhere = set.intersection(*(set(items) for items in differing.values()))
    steps = []
    for at, database in enumerate(found):
        for key, item in differing[database.kind].items():
            if at and key in everywhere:
                continue
            guard = None if key in everywhere else Guard.only(database.kind)
            mended = mend(item, metadata, database.connection.dialect) or []
            steps += [replace(step, guard=step.guard or guard) for step in mended]
    return steps
