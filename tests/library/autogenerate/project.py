"""A small project: models, a chain of migrations, and the env.py that every project has."""

import itertools
import shutil
import textwrap
from argparse import Namespace
from pathlib import Path
from typing import Any

import alembic
import click
import flask_migrate
import sqlalchemy
from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from sqlalchemy import MetaData, make_url, text

from alembic_lossless import naming
from alembic_lossless.autogenerate import migrate
from alembic_lossless.autogenerate.report import Agreement, Report
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.cli import commands
from alembic_lossless.cli.command import FACTORY
from alembic_lossless.cli.project import AlembicProject
from alembic_lossless.run.connection import private
from alembic_lossless.schema import diff
from alembic_lossless.schema.dialect_support import kind_of
from alembic_lossless.schema.model import Schema
from alembic_lossless.settings import Settings

ENV = """
from alembic import context
from alembic_lossless import safeguard
from sqlalchemy import create_engine

given = context.config.attributes
connectable = safeguard(context, create_engine(given["url"]), given["settings"])
options = {"target_metadata": given["metadata"], "render_as_batch": True}

if context.is_offline_mode():
    context.configure(url=connectable.url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    with connectable.connect() as connection:
        context.configure(connection=connection, **options)
        with context.begin_transaction():
            context.run_migrations()
"""

#: What ``flask db init`` and ``alembic init`` write.
FLASK_MAKO = Path(flask_migrate.__file__).parent / "templates/flask/script.py.mako"
ALEMBIC_MAKO = Path(alembic.__file__).parent / "templates/generic/script.py.mako"

HAND_WRITTEN = '''"""{message}"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {down!r}


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


def models() -> MetaData:
    """Return an empty set of models with this project's naming."""
    return MetaData(naming_convention=naming.convention)


class Typed(AlembicProject):
    """The project as a command line sees it, with the settings that the test gave."""

    def settings(self) -> Settings:
        settings: Settings = self.make_config().attributes["settings"]
        return settings


class Project:
    """A chain in *folder*, with models that a test sets and a database behind *url*."""

    def __init__(self, folder: Path, url: str | None = None, kinds: tuple[str, ...] = ()) -> None:
        self.folder = folder / "migrations"
        self.url = url or f"sqlite:///{folder / 'real.sqlite'}"
        self.kinds = kinds or (kind_of(make_url(self.url)),)
        self.development = False
        self.metadata = models()
        #: What its alembic.ini says, beside where the migrations are: by section.
        self.ini: dict[str, dict[str, str]] = {}
        self._numbers = itertools.count(1)
        (self.folder / "versions").mkdir(parents=True)
        (self.folder / "env.py").write_text(ENV)
        shutil.copy(FLASK_MAKO, self.folder / "script.py.mako")

    def config(self) -> Config:
        config = Config(attributes={"metadata": self.metadata, "url": self.url})
        config.attributes["settings"] = Settings(databases=self.kinds, development=self.development)
        config.set_main_option("script_location", str(self.folder))
        for section, lines in self.ini.items():
            for name, value in lines.items():
                config.set_section_option(section, name, value.replace("%", "%%"))
        return config

    def configure(self, options: str, definitions: str = "") -> None:
        """Let env.py give ``context.configure`` these *options*, written as in a dictionary."""
        env = ENV.replace("options = {", f"{definitions}\noptions = {{{options}, ")
        (self.folder / "env.py").write_text(env)

    @property
    def script(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self.config())

    def new(self, message: str = "change", **answers: Any) -> Report:
        """Write a revision as ``flask db migrate`` does; keywords are the answers as typed."""
        parsed = Answers.parse(**answers)
        report = migrate.write_migration(self.config(), message, answers=parsed)
        return report

    def type(self, *words: str, code: int = 0) -> str:
        """Type a command of ``alembic-lossless`` in this process; it ends with *code*."""

        @click.group(commands=commands.load())
        @click.pass_context
        def group(context: click.Context) -> None:
            context.meta[FACTORY] = lambda *_: Typed(self.config)

        result = CliRunner().invoke(group, words)
        crash = result.exception if not isinstance(result.exception, SystemExit) else None
        assert (result.exit_code, crash) == (code, None), result.output
        return result.output

    def migrate(self) -> None:
        """Write a revision as ``flask db migrate`` does."""
        config = self.config()
        config.cmd_opts = Namespace(autogenerate=True, quiet=True)
        command.revision(config, "stock", autogenerate=True)

    def stock(self) -> str:
        """Do to the real database what stock autogenerate proposes; return it as text."""
        with private(make_url(self.url)).begin() as connection:
            options = {"compare_type": True, "target_metadata": self.metadata}
            context = MigrationContext.configure(connection, opts=options)
            proposed = produce_migrations(context, self.metadata).upgrade_ops
            text = render_python_code(proposed, render_as_batch=True, migration_context=context)
            exec(textwrap.dedent("    " + text), {"sa": sqlalchemy, "op": Operations(context)})
        return text

    def by_hand(self, upgrade: str, downgrade: str = "pass", phase: str = "") -> Path:
        """Write a revision as a person does; *phase* is what it says of itself."""
        down = (self.script.get_heads() or [None])[0]
        revision = f"hand{next(self._numbers)}"
        indent = "\n    ".join
        content = HAND_WRITTEN.format(
            message="by hand",
            revision=revision,
            down=down,
            upgrade="    " + indent(upgrade.splitlines()),
            downgrade="    " + indent(downgrade.splitlines()),
        )
        content += f'\nphase = "{phase}"\n' if phase else ""
        path = self.folder / "versions" / f"{revision}.py"
        path.write_text(content)
        return path

    def upgrade(self, revision: str = "head") -> None:
        command.upgrade(self.config(), revision)

    def upgrade_as_stock(self, revision: str = "head") -> None:
        """Upgrade without a word in our log, as the project did before it had the library."""
        script = self.script

        def operations(heads: Any, _: MigrationContext) -> Any:
            return script._upgrade_revs(revision, heads)

        with private(make_url(self.url)).connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"fn": operations, "script": script}
            )
            with context.begin_transaction(), Operations.context(context):
                context.run_migrations()
            connection.commit()

    def downgrade(self, revision: str = "-1") -> None:
        command.downgrade(self.config(), revision)

    def verify(self) -> Agreement:
        return migrate.check(self.config())

    def run(self, *statements: str) -> list[Any]:
        """Run statements on the real database and return the last one's rows."""
        rows: list[Any] = []
        with private(make_url(self.url)).begin() as connection:
            for statement in statements:
                result = connection.execute(text(statement))
                rows = [tuple(row) for row in result] if result.returns_rows else []
        return rows

    def schema(self) -> Schema:
        with private(make_url(self.url)).connect() as connection:
            return diff.describe(connection)

    def last(self) -> str:
        """Return the text of the head's file."""
        (head,) = self.script.get_heads()
        return Path(self.script.get_revision(head).path).read_text()
