"""What changed in the models, whole: Alembic proposes, the comparison of two databases decides.

One database is at the head of the chain with the proposal applied, the other made by
``create_all``, both on each kind of server that the project uses. What they still have otherwise
becomes operations too, or a refusal that names it.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, ForeignKeyConstraint, MetaData

from ..checklist.finding import Guard, Step, flatten, whole_name
from ..checklist.rules.enums import native
from ..errors import MigrationError
from ..run import recorder
from ..schema import dialect_support, diff
from ..schema.model import Schema
from ..scratch.databases import configure, from_chain, from_models
from ..scratch.hints import reason
from ..scratch.sources import Source
from .drops import dropped_column, dropped_table
from .order import target
from .to_operations import Mender


@dataclass
class Database:
    """One kind of database: at the head of the chain, and as the models want it."""

    kind: str
    context: MigrationContext
    metadata: MetaData
    expected: Schema
    kept: list[str] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        """Return the connection to the throwaway database of the chain."""
        assert self.context.connection is not None
        return self.context.connection

    @property
    def mender(self) -> Mender:
        """Return what knows the models, and the chain with what was applied to it by now."""
        return Mender(self.metadata, self.connection, self.context.script)

    def differences(self) -> list[diff.Difference]:
        """Say what the chain, with what was applied to it since, has otherwise."""
        actual = diff.describe(self.connection)
        by_hand = diff.made_by_raw_sql(self.connection)
        return [
            item
            for item in diff.differences(actual, self.expected)
            if not (item.expected is None and item.key.bare in by_hand)
        ]

    def apply(self, text: str, imports: set[str]) -> None:
        """Run the text of some steps as the file will hold it.

        :raises MigrationError: where this kind of database refuses it.
        """
        names: dict[str, Any] = {"sa": sa, "op": Operations(self.context)}
        try:
            with recorder.noted(recorder.invoked(self.connection), lambda: ""):
                exec("\n".join(sorted(imports)), names)
                exec(text, names)
        except MigrationError:
            raise
        except Exception as error:
            raise MigrationError(
                f"The proposed revision does not run on {self.kind}: {reason(error)}. "
                "Nothing was written; change the models, or write it by hand (empty=yes)."
            ) from error


@contextmanager
def databases(
    script: ScriptDirectory,
    metadata: MetaData,
    sources: Sequence[Source],
    primary: MigrationContext | None = None,
) -> Iterator[list[Database]]:
    """Give a :class:`Database` for each of *sources*, the last first.

    :param primary: a context at the head of the chain on the last source, where there is one.
    """
    dialect_support.portable(metadata)
    with ExitStack() as stack:
        found: list[Database] = []
        for source in reversed(sources):
            context = primary if not found else None
            if context is None:
                chain = stack.enter_context(from_chain(script, source, metadata=metadata))
                options = {"target_metadata": metadata, "script": script}
                context = configure(chain, options)
            assert context.connection is not None
            models = stack.enter_context(from_models(metadata, source, like=context.connection))
            # The migrations' own, which an autocommit_block commits; what was read before ends.
            context.connection.rollback()
            stack.enter_context(context.begin_transaction(_per_migration=True))
            kept = diff.unmanaged_objects(context.connection, metadata)
            wanted = diff.describe(models)
            found.append(Database(source.kind, context, metadata, wanted, kept))
        yield found


def proposal(container: ops.UpgradeOps, database: Database) -> list[Step]:
    """Return what of Alembic's proposal is taken: tables and columns that come and go.

    What becomes of those that stay, and constraints and indexes, is left to the comparison:
    Alembic knows a CHECK by its name alone, passes over indexes with expressions, and sees
    phantoms in defaults. What a person made by hand stays.
    """
    by_hand = diff.made_by_raw_sql(database.connection) - diff.known_names(database.metadata)
    taken = (ops.CreateTableOp, ops.DropTableOp, ops.AddColumnOp, ops.DropColumnOp)
    steps = [
        step
        for step in flatten(container)
        if isinstance(step.op, taken) and step.op.table_name not in by_hand
    ]
    mender = database.mender
    printed = diff.describe(database.connection)
    made: set[str] = set()
    for step in steps:
        if isinstance(step.op, ops.CreateTableOp):
            made.add(whole_name(step.op))
            _without_circles(step.op, made, {whole_name(s.op) for s in steps})
    gone = [step for step in steps if isinstance(step.op, ops.DropTableOp)]
    steps = [dropped_column(mender, s) if isinstance(s.op, ops.DropColumnOp) else s for s in steps]
    steps = [*_missing_schemas(steps, mender), *steps]
    return [*(back for step in gone for back in dropped_table(mender, step.op, printed)), *steps]


def in_schemas(context: MigrationContext, metadata: MetaData) -> bool:
    """Let Alembic look into the schemas of the models and of the chain; tell if there are any."""
    if context.dialect.name != "postgresql" or context.connection is None:
        return False
    there = {key.table for key in diff.describe(context.connection) if key.kind == "table"}
    names = sa.inspect(context.connection).get_schema_names()
    wanted = dialect_support.schemas(metadata)
    wanted |= {name for name in names if any(table.startswith(f"{name}.") for table in there)}

    def include(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name is None or name in wanted
        own = kind == "table" and parents["schema_name"]
        return not own or parents["schema_qualified_table_name"] in there

    if wanted:
        context.opts |= {"include_schemas": True, "include_name": include}
    return bool(wanted)


def _missing_schemas(steps: Sequence[Step], mender: Mender) -> Iterator[Step]:
    """Yield what makes the schemas that tables come into."""
    wanted = {step.op.schema for step in steps if isinstance(step.op, ops.CreateTableOp)}
    there = sa.inspect(mender.connection).get_schema_names() if any(wanted) else []
    for name in sorted(str(one) for one in wanted if one and one not in there):
        make, drop = (f"{verb} SCHEMA {mender.quote(name)}" for verb in ("CREATE", "DROP"))
        yield Step(ops.ExecuteSQLOp(make), Guard.POSTGRESQL, ops.ExecuteSQLOp(drop))


def types(found: Sequence[Database], mender: Mender) -> set[str]:
    """Return the enum types that PostgreSQL has at the head of the chain."""
    for database in found:
        if database.kind == "postgresql":
            keys = diff.describe(database.connection)
            return {key.name for key in keys if key.kind == "type"}
    declared = (native(column.type) for column in mender.declared.columns.values())
    return {str(type_.name) for type_ in declared if type_ is not None}


def _without_circles(op: ops.CreateTableOp, made: set[str], all_names: set[str]) -> None:
    """Take out the foreign keys to tables that are made later: they are added at the end.

    So are those into a schema, where not every database has the table.
    """
    later = all_names - made
    op.columns = [
        item
        for item in op.columns
        if not (
            isinstance(item, ForeignKeyConstraint)
            and (target(item) in later or (not op.schema and dialect_support.only_postgresql(item)))
        )
    ]
