"""What undoing migrations would lose, told before it is done."""

import re
from collections.abc import Iterable
from typing import Any

from alembic.ddl.impl import DefaultImpl
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select, table
from sqlalchemy import column as column_of
from sqlalchemy.exc import DBAPIError

_ROWS = re.compile(r"\s*(DELETE|UPDATE|DROP|TRUNCATE)\b", re.IGNORECASE)


class _Notes(DefaultImpl):
    """Notes what would be dropped, and runs nothing."""

    def __init__(self, context: MigrationContext) -> None:
        super().__init__(context.dialect, None, True, None, None, {})
        self.dropped: list[tuple[str, str | None]] = []
        self.statements: list[str] = []

    def drop_table(self, table: Any, **_: Any) -> None:
        self.dropped.append((table.name, None))

    def drop_column(self, table_name: str, column: Any, **_: Any) -> None:
        self.dropped.append((table_name, column.name))

    def _exec(self, construct: Any, *_: Any, **__: Any) -> None:
        if _ROWS.match(text := " ".join(str(construct).split())):
            self.statements.append(text)


def find(script: ScriptDirectory, connection: Connection, revisions: Iterable[str]) -> list[str]:
    """Say what the downgrades of *revisions* would take from *connection*'s database.

    The downgrades are followed without being run; one that reads rows cannot be followed to its
    end, and says so.

    :return: one line for each table, column and statement, with how much it holds.
    """
    found: list[str] = []
    for revision in revisions:
        context = MigrationContext.configure(dialect=connection.dialect, opts={"as_sql": True})
        notes = context.impl = _Notes(context)
        try:
            with Operations.context(context):
                script.get_revision(revision).module.downgrade()
        except Exception as error:
            found.append(f"{revision}: what else, its downgrade does not tell ({error})")
        found += [_held(connection, *what) for what in notes.dropped]
        found += [f"what this changes: {statement[:100]}" for statement in notes.statements]
    return found


def _held(connection: Connection, name: str, column: str | None) -> str:
    what = f"column {name}.{column}" if column else f"table {name}"
    counted = func.count(column_of(column)) if column else func.count()
    try:
        number = connection.scalar(select(counted).select_from(table(name)))
    except DBAPIError:  # it is not there, or an earlier step would have made it
        connection.rollback()
        return what
    return f"{what} ({number} {'value' if column else 'row'}{'' if number == 1 else 's'})"
