"""What a database server is asked beside the migrations themselves."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from .. import MigratorError
from .connection import private

#: A lock was not to be had in time, or two waited for each other; a second attempt may succeed.
LOCK_TIMEOUT = {"55P03", "40P01", 1205, 1213}
STATEMENT_TIMEOUT = {"57014", 1969, 3024}

_MAY_NOT_CREATE = {"42501", 1044, 1227}
_MADE_MEANWHILE = {"42P04", "23505", 1007}


def code(error: BaseException) -> str | int | None:
    """Return the server's own code of *error*: PostgreSQL's SQLSTATE, MySQL's number."""
    driver_error = getattr(error, "orig", error)
    number = driver_error.args[0] if driver_error.args else None
    return number if isinstance(number, int) else getattr(driver_error, "sqlstate", None)


def reason(error: BaseException) -> str:
    """Say what went wrong on one line: in the server's words, where it was the server."""
    driver_error = getattr(error, "orig", None)
    words = driver_error.args[-1] if driver_error is not None and driver_error.args else error
    name = "" if driver_error is not None else f"{type(error).__name__}: "
    lines = (name + str(words).strip()).splitlines()
    detail = [line for line in lines[1:2] if line.startswith("DETAIL:")]
    return " ".join([lines[0], *detail]).rstrip(". ")


def wants_password(error: DBAPIError) -> bool:
    """Tell whether the server refused an attempt because it carried no password."""
    handle = getattr(error.orig, "pgconn", None)
    return bool(handle.needs_password) if handle is not None else code(error) == 1045


def advice(url: URL, error: DBAPIError) -> str:
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


def create_missing(url: URL, error: DBAPIError, say: Callable[[str], None]) -> bool:
    """Make the database of *url* when the server has none by that name.

    :return: whether it is there now, so that connecting again is worthwhile.
    :raises MigratorError: when it is missing and the role may not make it.
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
            raise MigratorError(f"Cannot create the database {url.database}: {refused}.") from None
        raise MigratorError(
            f"There is no database {url.database}, and {url.username} may not create it; ask the "
            f"administrator for: {'; '.join(_wanted(url))}"
        ) from None
    say(f"Created the database {url.database}.")
    return True


def _wanted(url: URL) -> list[str]:
    database, role = url.database or "", url.username or ""
    if url.get_backend_name() == "postgresql":
        return [f"CREATE DATABASE {_quoted(database)}"]
    name = _quoted(database, "`")
    return [
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
        f"GRANT ALL ON {name}.* TO {_quoted(role)}",
    ]


def _quoted(name: str, mark: str = '"') -> str:
    return mark + name.replace(mark, mark * 2) + mark


def share(connection: Connection, settings: Mapping[str, Any], say: Callable[[str], None]) -> None:
    """Let the application's role use the tables that the migration role makes from now on.

    On PostgreSQL a table belongs to the role that made it, and nobody else may read it; default
    privileges (https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html) change
    that. Where somebody has set some already, they are left alone.
    """
    if connection.dialect.name != "postgresql" or not settings.get("SQLALCHEMY_ALEMBIC_URI"):
        return
    application = settings["SQLALCHEMY_DATABASE_URI"].username
    asked = (
        "SELECT current_user AS migrator, current_schema() AS schema, to_regrole(:quoted) AS role,"
        " (SELECT count(*) FROM pg_default_acl a JOIN pg_roles r ON r.oid = a.defaclrole"
        "  WHERE r.rolname = current_user AND a.defaclobjtype = 'r') AS known"
    )
    found = connection.execute(text(asked), {"quoted": _quoted(application or "")}).one()
    if application and found.role is None:
        say(f"The server has no role {application}, so nothing was granted to it.")
    elif application not in (None, "", found.migrator) and not found.known:
        ours = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {_quoted(found.schema)} GRANT "
        role = _quoted(application)
        cursor = connection.connection.cursor()
        cursor.execute(f"{ours} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}")
        cursor.execute(f"{ours} USAGE, SELECT ON SEQUENCES TO {role}")
        say(f"Tables that {found.migrator} makes from now on can be used by {application}.")
    connection.commit()


def session(connection: Connection) -> int:
    """Return the number by which the server knows this connection."""
    postgresql = connection.dialect.name == "postgresql"
    function = "pg_backend_pid()" if postgresql else "connection_id()"
    return int(connection.exec_driver_sql(f"SELECT {function}").scalar_one())


_BLOCKERS = {
    "postgresql": (
        "SELECT pid, usename, coalesce(host(client_addr), 'this host'), xact_start, state"
        " FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(:session))"
    ),
    # Which session holds a metadata lock cannot be asked without a plugin; the oldest open
    # transaction is the one to look at.
    "mysql": (
        "SELECT p.id, p.user, p.host, t.trx_started, p.command FROM information_schema.innodb_trx t"
        " JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id"
        " WHERE p.id NOT IN (:session, connection_id()) ORDER BY t.trx_started LIMIT 1"
    ),
}


def blockers(url: URL, number: int) -> list[str]:
    """Name the sessions that *number* waits for; none where the role may not ask."""
    kind = "postgresql" if url.get_backend_name() == "postgresql" else "mysql"
    try:
        with private(url).connect() as connection:
            rows = connection.execute(text(_BLOCKERS[kind]), {"session": number}).all()
    except DBAPIError:
        return []
    return [
        f"session {row[0]} ({row[1]} from {row[2]}, {row[4]}, transaction since {row[3]})"
        for row in rows
    ]


@contextmanager
def naming_blockers(
    connection: Connection, after: float, say: Callable[[str], None]
) -> Iterator[None]:
    """While the body waits for a lock longer than *after* seconds, name who holds it, once."""
    url, number, done = connection.engine.url, session(connection), Event()

    def look() -> None:
        if not done.wait(after):
            for name in blockers(url, number):
                say(f"Waiting for {name}.")

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
