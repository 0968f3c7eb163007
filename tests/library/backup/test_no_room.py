"""A disk that is full, and a folder that may not be written."""

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.backup import restore, store
from alembic_lossless.backup.store import BackupStore
from alembic_lossless.errors import MigrationError
from tests.conftest import leave_out
from tests.library.backup.backups import rows, store_of


@pytest.fixture
def small(live, tmp_path):
    """A disk of 64 KiB; and a database that is larger."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        leave_out("a full disk", "this account may not mount one")
    with closing(sqlite3.connect(live.database)) as connection, connection:
        connection.execute("CREATE TABLE ballast (b)")
        connection.execute("INSERT INTO ballast VALUES (zeroblob(200000))")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_too_little_room_is_reported_and_nothing_is_left(live, small):
    with pytest.raises(MigrationError, match=r"Nothing was changed.*Make room"):
        store.back_up(live, str(small), ["1111"])
    assert list(small.iterdir()) == []


def test_is_met_too_when_it_shows_only_on_the_way(live, small, monkeypatch):
    usage = shutil.disk_usage(small)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(MigrationError, match=r"full.*Nothing was changed.*Make room"):
        store.back_up(live, str(small), ["1111"])
    assert list(small.iterdir()) == []


def test_an_undo_that_has_no_room_leaves_the_database_as_it_was(live, small, tmp_path):
    """The copy is larger than the disk on which the database is."""
    folder = tmp_path / "copies"
    folder.mkdir()
    here = sa.URL.create("sqlite", database=str(small / "library.sqlite"))
    backups = store_of(here, str(folder))
    with closing(sqlite3.connect(here.database)) as connection, connection:
        connection.execute("CREATE TABLE book (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO book VALUES (7)")
    backups.add(["1111"])
    (copy,) = backups.backups()
    shutil.copy(live.database, copy.path)
    with pytest.raises(MigrationError, match=r"full.*left as it was"):
        restore.restore(backups, copy, {"2222"})
    assert rows(Path(here.database), "SELECT id FROM book") == [(7,)]
    assert rows(Path(here.database), "PRAGMA integrity_check") == [("ok",)]
    assert copy.path.exists()


def test_folder_that_may_not_be_written_is_reported(live, tmp_path):
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / f"{Path(live.database).name}").touch()
    backups = store_of(live)
    gone = BackupStore(live, folder / "gone", backups.stem)
    with pytest.raises(MigrationError, match="Nothing was changed"):
        gone.add(["1111"])
