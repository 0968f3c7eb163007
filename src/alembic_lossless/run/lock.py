"""A lock for each database: one process migrates it at a time."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from getpass import getuser
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout
from sqlalchemy import Connection, text

from ..errors import MigrationError
from . import sqlite_busy
from .connection import OURS
from .permissions import why_not_writable
from .server import CLIENT, describe_session

#: PostgreSQL keeps advisory locks apart by database; this is ours in each.
KEY = 0x6D6967726174  # "migrat"


@contextmanager
def hold(connection: Connection, wait: float, echo: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of *connection*'s database, or wait until it is free.

    On a server the lock belongs to *connection*'s own session: it goes when that session ends,
    however it ends, and not before. A killed process's last statement, which a server finishes
    first, is still protected. It is polled, because a session that waits inside the server would
    hold up ``CREATE INDEX CONCURRENTLY`` for ever. On SQLite it is a file beside the database.

    :param connection: to the database.
    :param wait: how many seconds to wait.
    :param echo: prints whom this waits for.
    :raises MigrationError: with exit code 5, when *wait* is over.
    """
    if connection.dialect.name == "sqlite":
        # By the driver itself, which begins no transaction.
        database = sqlite_busy.run(connection.connection, "PRAGMA database_list")[2]
        if not database:  # in memory: nobody else can reach it
            yield
            return
        with _file(Path(f"{database}.lock")) as (taken, holder):
            _poll(taken, holder, wait, echo)
            yield
        return
    postgresql = connection.dialect.name == "postgresql"
    _poll(*(_postgresql if postgresql else _mysql)(connection), wait, echo)
    try:
        yield
    finally:
        connection.close()


def _poll(
    taken: Callable[[], bool],
    holder: Callable[[], str],
    wait: float,
    echo: Callable[[str], None],
) -> None:
    deadline = time.monotonic() + wait
    pause = 0.05
    announced = False
    while not taken():
        if time.monotonic() >= deadline:
            raise MigrationError(
                f"Another process migrates this database: {holder()}. It did not finish within "
                f"{wait:g} s, and nothing was changed here. Wait for it or end it, or set "
                "MIGRATION_LOCK_WAIT to wait longer, and run again.",
                exit_code=5,
            )
        if not announced:
            echo(f"Waiting for another process that migrates this database: {holder()}.")
            announced = True
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, 1)


def _postgresql(connection: Connection) -> tuple[Callable[[], bool], Callable[[], str]]:
    if connection.exec_driver_sql(f"SELECT current_setting('{OURS}', true)").scalar() != "on":
        raise MigrationError(
            "This connection goes through a pooler (such as PgBouncer), which gives every "
            "transaction another session: no lock would hold, and no timeout would reach the "
            "server. Name the server itself in SQLALCHEMY_ALEMBIC_URI."
        )

    def taken() -> bool:
        is_ours = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({KEY})").scalar_one()
        connection.commit()
        return bool(is_ours)

    def holder() -> str:
        query = (
            f"SELECT a.pid, a.usename, {CLIENT}, a.backend_start"
            " FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_database d"
            " ON d.oid = l.database AND d.datname = current_database()"
            " WHERE l.locktype = 'advisory' AND l.granted"
            f" AND l.classid = {KEY >> 32} AND l.objid = {KEY & 0xFFFFFFFF}"
        )
        return _session(connection, query)

    return taken, holder


def _mysql(connection: Connection) -> tuple[Callable[[], bool], Callable[[], str]]:
    # These names are the whole server's, and at most 64 letters long.
    database = str(connection.exec_driver_sql("SELECT database()").scalar_one())
    name = "alembic_lossless:" + sha256(database.encode()).hexdigest()[:32]
    connection.commit()

    def taken() -> bool:
        is_ours = connection.exec_driver_sql(f"SELECT GET_LOCK('{name}', 0)").scalar_one()
        connection.commit()
        return bool(is_ours)

    def holder() -> str:
        # The first column alone is there without the privilege to see other sessions.
        query = (
            f"SELECT l.id, p.user, p.host, p.time FROM (SELECT IS_USED_LOCK('{name}') AS id) l"
            " LEFT JOIN information_schema.processlist p ON p.id = l.id WHERE l.id IS NOT NULL"
        )
        return _session(connection, query)

    return taken, holder


def _session(connection: Connection, query: str) -> str:
    row = connection.execute(text(query)).first()
    connection.commit()
    if row is None:
        return "a session that has just ended"
    # MySQL tells for how many seconds, PostgreSQL since when.
    lasting = "for {} s" if isinstance(row[3], int) else "since {}"
    return describe_session(row[0], row[1], row[2], {lasting: row[3]})


@contextmanager
def _file(path: Path) -> Iterator[tuple[Callable[[], bool], Callable[[], str]]]:
    # The file stays: whoever removed it could remove one that another process has locked.
    lock = FileLock(path, preserve_lock_file=True, on_acquired=_write_holder)

    def taken() -> bool:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        except OSError as error:
            advice = why_not_writable(path.with_name(path.name.removesuffix(".lock")))
            raise MigrationError(
                f"The lock file {path} cannot be opened ({error.strerror}), and without it two "
                "processes could migrate at once. "
                + (advice or "Make it a file that this account may write, and run again.")
            ) from None
        return True

    def holder() -> str:
        with suppress(OSError), path.open("rb") as file:
            file.seek(1)  # the first byte is locked, and Windows does not let others read that
            if process := file.read().decode("utf-8", "replace"):
                return f"{process} (lock file {path})"
        return f"a process that has just begun (lock file {path})"

    try:
        yield taken, holder
    finally:
        lock.release()


def _write_holder(file: int) -> None:
    os.ftruncate(file, 0)
    os.write(file, f"\nprocess {os.getpid()} of {whoami()}".encode())


@cache
def whoami() -> str:
    """Name the account and the machine that this process runs on."""
    try:
        account = getuser()
    except (KeyError, ImportError, OSError):  # a container's user without a name
        account = f"user {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    return f"{account}@{socket.gethostname()}"
