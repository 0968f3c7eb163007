"""Type a command into a process that forks for it; and be that process.

The file stands alone. As a script it takes the place of another one, such as ``bin/flask`` of an
environment that tests share: it asks the process that :data:`ADDRESS` names; where the variable
names none, and for a person at a terminal, it becomes the script whose place it took.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from typing import Any

#: Where the scripts that are typed begin.
ENTRIES = {
    "flask": "flask.cli:main",
    "alembic": "alembic.config:main",
    "alembic-lossless": "alembic_lossless.cli.main:main",
}

#: What they import, as far as an environment has it.
_IMPORTED = (
    *("flask.cli", "flask_sqlalchemy", "flask_migrate.cli", "alembic.command", "psycopg"),
    *("pymysql", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.mysql", "sqlite3"),
    *("alembic_lossless.flask", "alembic_lossless.cli.main", "alembic_lossless.cli.commands"),
)

#: The variable that names the socket where the process that forks is asked.
ADDRESS = "TESTS_FORK_FOR_COMMANDS"


def ask(
    address: str,
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    files: Sequence[int],
) -> int:
    """Run a command, and wait for its end.

    :param address: of the process that forks.
    :param command: the script and its arguments.
    :param folder: where it is typed.
    :param environment: all variables.
    :param files: what its standard streams are: input, output and errors.
    :return: its exit code; negative is the signal that ended it.
    """
    asked = json.dumps([*command, folder, dict(environment)]).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + address)
        socket.send_fds(connection, [len(asked).to_bytes(4, "big")], files)
        connection.sendall(asked)
        return int.from_bytes(read(connection, 4), "big", signed=True)


def read(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes.

    :raises EOFError: where the other end closes before.
    """
    content = b""
    while len(content) < size:
        if not (more := connection.recv(size - len(content))):
            raise EOFError
        content += more
    return content


class _Missing(MetaPathFinder):
    """Finds nothing of some packages, wherever they are installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = set(names)

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def _serve(address: str, parent: socket.socket, without: Sequence[str]) -> list[Any] | None:
    """Fork for every command that is asked for.

    :return: in a forked process the command; None once the process of the tests has ended.
    """
    sys.meta_path.insert(0, _Missing(without))
    for name in _IMPORTED:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0" + address)
        listening.listen()
        parent.sendall(b".")
        while True:
            ready, _, _ = select.select([listening, parent], [], [])
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            if parent in ready:
                return None
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                parent.close()
                return _fork_for(connection)
            connection.close()


def _fork_for(connection: socket.socket) -> list[Any]:
    """Fork for one command, wait for it, and tell how it ended; kill it when nobody waits more.

    :return: in the forked process the command.
    """
    size, files, *_ = socket.recv_fds(connection, 4, 3)
    command: list[Any] = json.loads(read(connection, int.from_bytes(size, "big")))
    child = os.fork()
    if child == 0:
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return command
    for file in files:
        os.close(file)
    ended = os.pidfd_open(child)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with suppress(BrokenPipeError):
        connection.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    os._exit(0)


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
    sys.path.insert(0, folder)
    if script not in ENTRIES:
        runpy.run_module(script, run_name="__main__", alter_sys=True)
        return None
    module, _, function = ENTRIES[script].partition(":")
    return getattr(importlib.import_module(module), function)()


def _fork() -> None:
    """Be the process that forks, and in what is forked the command."""
    address, parent, *without = sys.argv[2:]
    if command := _serve(address, socket.socket(fileno=int(parent)), without):
        sys.exit(_begin(*command))


def _type() -> int:
    """Be the script whose place this file took."""
    address = os.environ.pop(ADDRESS, None)
    if address is None or any(os.isatty(file) for file in range(3)):
        folder, name = os.path.split(os.path.abspath(sys.argv[0]))
        os.execv(f"{folder}/before/{name}", sys.argv)
    command = [os.path.basename(sys.argv[0]), *sys.argv[1:]]
    return ask(address, command, os.getcwd(), os.environ, range(3))


if __name__ == "__main__":
    sys.exit(_fork() if sys.argv[1:2] == ["--fork"] else _type())
