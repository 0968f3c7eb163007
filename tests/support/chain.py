"""A chain of migrations that a test writes, and runs on any database."""

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from alembic_lossless.run import connection as connections
from alembic_lossless.scratch import databases
from tests.support.revision import REVISION

#: An author with books; the second revision adds to both, the third takes something away.
AUTHOR = (
    'op.create_table("author", sa.Column("id", sa.Integer(), nullable=False),'
    ' sa.Column("name", sa.String(100), nullable=False),'
    ' sa.PrimaryKeyConstraint("id", name="pk_author"),'
    ' sa.UniqueConstraint("name", name="uq_author_name"))'
)
BOOK = (
    'op.create_table("book", sa.Column("id", sa.Integer(), nullable=False),'
    ' sa.Column("author_id", sa.Integer(), nullable=False),'
    ' sa.Column("title", sa.String(200), nullable=False), sa.Column("year", sa.Integer()),'
    ' sa.PrimaryKeyConstraint("id", name="pk_book"),'
    ' sa.ForeignKeyConstraint(["author_id"], ["author.id"], name="fk_book_author_id_author"),'
    ' sa.CheckConstraint("year > 0", name=op.f("ck_book_year_is_positive")))'
)


class Chain:
    """A folder of migrations that a test adds to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = folder / "versions"
        self.versions.mkdir(parents=True)
        (folder / "env.py").write_text("", encoding="utf-8")
        self._down: str | None = None

    def add(
        self, revision: str, *up: str, back: str = "pass", message: str = "", phase: str = ""
    ) -> str:
        """Write one more revision behind the last; *phase* is what it says of itself."""
        text = REVISION.format(
            message=message or revision,
            revision=revision,
            down=self._down,
            up="\n    ".join(up) or "pass",
            back=back,
        )
        text += f'\nphase = "{phase}"\n' if phase else ""
        (self.versions / f"{revision}.py").write_text(text, encoding="utf-8")
        self._down = revision
        return revision

    @property
    def script(self) -> ScriptDirectory:
        config = Config()
        config.set_main_option("script_location", str(self.folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        return ScriptDirectory.from_config(config)

    def upgrade(self, url: sa.URL | str, revision: str = "heads") -> None:
        """Bring the database at *url* to *revision*."""
        with connections.private(sa.make_url(url)).connect() as connection:
            databases.upgrade(self.script, connection, revision)
