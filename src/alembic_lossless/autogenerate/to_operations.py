"""Makes operations of the differences between two databases: one difference, its steps.

The way forward is read from the models; the way back from what the server printed.
"""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, Table
from sqlalchemy.schema import CreateSequence, DropSequence, Sequence, conv

from .. import naming
from ..checklist.finding import NOTHING, Guard, Step
from ..checklist.rules import enums
from ..errors import MigrationError
from ..run.recorder import invoked
from ..schema.diff import Difference
from ..schema.model import Key
from .dialects import identity, table_options
from .fills import LateFill
from .replayed import Declared, fresh, name_of, operation, plain_type, read
from .reverse import as_typed, constraint_as_printed, index_as_printed


class Mender:
    """Knows the models and a database at the head of the chain."""

    def __init__(
        self, metadata: MetaData, connection: Connection, script: ScriptDirectory | None = None
    ) -> None:
        self.metadata = metadata
        self.connection = connection
        self.dialect = connection.dialect
        self.quote = connection.dialect.identifier_preparer.quote
        self._script, self._done = script, list(invoked(connection))

    @cached_property
    def declared(self) -> Declared:
        """What the chain declares, and what was tried on top of it; most changes need not know."""
        return read(self.connection, self._done, self._script)

    def mend(self, item: Difference) -> list[Step]:
        """Return the steps that end the difference *item*; none where nothing plain does."""
        mender: Callable[[Difference], Iterable[Step]] | None = getattr(
            self, f"_{item.key.kind}", None
        )
        steps = list(mender(item)) if mender else []
        for step in steps:
            for op in (step.op, step.back):
                self._place(op)
        return steps

    def place(self, table: str) -> tuple[str, str | None]:
        """Return the name of a table and its schema, as the server printed both in one."""
        schema, _, name = table.partition(".")
        return (name, schema) if name and schema in self._schemas else (table, None)

    @cached_property
    def _schemas(self) -> list[str]:
        there = self.dialect.name == "postgresql"
        return sa.inspect(self.connection).get_schema_names() if there else []

    def quoted(self, table: str) -> str:
        """Return the name of a table as it stands in a statement."""
        name, schema = self.place(table)
        return (f"{self.quote(schema)}." if schema else "") + self.quote(name)

    def _place(self, op: Any) -> None:
        """Say of *op* the schema apart."""
        for name, schema in (("table_name", "schema"), ("source_table", "source_schema")):
            table, own = self.place(str(getattr(op, name, "")))
            if own and name == "table_name":
                op.table_name, op.schema = table, own
            elif own:
                op.source_table, op.kw[schema] = table, own

    def model(self, name: str) -> Table:
        """Return the models' table of that name."""
        tables = self.metadata.tables.values()
        return next(table for table in tables if name in (table.name, table.fullname))

    def _sequence(self, item: Difference) -> Iterable[Step]:
        sequence = self.metadata._sequences.get(item.key.name) or Sequence(item.key.name)
        create = ops.ExecuteSQLOp(str(CreateSequence(sequence).compile(dialect=self.dialect)))
        drop = ops.ExecuteSQLOp(str(DropSequence(sequence).compile(dialect=self.dialect)))
        if item.actual is not None:
            yield Step(drop, back=identity.sequence(self.quote(item.key.name), item.actual))
        if item.expected is not None:
            yield Step(create, back=drop)

    def _table(self, item: Difference) -> Iterable[Step]:
        return table_options.changed(item) if self.dialect.name == "sqlite" else []

    def _type(self, item: Difference) -> Iterable[Step]:
        return enums.steps(item, self.connection, self.metadata)

    def _index(self, item: Difference) -> Iterable[Step]:
        table, _, name = item.key
        if item.actual is not None:
            yield Step(ops.DropIndexOp(name, table), back=self.back(item.key, item.actual))
        if item.expected is not None:
            model = self.model(table)
            indexes = [index for index in model.indexes if index.name == name]
            if indexes:
                yield Step(ops.CreateIndexOp.from_index(indexes[0]))
            else:
                # MySQL makes it with the foreign key, unless another index served by then, and
                # leaves it there when that goes.
                key = next(key for key in model.foreign_key_constraints if key.name == name)
                make = ops.CreateIndexOp(name, table, key.column_keys)
                there = sa.inspect(self.connection).get_foreign_keys(*self.place(table))
                made = name in [one["name"] for one in there]
                yield Step(make if made else None, Guard.MYSQL, ops.DropIndexOp(name, table))

    def _constraint(self, item: Difference) -> Iterable[Step]:
        if item.actual is not None:
            if item.actual.startswith("PRIMARY KEY") and self.dialect.name in ("mysql", "mariadb"):
                yield from identity.stopped(self, item.key.table)
            yield self._drop(item.key, item.actual)
        if item.expected is not None:
            yield Step(self._add(item.key))

    def back(self, key: Key, printed: str) -> Any:
        """Return what makes an index or a constraint again; None for an unknown constraint."""
        made = self.declared.objects.get((key.table, key.name))
        is_index = isinstance(made, ops.CreateIndexOp)
        if made is None or is_index != (key.kind == "index"):
            typed = as_typed(self.connection, key) or printed
            made = (index_as_printed if key.kind == "index" else constraint_as_printed)(key, typed)
        if isinstance(made, ops.CreateCheckConstraintOp) and made.constraint_name:
            made.constraint_name = conv(key.name)  # also where the table has another name by then
        self._place(made)
        return made

    def _drop(self, key: Key, printed: str) -> Step:
        back = self.back(key, printed)
        if back is None:
            quote = self.quote
            sql = f"ALTER TABLE {self.quoted(key.table)} ADD CONSTRAINT {quote(key.name)} {printed}"
            drop = ops.DropConstraintOp(key.name, key.table)
            return Step(drop, Guard.POSTGRESQL, ops.ExecuteSQLOp(sql))
        kind = {"primarykey": "primary"}.get(back.constraint_type, back.constraint_type)
        name = back.constraint_name
        if kind == "check" and naming.check(key.table, name) != name:
            name = conv(name)  # another convention's, which ours is not to be put before
        return Step(ops.DropConstraintOp(name, key.table, kind), back=back)

    def _add(self, key: Key) -> Any:
        table = self.model(key.table)
        for constraint in table.constraints:
            primary = constraint is table.primary_key and key.name == "PRIMARY KEY"
            if primary or name_of(constraint, self.dialect) == key.name:
                named = None if key.name == "PRIMARY KEY" else key.name
                return operation(key.table, named, constraint, self.dialect)
        raise MigrationError(
            f"{key} has no name in the models: their MetaData needs this project's "
            "naming_convention (alembic_lossless.naming). Nothing was written."
        )

    def altered(self, item: Difference, **changes: Any) -> Iterable[Step]:
        """Return the step that makes *changes* to the column of *item*."""
        table, _, name = item.key
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
        yield Step(op)

    def _column(self, item: Difference) -> Iterable[Step]:
        if item.actual is None or item.expected is None:
            return
        model = self._model_column(item.key)
        changes: dict[str, Any] = {"modify_type": plain_type(model.type)}
        if isinstance(model.server_default, sa.DefaultClause):
            # The old default has the old type, as the server holds it.
            changes["modify_server_default"] = model.server_default
        for step in self.altered(item, **changes):
            if self.dialect.name == "sqlite":
                step.op.modify_type = _collated(step.op.modify_type, item.expected, item.actual)
                step.op.existing_type = _collated(step.op.existing_type, item.actual, item.expected)
            yield step

    def _null(self, item: Difference) -> Iterable[Step]:
        return self.altered(item, modify_nullable=item.expected is None)

    def _default(self, item: Difference) -> Iterable[Step]:
        default: Any = self._model_column(item.key).server_default
        if {*identity.COUNTERS, "auto_increment"} & {item.actual, item.expected}:
            return identity.changed(self, item, default)
        if default is not None and not isinstance(default, sa.DefaultClause):
            return []
        return self.altered(item, modify_server_default=default)

    def _comment(self, item: Difference) -> Iterable[Step]:
        if item.key.name:
            return self.altered(item, modify_comment=item.expected)
        existing = item.actual
        if item.expected is None:
            return [Step(ops.DropTableCommentOp(item.key.table, existing_comment=existing))]
        return [
            Step(ops.CreateTableCommentOp(item.key.table, item.expected, existing_comment=existing))
        ]

    def _generated(self, item: Difference) -> Iterable[Step]:
        """Drop and add: what a generated column holds is no one's data."""
        table, _, name = item.key
        if item.actual is None:
            raise MigrationError(
                f"{table}.{name} is to be computed from now on, and what it holds would go. Nothing"
                " was written: take it out of the model and run this, then put it in as computed."
            )
        found = sa.Table(table, sa.MetaData(), autoload_with=self.connection, resolve_fks=False)
        column = fresh(self.declared.columns.get((table, name), found.c[name]))
        back = ops.AddColumnOp(table, column)
        yield Step(
            ops.DropColumnOp.from_column_and_tablename(None, table, found.c[name]), back=back
        )
        yield Step(
            ops.AddColumnOp.from_column_and_tablename(None, table, self._model_column(item.key))
        )
        if item.expected is None and column.computed is not None:
            # It goes on with what was computed last.
            yield Step(LateFill(table, name, str(column.computed.sqltext)), back=NOTHING)

    def _model_column(self, key: Key) -> Column[Any]:
        return next(c for c in self.model(key.table).columns if c.name == key.name)


def _collated(type_: Any, own: str, other: str) -> Any:
    """Return *type_* with SQLite's usual collation where only the *other* one names a collation."""
    if "COLLATE" in own or "COLLATE" not in other or not isinstance(type_, sa.String):
        return type_
    type_ = type_.copy()
    type_.collation = "BINARY"
    return type_
