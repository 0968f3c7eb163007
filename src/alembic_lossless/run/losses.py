"""What undoing migrations would lose, told before it is done."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import ops
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, func, select, table
from sqlalchemy.exc import DBAPIError

from ..errors import plural
from . import recorder

_ROWS = re.compile(r"\s*(DELETE|UPDATE|DROP (TABLE|SCHEMA)|TRUNCATE)\b|.*\bDROP COLUMN\b", re.I)


def find(script: ScriptDirectory, connection: Connection, revisions: Iterable[str]) -> list[str]:
    """Say what the downgrades of *revisions* would take from *connection*'s database.

    The downgrades are followed without being run; one that reads rows cannot be followed to its
    end, and says so. What holds nothing is no loss.

    :return: one line for each table, column and statement, with how much it holds.
    """
    found: list[str] = []
    undone = [script.get_revision(revision) for revision in revisions]
    followed = recorder.followed(undone, connection.dialect, way="downgrade")
    for one, (done, error) in zip(undone, followed, strict=True):
        for operation in done:
            found += _lost(connection, operation)
        if error:
            also = f"what else {one.revision} changes"
            found.append(f"{also}; it reads rows, so that is not known yet")
    return list(dict.fromkeys(found))


def _lost(connection: Connection, operation: Any) -> Iterator[str]:
    if isinstance(operation, ops.DropTableOp):
        yield from _held(connection, operation.table_name)
    elif isinstance(operation, ops.DropColumnOp):
        yield from _held(connection, operation.table_name, operation.column_name)
    elif isinstance(operation, ops.ExecuteSQLOp):
        text = " ".join(str(operation.sqltext).split())
        if _ROWS.match(text):
            yield f"what this changes: {text[:100]}"


def _held(connection: Connection, name: str, column_name: str | None = None) -> Iterator[str]:
    what = f"column {name}.{column_name}" if column_name else f"table {name}"
    counted = func.count(column(column_name)) if column_name else func.count()
    try:
        number = connection.scalar(select(counted).select_from(table(name))) or 0
    except DBAPIError:  # it is not there, or an earlier step would have made it
        connection.rollback()
        yield what
        return
    if number:
        yield f"{what} ({plural(number, 'value' if column_name else 'row')})"
