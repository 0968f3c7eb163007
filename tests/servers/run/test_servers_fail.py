"""The server itself fails: it is killed and started again, its disk is full, a pooler hides it."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import Databases, leave_out
from tests.servers.run.shop import TABLE, Shop, until
from tests.support.servers import Server, listens, start_mariadb, start_postgresql


class Mortal:
    """A server that can be killed, and started again as it was."""

    def __init__(self, server: Server, pid_file: Path) -> None:
        self.server = server
        self._pid_file = pid_file
        self._again: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        pid = int(self._pid_file.read_text().split()[0])
        home = Path(f"/proc/{pid}")
        self._command = (home / "cmdline").read_bytes().decode().strip("\0").split("\0")
        self._folder, self._owner = os.readlink(home / "cwd"), home.stat().st_uid
        postgresql = self.server.admin.get_backend_name() == "postgresql"
        os.kill(pid, signal.SIGQUIT if postgresql else signal.SIGKILL)
        deadline = time.monotonic() + 30
        while home.exists() and "Z" not in (home / "stat").read_text().split()[2]:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def start(self) -> None:
        self._again = subprocess.Popen(
            self._command,
            cwd=self._folder,
            user=self._owner,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        where = self.server.admin.query
        socket = where.get("unix_socket") or f"{where['host']}/.s.PGSQL.5432"
        deadline = time.monotonic() + 60
        while not listens(Path(str(socket))):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        while True:
            try:
                self.server.run("SELECT 1")
                return
            except sa.exc.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def stop(self) -> None:
        if self._again is not None:
            self._again.terminate()
            self._again.wait(30)
        self.server.stop()


@pytest.fixture(params=["postgresql", "mariadb"])
def mortal(request: pytest.FixtureRequest) -> Iterator[Mortal]:
    request.getfixturevalue(request.param)()  # skips where there is no such server
    if request.param == "postgresql":
        server: Server = start_postgresql()
        pid_file = Path(str(server.run("SHOW data_directory")[0][0]), "postmaster.pid")
    else:
        server = start_mariadb()
        pid_file = Path(str(server.run("SELECT @@pid_file")[0][0]))
    found = Mortal(server, pid_file)
    yield found
    found.stop()


def test_a_server_that_is_killed_and_started_again(mortal: Mortal, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", mortal.server.new())
    postgresql = "postgresql" in shop.url
    shop.revision("a1", TABLE)
    sleep = "SELECT pg_sleep(60)" if postgresql else "DO sleep(60)"
    file = shop.revision(
        "a2",
        f"""
        op.add_column("t", sa.Column("a", sa.Integer))
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.execute("{sleep}")
        op.create_index("ix_t_n", "t", ["n"])
        """,
    )
    running = shop.start("db", "upgrade")
    until(running, "upgrade    a2")
    time.sleep(0.5)
    mortal.kill()
    said, _ = running.communicate(timeout=60)
    assert running.returncode == (1 if postgresql else 7), said
    assert "Traceback" not in said
    assert "Revision a2 failed" in said
    down = shop.flask("db", "upgrade", code=1)
    assert "exit 1: Cannot connect to" in down
    mortal.start()
    file.write_text(file.read_text().replace(f'op.execute("{sleep}")', ""))
    shop.flask("db", "upgrade")
    assert shop.at() == ["a2"]
    assert shop.ask("SELECT n, a FROM t ORDER BY id") == [(1, None), (2, None)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A folder on a disk of 8 MB that belongs to a user."""
    disk = Path("/tmp", f"disk-{os.getpid()}-{tmp_path.name[-6:]}")
    disk.mkdir()

    def mount(owner: int) -> Path:
        options = f"size=8m,uid={owner},mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            leave_out(
                "a full disk under a server", f"no disk can be mounted ({done.stderr.strip()})"
            )
        return disk

    yield mount
    subprocess.run(["umount", "-l", str(disk)], capture_output=True)
    disk.rmdir()


FILL = (
    "INSERT INTO big (words) SELECT '" + "x" * 200 + "' FROM "
    "(SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6) a"
    + "".join(
        f" CROSS JOIN (SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5"
        f" UNION SELECT 6) {name}"
        for name in "bcdef"
    )
)


def test_a_full_disk_on_postgresql(
    postgresql: Databases, small_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    data = Path(str(postgresql.server.run("SHOW data_directory")[0][0]))
    disk = small_disk(data.stat().st_uid)
    postgresql.server.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
    shop = Shop(tmp_path / "shop", postgresql())
    shop.revision("a1", TABLE)
    columns = 'sa.Column("words", sa.Text), postgresql_tablespace="small"'
    file = shop.revision("a2", f'op.create_table("big", {columns})\nop.execute("""{FILL}""")')
    said = shop.flask("db", "upgrade", code=1)
    assert "No space left on device" in said
    assert "nothing of it is in the database" in said
    assert shop.at() == ["a1"]
    assert shop.tables() == {"t"}
    file.write_text(file.read_text().replace(FILL, "INSERT INTO big (words) VALUES ('x')"))
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT words FROM big") == [("x",)]
    postgresql.drop(shop.url)
    postgresql.server.run("DROP TABLESPACE small")


def test_a_full_disk_on_mariadb(
    mariadb: Databases, small_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    data = Path(str(mariadb.server.run("SELECT @@datadir")[0][0]))
    disk = small_disk(data.stat().st_uid)
    shop = Shop(tmp_path / "shop", mariadb())
    shop.revision("a1", TABLE)
    columns = f'sa.Column("words", sa.Text), mysql_data_directory="\'{disk}\'"'
    file = shop.revision("a2", f'op.create_table("big", {columns})\nop.execute("""{FILL}""")')
    said = shop.flask("db", "upgrade", code=7)
    assert "failed at statement 2 of 2" in said
    assert "is full" in said
    assert "statement 1 is in place" in said
    assert shop.ask("SELECT count(*) FROM big") == [(0,)]
    file.write_text(file.read_text().replace(FILL, "INSERT INTO big (words) VALUES ('x')"))
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT words FROM big") == [("x",)]
    mariadb.drop(shop.url)


@pytest.fixture(params=["transaction", "session"])
def pooled(
    request: pytest.FixtureRequest, postgresql: Databases, tmp_path: Path
) -> Iterator[Callable[[str, str], str]]:
    """The URL of a database through PgBouncer, with what it is told to ignore."""
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if program is None:
        leave_out("PgBouncer", "pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    running: list[subprocess.Popen[bytes]] = []
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/pgb-XXXXXX"], text=True).strip())

    def start(url: str, ignored: str) -> str:
        host = str(sa.make_url(url).query["host"])
        owner = Path(host).stat().st_uid
        folder.chmod(0o755)
        settings = folder / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host={host} user=postgres\n[pgbouncer]\nauth_type = any\n"
            f"listen_addr =\nunix_socket_dir = {folder}\npool_mode = {request.param}\n"
            + (f"ignore_startup_parameters = {ignored}\n" if ignored else "")
        )
        os.chown(folder, owner, -1)
        command = [str(program), str(settings)]
        if os.geteuid() == 0:
            command[1:1] = ["-u", pwd.getpwuid(owner).pw_name]
        quiet = subprocess.DEVNULL
        running.append(subprocess.Popen(command, stdout=quiet, stderr=quiet))
        deadline = time.monotonic() + 10
        while not (folder / ".s.PGSQL.6432").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        through = sa.make_url(url).update_query_dict({"host": str(folder), "port": "6432"})
        return through.render_as_string(hide_password=False)

    yield start
    for process in running:
        process.terminate()
        process.wait(10)
    shutil.rmtree(folder)


@pytest.mark.parametrize("ignored", ["", "extra_float_digits,options"])
def test_pgbouncer_is_recognised_and_gone_round(
    pooled: Callable[[str, str], str], postgresql: Databases, tmp_path: Path, ignored: str
) -> None:
    direct = postgresql()
    shop = Shop(tmp_path / "shop", pooled(direct, ignored))
    shop.revision("a1", TABLE)
    said = shop.flask("db", "upgrade", code=1)
    assert "PgBouncer" in said
    assert "ame the server itself in SQLALCHEMY_ALEMBIC_URI" in said
    assert shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI=direct)
    assert shop.ask("SELECT n FROM t") == [(1,)]
