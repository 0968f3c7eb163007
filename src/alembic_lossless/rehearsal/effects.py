"""Which tables, columns and rows a revision changes, observed while it runs.

A change to rows that is none of its effects is one that nobody wrote: ``compare.py`` reports it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event

from ..run import recorder
from ..run.lines import running_line
from ..statements import Statement, read

#: Every column of a table.
ALL = "*"


@dataclass
class Effects:
    """What the operations and statements of one revision do to tables and columns.

    Names are folded; tables and columns are called as they were before the revision.
    """

    file: str
    #: The new names of renamed tables and columns.
    tables: dict[str, str] = field(default_factory=dict)
    columns: dict[tuple[str, str], str] = field(default_factory=dict)
    #: Dropped tables and columns.
    dropped: set[str | tuple[str, str]] = field(default_factory=set)
    #: The columns that UPDATE sets, ALL where that cannot be read.
    updated: dict[str, set[str]] = field(default_factory=dict)
    #: Tables that rows are inserted into, and deleted from.
    inserted: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    #: Each table that was touched, with the line in the file.
    lines: list[tuple[str, int]] = field(default_factory=list)
    operations: list[tuple[Any, int]] = field(default_factory=list)

    def old_table(self, table: str) -> str:
        """Return what *table*, as it is called now, was called before."""
        now = table.casefold()
        return next((old for old, new in self.tables.items() if new == now), now)

    def old_column(self, table: str, column: str) -> str:
        """Return what *column* of *table*, as it was called before, was called before."""
        now = column.casefold()
        known = self.columns.items()
        return next((old for (t, old), new in known if t == table and new == now), now)

    def rename_table(self, old: str, new: str) -> None:
        self.tables[self.old_table(old)] = new.casefold()

    def rename_column(self, table: str, old: str, new: str) -> None:
        table = self.old_table(table)
        self.columns[table, self.old_column(table, old)] = new.casefold()

    def operation(self, op: Any, line: int) -> None:
        """Take in an operation of Alembic's, invoked in *line*."""
        table = recorder.table_of(op)
        if isinstance(op, ops.BulkInsertOp):
            table = op.table.name
        if table:
            self.lines.append((self.old_table(table), line))
        self.operations.append((op, line))
        if isinstance(op, ops.RenameTableOp):
            self.rename_table(op.table_name, op.new_table_name)
        elif isinstance(op, ops.AlterColumnOp) and op.modify_name:
            self.rename_column(op.table_name, op.column_name, op.modify_name)
        elif isinstance(op, ops.DropTableOp):
            self.dropped.add(self.old_table(op.table_name))
        elif isinstance(op, ops.DropColumnOp):
            old = self.old_table(op.table_name)
            self.dropped.add((old, self.old_column(old, op.column_name)))

    def statement(self, statement: Statement, line: int) -> None:
        """Take in a statement that the revision itself sends in *line*, not an operation for it."""
        for write in statement.writes:
            table = self.old_table(write.table.name)
            self.lines.append((table, line))
            if write.verb in ("DELETE", "TRUNCATE", "MERGE", "REPLACE"):
                self.deleted.add(table)
            if write.verb in ("INSERT", "MERGE", "REPLACE"):
                self.inserted.add(table)
            if write.verb in ("UPDATE", "MERGE", "REPLACE"):
                columns = write.columns if write.verb == "UPDATE" else None
                names = {ALL} if columns is None else {self.old_column(table, c) for c in columns}
                self.updated.setdefault(table, set()).update(names)
        if statement.verb in ("ALTER", "RENAME") and statement.object == "TABLE":
            self.lines += [(self.old_table(name.name), line) for name in statement.names]
        for action in statement.takes_away:
            table = self.old_table(action.table.name)
            if action.renames and action.object == "TABLE":
                self.rename_table(action.table.name, action.new_name)
            elif action.renames:
                self.rename_column(action.table.name, action.name, action.new_name)
            elif action.object == "TABLE":
                self.dropped.add(table)
            else:
                self.dropped.add((table, self.old_column(table, action.name)))

    def then(self, later: "Effects") -> "Effects":
        """Return what this and *later*, which undoes it, do together: all has its old name."""
        both = Effects(self.file, dropped=set(self.dropped), lines=self.lines + later.lines)
        for dropped in later.dropped:
            if isinstance(dropped, str):
                both.dropped.add(self.old_table(dropped))
            else:
                table = self.old_table(dropped[0])
                both.dropped.add((table, self.old_column(table, dropped[1])))
        both.inserted = self.inserted | {self.old_table(table) for table in later.inserted}
        both.deleted = self.deleted | {self.old_table(table) for table in later.deleted}
        both.updated = {table: set(columns) for table, columns in self.updated.items()}
        for table, columns in later.updated.items():
            old = self.old_table(table)
            names = {self.old_column(old, column) for column in columns}
            both.updated.setdefault(old, set()).update(names)
        return both

    def line(self, *tables: str) -> int | None:
        """Return the last line that touched the first of *tables* that was touched at all.

        Without *tables*, the last line that touched any.
        """
        if not tables:
            return self.lines[-1][1] if self.lines else None
        for table in tables:
            lines = [line for touched, line in self.lines if touched == table.casefold() and line]
            if lines:
                return lines[-1]
        return None


@contextmanager
def observed(context: MigrationContext, file: str) -> Iterator[Effects]:
    """Give the effects of the revision in *file*, observed as the body runs it in *context*."""
    effects, connection = Effects(file), context.connection
    assert connection is not None
    recorder.invoked(connection).clear()

    def operation(op: Any) -> None:
        effects.operation(op, running_line(file) or 0)

    def statement(_: Any, __: Any, sql: str, *args: Any) -> None:
        line = running_line(file)
        if line and not recorder.is_of_operation():
            for each in read(sql, connection.dialect.name):
                effects.statement(each, line)

    event.listen(connection, "before_cursor_execute", statement)
    try:
        with recorder.watched(context, operation):
            yield effects
    finally:
        event.remove(connection, "before_cursor_execute", statement)
