"""Alembic's implementation for SQLite: every operation, in batch mode and out of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from . import rename
from .alter import Step
from .batch import Operation, Options, is_native
from .database import Database
from .indexes import refuse_unknown
from .run import TableChange, log


def steps_of(connection: sa.Connection) -> list[Step]:
    """Return what the engine has done on this connection, a list that grows."""
    steps: list[Step] = connection.info.setdefault("alembic_lossless_steps", [])
    return steps


class Engine(SQLiteImpl):
    """Alembic's implementation for SQLite, with every operation and nothing lost.

    ``steps`` holds what was done on this connection, and by which way.
    """

    __dialect__ = "sqlite"
    transactional_ddl = True

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.steps: list[Step] = []
        self.numbers: dict[str, list[int]] = {}
        if self.connection is not None and not self.as_sql:
            self.steps = steps_of(self.connection)

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
            raise MigrationError("There is no connection to SQLite to migrate by.")
        options = options or Options()
        options.numbers = self.numbers
        metadata = self.context_opts.get("target_metadata")
        for one in metadata if isinstance(metadata, list | tuple) else [metadata]:
            if isinstance(one, sa.MetaData):
                options.conventions = [*options.conventions, one.naming_convention]
        db = Database(self.connection, schema)
        change = TableChange(db, table, self.dialect, self.create_index, options, self.steps)
        change.carry_out(operations)

    def _print(self, table: str, operations: list[Operation]) -> None:
        """Offline: print what SQLite's own ALTER TABLE can do."""
        for operation in operations:
            if not is_native(operation, self.dialect):
                raise MigrationError(
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
            raise MigrationError(f'There is no index "{index.name}" in this database.')

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
            raise MigrationError(
                f'SQLite refuses the index "{index.name}" of table "{index.table.name}": '
                f"{error.orig}."
            ) from error

    def rename_table(self, old_table_name: str, new_table_name: Any, schema: Any = None) -> None:
        if self.as_sql or self.connection is None:
            super().rename_table(old_table_name, new_table_name, schema=schema)
        else:
            db = Database(self.connection, schema)
            self.steps.append(rename.rename_table(db, old_table_name, str(new_table_name)))

    def drop_table(self, table: Any, **keywords: Any) -> None:
        if self.connection is not None and not self.as_sql:
            db = Database(self.connection, table.schema)
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
