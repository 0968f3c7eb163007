"""Plugs the engine into Alembic: importing this module is all it takes.

Every operation on a SQLite table then goes through ``operations.py``, in batch mode and out of
it. What of Alembic is replaced or used although it is not documented stands in :data:`PRIVATE`;
:func:`require` says in one sentence which of it is missing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import alembic
import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from .. import MigratorError

#: The private parts of Alembic and SQLAlchemy: module, path in it, what it is needed for.
PRIVATE = (
    ("alembic.ddl.sqlite", "SQLiteImpl", "the class that is extended"),
    ("alembic.ddl.impl", "_impls", "the implementation in force for a dialect"),
    ("alembic.ddl.impl", "DefaultImpl._exec", "running a statement, or printing it"),
    ("alembic.ddl.base", "add_column", "the text of a new column"),
    ("alembic.operations.batch", "BatchOperationsImpl.flush", "replaced: one batch, one edit"),
    ("alembic.operations.batch", "BatchOperationsImpl.add_column", "replaced: insert_after"),
    ("alembic.operations.base", "Operations._to_impl", "drop_constraint without a name"),
    ("alembic.runtime.migration", "MigrationContext.autocommit_block", "replaced: no commit"),
)


def missing() -> list[str]:
    """Return the private parts that this Alembic does not have."""
    absent = []
    for module, path, _ in PRIVATE:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part, _ABSENT)
        if found is _ABSENT:
            absent.append(f"{module}.{path}")
    return absent


_ABSENT = object()


def require(context: MigrationContext | None = None) -> None:
    """Make sure that SQLite is migrated by this engine and nothing else.

    :param context: the migration context that is about to run, to be looked at as well.
    :raises MigratorError: if a private part is missing or something else has taken its place.
    """
    if absent := missing():
        raise MigratorError(
            f"Alembic {alembic.__version__} has no {', '.join(absent)}, which SQLite is migrated "
            f"by here: pin Alembic to the minor version that pyproject.toml names."
        )
    if not in_force(context):
        raise MigratorError(
            "SQLite would be migrated by stock Alembic, which can lose rows: import "
            "migrator.sqlite.impl in env.py, after anything else that extends Alembic's SQLiteImpl."
        )


if _absent := missing():
    require()

from alembic.ddl import impl as _alembic_impl  # noqa: E402
from alembic.ddl.sqlite import SQLiteImpl  # noqa: E402

from .alter import Step, rename_table  # noqa: E402
from .batch import Operation, Options, is_native, options_of  # noqa: E402
from .database import Database  # noqa: E402
from .indexes import refuse_unknown  # noqa: E402
from .operations import TableChange, log  # noqa: E402


class Engine(SQLiteImpl):
    """Alembic's implementation for SQLite, with every operation and nothing lost.

    ``steps`` holds what was done, by which way, since this object was made.
    """

    __dialect__ = "sqlite"
    transactional_ddl = True

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.steps: list[Step] = []

    def change(
        self,
        table: str,
        schema: str | None,
        operations: list[Operation],
        options: Options | None = None,
    ) -> None:
        """Carry out the operations on one table as one edit."""
        if not operations and options is None:
            return
        if self.as_sql:
            self._print(table, operations)
            return
        if self.connection is None:
            raise MigratorError("There is no connection to SQLite to migrate by.")
        options = options or Options()
        metadata = self.context_opts.get("target_metadata")
        for one in metadata if isinstance(metadata, list | tuple) else [metadata]:
            if isinstance(one, sa.MetaData):
                options.conventions = [*options.conventions, one.naming_convention]
        change = TableChange(
            Database(self.connection, schema), table, self.dialect, self.create_index, options
        )
        self.steps.extend(change.carry_out(operations))

    def _print(self, table: str, operations: list[Operation]) -> None:
        """Offline: print what SQLite's own ALTER TABLE can do."""
        for operation in operations:
            if not is_native(operation, self.dialect):
                raise MigratorError(
                    f'{operation[0]} on table "{table}" cannot be printed as SQL for SQLite, whose '
                    f"ALTER TABLE does not have it: `make plan` shows what will be done."
                )
        for name, arguments, keywords in operations:
            if name == "create_index":
                self.create_index(*arguments, **keywords)
            elif not name.endswith("_comment"):
                getattr(SQLiteImpl, name)(self, *arguments, **keywords)

    # The methods of Alembic's implementation, outside batch mode.

    def add_column(
        self, table_name: str, column: Any, *, schema: Any = None, **keywords: Any
    ) -> None:
        self.change(table_name, schema, [("add_column", (table_name, column), keywords)])

    def drop_column(
        self, table_name: str, column: Any, *, schema: Any = None, **keywords: Any
    ) -> None:
        self.change(table_name, schema, [("drop_column", (table_name, column), keywords)])

    def alter_column(
        self, table_name: str, column_name: str, *, schema: Any = None, **keywords: Any
    ) -> None:
        self.change(table_name, schema, [("alter_column", (table_name, column_name), keywords)])

    def add_constraint(self, const: Any, **keywords: Any) -> None:
        if const._create_rule is None or const._create_rule(self):
            table = const.table
            self.change(table.name, table.schema, [("add_constraint", (const,), keywords)])

    def drop_constraint(self, const: Any, **keywords: Any) -> None:
        table = const.table
        self.change(table.name, table.schema, [("drop_constraint", (const,), keywords)])

    def drop_index(self, index: Any, **keywords: Any) -> None:
        table = index.table.name
        if table == "no_table" and self.connection and not self.as_sql:  # it was not told
            table = Database(self.connection, index.table.schema).table_of("index", str(index.name))
        if table is not None:
            self.change(table, index.table.schema, [("drop_index", (index,), keywords)])
        elif not keywords.get("if_exists"):
            raise MigratorError(f'There is no index "{index.name}" in this database.')

    def create_index(self, index: Any, **keywords: Any) -> None:
        options = index.dialect_options
        if options["sqlite"]["where"] is None:
            # Without it a partial index would become a full one, and refuse good rows.
            where = options["postgresql"]["where"]  # may be a mere text, there
            options["sqlite"]["where"] = sa.text(where) if isinstance(where, str) else where
        if self.connection is not None and not self.as_sql:
            refuse_unknown(
                Database(self.connection, index.table.schema).table(index.table.name), index
            )
        try:
            super().create_index(index, **keywords)
        except DBAPIError as error:
            raise MigratorError(
                f'SQLite refuses the index "{index.name}" of table "{index.table.name}": '
                f"{error.orig}."
            ) from error

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        if self.as_sql or self.connection is None:
            super().rename_table(old_table_name, new_table_name, schema=schema)
        else:
            db = Database(self.connection, schema)
            self.steps.append(rename_table(db, old_table_name, str(new_table_name)))

    def drop_table(self, table: Any, **keywords: Any) -> None:
        if self.connection is not None and not self.as_sql:
            db = Database(self.connection, table.schema)
            if db.foreign_keys_on():
                raise MigratorError(
                    f'Dropping table "{table.name}" with PRAGMA foreign_keys on would delete or '
                    f"change rows of other tables: switch it off at connect."
                )
        super().drop_table(table, **keywords)

    def create_table_comment(self, table: Any) -> None:
        log.info("%s: SQLite holds no comments", table.name)

    def drop_table_comment(self, table: Any) -> None:
        self.create_table_comment(table)

    def create_column_comment(self, column: Any) -> None:
        self.create_table_comment(column.table)


def _replace(owner: Any, name: str) -> Callable[[Any], Any]:
    """Put a function in the place of a method, and hand it the one that was there."""

    def decorate(make: Callable[[Any], Any]) -> Any:
        original = getattr(owner, name)
        original = getattr(original, "stock", original)
        new = make(original)
        new.stock = original
        setattr(owner, name, new)
        return new

    return decorate


@_replace(BatchOperationsImpl, "flush")
def _flush(stock: Any) -> Any:
    def flush(self: Any) -> None:
        if not isinstance(self.impl, Engine):
            stock(self)
        elif self.batch or self.recreate == "always":
            self.impl.change(self.table_name, self.schema, self.batch, options_of(self))

    return flush


@_replace(BatchOperationsImpl, "add_column")
def _add_column(stock: Any) -> Any:
    def add_column(self: Any, *arguments: Any, **keywords: Any) -> None:
        if isinstance(self.impl, Engine):
            self.batch.append(("add_column", arguments, keywords))
        else:
            stock(self, *arguments, **keywords)

    return add_column


@_replace(MigrationContext, "autocommit_block")
def _autocommit_block(stock: Any) -> Any:
    @contextmanager
    def autocommit_block(self: Any) -> Iterator[None]:
        """On SQLite nothing has to leave the transaction, so nothing does."""
        if isinstance(self.impl, Engine):
            yield
        else:
            with stock(self):
                yield

    return autocommit_block


@Operations._to_impl.dispatch_for(ops.DropConstraintOp, qualifier="sqlite", replace=True)
def _drop_nameless(operations: Any, operation: ops.DropConstraintOp) -> None:
    """Without a name, keep naming conventions away from a constraint that has no columns yet."""
    if operation.constraint_name is not None:
        Operations._to_impl.dispatch(ops.DropConstraintOp)(operations, operation)
        return
    kinds: dict[str | None, Callable[[], Any]] = {
        "foreignkey": lambda: sa.ForeignKeyConstraint([], []),
        "primary": sa.PrimaryKeyConstraint,
        "unique": sa.UniqueConstraint,
        "check": lambda: sa.CheckConstraint(""),
    }
    const = kinds.get(operation.constraint_type, sa.Constraint)()
    table = sa.Table(operation.table_name, sa.MetaData(), schema=operation.schema)
    table.append_constraint(const)
    keywords = {} if operation.if_exists is None else {"if_exists": operation.if_exists}
    operations.impl.drop_constraint(const, **keywords)


def in_force(context: MigrationContext | None = None) -> bool:
    """Whether SQLite is migrated by this engine; with a *context*, also by that very context."""
    installed = _alembic_impl._impls.get("sqlite") is Engine and all(
        hasattr(getattr(owner, name, None), "stock")
        for owner, name in (
            (BatchOperationsImpl, "flush"),
            (BatchOperationsImpl, "add_column"),
            (MigrationContext, "autocommit_block"),
        )
    )
    return installed and (context is None or isinstance(context.impl, Engine))
