"""A connection of the migrations' own, apart from the application's."""

import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from .. import MigratorError

#: A setting that PostgreSQL's sessions of ours carry: where it is missing, a pooler dropped it.
OURS = "migrator.session"


@dataclass(frozen=True)
class Limits:
    """How long things may last, in seconds. A limit of 0 on a statement is none."""

    #: In all, for another migrator to finish, and for a table that somebody else holds.
    wait: float = 300
    #: For one statement to get its lock; the application's queries queue up behind it meanwhile.
    lock: float = 2
    #: For one statement to run.
    statement: float = 3600

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Limits":
        """Read the limits from the application's *settings*.

        :raises MigratorError: when one is not a number of seconds.
        """
        values = []
        for name, default in (("LOCK_WAIT", 300), ("LOCK_TIMEOUT", 2), ("STATEMENT_TIMEOUT", 3600)):
            value = settings.get(f"MIGRATION_{name}", default)
            try:
                values.append(max(0.0, float(value)))
            except (TypeError, ValueError):
                raise MigratorError(
                    f"MIGRATION_{name} is {value!r}: give a number of seconds."
                ) from None
        return cls(*values)


def private(url: URL, limits: Limits | None = None, *, read_only: bool = False) -> Engine:
    """Return an engine for migrations, which shares nothing with the application's.

    On SQLite a transaction is one, DDL included: the driver begins none by itself, and each
    begins with ``BEGIN IMMEDIATE``, so that it waits for another writer here rather than fail
    later. Foreign keys are off, because a table that is rebuilt would take its children with it
    (https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").

    On servers the limits are the session's from its start: a ``SET`` before the first statement
    would open a transaction that nobody commits.

    :param read_only: on SQLite take no lock, and write nothing.
    """
    limits = limits or Limits()
    kind = url.get_backend_name()
    options: dict[str, Any] = {}
    if kind == "postgresql":
        options["options"] = " ".join(
            [
                *url.normalized_query.get("options", ()),
                f"-c lock_timeout={round(limits.lock * 1000)}",
                f"-c statement_timeout={round(limits.statement * 1000)}",
                f"-c {OURS}=on",
            ]
        )
        if "connect_timeout" not in url.query:
            options["connect_timeout"] = 10
        url = url.difference_update_query(["options"])
    engine = create_engine(url, poolclass=NullPool, connect_args=options)
    if kind == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite(limits, read_only))
        if not read_only:
            event.listen(engine, "begin", _begin_immediate)
    elif kind in ("mysql", "mariadb"):
        event.listen(engine, "connect", _prepare_mysql(limits))
    return engine


def _prepare_sqlite(limits: Limits, read_only: bool) -> Callable[..., None]:
    def prepare(driver_connection: Any, _record: Any) -> None:
        driver_connection.isolation_level = None
        driver_connection.execute("PRAGMA foreign_keys = OFF")
        # Whoever waits to write here holds up nobody, so one limit is enough.
        driver_connection.execute(f"PRAGMA busy_timeout = {round(limits.wait * 1000)}")
        driver_connection.execute(f"PRAGMA query_only = {int(read_only)}")

    return prepare


def _prepare_mysql(limits: Limits) -> Callable[..., None]:
    lock = max(1, round(limits.lock)) if limits.lock else 31536000

    def prepare(driver_connection: Any, _record: Any) -> None:
        cursor = driver_connection.cursor()
        cursor.execute(f"SET SESSION lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}")
        if "MariaDB" in driver_connection.get_server_info():  # MySQL can only limit a SELECT
            cursor.execute(f"SET SESSION max_statement_time = {limits.statement}")
        cursor.close()

    return prepare


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def connect(
    settings: Mapping[str, Any],
    url: URL,
    limits: Limits | None = None,
    *,
    read_only: bool = False,
    say: Callable[[str], None] = print,
) -> Connection:
    """Connect to *url* as the role that migrates, and make the database where there is none.

    The password of ``SQLALCHEMY_ALEMBIC_URI`` is the URI's, or else ``MIGRATION_PASSWORD``; where
    both are missing and the server refused the attempt without one (peer authentication,
    ``.pgpass`` and the like need none), it is asked for on the terminal.

    :raises MigratorError: when there is no such password, database or server.
    """
    from . import server

    own = bool(settings.get("SQLALCHEMY_ALEMBIC_URI")) and not url.password
    if own and settings.get("MIGRATION_PASSWORD"):
        url = url.set(password=str(settings["MIGRATION_PASSWORD"]))
    while True:
        try:
            return private(url, limits, read_only=read_only).connect()
        except DBAPIError as error:
            if own and not url.password and server.wants_password(error):
                url = url.set(password=_ask(url))
            elif read_only or not server.create_missing(url, error, say):
                raise MigratorError(
                    f"Cannot connect to {label(url)}: {server.reason(error)}. "
                    + server.advice(url, error)
                ) from None


def _ask(url: URL) -> str:
    if not sys.stdin.isatty():
        raise MigratorError(
            f"{label(url)} asks for a password: set MIGRATION_PASSWORD, or run this on a terminal."
        )
    password = getpass.getpass(f"Password of {url.username} for {label(url)}: ")
    if not password:
        raise MigratorError("No password was typed, and the server wants one.")
    return password


@contextmanager
def borrowed(given: Connection | Engine) -> Iterator[Connection]:
    """Run migrations on a connection that a caller gave, with transactions as in :func:`private`.

    :param given: the connection, or an engine that makes one.
    :raises MigratorError: on SQLite, when it is in a transaction or holds foreign keys, because
        neither can be put right from here.
    """
    if isinstance(given, Engine):
        with given.connect() as connection, borrowed(connection):
            yield connection
        return
    if given.dialect.name != "sqlite":
        yield given
        return
    if given.in_transaction():
        raise MigratorError(
            "The connection given to the migrations is in a transaction, where SQLite cannot make "
            "them safe: commit or roll back before you pass it."
        )
    driver_connection: Any = given.connection.driver_connection
    if driver_connection.execute("PRAGMA foreign_keys").fetchone()[0]:
        raise MigratorError(
            "The connection given to the migrations has foreign keys on, so rebuilding a table "
            "would delete its children: run PRAGMA foreign_keys = OFF before you pass it."
        )
    before = driver_connection.isolation_level
    driver_connection.isolation_level = None
    event.listen(given, "begin", _begin_immediate)
    try:
        yield given
    finally:
        given.rollback()
        event.remove(given, "begin", _begin_immediate)
        driver_connection.isolation_level = before


def label(url: URL) -> str:
    """Name a database for a person: without its password."""
    secret = {key: "***" for key in url.query if "password" in key.lower()}
    return url.update_query_dict(secret).render_as_string(hide_password=True)


def violations(connection: Connection) -> set[tuple[Any, ...]]:
    """Return the rows of a SQLite database that point to nothing: table, rowid, parent, key."""
    return {tuple(row) for row in connection.execute(text("PRAGMA foreign_key_check"))}
