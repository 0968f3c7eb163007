"""Names and values as they stand in SQL: the one place that puts quotes around them.

A statement that is run has every name in quotes (:func:`quote`). One that a person reads has only
those that need them (:func:`qualified`), which SQLAlchemy knows for each database.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Dialect

_BACKTICKS = ("mysql", "mariadb")


def quote(name: str, dialect: str = "sqlite") -> str:
    """Return *name* in quotes, whatever it holds.

    :param dialect: the name of the database's dialect; all but MySQL's and MariaDB's quote the
        standard way.
    """
    return _enclosed(name, "`" if dialect in _BACKTICKS else '"')


def qualified(dialect: "Dialect", name: str, schema: str | None = None) -> str:
    """Return *name* as a person writes it: in quotes only where *dialect* needs them.

    :param schema: goes before the name, where there is one.
    """
    names = (schema, name) if schema else (name,)
    return ".".join(map(dialect.identifier_preparer.quote, names))


def literal(value: object) -> str:
    """Return *value* as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, int | float):
        return repr(+value)
    return _enclosed(str(value), "'")


def _enclosed(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark
