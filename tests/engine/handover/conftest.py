"""Chains and databases to hand over."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from migrator import scratch
from migrator.apply import connection as connections

REVISION = '''"""{message}"""

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade():
    {up}


def downgrade():
    {back}
'''

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
    ' sa.CheckConstraint("year > 0", name="ck_book_year_is_positive"))'
)


class Chain:
    """A folder of migrations that a test adds to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text("", encoding="utf-8")
        self._down: str | None = None

    def add(self, revision: str, *up: str, back: str = "pass", message: str = "") -> str:
        """Write one more revision behind the last."""
        text = REVISION.format(
            message=message or revision,
            revision=revision,
            down=self._down,
            up="\n    ".join(up) or "pass",
            back=back,
        )
        (self.folder / "versions" / f"{revision}.py").write_text(text, encoding="utf-8")
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
            scratch.upgrade(self.script, connection, revision)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path / "migrations")


@pytest.fixture
def library(chain: Chain) -> Chain:
    """Two revisions: the tables, then a column more."""
    chain.add("1111", AUTHOR, BOOK)
    chain.add("2222", 'op.add_column("book", sa.Column("pages", sa.Integer()))')
    return chain


@pytest.fixture
def sqlite_url(tmp_path: Path) -> sa.URL:
    """A SQLite file that is not there yet, in a folder with a name that hurts."""
    folder = tmp_path / "a folder, with 100% ? & #"
    folder.mkdir()
    return sa.URL.create("sqlite", database=str(folder / "library.sqlite"))


@pytest.fixture
def run() -> Callable[..., list[sa.Row[tuple[object, ...]]]]:
    """Run statements on a database, committed; the last one's rows."""

    def run(url: sa.URL | str, *statements: str) -> list[sa.Row[tuple[object, ...]]]:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        rows: list[sa.Row[tuple[object, ...]]] = []
        with engine.begin() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
                rows = list(result.all()) if result.returns_rows else []
        return rows

    return run
