"""Commands typed in tests: each in a process of its own, forked from one that has the imports.

A command imports Flask, SQLAlchemy, Alembic and the library for a second before it begins; tests
type hundreds. What is forked has run nothing yet, so each command starts as from a shell.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

#: Where the scripts that are typed begin.
ENTRIES = {
    "flask": "flask.cli:main",
    "alembic": "alembic.config:main",
    "alembic-lossless": "alembic_lossless.cli.main:main",
}

#: What they import.
_IMPORTED = (
    *("flask.cli", "flask_sqlalchemy", "flask_migrate.cli", "alembic.command", "psycopg"),
    *("pymysql", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.mysql", "sqlite3"),
    *("alembic_lossless.flask", "alembic_lossless.cli.main"),
)


def run(
    script: str, words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Type a command.

    :param script: one of :data:`ENTRIES`, or a module in *folder*.
    :param words: what follows it.
    :param folder: where it is typed.
    :param environment: all variables.
    :return: how it ended, and what it printed, both streams in one as on a terminal; it is killed
        after two minutes.
    """
    asked = json.dumps([script, *words, str(folder), dict(environment)]).encode()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        server = _forkserver()
        socket.send_fds(server, [len(asked).to_bytes(4, "big")], [printed.fileno()])
        server.sendall(asked)
        status = int.from_bytes(_read(server, 4), "big", signed=True)
        printed.seek(0)
        return subprocess.CompletedProcess([script, *words], status, printed.read())


@functools.cache
def _forkserver() -> socket.socket:
    """Start the process that forks, once; return this process's end of the connection to it."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()

    @atexit.register
    def _end() -> None:
        ours.close()
        process.wait()

    return ours


def _read(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        if not (more := connection.recv(size - len(read))):
            raise EOFError
        read += more
    return read


def _serve(connection: socket.socket) -> list[Any] | None:
    """Fork for every command that is asked for.

    :return: in a forked process the command; None once nobody asks any more.
    """
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    while True:
        size, files, *_ = socket.recv_fds(connection, 4, 1)
        if not size:
            return None
        command: list[Any] = json.loads(_read(connection, int.from_bytes(size, "big")))
        child = os.fork()
        if child == 0:
            connection.close()
            os.dup2(files[0], 1)
            os.dup2(files[0], 2)
            return command
        os.close(files[0])
        _, status = os.waitpid(child, 0)
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _begin(script: str, *words: Any) -> Any:
    """Be the process of a command from here on."""
    *arguments, folder, environment = words
    os.environ.clear()
    os.environ.update(environment)
    # Read from the environment when Python starts, which it did before.
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    os.chdir(folder)
    signal.alarm(120)
    sys.argv = [script, *arguments]
    sys.path[0] = folder
    if script not in ENTRIES:
        runpy.run_module(script, run_name="__main__", alter_sys=True)
        return None
    module, _, function = ENTRIES[script].partition(":")
    return getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    if command := _serve(socket.socket(fileno=int(sys.argv[1]))):
        sys.exit(_begin(*command))
