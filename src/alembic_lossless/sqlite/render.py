"""What SQLAlchemy's objects are in SQLite's SQL."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from alembic.ddl.base import add_column
from sqlalchemy.types import TypeEngine, to_instance

from .parser import ParsedColumn, parse


class Render:
    """Renders for one *dialect*, which knows what the SQLite behind it can do."""

    def __init__(self, dialect: Any) -> None:
        self._types = dialect.type_compiler_instance
        self._compiler = dialect.ddl_compiler(dialect, None)

    def item(self, item: Any) -> str:
        """Return the definition of a constraint, or the clause of a computed column.

        :raises sqlalchemy.exc.CompileError: where SQLite has no such thing.
        """
        return str(self._compiler.process(item) or "")

    def column(self, column: sa.Column[Any], **keywords: Any) -> str:
        """Return the definition of a new column."""
        return str(add_column(self._compiler, column, **keywords)).removeprefix("ADD COLUMN ")

    def type(self, type_: TypeEngine[Any]) -> ParsedColumn:
        """Return a type as a column that has it: its name, and its collation."""
        return read_column(f"c {self._types.process(to_instance(type_))}")

    def default(self, default: Any) -> str | None:
        """Return what follows DEFAULT, None for none."""
        if default is None:
            return None
        holder = sa.Column("c", sa.types.NullType(), server_default=default)
        text = self._compiler.get_column_default_string(holder)
        # As SQLAlchemy's own SQLite dialect does it in a column's definition.
        if text and not re.match(r"\s*['\"(]", text) and re.match(r".*\W.*", text):
            text = f"({text})"
        return text  # type: ignore[no-any-return]


def read_column(definition: str) -> ParsedColumn:
    """Read a column's definition."""
    return parse(f"CREATE TABLE t ({definition})").columns[0]


def addable(column: ParsedColumn) -> bool:
    """Whether SQLite's own ALTER can add a column, be there rows or none."""
    if column.generated:
        return column.generated.options != "stored"
    constant = not re.match(r"(?i)\(|CURRENT_", column.default or "")
    return constant and (column.default is not None or not column.not_null)
