"""Names the rows and the line that a migration failed on."""

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Connection, Row
from sqlalchemy.exc import SQLAlchemyError

from .. import MigratorError, scratch
from ..watch import Batch
from .compare import SHOWN, Content
from .finding import Step
from .said import Said


@dataclass
class Blame:
    """What a migration failed on: the line in its file, the rows, and the operation."""

    line: int | None = None
    rows: str = ""
    table: str = ""
    #: What the operation is called in the file's ``accepted``.
    consent: str = ""


def find(
    connection: Connection, error: BaseException, said: Said, before: Mapping[str, Content]
) -> Blame:
    """Find what *error* is about.

    Rows that a Python loop was at are in its variables. Those that a constraint or a type does not
    take are asked of the database, which is as it was before, or, where DDL is not transactional,
    as it was when the operation failed.
    """
    frames = traceback.extract_tb(error.__traceback__)
    at = next((f.lineno for f in reversed(frames) if f.filename == said.file), None)
    held = _held(error, said.file)
    if held:
        return Blame(at, held)
    operations = _running(said, at)
    for op, number in operations:
        for rule, table, query in _suspects(op, scratch.reason(error)):
            try:
                found = connection.execute(query.limit(SHOWN)).mappings().all()
            except SQLAlchemyError:
                found = []
            connection.rollback()
            if found:
                known = before.get(said.was(table))
                rows = ", ".join(_named(table, dict(row), known) for row in found)
                # The engine for SQLite has said it.
                rows = "" if isinstance(error, MigratorError) else rows
                return Blame(number, rows, table, f"{rule} {Step(op).subject}")
    return Blame(operations[0][1] if len(operations) == 1 else at)


def _running(said: Said, at: int | None) -> list[tuple[Any, int]]:
    """Return the operations that ran on line *at*.

    A batch runs when its block ends, and Python then is at its first line again.
    """
    opened = [isinstance(op, Batch) and number == at for op, number in said.operations]
    if True in opened:
        return said.operations[opened.index(True) + 1 :]
    return [one for one in said.operations[-1:] if one[1] == at]


def _held(error: BaseException, file: str) -> str:
    trace = error.__traceback__
    found = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            for name, value in trace.tb_frame.f_locals.items():
                if isinstance(value, Row | sa.RowMapping):
                    found = f"{name} = {value!r:.200}"
        trace = trace.tb_next
    parameters = getattr(error, "params", None)
    return found or (f"with {parameters!r:.200}" if parameters else "")


def _named(table: str, row: dict[str, Any], known: Content | None) -> str:
    key = [name for name in row if known and name.casefold() in known.key]
    # A few columns beside the key say what is wrong; a value that stands twice has none.
    shown = {name: row[name] for name in key} or row
    return f"{table}({', '.join(f'{name}={value!r:.40}' for name, value in shown.items())})"


def _suspects(op: Any, words: str) -> Iterator[tuple[str, str, Any]]:
    """Yield queries for the rows that *op* would not take, each with its rule and its table."""
    name = getattr(op, "table_name", None) or getattr(op, "source_table", None)
    if not name:
        return
    table = sa.table(name, schema=getattr(op, "schema", None))
    whole = sa.select(sa.text("*")).select_from(table)
    if isinstance(op, ops.AlterColumnOp):
        column: Any = sa.column(op.column_name)
        if op.modify_nullable is False:
            yield "set-not-null", name, whole.where(column.is_(None))
        if op.modify_type is not None:
            yield "narrow-type", name, whole.where(_misfit(column, op.modify_type, words))
    elif isinstance(op, ops.AddColumnOp):
        if not op.column.nullable and op.column.server_default is None:
            yield "not-null-column", name, whole
    elif isinstance(op, ops.CreateForeignKeyOp):
        yield "add-foreign-key", name, _orphans(op, table)
    elif isinstance(op, ops.CreateCheckConstraintOp):
        condition: Any = op.condition
        plain = isinstance(condition, str | sa.TextClause)
        broken = sa.text(f"NOT ({condition})") if plain else sa.not_(condition)
        yield "add-check", name, whole.where(broken)
    elif isinstance(op, ops.CreateUniqueConstraintOp | ops.CreatePrimaryKeyOp):
        yield "add-unique", name, _doubles(table, op.columns)
    elif isinstance(op, ops.CreateIndexOp) and op.unique:
        yield "add-unique", name, _doubles(table, [c for c in op.columns if isinstance(c, str)])


def _doubles(table: Any, names: Any) -> Any:
    columns: list[Any] = [sa.column(name) for name in names]
    present = [column.is_not(None) for column in columns]
    times = sa.func.count().label("times")
    query = sa.select(*columns, times).select_from(table).where(*present).group_by(*columns)
    return query.having(sa.func.count() > 1)


def _orphans(op: ops.CreateForeignKeyOp, table: Any) -> Any:
    parent = sa.table(op.referent_table, schema=op.kw.get("referent_schema")).alias("parent")
    child = table.alias("child")
    pairs = list(zip(op.local_cols, op.remote_cols, strict=True))
    child = sa.table(table.name, *(sa.column(c) for c, _ in pairs)).alias("child")
    parent = sa.table(op.referent_table, *(sa.column(c) for _, c in pairs)).alias("parent")
    met = sa.and_(*(parent.c[there] == child.c[here] for here, there in pairs))
    whole = sa.select(sa.text("child.*")).select_from(child)
    pointing = [child.c[here].is_not(None) for here, _ in pairs]
    return whole.where(*pointing, ~sa.exists().where(met).correlate(child))


def _misfit(column: Any, type_: Any, words: str) -> Any:
    """Return the condition of values that *type_* does not take: in the error, or too long."""
    text = sa.cast(column, sa.String(1000))
    quoted = [sa.literal(words).contains(mark + text + mark) for mark in "'\""]
    conditions: list[Any] = [sa.and_(text != "", sa.or_(*quoted))]
    if isinstance(type_, sa.String) and type_.length:
        conditions.append(sa.func.char_length(text) > type_.length)
    return sa.or_(*conditions)
