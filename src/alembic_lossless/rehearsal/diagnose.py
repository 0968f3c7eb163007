"""Names the line and the rows that a revision failed on, and what to do about them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy import Connection, Row
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from ..checklist.finding import Operation
from ..errors import MigrationError, reason
from ..run.lines import line_of
from ..run.recorder import Batch, table_of
from ..schema.values import fits
from ..sqlite.change import unfit
from ..statements import read
from .compare import SHOWN, TableRows
from .effects import Effects

#: The rules that a statement of raw SQL broke, by PostgreSQL's code for it.
_STATES = {
    "23502": "set-not-null",
    "23503": "add-foreign-key",
    "23505": "add-unique",
    "23514": "add-check",
    "23P01": "add-exclusion",
}

_UNIQUE = ops.CreateUniqueConstraintOp | ops.CreatePrimaryKeyOp
#: The value that says the least, by the column's type.
_EMPTY = ((sa.Boolean, "false"), ((sa.Integer, sa.Numeric), "0"), (sa.String, "''"))


@dataclass
class Diagnosis:
    """What a revision failed on: the line in its file, the rows, and the operation."""

    line: int | None = None
    rows: str = ""
    table: str = ""
    #: The key of the operation in the file's ``accepted``.
    consent: str = ""
    #: A line for the file that deals with such rows before.
    remedy: str = ""
    #: Finds all such rows, where a query can.
    query: Any = None


@dataclass(frozen=True)
class _Suspect:
    """An operation that rows may prevent; *query* finds them, None where the server names them."""

    rule: str
    table: str
    query: Any
    remedy: str = ""


def of_error(
    connection: Connection, error: BaseException, effects: Effects, before: Mapping[str, TableRows]
) -> Diagnosis:
    """Find the operation and the rows that *error* is about.

    Rows that a Python loop was at are in its variables. Those that a constraint or a type does not
    take are asked of the database, which is as it was before, or, where DDL is not transactional,
    as it was when the operation failed.

    :param connection: to the scratch database, rolled back.
    :param error: what the revision raised.
    :param effects: what it did until then.
    :param before: the rows before it, by their table's name.
    """
    at = line_of(error, effects.file)
    variables = _variables(error, effects.file)
    if variables:
        return Diagnosis(at, variables)
    operations = _running(effects, at)
    suspects = [
        (suspect, f"{suspect.rule} {Operation(op).subject}", line)
        for op, line in operations
        for suspect in _suspects(op, reason(error), connection)
    ]
    for suspect, key, line in suspects:
        if broken := rows(connection, suspect.query, SHOWN):
            known = before.get(effects.old_table(suspect.table))
            shown = ", ".join(_shown(suspect.table, row, known) for row in broken)
            # The engine for SQLite names them in its error.
            shown = "" if isinstance(error, MigrationError) else shown
            remedy = _tried(connection, suspect.remedy)
            return Diagnosis(line, shown, suspect.table, key, remedy, suspect.query)
    if suspects and isinstance(error, DataError | IntegrityError):
        suspect, key, line = suspects[0]
        return Diagnosis(line, _detail(error), suspect.table, key)
    diagnosis = _of_raw_sql(error)
    diagnosis.rows = diagnosis.rows or _detail(error)
    diagnosis.line = operations[0][1] if len(operations) == 1 else at
    return diagnosis


def of_unreadable(effects: Effects, table: str) -> Diagnosis:
    """Find what makes the rows of *table* fail when they are read: a column that is computed."""
    for op, line in reversed(effects.operations):
        computed = isinstance(op, ops.AddColumnOp) and op.column.computed is not None
        if computed and op.table_name == table:
            return Diagnosis(line, "", table, f"add-computed {Operation(op).subject}")
    return Diagnosis(effects.line(table))


def _of_raw_sql(error: BaseException) -> Diagnosis:
    """Return what PostgreSQL itself reports of raw SQL that rows prevented."""
    report = getattr(getattr(error, "orig", None), "diag", None)
    rule = _STATES.get(getattr(report, "sqlstate", ""))
    statement = str(getattr(error, "statement", ""))
    verbs = {each.verb for each in read(statement, "postgresql")}
    if report is None or rule is None or not verbs & {"ALTER", "CREATE"}:
        return Diagnosis()
    subject = report.constraint_name or f"{report.table_name}.{report.column_name}"
    return Diagnosis(None, _detail(error), str(report.table_name), f"{rule} {subject}")


def _detail(error: BaseException) -> str:
    return getattr(getattr(getattr(error, "orig", None), "diag", None), "message_detail", "") or ""


def rows(connection: Connection, query: Any, limit: int | None = None) -> list[dict[str, Any]]:
    """Return the rows of *query*; none where it is None, or where the database cannot run it."""
    if query is None:
        return []
    try:
        result = [dict(row) for row in connection.execute(query.limit(limit)).mappings()]
    except SQLAlchemyError:
        result = []
    connection.rollback()
    return result


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


def _running(effects: Effects, at: int | None) -> list[tuple[Any, int]]:
    """Return the operations that ran on line *at*.

    A batch runs when its block ends, and Python then is at its first line again.
    """
    opened = [isinstance(op, Batch) and number == at for op, number in effects.operations]
    if True in opened:
        return effects.operations[opened.index(True) + 1 :]
    return [(op, number) for op, number in effects.operations[-1:] if number == at]


def _variables(error: BaseException, file: str) -> str:
    """Return the row that a variable of *file* held when it failed, or the statement's values."""
    trace = error.__traceback__
    row = ""
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            for name, value in trace.tb_frame.f_locals.items():
                if isinstance(value, Row | sa.RowMapping):
                    row = f"{name} = {value!r:.200}"
        trace = trace.tb_next
    parameters = getattr(error, "params", None)
    return row or (f"with {parameters!r:.200}" if parameters else "")


def _shown(table: str, row: dict[str, Any], known: TableRows | None) -> str:
    key = [name for name in row if known and name.casefold() in known.key]
    # A few columns beside the key say what is wrong; a value that stands twice has none.
    shown = {name: row[name] for name in key} or row
    return f"{table}({', '.join(f'{name}={value!r:.40}' for name, value in shown.items())})"


def _suspects(op: Any, words: str, connection: Connection) -> Iterator[_Suspect]:
    """Yield how rows may prevent *op*."""
    name = table_of(op)
    if not name:
        return
    table = sa.table(name, schema=getattr(op, "schema", None))
    rows = sa.select(sa.text("*")).select_from(table)
    if isinstance(op, ops.AlterColumnOp):
        yield from _of_column(op, rows, words, connection)
    elif isinstance(op, ops.AddColumnOp):
        if op.column.computed is not None:
            yield _Suspect("add-computed", name, None)
        elif not op.column.nullable and op.column.server_default is None:
            yield _Suspect("not-null-column", name, rows)
    elif isinstance(op, ops.CreateForeignKeyOp):
        yield _Suspect("add-foreign-key", name, _orphans(op, table), _unlink(op))
    elif isinstance(op, ops.CreateCheckConstraintOp):
        condition: Any = op.condition
        plain = isinstance(condition, str | sa.TextClause)
        broken = sa.text(f"NOT ({condition})") if plain else sa.not_(condition)
        remedy = f"UPDATE {name} SET … WHERE NOT ({condition})" if plain else ""
        yield _Suspect("add-check", name, rows.where(broken), remedy)
    elif isinstance(op, CreateExcludeConstraintOp):
        yield _Suspect("add-exclusion", name, None)
    elif isinstance(op, _UNIQUE) or (isinstance(op, ops.CreateIndexOp) and op.unique):
        columns = [c for c in op.columns if isinstance(c, str)]
        yield _Suspect("add-unique", name, _duplicates(table, columns))


def _of_column(
    op: ops.AlterColumnOp, rows: Any, words: str, connection: Connection
) -> Iterator[_Suspect]:
    column: Any = sa.column(op.column_name)
    if op.modify_nullable is False:
        kind = _type(op.existing_type)
        value = next((text for types, text in _EMPTY if isinstance(kind, types)), "…")
        remedy = f"UPDATE {op.table_name} SET {column} = {value} WHERE {column} IS NULL"
        yield _Suspect("set-not-null", op.table_name, rows.where(column.is_(None)), remedy)
    if op.modify_type is not None:
        new, remedy = _type(op.modify_type), ""
        if length := getattr(new, "length", None):
            cut = f"{column} = substr({column}, 1, {length})"
            remedy = f"UPDATE {op.table_name} SET {cut} WHERE length({column}) > {length}"
        dialect = connection.dialect
        if dialect.name == "sqlite":
            old = _type(op.existing_type).compile(dialect)
            text = unfit(op.column_name, old, new.compile(dialect)) or "1 = 0"
            condition: Any = sa.literal_column(text)
        else:
            condition = column.in_(_unfit_values(connection, op, new, words))
        yield _Suspect("narrow-type", op.table_name, rows.where(condition), remedy)


def _type(given: Any) -> Any:
    return sa.types.to_instance(given or sa.types.NULLTYPE)


def _duplicates(table: Any, names: Sequence[str]) -> Any:
    columns: list[Any] = [sa.column(name) for name in names]
    present = [column.is_not(None) for column in columns]
    times = sa.func.count().label("times")
    query = sa.select(*columns, times).select_from(table).where(*present).group_by(*columns)
    return query.having(sa.func.count() > 1)


def _orphans(op: ops.CreateForeignKeyOp, table: Any) -> Any:
    child: Any = table.alias("child")
    parent: Any = sa.table(op.referent_table, schema=op.kw.get("referent_schema")).alias("parent")
    pairs: list[tuple[Any, Any]] = [
        (sa.column(local, _selectable=child), sa.column(remote, _selectable=parent))
        for local, remote in zip(op.local_cols, op.remote_cols, strict=True)
    ]
    has_parent = sa.select(sa.text("1")).select_from(parent).where(*(p == c for c, p in pairs))
    rows = sa.select(sa.text("child.*")).select_from(child)
    points = [local.is_not(None) for local, _ in pairs]
    return rows.where(*points, ~has_parent.correlate(child).exists())


def _unlink(op: ops.CreateForeignKeyOp) -> str:
    if len(op.local_cols) > 1:
        return ""
    local, remote = op.local_cols[0], op.remote_cols[0]
    parents = f"SELECT {remote} FROM {op.referent_table}"
    return f"UPDATE {op.source_table} SET {local} = NULL WHERE {local} NOT IN ({parents})"


def _unfit_values(
    connection: Connection, op: ops.AlterColumnOp, type_: Any, words: str
) -> list[Any]:
    """Return the values of a column that *type_* does not hold, and those that the error names."""
    column: Any = sa.column(op.column_name)
    table = sa.table(op.table_name, schema=op.schema)
    values = rows(connection, sa.select(column).distinct().select_from(table))
    return [
        value
        for row in values
        for value in row.values()
        if fits(value, type_, connection.dialect.name)
        or any(mark + str(value) + mark in words for mark in "'\"")
    ]
