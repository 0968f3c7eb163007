"""A server without room for the rows."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from tests.conftest import leave_out
from tests.library.transfer.mover import Mover


@pytest.fixture
def small_disk():
    """Give a small disk to the owner of a folder."""
    disk = Path(tempfile.mkdtemp(dir="/tmp"))

    def mount(size: str, data: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            leave_out("a full disk", "this account may not mount one")
        owner = Path(data).stat()
        os.chown(disk, owner.st_uid, owner.st_gid)
        disk.chmod(0o700)
        return disk

    yield mount
    subprocess.run(["umount", "-l", str(disk)], capture_output=True)
    disk.rmdir()


MANY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
    " SELECT i, 'Name number ' || i FROM n"
)


def full_then_freed(mover, table):
    """There are more rows than the disk has room for; with fewer they are moved."""
    mover.chain.upgrade(mover.source)
    mover.here(f"INSERT INTO {table} {MANY}")
    with pytest.raises(MigrationError, match=r"No space left on device|could not extend|is full"):
        mover()
    assert mover.nothing_moved(table)
    mover.here(f"DELETE FROM {table} WHERE id > 100")
    assert mover().sums[table].rows == 100


def test_a_full_disk_under_postgresql_moves_nothing(
    library, sqlite_url, postgresql, run, small_disk
):
    disk = small_disk("3m", postgresql.server.run("SHOW data_directory")[0][0])
    url = postgresql()
    postgresql.server.run(
        f"CREATE TABLESPACE small_move LOCATION '{disk}'",
        f"ALTER DATABASE {sa.make_url(url).database} SET default_tablespace = small_move",
    )
    full_then_freed(Mover(library, sqlite_url, url, run), "author")
    postgresql.drop(url)
    postgresql.server.run("DROP TABLESPACE small_move")


def test_a_full_disk_under_mariadb_moves_nothing(chain, sqlite_url, mariadb, run, small_disk):
    disk = small_disk("8m", mariadb.server.run("SELECT @@datadir")[0][0])
    columns = 'sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(100))'
    place = f"mysql_data_directory=\"'{disk}'\""
    chain.add("1111", f'op.create_table("author", {columns}, {place})')
    url = mariadb()
    full_then_freed(Mover(chain, sqlite_url, url, run), "author")
    mariadb.drop(url)
