"""Chains and databases for the engine."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.chain import AUTHOR, BOOK, Chain


@pytest.fixture(autouse=True)
def own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let backups of development databases go into no folder of the person who runs the tests."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data"))


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
