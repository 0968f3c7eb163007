"""The two sides of a new migration: a scratch database at the head of the chain, and the models."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Table

from .. import naming
from ..checklist.development import Look
from ..checklist.finding import Operation
from ..errors import MigrationError, reason
from ..quoting import qualified
from ..run import binds, recorder
from ..run.recorder import renamed_table, whole_name
from ..schema import baseline, dialect_support, diff
from ..schema.inclusion import Inclusion
from ..schema.model import Key, Schema
from ..scratch import snapshot
from ..scratch.databases import configure, from_chain, from_models
from ..scratch.sources import Source
from .constraint_names import OtherNames
from .directives import is_left_out
from .replayed import Declared, read
from .server_defaults import Origins, follow, left_over, read_origins
from .template import template_imports


class Lookup:
    """Finds tables and columns in the models, in the database, and in what the chain declares."""

    def __init__(
        self, metadata: MetaData, connection: Connection, script: ScriptDirectory | None = None
    ) -> None:
        self.metadata = metadata
        self.connection = connection
        self.dialect = connection.dialect
        self.quote = partial(qualified, connection.dialect)
        self._script, self._done = script, list(recorder.invoked(connection))

    @cached_property
    def declared(self) -> Declared:
        """What the chain declares, and what was tried on top of it; most changes need not know."""
        convention = self.metadata.naming_convention
        return read(self.connection, self._done, self._script, convention)

    def place(self, table: str) -> tuple[str, str | None]:
        """Return the name of a table and its schema, as the server printed both in one."""
        schema, _, name = table.partition(".")
        return (name, schema) if name and schema in self._schemas else (table, None)

    @cached_property
    def _schemas(self) -> list[str]:
        has_schemas = self.dialect.name == "postgresql"
        return sa.inspect(self.connection).get_schema_names() if has_schemas else []

    def quoted(self, table: str) -> str:
        """Return the name of a table as it stands in a statement."""
        return self.quote(*self.place(table))

    def separate_schema(self, op: Any) -> None:
        """Give *op* the schema of its table as an argument of its own."""
        for name, schema in (("table_name", "schema"), ("source_table", "source_schema")):
            table, in_schema = self.place(str(getattr(op, name, "")))
            if in_schema and name == "table_name":
                op.table_name, op.schema = table, in_schema
            elif in_schema:
                op.source_table, op.kw[schema] = table, in_schema

    def model(self, name: str) -> Table:
        """Return the models' table of that name."""
        tables = self.metadata.tables.values()
        return next(table for table in tables if name in (table.name, table.fullname))

    def model_column(self, key: Key) -> Column[Any]:
        """Return the models' column that *key* names."""
        return next(column for column in self.model(key.table).columns if column.name == key.name)

    def alter_column(self, key: Key, **changes: Any) -> Operation:
        """Return the operation that makes *changes* to the column that *key* names.

        :param changes: as ``AlterColumnOp`` takes them: ``modify_type``, ``modify_nullable`` …
        """
        table, _, name = key
        columns = sa.inspect(self.connection).get_columns(*self.place(table))
        column: Any = next(column for column in columns if column["name"] == name)
        declared = self.declared.columns.get((table, name))
        type_ = declared.type if declared is not None else column["type"]
        default: Any = column.get("default") and sa.DefaultClause(sa.text(column["default"]))
        if declared is not None and (default is None or declared.server_default is not None):
            default = declared.server_default
        if column.get("autoincrement") is True:
            default = None
            counts = self.model(table).autoincrement_column
            stays = counts is not None and counts.name == name
            if stays and self.dialect.name not in ("sqlite", "postgresql"):
                changes.setdefault("autoincrement", True)  # it is told the whole column
        op = ops.AlterColumnOp(
            table,
            name,
            existing_type=type_,
            existing_nullable=column["nullable"],
            existing_server_default=default,
            existing_comment=column.get("comment"),
            **changes,
        )
        return Operation(op)


@dataclass
class ComparedDatabase:
    """One kind of database: at the head of the chain, and as the models want it."""

    kind: str
    context: MigrationContext
    metadata: MetaData
    expected: Schema
    unmanaged: list[str] = field(default_factory=list)
    #: What env.py's ``configure`` was given, where it leaves something out.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: What env.py's own ``process_revision_directives`` took out of the proposal.
    left_out: set[Key] = field(default_factory=set)
    #: The differences that the project's baseline holds.
    known: baseline.Known = field(default_factory=baseline.Known)
    #: The tables that ``--tables`` names.
    tables: Collection[str] = ()
    #: What other databases call otherwise; None where the very database is at hand.
    names: OtherNames | None = None

    @property
    def server(self) -> str:
        """Return the kind; of the two that are a mysql, MariaDB is told apart."""
        is_mariadb = getattr(self.connection.dialect, "is_mariadb", False)
        return "mariadb" if is_mariadb else self.kind

    @property
    def connection(self) -> Connection:
        """Return the connection to the scratch database of the chain."""
        assert self.context.connection is not None
        return self.context.connection

    def lookup(self) -> Lookup:
        """Return what knows the models, and the chain with what was applied to it by now."""
        return Lookup(self.metadata, self.connection, self.context.script)

    def differences(self) -> list[diff.Change]:
        """Return what differs in the chain, with what was applied to it since, from the models.

        What the baseline knows is left out, and so are the :meth:`left_over_defaults`.
        """
        differences = self.known.new(self.all_differences())
        staying = self._left_over(differences)
        return [item for item in differences if item not in staying]

    def left_over_defaults(self) -> list[diff.Change]:
        """Return the server defaults that only the migrations have, and that stay."""
        return self._left_over(self.known.new(self.all_differences()))

    def _left_over(self, differences: Sequence[diff.Change]) -> list[diff.Change]:
        if self.options.get("compare_server_default"):
            return []
        return left_over(differences, self._origins_by_now, self.tables)

    def _origins_by_now(self) -> Origins:
        """Return which defaults ``migrate`` gave, what is proposed by now among them."""
        origins = dict(self._origins)
        for revision, op in recorder.invoked(self.connection):
            if not revision:
                follow(op, origins, by_migrate=True)
        return origins

    @cached_property
    def _origins(self) -> Origins:
        script = self.context.script
        return read_origins(script, self.connection.dialect) if script else {}

    @cached_property
    def _named_by_later_convention(self) -> set[tuple[str, str]]:
        script = self.context.script
        return snapshot.names_by_convention(script, self.kind) if script else set()

    def all_differences(self) -> list[diff.Change]:
        """Return all that differs, known or not."""
        actual = diff.describe(self.connection)
        by_hand = diff.made_by_raw_sql(self.connection)
        inclusion = Inclusion(self.options, self.metadata, self.connection)
        later = self._named_by_later_convention
        return [
            item
            for item in diff.differences_from_models(actual, self.expected, self.metadata, later)
            if not (item.expected is None and item.key.bare in by_hand)
            and not is_left_out(item.key, self.left_out)
            and inclusion.compares(item, self.context)
        ]

    def other_names(self, key: Key) -> list[str]:
        """Return what databases made at another time call a constraint or an index.

        :param key: what it is called in the scratch database, with what was applied to it by now.
        """
        if self.names is None:
            return []
        table = key.table
        for revision, op in reversed(recorder.invoked(self.connection)):
            if not revision and isinstance(op, ops.RenameTableOp) and table == renamed_table(op):
                table = whole_name(op)
        return self.names.of(key._replace(table=table))

    def apply(self, text: str, imports: set[str]) -> None:
        """Run the text of some operations as the file will hold it.

        :param imports: the import lines that the text needs.
        :raises MigrationError: where this kind of database refuses it.
        """
        names: dict[str, Any] = {}
        try:
            exec(template_imports(self.context.script), names)
            exec("\n".join(sorted(imports)), names)
            op, done = Operations(self.context), recorder.invoked(self.connection)
            recorder.noted(op, lambda operation: done.append(("", operation)))
            exec(text, names | {"sa": sa, "op": op})
        except MigrationError:
            raise
        except Exception as error:
            raise MigrationError(
                f"The proposed revision does not run on {self.kind}: {reason(error)}. "
                "No migration was written; change the models, or write it by hand (empty=yes)."
            ) from error


@contextmanager
def compared(
    script: ScriptDirectory,
    metadata: MetaData,
    sources: Sequence[Source],
    primary: MigrationContext | None = None,
    options: Mapping[str, Any] | None = None,
    left_out: Collection[Key] = (),
    tables: Collection[str] = (),
    development: Look | None = None,
) -> Iterator[list[ComparedDatabase]]:
    """Give a :class:`ComparedDatabase` for each of *sources*, the last first.

    :param script: the chain.
    :param metadata: the models.
    :param primary: a context at the head of the chain on the last source, where there is one.
    :param options: what env.py gave to ``configure``; it may leave objects out.
    :param left_out: what its ``process_revision_directives`` took out.
    :param tables: those that ``--tables`` names.
    :param development: opens the development database for reading, where there is one.
    :raises MigrationError: where the chain, or ``create_all``, does not run on one of them.
    """
    dialect_support.make_portable(metadata)
    naming.name_constraints(metadata)
    with ExitStack() as stack:
        result: list[ComparedDatabase] = []
        known = baseline.read(Path(script.dir))
        for source in reversed(sources):
            context = primary if not result else None
            if context is None:
                chain = stack.enter_context(from_chain(script, source, metadata=metadata))
                context = configure(chain, {"target_metadata": metadata, "script": script})
            assert context.connection is not None
            models = stack.enter_context(from_models(metadata, source, like=context.connection))
            # The migrations' own, which an autocommit_block commits; what was read before ends.
            context.connection.rollback()
            stack.enter_context(context.begin_transaction(_per_migration=True))
            unmanaged = diff.unmanaged_objects(context.connection, metadata)
            expected = diff.describe(models)
            result.append(
                ComparedDatabase(
                    source.kind,
                    context,
                    metadata,
                    expected,
                    unmanaged,
                    options or {},
                    set(left_out),
                    known.get(binds.labelled(source.kind), baseline.Known()),
                    tables,
                    OtherNames(
                        script,
                        source,
                        metadata,
                        context.dialect,
                        development,
                    ),
                )
            )
        yield result
