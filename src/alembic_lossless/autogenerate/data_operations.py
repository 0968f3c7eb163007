"""The operations that Alembic does not have, and how each is written as plain Alembic."""

from collections.abc import Callable
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _alter_column
from alembic.operations import ops

from ..schema.dialect_support import without_parameters
from .reverse import columns_of, without_backticks


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


class WordedSQL(Statements):
    """Statements that are said in *words*."""

    def __init__(self, words: str, *statements: str) -> None:
        super().__init__(*statements)
        self.words = words


class LateSQL(WordedSQL):
    """Statements that run after the columns have changed."""


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
        gone = {name: without_backticks(text) for name, text in found.items() if text}
        come = {name: without_backticks(text) for name, text in wanted.items() if text}
        said = ["DROP " + (name if name == _PRIMARY else f"INDEX {quote(name)}") for name in gone]
        for name, text in come.items():
            kind, _, columns = text.partition("(")
            named = kind if name == _PRIMARY else f"{kind}{quote(name)} "
            said.append(f"ADD {named}({columns.replace(',', ', ')}")
        words = f"on {table} put {_words(come)} in the place of {_words(gone)}"
        super().__init__(table, f"ALTER TABLE {quote(table)} {', '.join(said)}", words, early=False)
        #: The columns that are in the primary key no more, and may be NULL.
        self.freed = {
            f"{table}.{column}"
            for column in columns_of(gone.get(_PRIMARY))
            if column not in columns_of(come.get(_PRIMARY))
        }


_PRIMARY = "PRIMARY KEY"


def _words(keys: dict[str, str]) -> str:
    named = (
        f"primary key ({', '.join(columns_of(text))})" if name == _PRIMARY else f"index {name}"
        for name, text in keys.items()
    )
    return " and ".join(named)


def escaped(text: str) -> str:
    """Return *text* as it can stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")
