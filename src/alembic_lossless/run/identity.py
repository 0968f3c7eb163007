"""Which database a connection reaches, and where: asked of the server itself.

A URL does not say it. A pooler, a tunnel, a service file, ``PGHOSTADDR`` or ``read_default_file``
lead elsewhere than it reads, and two URLs of different hosts may lead to one database.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from .. import compat
from ..errors import MigrationError
from ..quoting import qualified
from ..schema.own_tables import version_table
from .connection import Target, label, sqlite_file


@dataclass(frozen=True)
class Identity:
    """What a server says of the database that a connection reaches.

    :param server: the server's own identifier; None where the role may not ask for it.
    :param started: when it was started; None for a replica, and for MySQL and MariaDB.
    :param schema: where new tables are created; for MySQL and MariaDB the database.
    """

    server: str | None
    database: str
    started: object
    schema: str | None


_POSTGRESQL = (
    "SELECT current_database(), current_schema(),"
    " CASE WHEN NOT pg_is_in_recovery() THEN pg_postmaster_start_time() END"
)
_POSTGRESQL_SERVER = "SELECT system_identifier::text FROM pg_control_system()"
_MYSQL_SERVER = (
    "SHOW VARIABLES WHERE variable_name IN ('server_uid', 'server_uuid', 'hostname', 'port')"
)


def identify(connection: Connection) -> Identity:
    """Ask the server of *connection*, which is in no transaction, for the database's identity.

    :raises DBAPIError: where it does not tell.
    """
    try:
        if connection.dialect.name == "postgresql":
            database, schema, started = connection.exec_driver_sql(_POSTGRESQL).one()
            return Identity(_postgresql_server(connection), database, started, schema)
        database = connection.exec_driver_sql("SELECT database()").scalar_one()
        facts = {row[0]: row[1] for row in connection.exec_driver_sql(_MYSQL_SERVER)}
        # MySQL calls it server_uuid; MariaDB has had server_uid since 10.11.9.
        server = facts.get("server_uuid") or facts.get("server_uid")
        server = server or f"{facts.get('hostname')}:{facts.get('port')}"
        return Identity(server, database, None, database)
    finally:
        connection.rollback()


def _postgresql_server(connection: Connection) -> str | None:
    try:
        return str(connection.exec_driver_sql(_POSTGRESQL_SERVER).scalar_one())
    except DBAPIError:
        return None


def differ(first: Identity, second: Identity) -> bool:
    """Tell whether two identities are of two databases.

    A server that was restored from another's disk has its identifier, and was started by itself.
    """
    servers = {first.server, second.server} - {None}
    starts = {first.started, second.started} - {None}
    return first.database != second.database or len(servers) > 1 or len(starts) > 1


def require_same_database(target: Target, connection: Connection | None = None) -> None:
    """Make sure that the migrations' URL names the database that the application uses.

    Nobody is asked for a password, and no database is created. Where one of the two cannot be
    asked, the names of the databases are compared: behind a pooler host and port differ by design.

    :param connection: to the database of *target*, where there is one already.
    :raises MigrationError: where it names another, with exit code 2.
    """
    engine, url = target.engine, target.url
    if not target.has_role or engine is None or target.settings.same_database:
        return
    if _is_same(engine, target, connection):
        return
    raise MigrationError(
        f"The application uses {label(engine.url)}, and the migrations' own URL "
        f"(SQLALCHEMY_ALEMBIC_URI or MIGRATION_URL) names {label(url)}, another database: the "
        "application's would stay as it is. Correct the URL; or set MIGRATION_SAME_DATABASE = True "
        "where both are known to be one database.",
        2,
    )


def _is_same(engine: Engine, target: Target, connection: Connection | None) -> bool:
    url = target.url
    if Target(engine.url).kind != target.kind:
        return False
    if target.kind == "sqlite":
        files = sqlite_file(engine.url), sqlite_file(url)
        return None not in files and len({os.path.realpath(str(file)) for file in files}) == 1
    if _place(engine.url) == _place(url):
        return True
    application = _ask(_beside(engine))
    if connection is not None:
        migrations: Identity | None = identify(connection)
    else:
        migrations = _ask(target.with_known_password().private_engine(read_only=True))
    if application is None or migrations is None:
        return _named(engine.url) == _named(url)
    return not differ(application, migrations)


def _place(url: URL) -> tuple[object, ...]:
    # Flask-SQLAlchemy adds a character set to the application's own URL on MySQL.
    query = {name: value for name, value in url.query.items() if name != "charset"}
    return url.host, url.port, _named(url), query


def _named(url: URL) -> str | None:
    # PostgreSQL's default is a database that is called like the role.
    return url.database or url.username


def _beside(engine: Engine) -> Engine:
    """Return an engine that connects as the application does; poolers take no settings of ours."""

    def wait_less(driver: str, options: dict[str, Any]) -> bool:
        if driver.startswith("psycopg"):
            options.setdefault("connect_timeout", 10)
        return True

    return compat.engine_beside(engine, engine.url, wait_less)[0]


def _ask(engine: Engine) -> Identity | None:
    try:
        with engine.connect() as connection:
            return identify(connection)
    except DBAPIError:
        return None


def require_one_schema(connection: Connection, target: Target) -> None:
    """Make sure that PostgreSQL creates new tables where the application and Alembic look.

    The search path of a role begins with the schema that is called like the role, as soon as there
    is one. A ``version_table_schema`` in env.py says that the schemas are meant.

    :param connection: to the database, with the search path that the migrations will have.
    :raises MigrationError: where that is another schema, with exit code 2.
    """
    versions = version_table()
    if connection.dialect.name != "postgresql" or versions.schema:
        return
    row = connection.execute(
        text(
            "SELECT current_user AS role, current_database() AS database,"
            " current_schema() AS schema,"
            " (SELECT nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            "  WHERE c.oid = to_regclass(:table)) AS versions"
        ),
        {"table": versions.quoted(connection.dialect)},
    ).one()
    connection.rollback()
    expected, reader = row.versions, f"{versions.name} is"
    if expected is None and target.has_role and target.engine is not None:
        # Its first revision comes now; the application is where a later one would miss the tables.
        application = _ask(_beside(target.engine))
        expected, reader = application and application.schema, "the application looks"
    if expected in (None, row.schema):
        return
    role, database, schema = (
        qualified(connection.dialect, name) for name in (row.role, row.database, expected)
    )
    raise MigrationError(
        f"New tables would be created in schema {row.schema}, and {reader} in schema {expected}: "
        "the application would not find them. Let the role that migrates "
        f"create them there, and run again: ALTER ROLE {role} IN DATABASE {database} SET "
        f"search_path = {schema}; or set version_table_schema in env.py where both are meant.",
        2,
    )


def schema_kept(connection: Connection, target: Target) -> Callable[[], None]:
    """Return what is called between two revisions, and refuses to go on after one that made the
    schema with which the search path begins.

    A revision that sets the search path itself is let be.

    :param connection: to the database, before the first of them.
    """
    if connection.dialect.name != "postgresql":
        return lambda: None
    path = _search_path(connection)

    def look() -> None:
        if _search_path(connection) == path:
            require_one_schema(connection, target)

    return look


def _search_path(connection: Connection) -> str:
    path = str(connection.exec_driver_sql("SHOW search_path").scalar_one())
    connection.rollback()
    return path


def require_this_machine(connection: Connection, target: Target) -> None:
    """Make sure that a database that is about to be dropped is on this machine.

    The server has to say that it is reached through a loopback address or a socket, and by the
    connection that begins here: behind a tunnel it says the same of another.

    :raises MigrationError: where it does not, and ``MIGRATION_DEVELOPMENT_SERVER`` does not name
        that server.
    """
    place = _where(connection)
    identity = identify(connection)
    if place is None or identity.server == (target.settings.development_server or None):
        return
    allow = (
        " Where it is your development server, say which, in the same place as "
        f'MIGRATION_DEVELOPMENT: MIGRATION_DEVELOPMENT_SERVER = "{identity.server}".'
    )
    raise MigrationError(
        f"{label(target.url)} is not on this machine: {place}. It would be dropped, so nothing was "
        f"changed. Correct the URL, or end the tunnel.{allow if identity.server else ''}"
    )


def _where(connection: Connection) -> str | None:
    """Say where the server is; None where it is on this machine."""
    if connection.dialect.name == "postgresql":
        address, port = connection.exec_driver_sql(
            "SELECT host(inet_server_addr()), inet_client_port()"
        ).one()
        connection.rollback()
        place = f"the server's address is {address}"
    else:
        client = connection.exec_driver_sql(
            "SELECT host FROM information_schema.processlist WHERE id = connection_id()"
        ).scalar_one()
        connection.rollback()
        address, _, number = str(client).rpartition(":") if ":" in str(client) else (client, "", "")
        port = int(number) if number.isdigit() else None
        place = f"the server is asked from {address}"
    if address not in (None, "localhost") and not _is_loopback(address):
        return place
    local = _local_port(connection)
    if local is not None and local != (port or 0):
        return "its connection is forwarded, by a tunnel or a proxy"
    return None


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _local_port(connection: Connection) -> int | None:
    """Return the port of our end; 0 for a socket of the file system, None where it is unknown."""
    driver_connection: Any = connection.connection.driver_connection
    # psycopg and psycopg2 have a fileno(), PyMySQL has the socket itself.
    end = getattr(driver_connection, "_sock", None) or driver_connection
    with suppress(AttributeError, OSError, ValueError):
        with socket.socket(fileno=os.dup(end.fileno())) as copy:
            name = copy.getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0
    return None
