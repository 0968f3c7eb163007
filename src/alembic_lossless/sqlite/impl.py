"""Alembic's implementation for SQLite: every operation, in batch mode and out of it.

Importing this module puts it in force, as Alembic has it for the implementation of a dialect. Other
dialects go through Alembic's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.ddl import sqlite as alembic_sqlite
from alembic.operations import Operations, ops, toimpl
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from .. import compat, hints
from ..errors import MigrationError
from . import alter
from .alter import AppliedChange
from .database import SQLiteDatabase
from .defaults import without_cast
from .operations import BatchOptions, ImplCall, TableEditor, is_printable, log
from .references import refuse_unknown_columns

compat.require()


def applied_changes(connection: sa.Connection) -> list[AppliedChange]:
    """Return what was done to tables on a connection.

    :param connection: to SQLite.
    :return: a list that grows as migrations run.
    """
    applied: list[AppliedChange] = connection.info.setdefault("alembic_lossless_applied", [])
    return applied


class LosslessSQLiteImpl(alembic_sqlite.SQLiteImpl):
    """Alembic's implementation for SQLite, with every operation and nothing lost.

    ``applied`` holds what was done on this connection, and by which way.
    """

    __dialect__ = "sqlite"
    transactional_ddl = True

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.applied: list[AppliedChange] = []
        self.mysql_numbers: dict[str, list[int]] = {}
        if self.connection is not None and not self.as_sql:
            self.applied = applied_changes(self.connection)

    def requires_recreate_in_batch(self, batch_op: Any) -> bool:
        """Let Alembic accept ``insert_before`` and ``insert_after``: that is all it asks for."""
        return True

    def carry_out_batch(self, batch: Any) -> None:
        """Carry out what ``batch_alter_table`` collected, as one edit.

        :param batch: Alembic's ``BatchOperationsImpl``.
        :raises MigrationError: where it cannot be done; the database is then as it was.
        """
        if batch.batch or batch.recreate == "always":
            calls = [ImplCall(*call) for call in batch.batch]
            self._carry_out(batch.table_name, batch.schema, calls, _options_of(batch))

    def _carry_out(
        self, table: str, schema: str | None, calls: list[ImplCall], options: BatchOptions
    ) -> None:
        if self.as_sql:
            self._print(table, calls)
            return
        if self.connection is None:
            raise MigrationError("There is no connection to SQLite to migrate by.")
        options.mysql_numbers = self.mysql_numbers
        target = self.context_opts.get("target_metadata")
        for metadata in target if isinstance(target, list | tuple) else [target]:
            if isinstance(metadata, sa.MetaData):
                options.conventions = [*options.conventions, metadata.naming_convention]
        db = SQLiteDatabase(self.connection, schema)
        editor = TableEditor(db, table, self.dialect, self.create_index, options, self.applied)
        editor.carry_out([_without_cast(table, call) for call in calls])

    def _print(self, table: str, calls: list[ImplCall]) -> None:
        """Offline: print what SQLite's own ALTER TABLE can do."""
        for call in calls:
            if not is_printable(call, self.dialect):
                raise MigrationError(
                    f'{call.method} on table "{table}" cannot be printed as SQL for SQLite, whose '
                    f"ALTER TABLE does not have it: {hints.command('plan')} shows what it does."
                )
        for method, arguments, keywords in calls:
            if method == "create_index":
                self.create_index(*arguments, **keywords)
            elif not method.endswith("_comment"):
                getattr(alembic_sqlite.SQLiteImpl, method)(self, *arguments, **keywords)

    def _carry_out_alone(
        self, table: str, schema: str | None, method: str, *arguments: Any, **keywords: Any
    ) -> None:
        self._carry_out(table, schema, [ImplCall(method, arguments, keywords)], BatchOptions())

    # The methods of Alembic's implementation, outside batch mode.

    def add_column(
        self, table_name: str, column: Any, *, schema: Any = None, **keywords: Any
    ) -> None:
        self._carry_out_alone(table_name, schema, "add_column", table_name, column, **keywords)

    def drop_column(
        self, table_name: str, column: Any, *, schema: Any = None, **keywords: Any
    ) -> None:
        self._carry_out_alone(table_name, schema, "drop_column", table_name, column, **keywords)

    def alter_column(
        self, table_name: str, column_name: str, *, schema: Any = None, **keywords: Any
    ) -> None:
        arguments = (table_name, column_name)
        self._carry_out_alone(table_name, schema, "alter_column", *arguments, **keywords)

    def add_constraint(self, const: Any, **keywords: Any) -> None:
        if compat.is_wanted(const, self):
            table = const.table
            self._carry_out_alone(table.name, table.schema, "add_constraint", const, **keywords)

    def drop_constraint(self, const: Any, **keywords: Any) -> None:
        table = const.table
        self._carry_out_alone(table.name, table.schema, "drop_constraint", const, **keywords)

    def drop_index(self, index: Any, **keywords: Any) -> None:
        table = index.table.name
        if table == "no_table" and self.connection and not self.as_sql:  # the operation names none
            table = SQLiteDatabase(self.connection, index.table.schema).table_of(
                "index", str(index.name)
            )
        if table is not None:
            self._carry_out_alone(table, index.table.schema, "drop_index", index, **keywords)
        elif not keywords.get("if_exists"):
            raise MigrationError(f'There is no index "{index.name}" in this database.')

    def create_index(self, index: Any, **keywords: Any) -> None:
        options = index.dialect_options
        if options["sqlite"]["where"] is None:
            # Without it a partial index would become a full one, and refuse good rows.
            where = options["postgresql"]["where"]  # it may be a mere text
            options["sqlite"]["where"] = sa.text(where) if isinstance(where, str) else where
        if self.connection is not None and not self.as_sql:
            db = SQLiteDatabase(self.connection, index.table.schema)
            refuse_unknown_columns(db.table(index.table.name), index)
        try:
            super().create_index(index, **keywords)
        except DBAPIError as error:
            raise MigrationError(
                f'SQLite refuses the index "{index.name}" of table "{index.table.name}": '
                f"{error.orig}."
            ) from error

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        if self.as_sql or self.connection is None:
            super().rename_table(old_table_name, new_table_name, schema=schema)
        else:
            db = SQLiteDatabase(self.connection, schema)
            self.applied += alter.rename_table(db, old_table_name, str(new_table_name))

    def create_table(self, table: Any, **keywords: Any) -> None:
        for column in table.columns:
            column.server_default = without_cast(table.name, column.name, column.server_default)
        super().create_table(table, **keywords)

    def drop_table(self, table: Any, **keywords: Any) -> None:
        if self.connection is not None and not self.as_sql:
            db = SQLiteDatabase(self.connection, table.schema)
            if db.foreign_keys_on():
                raise MigrationError(
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


def _without_cast(table: str, call: ImplCall) -> ImplCall:
    if call.method == "add_column":
        column = call.arguments[1]
        column.server_default = without_cast(table, column.name, column.server_default)
    elif call.method == "alter_column" and "server_default" in call.keywords:
        default = without_cast(table, call.arguments[1], call.keywords["server_default"])
        return call._replace(keywords={**call.keywords, "server_default": default})
    return call


def _constraints(items: Any) -> list[sa.Constraint]:
    return [item for item in items if isinstance(item, sa.Constraint)]


def _options_of(batch: Any) -> BatchOptions:
    """Read the arguments of ``batch_alter_table``; nothing is lost, so few of them are needed."""
    copy_from = batch.copy_from
    declared = [*_constraints(batch.table_args), *_constraints(batch.reflect_args)]
    if copy_from is not None:
        declared += [*copy_from.constraints, *(k for c in copy_from.c for k in c.constraints)]
    recreates = batch.recreate == "always" or alembic_sqlite.SQLiteImpl.requires_recreate_in_batch(
        batch.impl, batch
    )
    kwargs = batch.table_kwargs if recreates else {}
    table_options = {}
    if "sqlite_with_rowid" in kwargs:
        table_options["WITHOUT ROWID"] = not kwargs["sqlite_with_rowid"]
    if "sqlite_strict" in kwargs:
        table_options["STRICT"] = bool(kwargs["sqlite_strict"])
    return BatchOptions(
        force_rebuild=batch.recreate == "always",
        conventions=[batch.naming_convention] if batch.naming_convention else [],
        declared=declared,
        to_add=_constraints(batch.table_args) if recreates else [],
        order=batch.partial_reordering,
        table_options=table_options,
        autoincrement=kwargs.get("sqlite_autoincrement"),
        batch=True,
    )


def _carry_out_batch(batch: BatchOperationsImpl) -> bool:
    implementation = batch.impl
    if not isinstance(implementation, LosslessSQLiteImpl):
        return False
    implementation.carry_out_batch(batch)
    return True


compat.take_over_batches(_carry_out_batch)
# On SQLite nothing has to leave the transaction, so nothing does.
compat.stay_in_transaction(lambda context: isinstance(context.impl, LosslessSQLiteImpl))


@compat.implementation_for(ops.DropConstraintOp)
def _drop_constraint(operations: Operations, operation: ops.DropConstraintOp) -> None:
    """On SQLite, a constraint without a name is the only one of its kind.

    It has no columns, so it is kept away from naming conventions, which would ask for them.
    """
    is_ours = isinstance(operations.migration_context.impl, LosslessSQLiteImpl)
    if operation.constraint_name is not None or not is_ours:
        toimpl.drop_constraint(operations, operation)
        return
    kinds: dict[str | None, Callable[[], sa.Constraint]] = {
        "foreignkey": lambda: sa.ForeignKeyConstraint([], []),
        "primary": sa.PrimaryKeyConstraint,
        "unique": sa.UniqueConstraint,
        "check": lambda: sa.CheckConstraint(""),
    }
    constraint = kinds.get(operation.constraint_type, sa.Constraint)()
    table = sa.Table(operation.table_name, sa.MetaData(), schema=operation.schema)
    table.append_constraint(constraint)
    keywords = {} if operation.if_exists is None else {"if_exists": operation.if_exists}
    operations.impl.drop_constraint(constraint, **keywords)


def in_force(context: MigrationContext | None = None) -> bool:
    """Tell whether SQLite is migrated by this implementation.

    :param context: a migration context to be looked at as well.
    :return: False where something else has taken its place, or was there when *context* was made.
    """
    return (
        compat.implementation_of("sqlite") is LosslessSQLiteImpl
        and compat.is_replaced(BatchOperationsImpl, "flush")
        and compat.is_replaced(MigrationContext, "autocommit_block")
        and (context is None or isinstance(context.impl, LosslessSQLiteImpl))
    )


def require(context: MigrationContext | None = None) -> None:
    """Make sure that SQLite is migrated by this implementation and nothing else.

    :param context: the migration context that is about to run, to be looked at as well.
    :raises MigrationError: if a private part of Alembic or SQLAlchemy is missing, or something else
        has taken this implementation's place.
    """
    compat.require()
    if not in_force(context):
        raise MigrationError(
            "SQLite would be migrated by stock Alembic, which can lose rows: import "
            "alembic_lossless.sqlite in env.py, after anything else that extends Alembic's "
            "SQLiteImpl."
        )
