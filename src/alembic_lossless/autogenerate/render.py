"""Renders the operations of a revision as plain Alembic, and formats its file.

The text is what was tried on the scratch databases, letter by letter: :func:`body` renders it
once, and :class:`RenderedOperations` carries it into Alembic's template.
"""

import ast
import re
import shutil
import subprocess
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _alter_column, render_op
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.sql.functions import FunctionElement

from .. import compat, naming
from ..checklist.data_operations import DropByAnyName, NumberRows, Statements
from ..checklist.finding import (
    ALL_DATABASES,
    NOT_ON_POSTGRESQL,
    ON_POSTGRESQL,
    Operation,
    condition,
)
from ..schema.dialect_support import without_parameters
from .order import block
from .render_types import render_type


class RenderedOperations(ops.MigrateOperation):
    """Operations whose text is rendered already.

    :param diffs: what Alembic's own ``check`` shows of them.
    """

    def __init__(self, text: str, diffs: list[Any]) -> None:
        self.text = text
        self.diffs = diffs

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what Alembic's own ``check`` shows."""
        return tuple(self.diffs)


@renderers.dispatch_for(RenderedOperations)
def _render_rendered(_: AutogenContext, op: RenderedOperations) -> str:
    return op.text


class DropUnnamedConstraintOp(ops.DropConstraintOp):
    """Drops a constraint that has no name on SQLite, by the one that :mod:`naming` gives it.

    Stock Alembic finds it where the batch has that convention, as Alembic's documentation says of
    unnamed constraints.
    """

    @property
    def convention(self) -> dict[str, str]:
        """Return the part of the convention that names it; stock finds no CHECK by one."""
        kind = {"unique": "uq", "foreignkey": "fk"}.get(self.constraint_type or "")
        return {kind: naming.convention[kind]} if kind else {}


@renderers.dispatch_for(ops.RenameTableOp)
def _render_rename_table(_: AutogenContext, op: ops.RenameTableOp) -> str:
    schema = f", schema={op.schema!r}" if op.schema else ""
    return f"op.rename_table({op.table_name!r}, {op.new_table_name!r}{schema})"


@compat.renderer_for(ops.CreatePrimaryKeyOp)
def _render_primary_key(context: AutogenContext, op: ops.CreatePrimaryKeyOp) -> str:
    # Alembic has no renderer for it: its autogenerate never makes one.
    prefix = "batch_op." if context._has_batch else "op."
    table = "" if context._has_batch else f", {op.table_name!r}"
    return f"{prefix}create_primary_key({op.constraint_name!r}{table}, {list(op.columns)!r})"


compat.renderer_for(ops.CreateCheckConstraintOp)(compat.render_check)


@compat.renderer_for(ops.AlterColumnOp)
def _render_alter_column(context: AutogenContext, op: ops.AlterColumnOp) -> str:
    text = _alter_column(context, op)
    using = op.kw.get("postgresql_using")  # Alembic takes it and does not write it
    return f"{text[:-1]}, postgresql_using={using!r})" if using else text


@compat.renderer_for(ops.ExecuteSQLOp)
def _render_execute(_: AutogenContext, op: ops.ExecuteSQLOp) -> str:
    return f"op.execute({without_parameters(str(op.sqltext))!r})"


def body(operations: Sequence[Operation], context: MigrationContext) -> tuple[str, set[str]]:
    """Return the Python text of *operations*, plain Alembic, and the import lines that it needs."""
    autogen = AutogenContext(context, opts=_options(context), autogenerate=False)
    autogen.opts["render_item"] = _render_item(context)
    _as_typed(context.impl)
    parts: list[str] = []
    operations = [operation for operation in operations if operation.forward is not None]
    before = ALL_DATABASES
    for databases, guarded in groupby(operations, key=lambda operation: operation.databases):
        text = "\n\n".join(_groups(guarded, autogen))
        if databases != ALL_DATABASES:
            if {databases, before} == {ON_POSTGRESQL, NOT_ON_POSTGRESQL}:
                parts[-1] += "\nelse:\n" + textwrap.indent(text, "    ")
                before = ALL_DATABASES
                continue
            text = f"if op.get_context().dialect.name {condition(databases)}:\n" + textwrap.indent(
                text, "    "
            )
        before = databases
        parts.append(text)
    return "\n\n".join(parts), set(autogen.imports)


def _as_typed(impl: Any) -> None:
    """Let *impl* write what was typed: Alembic doubles a per cent sign, as some drivers want it
    sent, and what it writes of a colon is read as a parameter."""

    def render(*arguments: Any, **options: Any) -> str:
        text = str(type(impl).render_ddl_sql_expr(impl, *arguments, **options))
        return without_parameters(compat.single_percents(text, impl.dialect))

    impl.render_ddl_sql_expr = render


def _groups(operations: Iterable[Operation], autogen: AutogenContext) -> Iterator[str]:
    for shared, group in groupby(operations, key=block):
        for batch in _batches(group):
            text = _group(batch, shared.table, autogen)
            if shared.is_alone:
                text = "with op.get_context().autocommit_block():\n" + textwrap.indent(text, "    ")
            yield text


def _batches(operations: Iterable[Operation]) -> Iterator[list[Operation]]:
    """Part the operations of one block where stock Alembic, on SQLite, would do them as one.

    Its batch copies the rows into the table as it is to be in the end: a column that is added with
    a default which is then dropped would have no value in them.
    """
    batch: list[Operation] = []
    added: set[str] = set()
    for operation in operations:
        if (
            isinstance(operation.forward, ops.AlterColumnOp)
            and operation.forward.column_name in added
        ):
            yield batch
            batch, added = [], set()
        if isinstance(operation.forward, ops.AddColumnOp):
            added.add(operation.forward.column.name)
        batch.append(operation)
    yield batch


def _options(context: MigrationContext) -> dict[str, Any]:
    fixed = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op."}
    return {"user_module_prefix": None, **context.opts, **fixed, "render_as_batch": True}


def _render_item(context: MigrationContext) -> Callable[[str, Any, AutogenContext], str | bool]:
    """Return what renders types and defaults; the project's own ``render_item`` comes first."""
    of_project = context.opts.get("render_item")
    sources = [*context.opts.get("sources", ()), *context.opts.get("missing", ())]
    dialect = context.dialect.name
    kinds = [source.kind for source in sources] or ["mysql" if dialect == "mariadb" else dialect]

    def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | bool:
        rendered: str | bool = of_project(kind, item, autogen) if of_project else False
        if rendered is not False:
            return rendered
        if kind == "server_default":
            return _default(item)
        return render_type(item, autogen, kinds) if kind == "type" else False

    return render_item


def _default(item: Any) -> str | bool:
    """Render what each database spells in its own way, where Alembic writes one spelling."""
    default = getattr(item, "arg", None)
    if isinstance(default, sa.False_ | sa.True_):
        return f"sa.{str(default).lower()}()"
    if isinstance(default, sa.TextClause) and re.fullmatch(r"-?[\d.]+", default.text):
        return f"sa.text({default.text!r})"  # Alembic puts parentheses around it for SQLite
    if isinstance(default, FunctionElement) and not default.clauses.clauses:
        return f"sa.func.{default.name}()"
    return False


def _group(operations: list[Operation], table: str | None, autogen: AutogenContext) -> str:
    if table is None:
        return "\n".join(_lines(operation, autogen) for operation in operations)
    schema = getattr(operations[0].forward, "schema", None) or getattr(
        operations[0].forward, "kw", {}
    ).get("source_schema")
    with autogen._within_batch():
        inner = "\n".join(_lines(operation, autogen) for operation in operations)
    arguments = f'"{table}"' + (f', schema="{schema}"' if schema else "")
    convention: dict[str, str] = {}
    for operation in operations:
        if isinstance(operation.forward, DropUnnamedConstraintOp):
            convention |= operation.forward.convention
    arguments += f", naming_convention={convention!r}" if convention else ""
    head = f"with op.batch_alter_table({arguments}) as batch_op:\n"
    return head + textwrap.indent(inner, "    ")


def _lines(operation: Operation, autogen: AutogenContext) -> str:
    if isinstance(operation.forward, NumberRows | Statements | DropByAnyName):
        return "\n".join(render_op(autogen, operation.forward))
    lines = "\n".join(render_op(autogen, operation.forward)).splitlines()
    return "\n".join([lines[0], *(f"    {line}" for line in lines[1:-1]), *lines[1:][-1:]])


def tidy(path: Path, *, formats: bool = True) -> None:
    """Take Alembic's comments out of the file at *path* and format it with ruff where it is.

    :param path: the file of a revision.
    :param formats: whether it is formatted.
    """
    with tokenize.open(path) as file:
        text, encoding = file.read(), file.encoding
    text = re.sub(r"(?m)^ *# ###.*\n", "", text)
    path.write_text(re.sub(r"[ \t]+$", "", text, flags=re.M), encoding=encoding)
    beside = Path(sys.executable).with_name("ruff")
    ruff = shutil.which("ruff", path=beside.parent) or shutil.which("ruff")
    if ruff and formats:
        # What is still to be written may need what is imported.
        rules = "I" if _is_empty(text) else "I,F401"
        for arguments in (["check", "--fix-only", f"--select={rules}"], ["format"]):
            subprocess.run([ruff, *arguments, "--quiet", str(path)], check=False)


def _is_empty(text: str) -> bool:
    """Tell whether the upgrade of a file has still to be written."""
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    upgrade = next(function for function in functions if function.name == "upgrade")
    parts = [function for function in functions if function.name.startswith("upgrade_")]
    # Of several databases each has a function of its own.
    upgrades = parts if upgrade.args.args else [upgrade]
    return all(isinstance(function.body[-1], ast.Pass) for function in upgrades)
