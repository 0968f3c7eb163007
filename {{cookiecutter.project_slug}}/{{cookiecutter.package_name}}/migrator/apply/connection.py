"""A connection of the migrations' own, apart from the application's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text

from .. import MigratorError


def private(url: URL) -> Engine:
    """Return an engine for migrations, which shares nothing with the application's.

    On SQLite a transaction is one, DDL included: the driver begins none by itself, and each
    begins with ``BEGIN IMMEDIATE``, so that it waits for another writer here rather than fail
    later. Foreign keys are off, because a table that is rebuilt would take its children with it
    (https://www.sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes").
    """
    engine = create_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    return engine


def _prepare_sqlite(driver_connection: Any, _record: Any) -> None:
    driver_connection.isolation_level = None
    driver_connection.execute("PRAGMA foreign_keys = OFF")
    driver_connection.execute("PRAGMA busy_timeout = 30000")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


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
    return url.render_as_string(hide_password=True)


def violations(connection: Connection) -> set[tuple[Any, ...]]:
    """Return the rows of a SQLite database that point to nothing: table, rowid, parent, key."""
    return {tuple(row) for row in connection.execute(text("PRAGMA foreign_key_check"))}
