"""The servers that other tests rely on: empty databases, real passwords, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import Databases

# ASCII: PyMySQL sends passwords in Latin-1, MariaDB hashes them in UTF-8.
HOSTILE = "p@ss'\"\\ %d:/$"


@pytest.fixture(params=["postgresql", "mariadb"])
def databases(request: pytest.FixtureRequest) -> Databases:
    return request.getfixturevalue(request.param)


def tables(url: str) -> list[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        names = sa.inspect(connection).get_table_names()
        connection.exec_driver_sql("CREATE TABLE t (i INTEGER)")
    return names


def test_each_database_is_new_and_empty(databases):
    first, second = databases(), databases()
    assert first != second
    assert tables(first) == []
    assert tables(second) == []


def test_a_name_can_be_chosen_and_used_again_after_a_drop(databases):
    url = databases("shop_dev")
    assert sa.make_url(url).database == "shop_dev"
    assert tables(url) == []
    databases.drop(url)
    assert tables(databases("shop_dev")) == []


def test_a_role_logs_in_with_its_password_only(databases):
    url = sa.make_url(databases(user="ann", password=HOSTILE))
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    wrong = sa.create_engine(url.set(password="wrong"), poolclass=sa.NullPool)
    with pytest.raises(sa.exc.OperationalError):
        wrong.connect()


CHILD = """
import sys, time
from tests.support import servers
server = getattr(servers, sys.argv[1])()
print(server.run(sys.argv[2])[0][0], flush=True)
time.sleep(300)
"""


@pytest.mark.parametrize(
    ("databases", "start", "question"),
    [
        ("postgresql", "start_postgresql", "SHOW data_directory"),
        ("mariadb", "start_mariadb", "SELECT @@datadir"),
    ],
    indirect=["databases"],
)
def test_a_server_goes_with_a_test_process_that_was_killed(databases, start, question):
    databases()  # skips where there is no server
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, start, question],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    ) as child:
        data = Path(child.stdout.readline().strip())
        assert data.is_dir()
        child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while data.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not data.exists()
