"""SQLite files that this account may not write: whose they are, and what to type."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.reset import reset
from alembic_lossless.run import lock
from alembic_lossless.run.connection import Target
from alembic_lossless.run.permissions import why_not_writable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of other accounts need root")

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def database() -> Iterator[Path]:
    """A WAL database of nobody's, in a folder of nobody's."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "shop.sqlite")
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (id INTEGER)")
        for path in (file.parent, file):
            os.chown(path, NOBODY, NOBODY)
        yield file


def url(database: Path) -> sa.URL:
    return sa.URL.create("sqlite", database=str(database))


def insert(database: Path) -> None:
    with Target(url(database)).connect() as connection, connection.begin():
        connection.exec_driver_sql("INSERT INTO t VALUES (1)")


def hold_lock(database: Path) -> None:
    with Target(url(database)).connect() as connection, lock.hold(connection, 1, print):
        pass


def touch_as_root(database: Path, ending: str) -> Path:
    path = database.with_name(database.name + ending)
    path.touch()
    return path


@pytest.mark.parametrize("ending", ["-shm", "-wal", ""])
def test_a_wal_database_that_this_account_may_not_write(database: Path, ending: str) -> None:
    path = touch_as_root(database, ending)
    os.chown(path, 0, 0)
    with as_nobody(), pytest.raises(MigrationError) as refused:
        insert(database)
    assert f"{path} belongs to root, and this account, nobody, may not write it" in str(
        refused.value
    )
    assert str(refused.value).endswith(f"sudo chown nobody {path}")
    with as_nobody(), pytest.raises(MigrationError, match=f"sudo chown nobody {path}"):
        reset(Target(url(database)), sa.MetaData(), ["1111"])


def test_a_lock_file_that_root_left(database: Path) -> None:
    path = touch_as_root(database, ".lock")
    with as_nobody(), pytest.raises(MigrationError) as refused:
        hold_lock(database)
    assert str(refused.value) == (
        f"The lock file {path} cannot be opened (Permission denied), and without it two processes "
        f"could migrate at once. {path} belongs to root, and this account, nobody, may not write "
        f"it. Give it to this account, and run again: sudo chown nobody {path}"
    )


def test_a_folder_where_nothing_may_be_written(database: Path) -> None:
    os.chown(database.parent, 0, 0)
    with as_nobody(), pytest.raises(MigrationError, match=f"sudo chown nobody {database.parent}$"):
        hold_lock(database)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "shop.sqlite"
    with pytest.raises(MigrationError, match=r"mkdir -p '.*/a folder'$"):
        Target(url(file)).connect()


def test_a_file_of_ones_own_that_is_read_only(database: Path) -> None:
    database.chmod(0o444)
    with as_nobody():
        words = why_not_writable(database)
    assert words is not None
    assert words.startswith(f"This account, nobody, may not write {database}: its permissions")
    assert words.endswith(f"chmod u+w {database}")


def test_what_may_be_written_needs_no_word(database: Path) -> None:
    with as_nobody():
        assert why_not_writable(database) is None
