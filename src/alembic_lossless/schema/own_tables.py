"""The tables that Alembic and this library keep in a database, beside the application's own.

They are left out of every comparison, proposal and report.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from sqlalchemy import Dialect

from ..quoting import qualified

#: Where Alembic writes which revisions a database is at, if env.py names no other table.
VERSION_TABLE = "alembic_version"
#: What the names of this library's tables begin with.
PREFIX = "alembic_lossless_"
#: Where ``run/history.py`` writes what was applied.
LOG_TABLE = f"{PREFIX}log"
#: The name of a table that lets one revision, named in the rest of it, adopt the database.
ADOPT_PREFIX = f"{PREFIX}adopt_"
#: On the target of a move while it is not finished.
MOVE_TABLE = f"{PREFIX}move"


class VersionTable(NamedTuple):
    """The table that env.py's ``version_table`` and ``version_table_schema`` name."""

    name: str = VERSION_TABLE
    schema: str | None = None

    def quoted(self, dialect: Dialect) -> str:
        """Return the name as it stands in a statement."""
        return qualified(dialect, self.name, self.schema)

    @property
    def options(self) -> dict[str, Any]:
        """What ``MigrationContext.configure`` takes in ``opts``."""
        return {"version_table": self.name, "version_table_schema": self.schema}


_OF_ALEMBIC = VersionTable()
_version_table: ContextVar[VersionTable] = ContextVar("version_table", default=_OF_ALEMBIC)


@contextmanager
def named_by(options: Mapping[str, Any]) -> Iterator[None]:
    """Let the version table of the body be the one that env.py's *options* name.

    :param options: of ``context.configure``.
    """
    table = VersionTable(
        options.get("version_table") or VERSION_TABLE, options.get("version_table_schema")
    )
    token = _version_table.set(table)
    try:
        yield
    finally:
        _version_table.reset(token)


def version_table() -> VersionTable:
    """Return the version table of the project's databases; a scratch database has Alembic's."""
    return _version_table.get()


def is_own(table: str) -> bool:
    """Whether a table is Alembic's or this library's.

    :param table: its name, its schema in front where it has one.
    :return: True where the application has nothing to do with it.
    """
    versions = _version_table.get()
    whole = f"{versions.schema}.{versions.name}" if versions.schema else versions.name
    bare = table.rpartition(".")[2]
    return table in (VERSION_TABLE, versions.name, whole) or bare.startswith(PREFIX)


def without_own(tables: Iterable[str]) -> set[str]:
    """Return the application's tables.

    :param tables: the names of all tables of a database.
    :return: those that are neither Alembic's nor this library's.
    """
    return {table for table in tables if not is_own(table)}
