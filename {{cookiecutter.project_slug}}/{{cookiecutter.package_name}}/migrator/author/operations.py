"""The operations that Alembic does not have, and how each is written as plain Alembic."""

import textwrap
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _alter_column
from alembic.operations import ops
from sqlalchemy import Boolean, Column, Date, DateTime, Enum, Numeric, String, Time
from sqlalchemy.dialects import postgresql

from ..portable import without_parameters
from .back import without_backticks


class Written(ops.MigrateOperation):
    """Operations whose text is made already."""

    def __init__(self, text: str, diffs: list[Any]) -> None:
        self.text = text
        self.diffs = diffs

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what Alembic's own check shows."""
        return tuple(self.diffs)


@renderers.dispatch_for(Written)
def _render_written(_: AutogenContext, op: Written) -> str:
    return op.text


@renderers.dispatch_for(ops.RenameTableOp)
def _render_rename_table(_: AutogenContext, op: ops.RenameTableOp) -> str:
    schema = f", schema={op.schema!r}" if op.schema else ""
    return f"op.rename_table({op.table_name!r}, {op.new_table_name!r}{schema})"


@renderers.dispatch_for(ops.CreatePrimaryKeyOp, replace=True)
def _render_primary_key(context: AutogenContext, op: ops.CreatePrimaryKeyOp) -> str:
    # Alembic has no renderer for it: its autogenerate never makes one.
    prefix = "batch_op." if context._has_batch else "op."
    table = "" if context._has_batch else f", {op.table_name!r}"
    return f"{prefix}create_primary_key({op.constraint_name!r}{table}, {list(op.columns)!r})"


@renderers.dispatch_for(ops.AlterColumnOp, replace=True)
def _render_alter_column(context: AutogenContext, op: ops.AlterColumnOp) -> str:
    text = _alter_column(context, op)
    using = op.kw.get("postgresql_using")  # Alembic takes it and does not write it
    return f"{text[:-1]}, postgresql_using={using!r})" if using else text


class Statements(ops.ExecuteSQLOp):
    """Several statements, one after the other, in one transaction."""

    is_whole = True

    def __init__(self, *statements: str) -> None:
        super().__init__("; ".join(statements))
        self.statements = statements


@renderers.dispatch_for(Statements)
def _render_statements(_: AutogenContext, op: Statements) -> list[str]:
    return [f"op.execute({without_parameters(statement)!r})" for statement in op.statements]


@renderers.dispatch_for(ops.ExecuteSQLOp, replace=True)
def _render_execute(_: AutogenContext, op: ops.ExecuteSQLOp) -> str:
    return f"op.execute({without_parameters(str(op.sqltext))!r})"


class Rebuild(ops.MigrateOperation):
    """A batch that changes a table's options on SQLite, and nothing else."""

    def __init__(self, rebuilt: str, options: dict[str, bool]) -> None:
        self.rebuilt = rebuilt
        self.options = options

    def __str__(self) -> str:
        said = ", ".join(
            f"{name.removeprefix('sqlite_')} {on}" for name, on in self.options.items()
        )
        return f"rebuild table {self.rebuilt}: {said.lower()}"


@renderers.dispatch_for(Rebuild)
def _render_rebuild(_: AutogenContext, op: Rebuild) -> str:
    arguments = f"{op.rebuilt!r}, recreate='always', table_kwargs={op.options!r}"
    return f"with op.batch_alter_table({arguments}):\n    pass"


class LateSQL(ops.ExecuteSQLOp):
    """A statement that runs after the columns have changed."""


class TableSQL(ops.ExecuteSQLOp):
    """A statement about one *table*: *early*, before its columns change, or after that."""

    def __init__(self, table: str, sql: str, words: str, early: bool = True) -> None:
        self.table_name, self.words, self.early = table, words, early
        super().__init__(sql)


class Exchange(TableSQL):
    """Puts indexes of MySQL in the place of others, in one statement.

    :param found: each index that it is about, by its name, as the server prints it; None where it
        is not there.
    :param wanted: likewise, afterwards.
    """

    def __init__(
        self,
        table: str,
        found: dict[str, str | None],
        wanted: dict[str, str | None],
        quote: Callable[[str], str],
    ) -> None:
        gone = [name for name, printed in found.items() if printed]
        come = [name for name, printed in wanted.items() if printed]
        said = [f"DROP INDEX {quote(name)}" for name in gone]
        for name in come:
            kind, _, columns = without_backticks(str(wanted[name])).partition("(")
            said.append(f"ADD {kind}{quote(name)} ({columns.replace(',', ', ')}")
        instead = f"put index {', '.join(come)} in the place of {', '.join(gone)} on {table}"
        words = instead if gone else f"create index {', '.join(come)} on {table}"
        # Where nothing goes, a primary key does.
        super().__init__(table, f"ALTER TABLE {quote(table)} {', '.join(said)}", words, not gone)


class Fill(ops.ExecuteSQLOp):
    """Gives a *value*, an SQL literal, to the rows that hold *old*, or none.

    It goes *beside* another operation where that holds the whole table up anyhow.
    """

    def __init__(
        self, table: str, column: str, value: str, old: str | None = None, beside: bool = False
    ) -> None:
        self.table_name, self.column_name, self.value, self.old = table, column, value, old
        self.beside = beside
        what = f"change {old!r} to {value} in" if old is not None else "fill"
        self.words = f"{what} {table}.{column}"
        super().__init__(self.words)


@renderers.dispatch_for(Fill)
def _render_fill(_: AutogenContext, op: Fill) -> str:
    table = f"sa.table({op.table_name!r}, sa.column({op.column_name!r}))"
    where = f"sa.column({op.column_name!r}).is_(None)"
    if op.old is not None:
        where = f"sa.column({op.column_name!r}) == sa.literal_column({literal(op.old)!r})"
    value = op.value if isinstance(op.value, Expression) else f"sa.literal_column({op.value!r})"
    values = f"{{{op.column_name!r}: {value}}}"
    return f"op.execute(\nsa.update({table}).where({where}).values({values})\n)"


class Batches(ops.ExecuteSQLOp):
    """A :class:`Fill` on PostgreSQL that leaves the rows free between one part and the next.

    It goes over the table's pages once (a TID range scan), with a transaction for each 8 MB.
    """

    def __init__(self, fill: Fill) -> None:
        self.table_name, self.fill = fill.table_name, fill
        self.words = f"{fill.words}, in batches"
        super().__init__(self.words)


@renderers.dispatch_for(Batches)
def _render_batches(_: AutogenContext, op: Batches) -> str:
    table, column = (_POSTGRESQL.quote(name) for name in (op.fill.table_name, op.fill.column_name))
    where = "IS NULL" if op.fill.old is None else f"= {literal(op.fill.old)}"
    sql = f"""
DO $$
DECLARE pages bigint DEFAULT pg_relation_size({literal(table)}) / 8192;
BEGIN
  FOR page IN 0..pages BY 1000 LOOP
    UPDATE {table} SET {column} = {op.fill.value} WHERE {column} {where}
      AND ctid >= ('(' || page || ',0)')::tid AND ctid < ('(' || page + 1000 || ',0)')::tid;
    COMMIT;
  END LOOP;
END $$
"""
    sql = escaped(textwrap.indent(without_parameters(sql), "    "))
    return f'op.execute(\n"""{sql}"""\n)'


_POSTGRESQL: Any = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]


def literal(value: str) -> str:
    """Return *value* as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


class Expression(str):
    """A value that is written as Python, not as SQL."""


_STAND_INS: list[tuple[Any, str]] = [
    (Boolean, "false"),
    ((sa.Integer, Numeric), "1"),
    (String, "'?'"),
    (DateTime, "'1970-01-01 00:00:00'"),
    (Date, "'1970-01-01'"),
    (Time, "'00:00:00'"),
    (sa.JSON, "'{}'"),
    (sa.Uuid, "'00000000-0000-0000-0000-000000000000'"),
]


def stand_in(
    column: Column[Any], key: str | None = None, points_to: tuple[str, str] | None = None
) -> str:
    """Return what a row may hold in *column* whose value is gone.

    :param key: the table's key, where no two rows may hold the same.
    :param points_to: the table and column that it refers to.
    """
    if key and isinstance(column.type, String) and not isinstance(column.type, Enum):
        return Expression(f"sa.cast(sa.column({key!r}), sa.{column.type!r})")
    if key and isinstance(column.type, sa.Integer | Numeric):
        return Expression(f"sa.column({key!r})")
    if points_to:
        smallest = f"sa.func.min(sa.column({points_to[1]!r}))"
        table = f"sa.table({points_to[0]!r})"
        return Expression(f"sa.select({smallest}).select_from({table}).scalar_subquery()")
    if isinstance(column.type, Enum):
        return literal(column.type.enums[0])
    return next((value for kind, value in _STAND_INS if isinstance(column.type, kind)), "''")


def escaped(text: str) -> str:
    """Return *text* as it can stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")
