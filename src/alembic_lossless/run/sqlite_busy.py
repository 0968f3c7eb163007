"""Waiting for whoever else uses a SQLite file, and saying for whom."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..errors import MigrationError

#: So many seconds are waited without a word.
QUIET = 1.0


class Patience:
    """Takes SQLite's locks on *file*: after a second it says once who has them.

    SQLite itself waits in silence. Whoever waits here holds up nobody, so one limit is enough:
    *wait* seconds in all.
    """

    def __init__(self, file: str, wait: float, say: Callable[[str], None]) -> None:
        self._file = file
        self._wait = wait
        self._say = say
        self._told = False

    def prepare(self, driver_connection: Any) -> None:
        """Let a new connection wait, and read from the file."""
        self._allow(driver_connection, self._wait)
        with suppress(sqlite3.DatabaseError):  # of a file that is none, the first query says more
            self._run(driver_connection, "PRAGMA schema_version")

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that may write, so that it waits here rather than fail later."""
        self._run(connection.connection.driver_connection, "BEGIN IMMEDIATE")

    def commit(self, connection: Connection) -> None:
        """Commit; SQLAlchemy, which does it after this, then finds nothing left to commit."""
        driver_connection: Any = connection.connection.driver_connection
        if driver_connection.in_transaction:
            self._run(driver_connection, "COMMIT")

    def _run(self, driver_connection: Any, statement: str) -> None:
        self._allow(driver_connection, min(QUIET, self._wait))
        try:
            driver_connection.execute(statement)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            self._run_aloud(driver_connection, statement)
        finally:
            self._allow(driver_connection, self._wait)

    def _run_aloud(self, driver_connection: Any, statement: str) -> None:
        who = ", ".join(_users(self._file)) or "another process"
        if not self._told:
            self._say(f"Waiting for {who}, which uses {self._file}.")
            self._told = True
        self._allow(driver_connection, max(0.0, self._wait - QUIET))
        try:
            driver_connection.execute(statement)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            raise MigrationError(
                f"{who[0].upper()}{who[1:]} still uses {self._file} after {self._wait:g} s; what "
                "was not finished was rolled back. Wait for it or end it, or set "
                "MIGRATION_LOCK_WAIT, and run again."
            ) from None

    def _allow(self, driver_connection: Any, seconds: float) -> None:
        driver_connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _users(file: str) -> Iterator[str]:
    """Name the processes that have a lock on a SQLite file, where the system tells (Linux).

    It is read from outside: a process that opens and closes such a file loses its own locks on it
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    with suppress(OSError, ValueError, IndexError):
        there = [name for name in (file, f"{file}-shm") if os.path.exists(name)]
        inodes = {str(os.stat(name).st_ino) for name in there}
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        ours = [lock for lock in locks if lock[1] != "->" and lock[5].split(":")[-1] in inodes]
        writers = [lock for lock in ours if lock[3] == "WRITE"]
        for number in sorted({lock[4] for lock in writers or ours} - {str(os.getpid())}):
            command = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            words = " ".join(part.decode(errors="replace") for part in command).strip()
            yield f"process {number} ({words[:60]})"
