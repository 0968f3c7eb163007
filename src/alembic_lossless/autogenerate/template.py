"""The names that a project's files know ``alembic.op``, SQLAlchemy and more by.

Its ``script.py.mako`` imports them, and ``sqlalchemy_module_prefix`` and ``alembic_module_prefix``
in env.py say so. Text is rendered and tried with ``sa.`` and ``op.``, and written with theirs.
"""

import io
import re
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory

#: An import at the margin of a template, without a variable of Mako's in it.
_IMPORT = re.compile(
    r"^(?:import [^\n$(]+|from [.\w]+ import (?:\([^()$]*\)|[^\n$()]+))$", re.MULTILINE
)

_PREFIXES = {"sa": "sqlalchemy_module_prefix", "op": "alembic_module_prefix"}


def template_imports(script: ScriptDirectory | None) -> str:
    """Return the imports that every new file of a chain has, from its ``script.py.mako``."""
    file = Path(script.dir, "script.py.mako") if script is not None else None
    if file is None or not file.exists():
        return ""
    return "\n".join(_IMPORT.findall(file.read_text(encoding="utf-8")))


def with_prefixes(text: str, options: Mapping[str, Any]) -> str:
    """Return a body of Python with the prefixes that env.py configures.

    :param text: rendered with ``sa.`` and ``op.``.
    :param options: of ``context.configure``.
    """
    prefixes = {
        name: options[option]
        for name, option in _PREFIXES.items()
        if options.get(option) not in (None, f"{name}.")
    }
    if not prefixes or not text:
        return text
    lines = text.splitlines(keepends=True)
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for before, token, after in reversed([*zip([None, *tokens], tokens, tokens[1:], strict=False)]):
        is_module = token.type == tokenize.NAME and token.string in prefixes
        if is_module and after.string == "." and not (before and before.string == "."):
            row, column = token.start
            rest = lines[row - 1][after.end[1] :]
            lines[row - 1] = lines[row - 1][:column] + prefixes[token.string] + rest
    return "".join(lines)
