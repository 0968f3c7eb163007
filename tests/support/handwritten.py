"""A chain of revisions written by hand, run in this process; and what a database holds."""

from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from alembic_lossless.errors import MigrationError
from alembic_lossless.schema.own_tables import LOG_TABLE, VERSION_TABLE
from alembic_lossless.settings import Settings

ENV = """
import sqlalchemy as sa
from alembic import context
from alembic_lossless import safeguard

given = context.config.attributes
connectable = safeguard(context, sa.create_engine(given["url"]), given["settings"])
with connectable.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""

REVISION = """
import sys

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
"""


class Handwritten:
    """A chain in a folder, for the database behind *url*."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.folder = folder
        self.settings = Settings(backup="off")
        self._down: str | None = None
        self._versions = folder / "versions"
        self._versions.mkdir(parents=True)
        (folder / "env.py").write_text(ENV)
        #: What was printed.
        self.printed: list[str] = []

    def add(self, revision: str, upgrade: str, downgrade: str = "pass") -> Path:
        """Write one more revision behind the last; return its file."""
        path = self.write(revision, self._down, upgrade, downgrade)
        self._down = revision
        return path

    def write(self, revision: str, down: str | None, upgrade: str, downgrade: str = "pass") -> Path:
        """Write a revision's file, also in place of an earlier text."""
        path = self._versions / f"{revision}.py"
        text = REVISION.format(
            revision=revision,
            down=down,
            upgrade=indent(dedent(upgrade).strip() or "pass", "    "),
            downgrade=indent(dedent(downgrade).strip() or "pass", "    "),
        )
        path.write_text(text)
        # As long as before and written in the same second, it would not be compiled anew.
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
            compiled.unlink()
        return path

    def config(self) -> Config:
        """Return Alembic's configuration."""
        config = Config(attributes={"url": self.url, "settings": self.settings})
        config.set_main_option("script_location", str(self.folder))
        config.print_stdout = lambda text, *args: self.printed.append(text % args)  # type: ignore[method-assign]
        return config

    def upgrade(self, revision: str = "heads") -> None:
        """Apply what is pending."""
        command.upgrade(self.config(), revision)

    def downgrade(self, revision: str = "-1") -> None:
        """Undo revisions."""
        command.downgrade(self.config(), revision)

    def failure(self, verb: str = "upgrade", revision: str = "") -> MigrationError:
        """Run a command that has to fail; return its error."""
        method = getattr(self, verb)
        try:
            method(*[revision] if revision else [])
        except MigrationError as error:
            return error
        raise AssertionError(f"{verb} did not fail")

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one transaction; return the last one's rows."""
        rows: list[tuple[Any, ...]] = []
        with sa.create_engine(self.url, poolclass=sa.NullPool).begin() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
                rows = [tuple(row) for row in result] if result.returns_rows else []
        return rows

    def at(self) -> list[str]:
        """Return the revisions that the database is at."""
        return [row[0] for row in self.ask(f"SELECT version_num FROM {VERSION_TABLE}")]

    def dump(self) -> dict[str, Any]:
        """Return what the database holds beside our own tables."""
        with sa.create_engine(self.url, poolclass=sa.NullPool).connect() as connection:
            return dump(connection)


def dump(connection: sa.Connection) -> dict[str, Any]:
    """Return the tables of a database: columns, indexes and rows."""
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names()) - {VERSION_TABLE, LOG_TABLE}
    columns, indexes = inspector.get_multi_columns(), inspector.get_multi_indexes()
    quote = connection.dialect.identifier_preparer.quote
    return {
        name: {
            "columns": [(c["name"], str(c["type"]), c["nullable"]) for c in columns[None, name]],
            "indexes": sorted(str(index["name"]) for index in indexes[None, name]),
            "rows": sorted(
                map(repr, map(tuple, connection.exec_driver_sql(f"SELECT * FROM {quote(name)}")))
            ),
        }
        for name in sorted(names)
    }
