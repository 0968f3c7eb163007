"""Connections of the migrations' own, apart from the application's."""

import getpass
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError

from .. import compat, hints
from ..errors import MigrationError, code, reason
from ..quoting import quote
from ..settings import Limits, Settings
from . import sqlite_busy
from .permissions import require_writable, why_not_writable

Echo = Callable[[str], None]

#: A setting that PostgreSQL's sessions of ours carry: where it is missing, a pooler dropped it.
OURS = "alembic_lossless.session"

_MAY_NOT_CREATE = {"42501", 1044, 1227}
_MADE_MEANWHILE = {"42P04", "23505", 1007}


@dataclass(frozen=True)
class Target:
    """The database that is migrated.

    :param url: as the role that migrates, which may be another than the application's.
    :param engine: the project's own, whose driver, options and connect listeners are taken over.
    :param echo: prints a line for a person.
    """

    url: URL
    engine: Engine | None = None
    settings: Settings = field(default_factory=Settings)
    echo: Echo = print

    @classmethod
    def of(cls, engine: Engine, settings: Settings, echo: Echo = print) -> "Target":
        """Return the target of a project whose own engine is *engine*."""
        url = engine.url if settings.url is None else _with_driver(settings.url, engine.url)
        return cls(url, engine, settings, echo)

    @property
    def kind(self) -> str:
        """Name the kind of database; MariaDB is a mysql."""
        name = self.url.get_backend_name()
        return "mysql" if name == "mariadb" else name

    @property
    def is_in_memory(self) -> bool:
        """Tell whether the database is SQLite's, in the memory of one connection."""
        return self.kind == "sqlite" and sqlite_file(self.url) is None

    @property
    def has_role(self) -> bool:
        """Tell whether another role than the application's migrates."""
        return self.settings.url is not None

    def private_engine(self, limits: Limits | None = None, *, read_only: bool = False) -> Engine:
        """Return an engine of the migrations' own for this database; see :func:`private`."""
        engine = self.engine
        same_driver = engine is not None and engine.url.drivername == self.url.drivername
        return private(
            engine if engine is not None and same_driver else self.url,
            limits,
            url=self.url,
            read_only=read_only,
            echo=self.echo,
        )

    def connect(self, limits: Limits | None = None, *, read_only: bool = False) -> Connection:
        """Connect as the role that migrates, and create the database where there is none.

        The password is the URL's, or else ``MIGRATION_PASSWORD``; where both are missing and the
        server refused the attempt without one (peer authentication, ``.pgpass`` and the like need
        none), it is asked for on the terminal.

        :raises MigrationError: where there is no such password, database or server.
        """
        file = sqlite_file(self.url)
        if file is not None and not read_only:
            require_writable(file)
        target, asks = self.with_known_password(), self.has_role and not self.url.password
        while True:
            try:
                return target.private_engine(limits, read_only=read_only).connect()
            except DBAPIError as error:
                url = target.url
                if asks and not url.password and _wants_password(error):
                    target = target._with_password(_ask_password(url))
                elif read_only or not target._create_missing(error):
                    raise MigrationError(
                        f"Cannot connect to {label(url)}: {reason(error)}. {_advice(url, error)}"
                    ) from None

    def with_known_password(self) -> "Target":
        """Return the target with ``MIGRATION_PASSWORD`` where the role's URL holds none."""
        missing = self.has_role and not self.url.password and self.settings.password
        return self._with_password(self.settings.password) if missing else self

    def _with_password(self, password: str) -> "Target":
        return Target(self.url.set(password=password), self.engine, self.settings, self.echo)

    def _create_missing(self, error: DBAPIError) -> bool:
        """Create the database when the server has none by that name.

        :return: whether it is there now, so that connecting again is worthwhile.
        :raises MigrationError: when it is missing and the role may not create it.
        """
        url = self.url
        if "timeout" in str(error.orig):
            return False
        if self.kind == "postgresql":
            beside = url.set(database="postgres")
        elif self.kind == "mysql" and code(error) == 1049:
            beside = url._replace(database=None)
        else:
            return False
        engine = private(beside).execution_options(isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                known = text("SELECT count(*) FROM pg_database WHERE datname = :name")
                if self.kind == "postgresql" and connection.scalar(known, {"name": url.database}):
                    return False
                # By the driver itself: a name may hold a colon or a percent sign.
                connection.connection.cursor().execute(_creation(url)[0])
        except DBAPIError:
            return False  # The first error says more.
        except Exception as refused:
            if code(refused) in _MADE_MEANWHILE:
                return True
            if code(refused) not in _MAY_NOT_CREATE:
                raise MigrationError(
                    f"Cannot create the database {url.database}: {refused}."
                ) from None
            raise MigrationError(
                f"There is no database {url.database}, and {url.username} may not create it; ask "
                f"the administrator for: {'; '.join(_creation(url))}"
            ) from None
        self.echo(f"Created the database {url.database}.")
        return True


def private(
    source: URL | Engine,
    limits: Limits | None = None,
    *,
    url: URL | None = None,
    read_only: bool = False,
    echo: Echo = print,
) -> Engine:
    """Return an engine for migrations, which shares no connection with the application's.

    On SQLite a transaction is one, DDL included: the driver begins none by itself, and each
    begins with ``BEGIN IMMEDIATE``, so that it waits for another writer here rather than fail
    later. Foreign keys are off, because a table that is rebuilt would take its children with it
    (https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").

    On servers the limits are the session's from its start: a ``SET`` before the first statement
    would open a transaction that nobody commits.

    :param source: the project's own engine, whose driver, options and connect listeners are taken
        over, or a URL.
    :param url: the database, where it or the role is another than *source*'s.
    :param read_only: on SQLite take no lock, and write nothing.
    :param echo: tells a person whom SQLite waits for.
    """
    limits = limits or Limits()
    url = url or (source.url if isinstance(source, Engine) else source)
    kind = url.get_backend_name()
    if isinstance(source, URL):
        source = _engine(source)
    add = partial(_add_limits, limits) if kind == "postgresql" else _add_nothing
    engine, added = compat.engine_beside(source, url, add)
    if kind == "sqlite":
        patience = sqlite_busy.Patience(sqlite_file(url), limits.wait, echo)
        event.listen(engine, "connect", _prepare_sqlite(patience, read_only))
        if not read_only:
            event.listen(engine, "begin", patience.begin)
            event.listen(engine, "commit", patience.commit)
    elif kind == "postgresql" and not added:
        event.listen(engine, "connect", _prepare_postgresql(limits))
    elif kind in ("mysql", "mariadb"):
        event.listen(engine, "connect", _prepare_mysql(limits))
    return engine


def _with_driver(url: URL, application: URL) -> URL:
    """Return *url* with the application's driver where it names none, as hosts write them."""
    kinds = [
        {"postgres": "postgresql", "mariadb": "mysql"}.get(name, name)
        for name in (url.get_backend_name(), application.get_backend_name())
    ]
    if "+" in url.drivername or kinds[0] != kinds[1]:
        return url
    return url.set(drivername=application.drivername)


def _engine(url: URL) -> Engine:
    try:
        return create_engine(url, poolclass=NullPool)
    except (ImportError, NoSuchModuleError) as error:
        raise MigrationError(
            f"Nothing can connect to {label(url)}: {error}. Install that driver, or name one that "
            "is installed, such as postgresql+psycopg:// or mysql+pymysql://.",
            2,
        ) from None


def _add_nothing(_driver: str, _options: dict[str, Any]) -> bool:
    return True


def _settings(limits: Limits) -> dict[str, str]:
    return {
        "lock_timeout": str(round(limits.lock * 1000)),
        "statement_timeout": str(round(limits.statement * 1000)),
        OURS: "on",
    }


def _add_limits(limits: Limits, driver: str, options: dict[str, Any]) -> bool:
    """Put the limits into what PostgreSQL is told at the start of a session.

    :return: whether this *driver* has a place for it.
    """
    if driver == "asyncpg":
        options["server_settings"] = {**options.get("server_settings", {}), **_settings(limits)}
    elif driver.startswith("psycopg"):
        words = (f"-c {name}={value}" for name, value in _settings(limits).items())
        options["options"] = " ".join(filter(None, [options.get("options", ""), *words]))
        options.setdefault("connect_timeout", 10)
    else:
        return False
    return True


def _prepare_sqlite(patience: sqlite_busy.Patience, read_only: bool) -> Callable[..., None]:
    def prepare(dbapi_connection: Any, _record: Any) -> None:
        dbapi_connection.isolation_level = None
        sqlite_busy.run(dbapi_connection, "PRAGMA foreign_keys = OFF")
        patience.prepare(dbapi_connection)
        sqlite_busy.run(dbapi_connection, f"PRAGMA query_only = {int(read_only)}")

    return prepare


def _prepare_postgresql(limits: Limits) -> Callable[..., None]:
    def prepare(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        for name, value in _settings(limits).items():
            cursor.execute(f"SELECT set_config('{name}', '{value}', false)")
        cursor.close()
        dbapi_connection.commit()

    return prepare


#: Without it MySQL and MariaDB cut what does not fit, and write 0 for NULL, with a warning. Nothing
#: else is added: with NO_ZERO_DATE a table that holds such dates could not be altered.
STRICT = (
    "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_TRANS_TABLES')"
)


def _prepare_mysql(limits: Limits) -> Callable[..., None]:
    lock = max(1, round(limits.lock)) if limits.lock else 31536000

    def prepare(dbapi_connection: Any, _record: Any) -> None:
        cursor = dbapi_connection.cursor()
        cursor.execute(f"SET SESSION lock_wait_timeout = {lock}, innodb_lock_wait_timeout = {lock}")
        cursor.execute(STRICT)
        cursor.execute("SELECT version()")
        if "mariadb" in str(cursor.fetchone()[0]).lower():  # MySQL can only limit a SELECT
            cursor.execute(f"SET SESSION max_statement_time = {limits.statement}")
        cursor.close()

    return prepare


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database; None in memory, and for other databases."""
    name = url.database or ""
    if url.get_backend_name() != "sqlite" or name in ("", ":memory:"):
        return None
    if not name.startswith("file:"):
        return Path(name).absolute()
    parts = urlsplit(name)
    modes = [*parse_qs(parts.query).get("mode", []), url.query.get("mode")]
    in_memory = "memory" in modes or parts.path == ":memory:"
    return None if in_memory else Path(unquote(parts.path)).absolute()


def inside(url: URL, folder: Path) -> URL:
    """Return *url* with its SQLite file inside *folder* where its path is a relative one."""
    if sqlite_file(url) is None:
        return url
    name = url.database or ""
    scheme = "file:" if name.startswith("file:") else ""
    return url.set(database=scheme + str(folder / name.removeprefix(scheme)))


def label(url: URL) -> str:
    """Name a database for a person: without its password."""
    secret = {key: "***" for key in url.query if "password" in key.lower()}
    return url.update_query_dict(secret).render_as_string(hide_password=True)


def _ask_password(url: URL) -> str:
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

    On SQLite its foreign keys are switched off meanwhile, and back on after; on MySQL and MariaDB
    its session is strict meanwhile.

    :param given: the connection, or an engine that makes one.
    :raises MigrationError: on SQLite, when it is in a transaction, which cannot be put right here.
    """
    if isinstance(given, Engine):
        with given.connect() as connection, borrowed(connection):
            yield connection
        return
    if given.dialect.name in ("mysql", "mariadb"):
        with _strict(given):
            yield given
        return
    if given.dialect.name != "sqlite":
        yield given
        return
    if given.in_transaction():
        raise MigrationError(
            "The connection given to the migrations is in a transaction, where SQLite cannot make "
            "them safe: commit or roll back before you pass it."
        )
    dbapi_connection: Any = given.connection.dbapi_connection
    foreign_keys = sqlite_busy.run(dbapi_connection, "PRAGMA foreign_keys")[0]
    isolation_level = dbapi_connection.isolation_level
    dbapi_connection.isolation_level = None
    sqlite_busy.run(dbapi_connection, "PRAGMA foreign_keys = OFF")
    event.listen(given, "begin", _begin_immediate)
    try:
        yield given
    finally:
        given.rollback()
        event.remove(given, "begin", _begin_immediate)
        sqlite_busy.run(dbapi_connection, f"PRAGMA foreign_keys = {foreign_keys}")
        dbapi_connection.isolation_level = isolation_level


@contextmanager
def _strict(given: Connection) -> Iterator[None]:
    session = given.connection.dbapi_connection
    (mode,) = sqlite_busy.run(session, "SELECT @@SESSION.sql_mode")
    sqlite_busy.run(session, STRICT)
    try:
        yield
    finally:
        if not given.closed and not given.invalidated:
            sqlite_busy.run(session, f"SET SESSION sql_mode = '{mode}'")


def _begin_immediate(connection: Connection) -> None:
    dbapi_connection: Any = connection.connection.dbapi_connection
    if not sqlite_busy.in_transaction(
        dbapi_connection
    ):  # a listener of the project's may have begun it
        sqlite_busy.run(dbapi_connection, "BEGIN IMMEDIATE")


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
    if code(error) == 1049 or f'database "{url.database}" does not exist' in str(error):
        return f"Correct the URI; or create the database: {hints.command('upgrade')}"
    if code(error) == 1044:
        return "Ask the administrator for: " + "; ".join(_creation(url))
    if url.get_backend_name() == "sqlite":
        file = sqlite_file(url)
        advice = file and why_not_writable(file)
        return advice or "Correct the URL, or restore the file, and run again."
    return "Correct the URI or the password, or start the server, and run again."


def _creation(url: URL) -> list[str]:
    """Return the statements that create the database of *url*."""
    database, role = url.database or "", url.username or ""
    if url.get_backend_name() == "postgresql":
        return [f"CREATE DATABASE {quote(database)}"]
    name = quote(database, "mysql")
    return [
        f"CREATE DATABASE {name} CHARACTER SET utf8mb4",
        f"GRANT ALL ON {name}.* TO {quote(role)}",
    ]


@dataclass(frozen=True)
class ForeignKeys:
    """The foreign keys of a SQLite database, and what is wrong with them.

    :param tables: the tables' names in lower case.
    :param keys: table, column, and the table pointed to.
    :param broken: the keys to a table that is not there, or to columns of it that are not unique.
    :param orphans: the rows that point to nothing: table, rowid, parent, key.
    """

    tables: frozenset[str]
    keys: frozenset[tuple[str, str, str]]
    broken: frozenset[tuple[str, str, str]]
    orphans: frozenset[tuple[Any, ...]]


_MISMATCH = re.compile('foreign key mismatch - ".*" referencing "(.*)"')


def foreign_keys(connection: Connection) -> ForeignKeys:
    """Read the foreign keys of a SQLite database.

    :param connection: to the database, which is only read.
    """
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    tables = {name.lower(): name for (name,) in names}
    listed = connection.exec_driver_sql(
        'SELECT m.name, k."from", k."table" FROM sqlite_master AS m, '
        "pragma_foreign_key_list(m.name) AS k WHERE m.type = 'table'"
    )
    keys: set[tuple[str, str, str]] = {(key[0], key[1], key[2]) for key in listed}
    broken = {key for key in keys if key[2].lower() not in tables}
    orphans, parent = _orphans(connection)
    if parent:  # a key to what is not unique ends the check, so that each table is asked by itself
        for name in tables.values():
            rows, parent = _orphans(connection, name)
            orphans |= rows
            broken |= {key for key in keys if (key[0], key[2].lower()) == (name, parent.lower())}
    return ForeignKeys(frozenset(tables), frozenset(keys), frozenset(broken), frozenset(orphans))


def _orphans(connection: Connection, table: str = "") -> tuple[set[tuple[Any, ...]], str]:
    """Return the rows that point to nothing, and the table that a key cannot point to, if any."""
    dbapi_connection: Any = connection.connection.dbapi_connection
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute("PRAGMA foreign_key_check" + (f"({quote(table)})" if table else ""))
        return {tuple(row) for row in cursor.fetchall()}, ""
    except Exception as error:  # each driver has its own
        if mismatch := _MISMATCH.search(str(error)):
            return set(), mismatch[1]
        raise
    finally:
        cursor.close()
