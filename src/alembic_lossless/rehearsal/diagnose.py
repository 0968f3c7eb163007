"""Names the rows and the line that a migration failed on, and what to do about them."""

import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from ..checklist.finding import Step
from ..errors import MigrationError
from ..run.recorder import Batch
from ..scratch.hints import reason
from ..sqlite.rows import misfit
from .compare import SHOWN, Content
from .effects import Said

#: The rules that a statement of raw SQL broke, by PostgreSQL's code for it.
_STATES = {
    "23502": "set-not-null",
    "23503": "add-foreign-key",
    "23505": "add-unique",
    "23514": "add-check",
    "23P01": "add-exclusion",
}

_UNIQUE = ops.CreateUniqueConstraintOp | ops.CreatePrimaryKeyOp
#: What a row may hold that holds nothing, by the column's type.
_NOTHING = ((sa.Boolean, "false"), ((sa.Integer, sa.Numeric), "0"), (sa.String, "''"))


@dataclass
class Blame:
    """What a migration failed on: the line in its file, the rows, and the operation."""

    line: int | None = None
    rows: str = ""
    table: str = ""
    #: What the operation is called in the file's ``accepted``.
    consent: str = ""
    #: A line for the file that deals with such rows before.
    remedy: str = ""
    #: Finds all such rows, where a query can.
    query: Any = None


@dataclass(frozen=True)
class _Suspect:
    """What rows may stand in the way of; *query* finds them, None where the server tells them."""

    rule: str
    table: str
    query: Any
    remedy: str = ""


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
    suspects = [
        (suspect, f"{suspect.rule} {Step(op).subject}", line)
        for op, line in operations
        for suspect in _suspects(op, reason(error), connection.dialect)
    ]
    for suspect, key, line in suspects:
        if found := rows(connection, suspect.query, SHOWN):
            known = before.get(said.was(suspect.table))
            named = ", ".join(_named(suspect.table, row, known) for row in found)
            # The engine for SQLite has said it.
            named = "" if isinstance(error, MigrationError) else named
            remedy = _tried(connection, suspect.remedy)
            return Blame(line, named, suspect.table, key, remedy, suspect.query)
    if suspects and isinstance(error, DataError | IntegrityError):
        suspect, key, line = suspects[0]
        return Blame(line, _detail(error), suspect.table, key)
    blame = _told(error)
    blame.rows = blame.rows or _detail(error)
    blame.line = operations[0][1] if len(operations) == 1 else at
    return blame


def unreadable(said: Said, table: str) -> Blame:
    """Return what makes the rows of *table* fail when they are read: a column that is computed."""
    for op, line in reversed(said.operations):
        computed = isinstance(op, ops.AddColumnOp) and op.column.computed is not None
        if computed and op.table_name == table:
            return Blame(line, "", table, f"add-computed {Step(op).subject}")
    return Blame(said.line(table))


def _told(error: BaseException) -> Blame:
    """Return what PostgreSQL itself says of raw SQL that rows stood in the way of."""
    told = getattr(getattr(error, "orig", None), "diag", None)
    rule = _STATES.get(getattr(told, "sqlstate", ""))
    statement = str(getattr(error, "statement", ""))
    if told is None or rule is None or not re.match(r"\s*(ALTER|CREATE)\b", statement, re.I):
        return Blame()
    subject = told.constraint_name or f"{told.table_name}.{told.column_name}"
    return Blame(None, _detail(error), str(told.table_name), f"{rule} {subject}")


def _detail(error: BaseException) -> str:
    return getattr(getattr(getattr(error, "orig", None), "diag", None), "message_detail", "") or ""


def rows(connection: Connection, query: Any, limit: int | None = None) -> list[dict[str, Any]]:
    """Return what *query* finds; nothing where it is None, or where the database cannot run it."""
    if query is None:
        return []
    try:
        found = connection.execute(query.limit(limit)).mappings().all()
    except SQLAlchemyError:
        found = []
    connection.rollback()
    return [dict(row) for row in found]


def _tried(connection: Connection, remedy: str) -> str:
    """Return *remedy* as it can be pasted; without its value where the table does not take that."""
    if not remedy or "…" in remedy:
        return remedy
    try:
        connection.execute(sa.text(remedy))
    except SQLAlchemyError:
        remedy = re.sub(r" = .*? WHERE ", " = … WHERE ", remedy, count=1)
    connection.rollback()
    return remedy


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


def _suspects(op: Any, words: str, dialect: Any) -> Iterator[_Suspect]:
    """Yield what rows may stand in the way of *op*."""
    name = getattr(op, "table_name", None) or getattr(op, "source_table", None)
    if not name:
        return
    table = sa.table(name, schema=getattr(op, "schema", None))
    whole = sa.select(sa.text("*")).select_from(table)
    if isinstance(op, ops.AlterColumnOp):
        yield from _of_column(op, whole, words, dialect)
    elif isinstance(op, ops.AddColumnOp):
        if op.column.computed is not None:
            yield _Suspect("add-computed", name, None)
        elif not op.column.nullable and op.column.server_default is None:
            yield _Suspect("not-null-column", name, whole)
    elif isinstance(op, ops.CreateForeignKeyOp):
        yield _Suspect("add-foreign-key", name, _orphans(op, table), _cut(op))
    elif isinstance(op, ops.CreateCheckConstraintOp):
        condition: Any = op.condition
        plain = isinstance(condition, str | sa.TextClause)
        broken = sa.text(f"NOT ({condition})") if plain else sa.not_(condition)
        remedy = f"UPDATE {name} SET … WHERE NOT ({condition})" if plain else ""
        yield _Suspect("add-check", name, whole.where(broken), remedy)
    elif isinstance(op, CreateExcludeConstraintOp):
        yield _Suspect("add-exclusion", name, None)
    elif isinstance(op, _UNIQUE) or (isinstance(op, ops.CreateIndexOp) and op.unique):
        columns = [c for c in op.columns if isinstance(c, str)]
        yield _Suspect("add-unique", name, _doubles(table, columns))


def _of_column(op: ops.AlterColumnOp, whole: Any, words: str, dialect: Any) -> Iterator[_Suspect]:
    column: Any = sa.column(op.column_name)
    if op.modify_nullable is False:
        kind = _type(op.existing_type)
        value = next((text for types, text in _NOTHING if isinstance(kind, types)), "…")
        remedy = f"UPDATE {op.table_name} SET {column} = {value} WHERE {column} IS NULL"
        yield _Suspect("set-not-null", op.table_name, whole.where(column.is_(None)), remedy)
    if op.modify_type is not None:
        new, remedy = _type(op.modify_type), ""
        if length := getattr(new, "length", None):
            cut = f"{column} = substr({column}, 1, {length})"
            remedy = f"UPDATE {op.table_name} SET {cut} WHERE length({column}) > {length}"
        if dialect.name == "sqlite":
            old, now = (_type(one).compile(dialect) for one in (op.existing_type, new))
            unfit: Any = sa.literal_column(misfit(op.column_name, old, now) or "1 = 0")
        else:
            unfit = _misfit(column, new, words)
        yield _Suspect("narrow-type", op.table_name, whole.where(unfit), remedy)


def _type(given: Any) -> Any:
    return sa.types.to_instance(given or sa.types.NULLTYPE)


def _doubles(table: Any, names: Sequence[str]) -> Any:
    columns: list[Any] = [sa.column(name) for name in names]
    present = [column.is_not(None) for column in columns]
    times = sa.func.count().label("times")
    query = sa.select(*columns, times).select_from(table).where(*present).group_by(*columns)
    return query.having(sa.func.count() > 1)


def _orphans(op: ops.CreateForeignKeyOp, table: Any) -> Any:
    child: Any = table.alias("child")
    parent: Any = sa.table(op.referent_table, schema=op.kw.get("referent_schema")).alias("parent")
    pairs: list[tuple[Any, Any]] = [
        (sa.column(here, _selectable=child), sa.column(there, _selectable=parent))
        for here, there in zip(op.local_cols, op.remote_cols, strict=True)
    ]
    met = sa.select(sa.text("1")).select_from(parent).where(*(p == c for c, p in pairs))
    whole = sa.select(sa.text("child.*")).select_from(child)
    pointing = [here.is_not(None) for here, _ in pairs]
    return whole.where(*pointing, ~met.correlate(child).exists())


def _cut(op: ops.CreateForeignKeyOp) -> str:
    if len(op.local_cols) > 1:
        return ""
    here, there = op.local_cols[0], op.remote_cols[0]
    wanted = f"SELECT {there} FROM {op.referent_table}"
    return f"UPDATE {op.source_table} SET {here} = NULL WHERE {here} NOT IN ({wanted})"


def _misfit(column: Any, type_: Any, words: str) -> Any:
    """Return the condition of values that *type_* does not take: in the error, or too long."""
    text = sa.cast(column, sa.String(1000))
    quoted = [sa.literal(words).contains(mark + text + mark) for mark in "'\""]
    conditions: list[Any] = [*quoted]
    if isinstance(type_, sa.String) and type_.length:
        conditions.append(sa.func.char_length(text) > type_.length)
    return sa.or_(*conditions)
