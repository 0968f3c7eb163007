"""The file of a revision: the text of its operations, the checklist in its docstring, its format.

The text is what was tried on the throwaway databases, letter by letter: :func:`body` makes it
once, and :class:`Written` carries it into Alembic's template.
"""

import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type, render_op
from alembic.runtime.migration import MigrationContext
from alembic.script import write_hooks
from sqlalchemy.sql.functions import FunctionElement

from ..checklist.finding import NAMES, Finding, Guard, Step, Verdict
from ..schema.dialect_support import without_parameters
from ..scratch import databases
from .data_operations import Statements, escaped
from .fills import Numbered
from .together import block

#: How the checklist begins in the docstring of each file.
REVIEWED = "Reviewed for"


class ExistingEnum(sa.Enum):
    """An enum whose type PostgreSQL has already: a table that uses it does not make it."""


def _existing_enum(item: ExistingEnum) -> str:
    arguments = ", ".join([*(repr(value) for value in item.enums), f"name={item.name!r}"])
    there = f"postgresql.ENUM({arguments}, create_type=False)"
    return f"sa.Enum({arguments}).with_variant({there}, 'postgresql')"


def body(steps: Sequence[Step], context: MigrationContext) -> tuple[str, set[str]]:
    """Return the Python text of *steps*, plain Alembic, and the import lines that it needs."""
    autogen = AutogenContext(context, opts=_options(context), autogenerate=False)
    autogen.opts["render_item"] = _importing(context.opts.get("render_item"), autogen.imports)
    _as_typed(context.impl)
    parts: list[str] = []
    steps = [step for step in steps if step.op is not None]
    before: Guard | None = None
    for guard, guarded in groupby(steps, key=lambda step: step.guard):
        text = "\n\n".join(_groups(guarded, autogen))
        if guard:
            condition = f"if op.get_context().dialect.name {guard.value}:\n"
            if {guard, before} == {Guard.POSTGRESQL, Guard.NOT_POSTGRESQL}:
                parts[-1] += "\nelse:\n" + textwrap.indent(text, "    ")
                before = None
                continue
            text = condition + textwrap.indent(text, "    ")
        before = guard
        parts.append(text)
    return "\n\n".join(parts), set(autogen.imports)


def _as_typed(impl: Any) -> None:
    """Let *impl* write what was typed: Alembic doubles a per cent sign, as some drivers want it
    sent, and what it writes of a colon is read as a parameter."""
    doubled = impl.dialect.identifier_preparer._double_percents

    def render(*arguments: Any, **options: Any) -> str:
        text = str(type(impl).render_ddl_sql_expr(impl, *arguments, **options))
        return without_parameters(text.replace("%%", "%") if doubled else text)

    impl.render_ddl_sql_expr = render


def _groups(steps: Iterable[Step], autogen: AutogenContext) -> Iterator[str]:
    for (_, alone, table), group in groupby(steps, key=block):
        text = _group(list(group), table, autogen)
        if alone:
            text = "with op.get_context().autocommit_block():\n" + textwrap.indent(text, "    ")
        yield text


def _options(context: MigrationContext) -> dict[str, Any]:
    defaults = {
        "sqlalchemy_module_prefix": "sa.",
        "alembic_module_prefix": "op.",
        "user_module_prefix": None,
    }
    return {**defaults, **context.opts, "render_as_batch": True}


def _importing(own: Any, imports: set[str]) -> Any:
    """Wrap the project's *own* render_item so that every type comes with its import."""

    def render_item(kind: str, item: Any, context: AutogenContext) -> Any:
        rendered = own(kind, item, context) if own else False
        if rendered is not False:
            return rendered
        if kind == "server_default":
            return _default(item)
        return _type(item, context, imports) if kind == "type" else False

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


def _type(item: Any, context: AutogenContext, imports: set[str]) -> str | bool:
    if isinstance(item, ExistingEnum):
        imports.add("from sqlalchemy.dialects import postgresql")
        return _existing_enum(item)
    module = type(item).__module__
    dialect = re.match(r"sqlalchemy\.dialects\.(\w+)", module)
    if dialect:
        # Alembic asks the database at hand, which knows its own types alone.
        imports.add(f"from sqlalchemy.dialects import {dialect[1]}")
        text: str = _impl(dialect[1]).render_type(item, context) or f"{dialect[1]}.{item!r}"
        for name, variant in item._variant_mapping.items():
            text += f".with_variant({_repr_type(variant, context)}, {name!r})"
        return text
    if not module.startswith("sqlalchemy."):
        imports.add(f"import {module}")
    return False


@cache
def _impl(dialect: str) -> Any:
    with databases.quiet():
        return MigrationContext.configure(dialect_name=dialect).impl


def _group(steps: list[Step], table: str | None, autogen: AutogenContext) -> str:
    if table is None:
        return "\n".join(_lines(step, autogen) for step in steps)
    schema = getattr(steps[0].op, "schema", None) or getattr(steps[0].op, "kw", {}).get(
        "source_schema"
    )
    with autogen._within_batch():
        inner = "\n".join(_lines(step, autogen) for step in steps)
    arguments = f'"{table}"' + (f', schema="{schema}"' if schema else "")
    head = f"with op.batch_alter_table({arguments}) as batch_op:\n"
    return head + textwrap.indent(inner, "    ")


def _lines(step: Step, autogen: AutogenContext) -> str:
    if isinstance(step.op, Numbered | Statements):
        return "\n".join(render_op(autogen, step.op))
    lines = "\n".join(render_op(autogen, step.op)).splitlines()
    return "\n".join([lines[0], *(f"    {line}" for line in lines[1:-1]), *lines[1:][-1:]])


def docstring(steps: Sequence[Step], findings: Sequence[Finding], databases: Sequence[str]) -> str:
    """Return the checklist as a reviewer reads it in the file."""
    done = [
        f"{step} ({step.guard.words})" if step.guard else str(step)
        for step in steps
        if step.op is not None
    ]
    lines = [f"{REVIEWED} {', '.join(NAMES[kind] for kind in databases)}.", "", *_items(done)]
    if findings:
        lines += ["", "Checklist:", "", *_items(map(str, findings))]
    return escaped("\n".join(lines))


def _items(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(
            text, 96, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )


def accepted(findings: Sequence[Finding]) -> str:
    """Return the line of the file that holds the consent given; a question has no reason yet."""
    given = {f.key: f.accepted or "" for f in findings if f.accepted or f.verdict is Verdict.ASK}
    return f"accepted = {given!r}" if given else ""


@write_hooks.register("alembic_lossless")
def tidy(path: str, options: dict[str, Any]) -> None:
    """Take Alembic's comments out of the file at *path* and format it with ruff where it is."""
    file = Path(path)
    text = re.sub(r"(?m)^ *# ###.*\n", "", file.read_text(encoding="utf-8"))
    file.write_text(re.sub(r"[ \t]+$", "", text, flags=re.M), encoding="utf-8")
    beside = Path(sys.executable).with_name("ruff")
    ruff = shutil.which("ruff", path=beside.parent) or shutil.which("ruff")
    if ruff:
        # What is still to be written may need what is imported.
        rules = "I" if "def upgrade() -> None:\n    pass" in text else "I,F401"
        for arguments in (["check", "--fix-only", f"--select={rules}"], ["format"]):
            subprocess.run([ruff, *arguments, "--quiet", path], check=False)
