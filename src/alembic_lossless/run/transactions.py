"""A revision keeps to its transaction: it neither ends it nor writes past it.

What ends it would leave a state behind that no rollback takes back and that nobody can name. SQLite
itself is told to refuse that; on servers the journal asks after each statement that could have
ended the transaction (journal.py).
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, event

from ..errors import MigrationError
from ..statements import read
from .lines import in_line, running_line
from .sqlite_busy import in_transaction, run

#: A savepoint that stands as long as the transaction does in which it was made.
SAVEPOINT = "alembic_lossless_revision"

#: What another connection may send beside what reads.
_CONTROL = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "PRAGMA", "LISTEN", "UNLISTEN"}


@dataclass(frozen=True)
class Remains:
    """What a revision that failed has left in the database.

    :param done: how many of its statements are in place.
    :param in_part: the number of the statement that may be in place, in whole or in part; 0 where
        that is known of all.
    :param unknown: whether its transaction ended where nobody saw it, so that anything may be.
    :param has_stayed: whether rows stay that MySQL's rollback leaves in tables without
        transactions.
    """

    done: int = 0
    in_part: int = 0
    unknown: bool = False
    has_stayed: bool = False

    @property
    def are_nothing(self) -> bool:
        """Tell whether the database is as it was before the revision."""
        return self == Remains()


class TransactionEndedError(MigrationError):
    """A revision ended its transaction, or tried to.

    :param way: by which statement or method.
    :param is_lost: whether what it had done before is rolled back, and what comes after is not.
    :param is_unknown: whether nothing tells if it was committed.
    """

    def __init__(self, way: str, *, is_lost: bool = False, is_unknown: bool = False) -> None:
        super().__init__(f"ended by {way}")
        self.way = way
        self.is_lost = is_lost
        self.is_unknown = is_unknown


@contextmanager
def replaced(context: MigrationContext, block: Callable[[], Any]) -> Iterator[None]:
    """Let *block* take the place of ``autocommit_block`` of this one *context*."""
    before = vars(context).get("autocommit_block")
    context.autocommit_block = block  # type: ignore[method-assign]
    try:
        yield
    finally:
        del context.autocommit_block
        if before is not None:
            context.autocommit_block = before  # type: ignore[method-assign]


@contextmanager
def end_refused(connection: Connection, context: MigrationContext) -> Iterator[None]:
    """Refuse SQLAlchemy's ways to end the transaction of *connection* while the body runs.

    Those are ``commit()`` and ``rollback()`` of the connection, of its transaction, and
    ``rollback()`` of a session bound to it, and to close the connection, as ``with op.get_bind()``
    does. An ``autocommit_block`` ends it legitimately.

    :raises TransactionEndedError: where the body tried, also where it caught the refusal.
    """
    tried: list[TransactionEndedError] = []

    def refuse(*_: Any) -> NoReturn:
        tried.append(TransactionEndedError("commit() or rollback()"))
        raise tried[0]

    ways = {"commit": refuse, "rollback": refuse}
    stock = context.autocommit_block

    @contextmanager
    def block() -> Iterator[None]:
        for way in ways:
            event.remove(connection, way, refuse)
        try:
            with stock():
                yield
        finally:
            for way in ways:
                event.listen(connection, way, refuse)

    def refuse_close() -> NoReturn:
        tried.append(TransactionEndedError("close() of its connection, as at the end of a `with`"))
        raise tried[0]

    methods = {**ways, "close": refuse_close}
    vars(connection).update(methods)
    for way in ways:
        event.listen(connection, way, refuse)
    try:
        with replaced(context, block):
            yield
    except Exception as error:
        if tried and error is not tried[0]:
            raise tried[0] from error
        raise
    finally:
        for way in ways:
            event.remove(connection, way, refuse)
        for method in methods:
            delattr(connection, method)
    if tried:
        raise tried[0]


@contextmanager
def held_on_sqlite(connection: Connection, file: str) -> Iterator[None]:
    """Let SQLite refuse every BEGIN, COMMIT and ROLLBACK while the body runs, however it is sent.

    A savepoint is not refused. An ``autocommit_block`` changes nothing here, because it stays in
    the transaction.

    :param file: the revision's, whose line is named.
    A driver that cannot be told so is asked for a savepoint at the end, and then it is too late to
    tell what was committed.

    :raises TransactionEndedError: where the body tried, also where it caught the refusal, or where
        SQLite rolled the transaction back at an error that the body caught.
    """
    dbapi_connection: Any = connection.connection.dbapi_connection
    tried: list[str] = []

    def authorize(action: int, operation: str | None, *_: Any) -> int:
        if not in_transaction(dbapi_connection):  # what follows would be committed at once
            return sqlite3.SQLITE_DENY
        if action != sqlite3.SQLITE_TRANSACTION:
            return sqlite3.SQLITE_OK
        tried.append(f"{operation}{in_line(running_line(file), file)}")
        return sqlite3.SQLITE_DENY

    def insist(*_: Any) -> None:
        if not in_transaction(dbapi_connection):
            raise TransactionEndedError("an error that it caught", is_lost=True)

    is_refused = _authorize(dbapi_connection, authorize)
    if not is_refused:
        run(dbapi_connection, f"SAVEPOINT {SAVEPOINT}")
    event.listen(connection, "before_cursor_execute", insist)
    try:
        yield
        insist()
        if not is_refused:
            _release(dbapi_connection)
    except Exception as error:
        if not is_refused and not isinstance(error, TransactionEndedError):
            _release(dbapi_connection)
        if tried:
            raise TransactionEndedError(tried[0]) from error
        if getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) == sqlite3.SQLITE_AUTH:
            insist()
        raise
    finally:
        event.remove(connection, "before_cursor_execute", insist)
        if is_refused and not connection.invalidated:
            _authorize(dbapi_connection, None)
    if tried:
        raise TransactionEndedError(tried[0])


def _authorize(dbapi_connection: Any, authorizer: Callable[..., int] | None) -> bool:
    """Set what SQLite asks before each statement; tell whether this driver has a place for it."""
    driver_connection = getattr(dbapi_connection, "driver_connection", dbapi_connection)
    if not hasattr(driver_connection, "set_authorizer"):
        return False
    if driver_connection is dbapi_connection:
        dbapi_connection.set_authorizer(authorizer)
    else:  # an asynchronous driver behind SQLAlchemy's adapter
        dbapi_connection.run_async(lambda driver: driver.set_authorizer(authorizer))
    return True


def _release(dbapi_connection: Any) -> None:
    try:
        run(dbapi_connection, f"RELEASE {SAVEPOINT}")
    except Exception as error:  # each driver has its own
        raise TransactionEndedError("COMMIT or ROLLBACK", is_unknown=True) from error


@contextmanager
def no_other_writer(connection: Connection) -> Iterator[None]:
    """Let a revision write through its own connection alone, while the body runs it.

    What the application's session writes stands in another transaction: it is there before the
    revision is, and stays when that is rolled back. On SQLite the two wait for each other.

    Other threads are left alone: an application may serve while it migrates.

    :param connection: the revision's own.
    :raises MigrationError: where it writes through another connection.
    """
    thread = threading.get_ident()

    def refuse() -> NoReturn:
        raise MigrationError(
            "it writes through a connection of its own, such as the application's session, which "
            "no rollback of the revision takes back: let it use op.get_bind(), as in "
            "Session(bind=op.get_bind()) or op.get_bind().execute(…)."
        )

    def is_another(writer: Connection) -> bool:
        if writer is connection or threading.get_ident() != thread:
            return False
        # A database in memory has one connection of the driver's for all.
        return writer.connection.dbapi_connection is not connection.connection.dbapi_connection

    def before_statement(writer: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if is_another(writer) and not all(
            each.reads or each.verb in _CONTROL for each in read(statement, writer.dialect.name)
        ):
            refuse()

    def before_commit(writer: Connection) -> None:
        # A function that is only selected may write; PostgreSQL can be asked.
        if is_another(writer) and writer.dialect.name == "postgresql":
            try:
                writes = run(writer.connection, "SELECT txid_current_if_assigned()")[0]
            except Exception:  # of a transaction that failed nothing is committed
                return
            if writes:
                refuse()

    def before_begin(writer: Connection) -> None:
        # It would wait for the revision, which waits for it.
        is_same_engine = writer.engine is connection.engine
        if is_another(writer) and is_same_engine and writer.dialect.name == "sqlite":
            refuse()

    event.listen(Engine, "before_cursor_execute", before_statement)
    event.listen(Engine, "begin", before_begin)
    event.listen(Engine, "commit", before_commit)
    try:
        yield
    finally:
        event.remove(Engine, "begin", before_begin)
        event.remove(Engine, "before_cursor_execute", before_statement)
        event.remove(Engine, "commit", before_commit)
