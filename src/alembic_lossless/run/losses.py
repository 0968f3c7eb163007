"""The rows and values that a downgrade or a reset would lose, counted before it is done."""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import ops
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, func, inspect, select, table
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from ..errors import plural
from ..schema.own_tables import without_own
from ..statements import Statement, read
from . import recorder


def find(script: ScriptDirectory, connection: Connection, revisions: Iterable[str]) -> list[str]:
    """Return what the downgrades of *revisions* would lose in *connection*'s database.

    The downgrades are followed without being run; where one reads rows it cannot be followed to
    its end, and a line says so. An empty table or column is no loss.

    :param script: the chain.
    :param connection: to the database, which is only read.
    :param revisions: in the order in which they are downgraded.
    :return: one line for each table, column and statement, with how much it holds.
    """
    losses: list[str] = []
    downgraded = [script.get_revision(revision) for revision in revisions]
    followed = recorder.followed(downgraded, connection.dialect, way="downgrade")
    for revision, (operations, error) in zip(downgraded, followed, strict=True):
        for operation in operations:
            losses += _of_operation(connection, operation)
        if error:
            rest = f"what else {revision.revision} changes"
            losses.append(f"{rest}; it reads rows, so that is not known yet")
    return list(dict.fromkeys(losses))


def of_tables(
    connection: Connection, tables: Iterable[str], schema: str | None = None
) -> list[str]:
    """Return what dropping *tables* would lose: a line for each that has rows.

    :param connection: to the database, which is only read.
    :param tables: the names.
    :param schema: that they are in, where it is not the usual one.
    :return: the lines; an empty table is no loss, nor is what is Alembic's or this library's.
    """
    names = sorted(without_own(tables))
    return [line for name in names for line in _count(connection, name, schema)]


def _of_operation(connection: Connection, operation: Any) -> Iterator[str]:
    if isinstance(operation, ops.DropTableOp):
        yield from _count(connection, operation.table_name, operation.schema)
    elif isinstance(operation, ops.DropColumnOp):
        if not _is_generated(connection, operation):
            yield from _count(
                connection, operation.table_name, operation.schema, operation.column_name
            )
    elif isinstance(operation, ops.ExecuteSQLOp):
        for statement in read(str(operation.sqltext), connection.dialect.name):
            yield from _of_statement(connection, statement)


def _of_statement(connection: Connection, statement: Statement) -> Iterator[str]:
    dropped = [action for action in statement.actions if action.drops]
    deleted = [w.table for w in statement.writes if w.verb in ("DELETE", "TRUNCATE") and w.is_whole]
    if len(dropped) == len(statement.actions) == 1 or (dropped and statement.verb == "DROP"):
        for action in dropped:
            yield from _count(connection, action.table.name, action.table.schema, action.name)
    elif deleted and len(deleted) == len(statement.writes) and not statement.inner:
        for table in deleted:
            yield from _count(connection, table.name, table.schema, is_kept=True)
    elif may_lose_rows(statement):
        yield f"what this changes: {' '.join(statement.text.split())[:100]}"


def may_lose_rows(statement: Statement) -> bool:
    """Tell whether a statement may delete or overwrite values, or nobody can tell.

    :param statement: of a revision, or of a body in it.
    """
    if statement.is_opaque or any(write.verb != "INSERT" for write in statement.writes):
        return True
    is_dropped = statement.verb == "DROP" and statement.object in ("SCHEMA", "DATABASE")
    partitions = statement.verb == "ALTER" and statement.has("DROP", "PARTITION")
    dropped = any(action.drops for action in statement.actions)
    return is_dropped or partitions or dropped or any(map(may_lose_rows, statement.inner))


def _is_generated(connection: Connection, operation: ops.DropColumnOp) -> bool:
    """Tell whether the database computes the column of *operation* from others."""
    try:
        columns = inspect(connection).get_columns(operation.table_name, operation.schema)
    except (DBAPIError, NoSuchTableError):
        connection.rollback()
        return False
    return any(item["name"] == operation.column_name and "computed" in item for item in columns)


def _count(
    connection: Connection,
    name: str,
    schema: str | None = None,
    column_name: str | None = None,
    *,
    is_kept: bool = False,
) -> Iterator[str]:
    whole_name = f"{schema}.{name}" if schema else name
    what = f"column {whole_name}.{column_name}" if column_name else f"table {whole_name}"
    what = f"all of table {whole_name}" if is_kept else what
    count = func.count(column(column_name)) if column_name else func.count()
    try:
        number = (
            connection.scalar(select(count).select_from(table(name, schema=schema or None))) or 0
        )
    except DBAPIError:  # it does not exist, or an earlier downgrade would have created it
        connection.rollback()
        yield what
        return
    if number:
        yield f"{what} ({plural(number, 'value' if column_name else 'row')})"
