"""Which tables, columns and rows a revision changes, observed while it runs.

A change to rows that is none of its effects is one that nobody wrote: ``compare.py`` reports it.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection, event

from ..run import recorder

#: Every column of a table.
ALL = "*"

_PART = r"(?:\"(?:[^\"]|\"\")+\"|`[^`]+`|\[[^\]]+\]|[\w$]+)"
_NAME = rf"((?:{_PART}\s*\.\s*)?{_PART})"
_WRITE = re.compile(
    rf"\b(INSERT|REPLACE|MERGE|UPDATE|DELETE|TRUNCATE|COPY)\b(?:\s+(?:OR\s+\w+|IGNORE|TABLE|INTO"
    rf"|FROM|ONLY))*\s+{_NAME}",
    re.IGNORECASE,
)
_SET = re.compile(r"\bSET\b(.*?)(?:\bWHERE\b|\bFROM\b|\bRETURNING\b|;|$)", re.I | re.S)
_ASSIGNED = re.compile(rf"(?:^|,)\s*(?:{_PART}\s*\.\s*)?({_PART})\s*=")
_TABLE = rf"^\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}\s+"
_RENAME_TABLE = re.compile(rf"{_TABLE}RENAME\s+(?:TO\s+|AS\s+)?{_NAME}\s*;?\s*$", re.I)
_RENAME_COLUMN = re.compile(rf"{_TABLE}RENAME\s+(?:COLUMN\s+)?{_NAME}\s+TO\s+{_NAME}", re.I)
_CHANGE_COLUMN = re.compile(rf"{_TABLE}CHANGE\s+(?:COLUMN\s+)?{_NAME}\s+{_NAME}", re.I)
_DROP_COLUMN = re.compile(rf"{_TABLE}DROP\s+(?:COLUMN\s+)?(?:IF\s+EXISTS\s+)?{_NAME}", re.I)
_DROP_TABLE = re.compile(rf"^\s*DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.I)


def bare(name: str) -> str:
    """Return *name* of a statement without quotes and schema, in small letters."""
    return re.split(r"\s*\.\s*", name)[-1].strip('"`[]').casefold()


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
        now = bare(table)
        return next((old for old, new in self.tables.items() if new == now), now)

    def old_column(self, table: str, column: str) -> str:
        """Return what *column* of *table*, as it was called before, was called before."""
        now = bare(column)
        known = self.columns.items()
        return next((old for (t, old), new in known if t == table and new == now), now)

    def rename_table(self, old: str, new: str) -> None:
        self.tables[self.old_table(old)] = bare(new)

    def rename_column(self, table: str, old: str, new: str) -> None:
        table = self.old_table(table)
        self.columns[table, self.old_column(table, old)] = bare(new)

    def operation(self, op: Any, line: int) -> None:
        """Take in an operation of Alembic's, invoked in *line*."""
        table = getattr(op, "table_name", None) or getattr(op, "source_table", None)
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

    def statement(self, sql: str, line: int) -> None:
        """Take in a statement that the revision itself sends in *line*, not an operation for it."""
        sql = re.sub(r"'(?:[^']|'')*'", "''", sql)
        for match in _WRITE.finditer(sql):
            verb, table = match[1].upper(), self.old_table(match[2])
            self.lines.append((table, line))
            if verb in ("DELETE", "TRUNCATE", "MERGE", "REPLACE"):
                self.deleted.add(table)
            if verb in ("INSERT", "COPY", "MERGE", "REPLACE"):
                self.inserted.add(table)
            upsert = verb == "INSERT" and re.search(r"\b(DO|KEY)\s+UPDATE\b", sql, re.I)
            if verb == "UPDATE" or verb in ("MERGE", "REPLACE") or upsert:
                columns = {ALL} if verb != "UPDATE" else _assigned(sql[match.end() :])
                names = {self.old_column(table, name) for name in columns}
                self.updated.setdefault(table, set()).update(names)
        if rename := _RENAME_COLUMN.search(sql) or _CHANGE_COLUMN.search(sql):
            self.rename_column(rename[1], rename[2], rename[3])
        elif rename := _RENAME_TABLE.search(sql):
            self.rename_table(rename[1], rename[2])
        elif drop := _DROP_TABLE.search(sql):
            self.dropped.add(self.old_table(drop[1]))
        elif drop := _DROP_COLUMN.search(sql):
            self.dropped.add(
                (self.old_table(drop[1]), self.old_column(self.old_table(drop[1]), drop[2]))
            )
        if altered := re.match(_TABLE, sql, re.I):
            self.lines.append((self.old_table(altered[1]), line))

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


def _assigned(rest: str) -> set[str]:
    """Return the columns that the *rest* of an UPDATE sets; ALL where that cannot be read."""
    assignments = _SET.search(rest)
    if not assignments:
        return {ALL}
    flat = assignments[1]
    while flat != (flat := re.sub(r"\([^()]*\)", "", flat)):
        pass
    names = {bare(name) for name in _ASSIGNED.findall(flat)}
    return names if len(names) == flat.count(",") + 1 else {ALL}


@contextmanager
def observed(connection: Connection, file: str) -> Iterator[Effects]:
    """Give the effects of the revision in *file*, observed on *connection* as the body runs it."""
    effects = Effects(file)
    invoked = recorder.invoked(connection)
    invoked.clear()

    def statement(_: Any, __: Any, sql: str, *args: Any) -> None:
        take_operations()
        line, direct = origin(file)
        if line and direct:
            effects.statement(sql, line)

    def take_operations() -> None:
        for line, op in invoked:
            effects.operation(op, int(line))
        invoked.clear()

    event.listen(connection, "before_cursor_execute", statement)
    try:
        with recorder.watched(connection, lambda: str(origin(file)[0] or 0)):
            yield effects
    finally:
        take_operations()
        event.remove(connection, "before_cursor_execute", statement)


#: Where Alembic and this engine send statements of their own, for an operation.
_SENT = ("alembic/operations/toimpl.py", "alembic/operations/batch.py", "sqlite/database.py")
_HAND_WRITTEN = ("execute_sql", "bulk_insert")


def origin(file: str) -> tuple[int | None, bool]:
    """Return the line of *file* that is running, and whether it itself sends the statement."""
    frame: FrameType | None = sys._getframe(1)
    direct = True
    while frame is not None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if name == file.replace("\\", "/"):
            return frame.f_lineno, direct
        direct = direct and (not name.endswith(_SENT) or frame.f_code.co_name in _HAND_WRITTEN)
        frame = frame.f_back
    return None, direct
