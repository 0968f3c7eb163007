"""Which of several downgrades is known to fail, asked before the first of them runs.

Each downgrade is a transaction of its own, and the third of four that is refused would leave a
database between two releases. What the rows refuse is only asked of tables that no downgrade before
it changes.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from alembic.operations import ops
from alembic.script import Script
from sqlalchemy import ColumnClause, Connection, and_, column, func, or_, select, table
from sqlalchemy.exc import DBAPIError

from .. import hints
from ..errors import MigrationError, plural, reason
from . import recorder
from .chain import source_of

#: Operations that leave the rows of their table as they are, and the columns not named in them.
_HARMLESS = (
    ops.AddColumnOp,
    ops.AlterColumnOp,
    ops.CreateIndexOp,
    ops.DropIndexOp,
    ops.AddConstraintOp,
    ops.DropConstraintOp,
    ops.DropColumnOp,
    ops.CreateTableOp,
    recorder.Batch,
)


def refuse(revisions: Sequence[Script], connection: Connection) -> None:
    """Refuse downgrades of which one is known to fail.

    :param revisions: in the order in which they are undone.
    :param connection: to the database, which is only read.
    :raises MigrationError: which names the revision and what it would fail at.
    """
    followed = recorder.followed(revisions, connection.dialect, way="downgrade")
    changed: set[str] = set()
    is_clear = True
    for number, (revision, (operations, error)) in enumerate(zip(revisions, followed, strict=True)):
        problem = _raised(revision, error) if error else ""
        for operation in operations:
            is_clear = is_clear and not isinstance(operation, ops.ExecuteSQLOp | ops.BulkInsertOp)
            name = recorder.table_of(operation) or ""
            if is_clear and name not in changed:
                problem = problem or _refused_by_rows(operation, connection)
            if not isinstance(operation, _HARMLESS):
                changed.add(str(name))
            if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
                changed.add(str(name))
        if problem and not number:
            return  # it fails by itself, before anything was undone
        if problem:
            raise MigrationError(
                f"Nothing was undone: the downgrade of {revision.revision}, number {number + 1} of "
                f"{len(revisions)}, would fail after those before it were applied: {problem}. "
                f"Correct that, or stop before it: "
                f"{hints.command('downgrade', revision.revision)}"
            )
        is_clear = is_clear and error is None


def _raised(revision: Script, error: Exception) -> str:
    """Say what a downgrade raises by a statement of its own; empty where the error is another's."""
    if error.__context__ is not None or error.__traceback__ is None:
        return ""
    last = error.__traceback__
    while last.tb_next is not None:
        last = last.tb_next
    if last.tb_frame.f_code.co_filename != revision.path:
        return ""
    for node in ast.walk(ast.parse(source_of(revision.path))):
        if isinstance(node, ast.Raise) and node.lineno <= last.tb_lineno <= (
            node.end_lineno or node.lineno
        ):
            return f"{reason(error)} (line {last.tb_lineno} of {revision.path})"
    return ""


def _refused_by_rows(operation: Any, connection: Connection) -> str:
    """Say which rows refuse *operation*; empty where none do, or that cannot be asked."""
    try:
        with connection.begin_nested():
            return next(_problems(operation, connection), "")
    except DBAPIError:  # a table or column that an earlier downgrade makes
        return ""


def _problems(operation: Any, connection: Connection) -> Iterator[str]:
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
        field: ColumnClause[Any] = column(operation.column_name)
        rows = table(operation.table_name, schema=operation.schema)
        count = connection.scalar(select(func.count()).select_from(rows).where(field.is_(None)))
        if count:
            where = f"{operation.table_name}.{operation.column_name}"
            yield f"{where} becomes NOT NULL, and is NULL in {plural(count, 'row')}"
    elif isinstance(operation, ops.CreateIndexOp) and operation.unique:
        if all(isinstance(name, str) for name in operation.columns):
            names = [str(name) for name in operation.columns]
            yield from _duplicates(operation, operation.table_name, names, connection)
    elif isinstance(operation, ops.CreateUniqueConstraintOp):
        names = [str(name) for name in operation.columns]
        yield from _duplicates(operation, operation.table_name, names, connection)
    elif isinstance(operation, ops.CreateForeignKeyOp):
        yield from _orphans(operation, connection)


def _duplicates(
    operation: Any, name: str, columns: Sequence[str], connection: Connection
) -> Iterator[str]:
    fields: list[ColumnClause[Any]] = [column(field) for field in columns]
    if operation.kw.get("postgresql_where") is not None or not fields:
        return
    groups = (
        select(*fields)
        .select_from(table(name, schema=operation.schema))
        .where(and_(*(field.is_not(None) for field in fields)))
        .group_by(*fields)
        .having(func.count() > 1)
    )
    first = connection.execute(groups.limit(1)).first()
    if first is not None:
        values = ", ".join(map(repr, first))
        where = f"{name}.{', '.join(columns)}"
        yield f"{where} becomes unique, and {values} stands there more than once"


def _orphans(operation: ops.CreateForeignKeyOp, connection: Connection) -> Iterator[str]:
    child = table(
        operation.source_table,
        *map(column, operation.local_cols),
        schema=operation.kw.get("source_schema"),
    ).alias("child")
    parent = table(
        operation.referent_table,
        *map(column, operation.remote_cols),
        schema=operation.kw.get("referent_schema"),
    ).alias("parent")
    pairs = [
        (child.c[local], parent.c[remote])
        for local, remote in zip(operation.local_cols, operation.remote_cols, strict=True)
    ]
    is_child = select(1).select_from(parent).where(*(ours == theirs for ours, theirs in pairs))
    is_null = or_(*(ours.is_(None) for ours, _ in pairs))
    asked = select(func.count()).select_from(child).where(~is_null, ~is_child.exists())
    if count := connection.scalar(asked):
        yield (
            f"{operation.source_table} gets a foreign key to {operation.referent_table}, and "
            f"{plural(count, 'row')} {'has' if count == 1 else 'have'} no parent there"
        )
