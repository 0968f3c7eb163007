"""The rows and values that a downgrade or a reset would lose, counted before it is done."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import ops
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, func, inspect, select, table
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from ..errors import plural
from ..schema.own_tables import without_own
from . import recorder
from .transactions import without_comments

#: What ALTER TABLE … DROP may name beside a column.
_NO_COLUMN = r"(?!(?:CONSTRAINT|DEFAULT|NOT|INDEX|KEY|FOREIGN|PRIMARY|CHECK|IDENTITY|EXPRESSION)\b)"

#: By its first words, or by what stands in it: a statement that may delete or overwrite rows.
_CHANGES_ROWS = re.compile(
    r"(?:DELETE|UPDATE|TRUNCATE|REPLACE|MERGE|CALL|DROP (?:TABLE|SCHEMA|DATABASE))\b"
    r"|(?:WITH|DO|BEGIN)\b.*\b(?:DELETE|UPDATE|TRUNCATE|MERGE|DROP)\b"
    r"|INSERT\b.*\b(?:DO|KEY) UPDATE\b|INSERT OR REPLACE\b"
    rf"|ALTER TABLE\b.*\bDROP {_NO_COLUMN}",
    re.IGNORECASE,
)

#: One statement of a script: a semicolon in a text, or in the body of a DO, does not end it.
_STATEMENT = re.compile(r"(?:'(?:[^']|'')*'|\$\$.*?\$\$|--[^\n]*\n|[^;])+", re.DOTALL)
_TEXT = re.compile(r"'(?:[^']|'')*'")

#: A name, in a schema or not; quoted as one of the databases has it.
_NAME = r'(?:(?P<schema>"[^"]+"|`[^`]+`|\w+)\.)?(?P<table>"[^"]+"|`[^`]+`|\w+)'
_COLUMN = r'(?P<column>"[^"]+"|`[^`]+`|\w+)'
_PLAIN_DROP = re.compile(
    rf"(?:DROP TABLE|ALTER TABLE(?= .* DROP )) (?:IF EXISTS )?{_NAME}"
    rf"(?: DROP {_NO_COLUMN}(?:COLUMN )?(?:IF EXISTS )?{_COLUMN})?(?: CASCADE| RESTRICT)?",
    re.IGNORECASE,
)
_PLAIN_DELETE = re.compile(rf"(?:DELETE FROM|TRUNCATE(?: TABLE)?) {_NAME}", re.IGNORECASE)


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


def of_tables(connection: Connection, tables: Iterable[str]) -> list[str]:
    """Return what dropping *tables* would lose: a line for each that has rows.

    :param connection: to the database, which is only read.
    :param tables: the names.
    :return: the lines; an empty table is no loss, nor is what is Alembic's or this library's.
    """
    return [line for name in sorted(without_own(tables)) for line in _count(connection, name)]


def _of_operation(connection: Connection, operation: Any) -> Iterator[str]:
    if isinstance(operation, ops.DropTableOp):
        yield from _count(connection, operation.table_name, operation.schema)
    elif isinstance(operation, ops.DropColumnOp):
        if not _is_generated(connection, operation):
            yield from _count(
                connection, operation.table_name, operation.schema, operation.column_name
            )
    elif isinstance(operation, ops.ExecuteSQLOp):
        for words in _STATEMENT.findall(str(operation.sqltext)):
            yield from _of_statement(connection, " ".join(without_comments(words).split()))


def _of_statement(connection: Connection, statement: str) -> Iterator[str]:
    if drop := _PLAIN_DROP.fullmatch(statement):
        names = {part: _unquoted(name) for part, name in drop.groupdict().items() if name}
        yield from _count(connection, names["table"], names.get("schema"), names.get("column"))
    elif delete := _PLAIN_DELETE.fullmatch(statement):
        schema = _unquoted(delete["schema"]) if delete["schema"] else None
        yield from _count(connection, _unquoted(delete["table"]), schema, is_kept=True)
    elif _CHANGES_ROWS.match(_TEXT.sub("''", statement)):
        yield f"what this changes: {statement[:100]}"


def _unquoted(name: str) -> str:
    return name if name[0] not in '"`' else name[1:-1]


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
        number = connection.scalar(select(count).select_from(table(name, schema=schema))) or 0
    except DBAPIError:  # it does not exist, or an earlier downgrade would have created it
        connection.rollback()
        yield what
        return
    if number:
        yield f"{what} ({plural(number, 'value' if column_name else 'row')})"
