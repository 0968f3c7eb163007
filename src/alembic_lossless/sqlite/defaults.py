"""Defaults that were written for PostgreSQL."""

import re
from typing import Any

import sqlalchemy as sa

from ..errors import MigrationError
from ..tokens import scan

#: The cast of a literal, as ``pg_dump`` and reflection write it.
_CAST = re.compile(
    r"\(?\s*('(?:[^']|'')*'|[-+]?\d+(?:\.\d+)?|NULL|TRUE|FALSE)\s*\)?\s*"
    r"::\s*\"?[\w ]+\"?(?:\(\d+(?:\s*,\s*\d+)?\))?(?:\[\])?\s*\)?",
    re.IGNORECASE,
)


def without_cast(table: str, column: str, default: Any) -> Any:
    """Return a column's default without a cast of PostgreSQL's.

    :param table: the name of the column's table.
    :param column: its name.
    :param default: what SQLAlchemy takes for ``server_default``, or has there.
    :return: the literal alone where a literal is cast; what was given where nothing is.
    :raises MigrationError: where another expression is cast.
    """
    clause = getattr(default, "arg", default)
    if not isinstance(clause, sa.TextClause) or "::" not in clause.text:
        return default
    if literal := _CAST.fullmatch(clause.text.strip()):
        return sa.DefaultClause(sa.text(literal[1]))
    if any(token.text == ":" for token in scan(clause.text)):
        raise MigrationError(
            f'The default of column "{column}" of table "{table}" is {clause.text}: SQLite has '
            "no such cast. Write it without the cast, or guard the operation by the dialect's "
            "name."
        )
    return default
