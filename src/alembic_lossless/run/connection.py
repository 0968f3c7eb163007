"""A connection of the migrations' own, apart from the application's."""

import getpass
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from .engine import Limits, label, private
from .server import code, quoted, reason

__all__ = ["Limits", "borrowed", "connect", "label", "private", "violations"]

_MAY_NOT_CREATE = {"42501", 1044, 1227}
_MADE_MEANWHILE = {"42P04", "23505", 1007}


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

    :raises MigrationError: when there is no such password, database or server.
    """
    own = bool(settings.get("SQLALCHEMY_ALEMBIC_URI")) and not url.password
    if own and settings.get("MIGRATION_PASSWORD"):
        url = url.set(password=str(settings["MIGRATION_PASSWORD"]))
    while True:
        try:
            return private(url, limits, read_only=read_only, say=say).connect()
        except DBAPIError as error:
            if own and not url.password and _wants_password(error):
                url = url.set(password=_ask(url))
            elif read_only or not _create_missing(url, error, say):
                raise MigrationError(
                    f"Cannot connect to {label(url)}: {reason(error)}. " + _advice(url, error)
                ) from None


def _ask(url: URL) -> str:
    if not sys.stdin.isatty():
        raise MigrationError(
            f"{label(url)} asks for a password: set MIGRATION_PASSWORD, or run this on a terminal."
        )
    password = getpass.getpass(f"Password of {url.username} for {label(url)}: ")
    if not password:
        raise MigrationError("No password was typed, and the server wants one.")
    return password


@contextmanager
def borrowed(given: Connection | Engine) -> Iterator[Connection]:
    """Run migrations on a connection that a caller gave, with transactions as in :func:`private`.

    :param given: the connection, or an engine that makes one.
    :raises MigrationError: on SQLite, when it is in a transaction or holds foreign keys, because
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
        raise MigrationError(
            "The connection given to the migrations is in a transaction, where SQLite cannot make "
            "them safe: commit or roll back before you pass it."
        )
    driver_connection: Any = given.connection.driver_connection
    if driver_connection.execute("PRAGMA foreign_keys").fetchone()[0]:
        raise MigrationError(
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


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _wants_password(error: DBAPIError) -> bool:
    """Tell whether the server refused an attempt because it carried no password."""
    handle = getattr(error.orig, "pgconn", None)
    return bool(handle.needs_password) if handle is not None else code(error) == 1045


def _advice(url: URL, error: DBAPIError) -> str:
    """Say what to type after a connection failed."""
    if "startup parameter" in str(error):
        return (
            "That is PgBouncer, through which migrations cannot be locked: name the server itself "
            "in SQLALCHEMY_ALEMBIC_URI."
        )
    if code(error) == 1044:
        return "Ask the administrator for: " + "; ".join(_wanted(url))
    if url.get_backend_name() == "sqlite":
        return "Make its folder, let this account write there, and run again."
    return "Correct the URI or the password, or start the server, and run again."


def _create_missing(url: URL, error: DBAPIError, say: Callable[[str], None]) -> bool:
    """Make the database of *url* when the server has none by that name.

    :return: whether it is there now, so that connecting again is worthwhile.
    :raises MigrationError: when it is missing and the role may not make it.
    """
    kind = url.get_backend_name()
    if "timeout" in str(error.orig):
        return False
    if kind == "postgresql":
        beside = url.set(database="postgres")
    elif kind in ("mysql", "mariadb") and code(error) == 1049:
        beside = url._replace(database=None)
    else:
        return False
    engine = private(beside).execution_options(isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            known = text("SELECT count(*) FROM pg_database WHERE datname = :name")
            if kind == "postgresql" and connection.scalar(known, {"name": url.database}):
                return False
            # By the driver itself: a name may hold a colon or a percent sign.
            connection.connection.cursor().execute(_wanted(url)[0])
    except DBAPIError:
        return False  # The first error says more.
    except Exception as refused:
        if code(refused) in _MADE_MEANWHILE:
            return True
        if code(refused) not in _MAY_NOT_CREATE:
            raise MigrationError(f"Cannot create the database {url.database}: {refused}.") from None
        raise MigrationError(
            f"There is no database {url.database}, and {url.username} may not create it; ask the "
            f"administrator for: {'; '.join(_wanted(url))}"
        ) from None
    say(f"Created the database {url.database}.")
    return True


def _wanted(url: URL) -> list[str]:
    database, role = url.database or "", url.username or ""
    if url.get_backend_name() == "postgresql":
        return [f"CREATE DATABASE {quoted(database)}"]
    name = quoted(database, "`")
    return [
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
        f"GRANT ALL ON {name}.* TO {quoted(role)}",
    ]


def violations(connection: Connection) -> set[tuple[Any, ...]]:
    """Return the rows of a SQLite database that point to nothing: table, rowid, parent, key."""
    driver_connection: Any = connection.connection.driver_connection
    return set(driver_connection.execute("PRAGMA foreign_key_check"))
