"""Engines of the migrations' own: their limits, and what each session is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Engine, NullPool, create_engine, event

from ..errors import MigrationError
from . import sqlite_busy

#: A setting that PostgreSQL's sessions of ours carry: where it is missing, a pooler dropped it.
OURS = "alembic_lossless.session"


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

        :raises MigrationError: when one is not a number of seconds.
        """
        values = []
        for name, default in (("LOCK_WAIT", 300), ("LOCK_TIMEOUT", 2), ("STATEMENT_TIMEOUT", 3600)):
            value = settings.get(f"MIGRATION_{name}", default)
            try:
                values.append(max(0.0, float(value)))
            except (TypeError, ValueError):
                raise MigrationError(
                    f"MIGRATION_{name} is {value!r}: give a number of seconds."
                ) from None
        return cls(*values)


def private(
    url: URL,
    limits: Limits | None = None,
    *,
    read_only: bool = False,
    say: Callable[[str], None] = print,
) -> Engine:
    """Return an engine for migrations, which shares nothing with the application's.

    On SQLite a transaction is one, DDL included: the driver begins none by itself, and each
    begins with ``BEGIN IMMEDIATE``, so that it waits for another writer here rather than fail
    later. Foreign keys are off, because a table that is rebuilt would take its children with it
    (https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").

    On servers the limits are the session's from its start: a ``SET`` before the first statement
    would open a transaction that nobody commits.

    :param read_only: on SQLite take no lock, and write nothing.
    :param say: what tells a person whom SQLite waits for.
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
        patience = sqlite_busy.Patience(url.database or "", limits.wait, say)
        event.listen(engine, "connect", _prepare_sqlite(patience, read_only))
        if not read_only:
            event.listen(engine, "begin", patience.begin)
            event.listen(engine, "commit", patience.commit)
    elif kind in ("mysql", "mariadb"):
        event.listen(engine, "connect", _prepare_mysql(limits))
    return engine


def _prepare_sqlite(patience: sqlite_busy.Patience, read_only: bool) -> Callable[..., None]:
    def prepare(driver_connection: Any, _record: Any) -> None:
        driver_connection.isolation_level = None
        driver_connection.execute("PRAGMA foreign_keys = OFF")
        patience.prepare(driver_connection)
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


def label(url: URL) -> str:
    """Name a database for a person: without its password."""
    secret = {key: "***" for key in url.query if "password" in key.lower()}
    return url.update_query_dict(secret).render_as_string(hide_password=True)
