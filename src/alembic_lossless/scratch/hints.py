"""Words for a failure on a scratch database: why, at which line, and what to write there."""

import ast
import re
import textwrap
from pathlib import Path

from ..run.chain import source_of
from ..run.lines import line_of


def place(error: BaseException, file: str) -> str:
    """Return the line that an error came from, in brackets; nothing if it is from elsewhere.

    :param error: what a revision raised.
    :param file: the revision's file.
    """
    line = line_of(error, file)
    return f" (line {line} of {shown(file)})" if line else ""


def instead(error: BaseException, file: str, dialect: str) -> str:
    """Return the lines that keep *dialect* from a statement in *file* that it does not understand.

    :param error: what a revision raised.
    :param file: the revision's file.
    :param dialect: the database that raised it.
    :return: the end of a sentence, empty where it stopped at something else.
    """
    line = line_of(error, file) if re.search("syntax|function", str(error)) else None
    text = source_of(file) if line else ""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Expr | ast.Assign) or not _sends(node):
            continue
        if line and node.lineno <= line <= (node.end_lineno or line):
            lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
            statement = textwrap.indent(textwrap.dedent("\n".join(lines)), "    ")
            guarded = f'if op.get_context().dialect.name != "{dialect}":\n{statement}'
            code = textwrap.indent(guarded, " " * node.col_offset)
            return f"; or, where {dialect} is not to run it, write instead\n{code}"
    return ""


def shown(file: str | Path) -> str:
    """Return the path of *file*, relative to the current folder where it is in that."""
    path, current = Path(file), Path.cwd()
    return str(path.relative_to(current) if path.is_relative_to(current) else path)


def _sends(node: ast.AST) -> bool:
    calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
    return any(getattr(c.func, "attr", "") in ("execute", "exec_driver_sql") for c in calls)
