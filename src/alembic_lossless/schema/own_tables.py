"""The tables that Alembic and this library keep in a database, beside the application's own.

They are left out of every comparison, proposal and report.
"""

from collections.abc import Iterable

#: Where Alembic writes which revisions a database is at.
VERSION_TABLE = "alembic_version"
#: Where ``run/history.py`` writes what was applied.
LOG_TABLE = "alembic_lossless_log"
#: The name of a table that lets one revision, named in the rest of it, adopt the database.
ADOPT_PREFIX = "alembic_lossless_adopt_"
#: On the target of a move while it is not finished.
MOVE_TABLE = "alembic_lossless_move"


def is_own(table: str) -> bool:
    """Whether a table is Alembic's or this library's.

    :param table: its name.
    :return: True where the application has nothing to do with it.
    """
    return table == VERSION_TABLE or table.startswith("alembic_lossless_")


def without_own(tables: Iterable[str]) -> set[str]:
    """Return the application's tables.

    :param tables: the names of all tables of a database.
    :return: those that are neither Alembic's nor this library's.
    """
    return {table for table in tables if not is_own(table)}
