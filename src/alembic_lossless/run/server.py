"""What a database server is asked beside the migrations themselves."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread
from typing import Any

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from .. import compat
from ..quoting import quote
from .connection import Target, private

#: A lock was not to be had in time, or two waited for each other; a second attempt may succeed.
LOCK_TIMEOUT = {"55P03", "40P01", 1205, 1213}
STATEMENT_TIMEOUT = {"57014", 1969, 3024}


def share(connection: Connection, target: Target) -> None:
    """Let the application's role use the tables that the migration role makes from now on.

    On PostgreSQL a table belongs to the role that made it, and nobody else may read it; default
    privileges (https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html) change
    that. Where somebody has set some already, they are left alone.
    """
    if connection.dialect.name != "postgresql" or not target.has_role or target.engine is None:
        return
    application = target.engine.url.username
    asked = (
        "SELECT current_user AS migrator, current_schema() AS schema, to_regrole(:quoted) AS role,"
        " (SELECT count(*) FROM pg_default_acl a JOIN pg_roles r ON r.oid = a.defaclrole"
        "  WHERE r.rolname = current_user AND a.defaclobjtype = 'r') AS known"
    )
    roles = connection.execute(text(asked), {"quoted": quote(application or "")}).one()
    if application and roles.role is None:
        target.echo(f"The server has no role {application}, so nothing was granted to it.")
    elif application not in (None, "", roles.migrator) and not roles.known:
        ours = f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quote(roles.schema)} GRANT "
        role = quote(application)
        cursor = connection.connection.cursor()
        cursor.execute(f"{ours} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}")
        cursor.execute(f"{ours} USAGE, SELECT ON SEQUENCES TO {role}")
        target.echo(f"Tables that {roles.migrator} makes from now on can be used by {application}.")
    connection.commit()


def hurry(connection: Connection) -> None:
    """On PostgreSQL let no commit from now on wait for the disk, for a long chain's sake.

    They reach it in their order, so that a server that dies takes back the last of them whole, with
    what the log and the version say of them
    (https://www.postgresql.org/docs/current/wal-async-commit.html).
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET synchronous_commit = off")
        connection.commit()


def be_durable(connection: Connection) -> None:
    """End :func:`hurry`: the next commit returns when it and all before it are on the disk."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("RESET synchronous_commit")
        connection.commit()


def session(connection: Connection) -> int:
    """Return the number by which the server knows this connection."""
    postgresql = connection.dialect.name == "postgresql"
    function = "pg_backend_pid()" if postgresql else "connection_id()"
    return int(connection.exec_driver_sql(f"SELECT {function}").scalar_one())


#: Where a session of PostgreSQL's pg_stat_activity comes from; NULL where it is not told.
CLIENT = "coalesce(host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'this host' END)"

_BLOCKERS = {
    # A role without pg_monitor sees the number and the user of others alone. Number 0 is a
    # prepared transaction.
    "postgresql": (
        f"SELECT b.pid, coalesce(a.usename, a.backend_type), {CLIENT}, a.xact_start, a.state"
        " FROM unnest(pg_blocking_pids(:session)) b (pid) LEFT JOIN pg_stat_activity a USING (pid)"
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
        describe_session(row[0], row[1], row[2], {"{}": row[4], "transaction since {}": row[3]})
        if row[0]
        else "a prepared transaction (SELECT * FROM pg_prepared_xacts)"
        for row in rows
    ]


def describe_session(
    number: int, user: str | None, client: str | None, facts: Mapping[str, object]
) -> str:
    """Name a session of a server for a person, with what the server told of it and no more.

    :param facts: how each is put, and the fact itself; None where it was not told.
    """
    known = [user, client and f"from {client}"]
    who = " ".join(word for word in known if word)
    phrases = [words.format(fact) for words, fact in facts.items() if fact is not None]
    details = ", ".join(filter(None, [who, *phrases]))
    return f"session {number} ({details})" if details else f"session {number}"


@contextmanager
def naming_blockers(
    connection: Connection, after: float, say: Callable[[str], None]
) -> Iterator[None]:
    """While the body waits for a lock longer than *after* seconds, name who holds it, once."""
    url, number, done = connection.engine.url, session(connection), Event()

    def look() -> None:
        if not done.wait(after):
            is_async = url.get_dialect().is_async
            ask: Any = partial(compat.run_with_event_loop, blockers) if is_async else blockers
            for name in ask(url, number):
                say(f"Waiting for {name}.")

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
