"""Commands typed in tests: each in a process of its own, forked from one that has the imports.

A command imports Flask, SQLAlchemy, Alembic and the library for a second before it begins; tests
type hundreds. What is forked has run nothing yet, so each command starts as from a shell.
"""

import atexit
import functools
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import typed


def run(
    script: str,
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    without: tuple[str, ...] = (),
) -> "subprocess.CompletedProcess[str]":
    """Type a command.

    :param script: ``flask``, ``alembic`` or ``alembic-lossless``, or a module in *folder*.
    :param words: what follows it.
    :param folder: where it is typed.
    :param environment: all variables.
    :param without: packages that cannot be imported, as if they were not installed.
    :return: how it ended, and what it printed, both streams in one as on a terminal; it is killed
        after two minutes.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed, open(os.devnull) as nothing:
        files = [nothing.fileno(), printed.fileno(), printed.fileno()]
        address = forking(Path(sys.executable), without)
        status = typed.ask(address, [script, *words], str(folder), environment, files)
        printed.seek(0)
        return subprocess.CompletedProcess([script, *words], status, printed.read())


def take_place(script: Path) -> None:
    """Let :mod:`typed` take the place of a script of an environment that tests share."""
    before = script.parent / "before"
    before.mkdir()
    script.rename(before / script.name)
    source = Path(typed.__file__).read_text(encoding="utf-8")
    # Nothing is imported but what it names: it is there to be quick.
    script.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
    shutil.copymode(before / script.name, script)


@functools.cache
def forking(python: Path, without: tuple[str, ...] = ()) -> str:
    """Start the process of an environment that forks, once.

    :param python: the environment's.
    :param without: packages that cannot be imported there.
    :return: the address at which it is asked.
    """
    address = f"tests-{os.getpid()}-{secrets.token_hex(4)}"
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [python, "-P", typed.__file__, "--fork", address, str(theirs.fileno()), *without],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    theirs.close()
    typed.read(ours, 1)

    @atexit.register
    def _end() -> None:
        ours.close()
        process.wait()

    return address
