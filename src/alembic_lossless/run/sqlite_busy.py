"""Waiting for whoever else uses a SQLite file, and saying for whom."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ..errors import MigrationError
from .permissions import why_not_writable

#: So many seconds are waited without a word.
QUIET = 1.0


def run(dbapi_connection: Any, statement: str) -> Any:
    """Run a statement past SQLAlchemy, which begins no transaction for it; return its first row."""
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None
    finally:
        cursor.close()


def in_transaction(dbapi_connection: Any) -> bool:
    """Tell whether SQLite is in a transaction, also behind an asynchronous driver."""
    driver_connection = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    return bool(driver_connection.in_transaction)


class Patience:
    """Takes SQLite's locks on *file*: after a second it says once who has them.

    SQLite itself waits in silence. Whoever waits here holds up nobody, so one limit is enough:
    *wait* seconds in all.
    """

    def __init__(self, file: Path | None, wait: float, echo: Callable[[str], None]) -> None:
        self._file = file
        self._wait = wait
        self._echo = echo
        self._told = False

    def prepare(self, dbapi_connection: Any) -> None:
        """Let a new connection wait, and read from the file."""
        self._allow(dbapi_connection, self._wait)
        with suppress(sqlite3.DatabaseError):  # of a file that is none, the first query says more
            self._run(dbapi_connection, "PRAGMA schema_version")

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that may write, so that it waits here rather than fail later."""
        with self._explained():
            self._run(connection.connection.dbapi_connection, "BEGIN IMMEDIATE")

    def commit(self, connection: Connection) -> None:
        """Commit; SQLAlchemy, which does it after this, then finds nothing left to commit."""
        dbapi_connection: Any = connection.connection.dbapi_connection
        if in_transaction(dbapi_connection):
            with self._explained():
                self._run(dbapi_connection, "COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of the driver's into one sentence: SQLAlchemy does not see it."""
        try:
            yield
        except sqlite3.Error as error:
            advice = self._file and why_not_writable(self._file)
            raise MigrationError(
                f"{self._file or 'The database'} cannot be written: {error}; what was not finished "
                f"was rolled back. {advice or 'Fix the cause, and run again.'}"
            ) from error

    def _run(self, dbapi_connection: Any, statement: str) -> None:
        self._allow(dbapi_connection, min(QUIET, self._wait))
        try:
            run(dbapi_connection, statement)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            self._run_aloud(dbapi_connection, statement)
        finally:
            self._allow(dbapi_connection, self._wait)

    def _run_aloud(self, dbapi_connection: Any, statement: str) -> None:
        who = ", ".join(_users(self._file) if self._file else ()) or "another process"
        if not self._told:
            self._echo(f"Waiting for {who}, which uses {self._file}.")
            self._told = True
        self._allow(dbapi_connection, max(0.0, self._wait - QUIET))
        try:
            run(dbapi_connection, statement)
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
            raise MigrationError(
                f"{who[0].upper()}{who[1:]} still uses {self._file} after {self._wait:g} s; what "
                "was not finished was rolled back. Wait for it or end it, or set "
                "MIGRATION_LOCK_WAIT, and run again."
            ) from None

    def _allow(self, dbapi_connection: Any, seconds: float) -> None:
        run(dbapi_connection, f"PRAGMA busy_timeout = {round(seconds * 1000)}")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _users(file: Path) -> Iterator[str]:
    """Name the processes that have a lock on a SQLite file, where the system tells (Linux).

    It is read from outside: a process that opens and closes such a file loses its own locks on it
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    with suppress(OSError, ValueError, IndexError):
        beside = file.with_name(f"{file.name}-shm")
        inodes = {str(path.stat().st_ino) for path in (file, beside) if path.exists()}
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        ours = [lock for lock in locks if lock[1] != "->" and lock[5].split(":")[-1] in inodes]
        writers = [lock for lock in ours if lock[3] == "WRITE"]
        for number in sorted({lock[4] for lock in writers or ours} - {str(os.getpid())}):
            command = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            words = " ".join(part.decode(errors="replace") for part in command).strip()
            yield f"process {number} ({words[:60]})"
