"""An Alembic project without Flask, as ``alembic init`` makes it."""

import os
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from tests.support import commands

MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
customer = sa.Table(
    "customer",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(50), nullable=False),
    sa.Column("note", sa.String(50)),
    sa.Column("status", sa.Enum("open", "paid", name="status"), nullable=False),
)
"""

REVISION = """revision = "{revision}"
down_revision = {down!r}

import sqlalchemy as sa
from alembic import op


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
"""

CUSTOMER = """op.create_table("customer", sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("status", sa.Enum("open", "paid", name="status"), nullable=False))"""
NOTE = 'op.add_column("customer", sa.Column("note", sa.String(50)))'
WITHOUT_NOTE = """with op.batch_alter_table("customer") as batch_op:
        batch_op.drop_column("note")"""

GUARD = """config = context.config

from alembic_lossless import safeguard

safeguard(context)
"""

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
}


def asynchronous(url: str) -> str:
    """Return *url* with a driver that asyncio has."""
    made = sa.make_url(url)
    made = made.set(drivername=DRIVERS[made.get_backend_name()])
    return made.render_as_string(hide_password=False)


class AlembicProject:
    """The project in a folder.

    :param template: of ``alembic init``.
    :param without: packages that are not installed where commands are typed.
    """

    def __init__(
        self, folder: Path, url: str, template: str, without: tuple[str, ...] = ()
    ) -> None:
        self.folder, self.url, self.without = folder, url, without
        self.migrations = folder / "migrations"
        folder.mkdir()
        self.run("alembic", "init", "-t", template, "migrations")
        (folder / "models.py").write_text(MODELS)
        env = self.migrations / "env.py"
        text = env.read_text().replace(
            "target_metadata = None", "from models import metadata as target_metadata"
        )
        env.write_text(text)
        if "async" in template:
            url = asynchronous(url)
        ini = folder / "alembic.ini"
        escaped = url.replace("%", "%%")
        ini.write_text(ini.read_text().replace("driver://user:pass@localhost/dbname", escaped))

    def add_line(self) -> None:
        """Add the one line, and its import."""
        self.edit("migrations/env.py", "config = context.config\n", GUARD)

    def write_chain(
        self,
        first: Sequence[tuple[str, str]] = (
            (CUSTOMER, 'op.drop_table("customer")'),
            (NOTE, WITHOUT_NOTE),
        ),
        folders: Sequence[Path] = (),
    ) -> None:
        """Write ten revisions, 0001 to 0010, as people did by hand.

        :param first: what the first of them do, and undo.
        :param folders: where they are, in turn.
        """
        chain = list(first)
        for number in range(10 - len(first)):
            column = f"c{number // 2}"
            add = f'op.add_column("customer", sa.Column("{column}", sa.Integer()))'
            drop = (
                f'with op.batch_alter_table("customer") as batch_op:\n'
                f'        batch_op.drop_column("{column}")'
            )
            chain.append((drop, add) if number % 2 else (add, drop))
        for number, (upgrade, downgrade) in enumerate(chain, 1):
            down = f"{number - 1:04}" if number > 1 else None
            text = REVISION.format(
                revision=f"{number:04}", down=down, upgrade=upgrade, downgrade=downgrade
            )
            folder = folders[number % len(folders)] if folders else self.migrations / "versions"
            folder.mkdir(exist_ok=True)
            (folder / f"2020_{number:04}_.py").write_text(text)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace *old* in a file."""
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def run(self, script: str, *words: str, code: int = 0, **environment: str) -> str:
        """Type a command; it ends with *code*, and without a traceback."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        kept |= {"PYTHONDONTWRITEBYTECODE": "1"}
        env = self.migrations / "env.py"
        is_ours = script != "alembic" or (env.exists() and "alembic_lossless" in env.read_text())
        without = self.without if is_ours else (*self.without, "alembic_lossless")
        done = commands.run(script, words, self.folder, kept | environment, without)
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def lossless(self, *words: str, code: int = 0, **environment: str) -> str:
        """Type ``alembic-lossless`` and *words*."""
        return self.run("alembic-lossless", *words, code=code, **environment)

    def rows(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements; return the last one's rows."""
        rows: list[tuple[object, ...]] = []
        with sa.create_engine(self.url, poolclass=sa.NullPool).begin() as connection:
            for statement in statements:
                result = connection.execute(sa.text(statement))
                rows = [tuple(row) for row in result] if result.returns_rows else []
        return rows
