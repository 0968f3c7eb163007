"""Which statements of a half-applied revision are in place; the database is asked.

MySQL and MariaDB commit at every DDL statement, PostgreSQL at every statement of an
``autocommit_block``, and a revision may commit by itself: COMMIT in a script, a procedure. So
before each statement that could be committed, a row of the log tells how far the revision came, in
the same transaction: whatever is in place has its entry in place. When the revision runs again, the
statements done are passed over.

Whether a statement ended the transaction is not told from its words: a savepoint stands in the
transaction, and is gone with it. The words only spare the question where none of them could have.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Table, event, select
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from .. import hints
from ..errors import MigrationError, code
from ..quoting import literal, quote
from ..statements import UNKNOWN, Statement
from ..statements import read as read_sql
from .connection import STRICT
from .history import log_of
from .lock import whoami
from .server import LOCK_TIMEOUT
from .sqlite_busy import run
from .transactions import (
    SAVEPOINT,
    Remains,
    TransactionEndedError,
    replaced,
)

#: Rows change in the transaction: MySQL commits none of these by itself, and everything else.
_ROWS = {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"}

#: Settings of MySQL's that commit, or run a statement.
_COMMITTING = {"AUTOCOMMIT", "PASSWORD", "ROLE", "STATEMENT"}

#: What ends a transaction, or begins one, and does nothing besides.
_CONTROL = {"COMMIT", "END", "ROLLBACK", "ABORT", "BEGIN", "START"}

#: Codes by which MySQL says that a statement's work is there already, and PostgreSQL.
_THERE: set[int | str | None] = {1007, 1008, 1050, 1051, 1060, 1061, 1068, 1091, 1826, 3822, 4029}
_THERE |= {"42710", "42701", "42P07", "42P06"}
_RENAMED = {1054, 1146}

#: MySQL's code for a savepoint that does not exist.
_NO_SAVEPOINT = 1305

#: MySQL's warning at a rollback: rows of tables without transactions stay.
_NOT_ROLLED_BACK = 1196

#: The savepoint before a statement that could end the transaction.
_MARK = "alembic_lossless_statement"

#: Where a value's text names its place in memory.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class Sent:
    """A text that a revision sends.

    :param words: from its first statement on.
    :param statements: in it.
    """

    words: str = ""
    statements: tuple[Statement, ...] = ()

    @classmethod
    def read(cls, sql: str, kind: str) -> "Sent":
        """Read *sql* as the database of *kind* does."""
        statements = read_sql(sql, kind)
        return cls(sql[statements[0].start :] if statements else "", tuple(statements))

    @property
    def verb(self) -> str:
        """The verb of its first statement."""
        return self.statements[0].verb if self.statements else ""

    @property
    def reads(self) -> bool:
        """Tell whether nothing of it has to be passed over when the revision runs again."""
        return all(each.reads or each.is_to_savepoint for each in self.statements)

    @property
    def ends_only(self) -> bool:
        """Tell whether it ends or begins a transaction and does nothing besides."""
        return self.verb in _CONTROL and all(
            each.verb in _CONTROL and each.object != "BODY" for each in self.statements
        )

    @property
    def is_committing_set(self) -> bool:
        """Tell whether it is a setting of MySQL's that may commit."""
        first = self.statements[0] if self.statements else None
        return first is not None and first.verb == "SET" and bool(_COMMITTING & {*first.words})

    @property
    def is_atomic(self) -> bool:
        """Tell whether it is a single statement of MySQL's that is in place whole or not at all."""
        if len(self.statements) != 1:
            return False
        (only,) = self.statements
        if only.verb == "CREATE":
            return not only.has("CREATE", "OR")
        if only.verb == "DROP":
            return len(only.names) < 2
        return only.verb in ("ALTER", "RENAME", "TRUNCATE")

    @property
    def is_rows(self) -> bool:
        """Tell whether all of it changes rows in the transaction, or reads."""
        return all(
            each.reads or (each.verb in _ROWS and not each.inner) for each in self.statements
        )

    @property
    def locks(self) -> bool:
        """Tell whether a session of MySQL's can no longer write to the log after it."""
        return any(
            (each.verb == "LOCK" and bool({"TABLE", "TABLES"} & {*each.words}))
            or (each.verb == "FLUSH" and (each.has("READ", "LOCK") or each.has("FOR", "EXPORT")))
            for each in self.statements
        )

    @property
    def is_repeatable(self) -> bool:
        """Tell whether it can be sent again, and clears the way for the next one."""
        return any(
            each.has("IF", "EXISTS") or each.has("IF", "NOT", "EXISTS") for each in self.statements
        )

    def __str__(self) -> str:
        return " ".join(self.words.split())


@dataclass(frozen=True)
class Entry:
    """What the log says of a revision that is half applied.

    :param done: how many of its statements are in place.
    :param statements: the digests of these, and of those that were begun.
    :param checksum: of the file's meaning, as it was then.
    """

    done: int = 0
    statements: list[str] = field(default_factory=list)
    checksum: str | None = None

    def count_in_place(self, statements: Sequence[str], kind: str) -> int:
        """Return how many of the *statements*, as Alembic writes them as SQL, are in place.

        With values they are written otherwise than they were sent: several rows of one statement
        as several. Such a one is followed as far as the next whose text is known.

        :param statements: of the whole revision, in their order.
        :param kind: the database.
        """

        def before_values(sql: str) -> str:
            return "".join(each.before("VALUES") for each in read_sql(sql, kind))

        texts = [_digest_of_text(sql) for sql in statements]
        position = 0
        for known in self.statements[: self.done]:
            digest = known.partition(" ")[0]
            if digest in texts[position:]:
                position = texts.index(digest, position) + 1
                continue
            beginning = before_values(statements[position]) if statements[position:] else ""
            while statements[position:] and before_values(statements[position]) == beginning:
                position += 1
        return position


class Journal:
    """The statements of the revisions that one run of ``env.py`` applies."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_mysql = connection.dialect.name in ("mysql", "mariadb")
        self._driver_error: type[Exception] = connection.dialect.loaded_dbapi.Error
        self._in_autocommit = False
        self._is_own = False
        #: Whether the connection went, so that nobody knows whether the last statement was done.
        self.lost = False
        self._watched: str | None = None
        self._start("", None)
        self._entries = read(connection)
        self._place = self._place_of_log()
        listeners: dict[str, Callable[..., bool]] = {
            "do_execute": lambda cursor, sql, values, context: self._statement(
                sql, values, lambda: cursor.execute(sql, values)
            ),
            "do_executemany": lambda cursor, sql, values, context: self._statement(
                sql, values, lambda: cursor.executemany(sql, values)
            ),
            "do_execute_no_params": lambda cursor, sql, context: self._statement(
                sql, (), lambda: cursor.execute(sql)
            ),
        }
        for name, listener in listeners.items():
            event.listen(connection.engine, name, listener)

    def half_applied(self) -> list[str]:
        """Name what is half applied: revisions, or ``downgrade`` and a revision."""
        return list(self._entries)

    def _start(self, name: str, checksum: str | None) -> None:
        self._entry = self._entries.get(name, Entry()) if name else Entry()
        self._checksum = checksum
        self._before = self._durable = self._entry.done
        self._seen: list[str] = []
        self._is_noted = False
        #: The statement that is running and could commit, its text, and whether it has parts.
        self._running = 0
        self._running_sent = Sent()
        #: PostgreSQL's number of the transaction that the savepoint is in; on MySQL any.
        self._transaction: int | None = None
        self._refusal: MigrationError | None = None
        self._is_changed = self._is_unknown = self._has_savepoints = False

    @contextmanager
    def watching(
        self, context: MigrationContext, name: str, checksum: str | None
    ) -> Iterator[None]:
        """Journal what the body sends as *name*; pass over what an earlier run has done.

        :param checksum: of the file that the body runs.
        :raises MigrationError: where a statement that is in place is another now.
        :raises TransactionEndedError: where the body rolled its transaction back, or ended it past
            SQLAlchemy.
        """
        self._start(name, checksum)
        if self._is_mysql:  # a dump that an earlier revision plays has set another mode
            run(self._connection.connection, STRICT)
        self._watched = name
        try:
            with replaced(context, self._block(context)):
                yield
            if self._refusal is not None:  # and the revision caught it
                raise self._refusal
            if len(self._seen) < self._before:
                raise self._changed(len(self._seen) + 1)
            self._insist_on_transaction()
            self._insist_on_place()
        finally:
            self._watched = None

    @property
    def number(self) -> int:
        """The statement of the last revision that ran last, counted from 1; 0 before the first."""
        return len(self._seen)

    def forget(self, name: str) -> None:
        """Delete the entry of *name*, in the transaction that notes it as applied or undone."""
        if name in self._entries or self._is_noted:
            self._delete(name)
            self._entries.pop(name, None)

    def settle(self) -> None:
        """Delete every entry: somebody stamps the database, and says by it where it is."""
        for name in list(self._entries):
            self.forget(name)

    def fail(self, name: str, error: BaseException) -> Remains:
        """Roll back, and note how far *name* came, for the next run.

        :param error: that ended it.
        :return: what of it is in the database.
        """
        connection = self._connection
        has_parts = bool(self._running) and self._has_parts(self._running_sent)
        try:
            self.lost = connection.invalidated
            if self.lost:  # what the entry says stands
                return self._lost(name)
            held = self._transaction is None or self._stands_after(error)
            connection.connection.rollback()
            has_stayed = self._is_mysql and self._was_not_rolled_back()
            connection.rollback()
            entry = self._read().get(name, Entry())
            # What is known to have run counts, also where the entry has it as begun only.
            done = max(entry.done, self._durable)
            begun = bool(self._running) and len(entry.statements) >= self._running
            in_part = self._running if begun and has_parts else 0
            unknown = self._is_unknown or not (held or begun or self._running_sent.ends_only)
            if len(self._seen) > self._before and not self._is_changed:
                done = self._without_repeats(done)
                self._note(name, done, begun=False, keep=bool(in_part or unknown or has_stayed))
                connection.commit()
            self._entries = self._read()
            connection.rollback()
            return Remains(done, in_part, unknown, has_stayed)
        except (DBAPIError, self._driver_error):
            self.lost = True
            return self._lost(name)

    def _lost(self, name: str) -> Remains:
        """Return what the log tells another connection; where none is to be had, what is known."""
        entry = Entry()
        self._is_own = True
        try:
            with self._connection.engine.connect() as beside:
                entry = read(beside).get(name, entry)
        except DBAPIError:
            pass
        finally:
            self._is_own = False
        return Remains(max(entry.done, self._durable), in_part=self._running)

    def _was_not_rolled_back(self) -> bool:
        """Tell whether the rollback that came last left rows in tables without transactions."""
        cursor = self._connection.connection.cursor()
        try:
            cursor.execute("SHOW WARNINGS")
            return any(number == _NOT_ROLLED_BACK for _, number, _ in cursor.fetchall())
        finally:
            cursor.close()

    def _block(self, context: MigrationContext) -> Callable[[], Any]:
        stock = context.autocommit_block

        @contextmanager
        def block() -> Iterator[None]:
            self._insist_on_transaction()
            self._has_savepoints = False
            if len(self._seen) > self._durable:
                # The block commits what came before it.
                self._note(self._watched, self._without_repeats(len(self._seen)))
            self._transaction = None
            cause: Exception | None = None
            try:
                with stock():
                    self._durable = max(self._durable, len(self._seen))
                    self._in_autocommit = True
                    try:
                        yield
                    except Exception as error:
                        cause = error
                        raise
                    finally:
                        self._in_autocommit = False
                        # The block's end commits what a BEGIN in it left open; an error of
                        # PostgreSQL's has rolled it back.
                        if not self._running:
                            self._durable = max(self._durable, len(self._seen))
                        elif self._is_mysql:
                            self._durable = max(self._durable, self._running - 1)
            except InvalidRequestError:
                # The connection went: SQLAlchemy's own error would hide what the server said.
                if cause is None:
                    raise
                raise cause from None

        return block

    def _statement(self, sql: str, values: Any, execute: Callable[[], Any]) -> bool:
        """Tell SQLAlchemy whether this statement is seen to (True), or left to it."""
        if self._watched is None or self._is_own:
            return False
        if self._refusal is not None:  # and the revision caught it
            raise self._refusal
        sent = Sent.read(sql, self._connection.dialect.name)
        if self._is_mysql and sent.locks:
            self._refusal = MigrationError(
                f"{str(sent)[:60]} keeps migrations from noting how far they came: "
                "take it out of the file, with its UNLOCK TABLES; only one migrates at a time."
            )
            raise self._refusal
        if self._is_mysql and sent.verb == "USE":
            return self._use(sent, execute)
        if self._is_mysql and sent.is_committing_set and not sent.statements[0].inner:
            return self._setting(sent, execute)
        may_end = self._may_end(sent)
        if not may_end and sent.reads:
            has_savepoint = any(each.verb == "SAVEPOINT" for each in sent.statements)
            self._has_savepoints |= has_savepoint
            # On PostgreSQL SET TRANSACTION has to come before any savepoint.
            is_first = sent.verb == "SET" and sent.statements[0].has("TRANSACTION")
            # A savepoint of the revision's own would take a later one with it.
            if not is_first and (not self._is_mysql or has_savepoint):
                self._stand()
            return False
        self._seen.append(_digest(sent, values))
        number = len(self._seen)
        begun = number <= len(self._entry.statements)
        if begun and not self._is_same(self._seen[-1], self._entry.statements[number - 1]):
            raise self._changed(number)
        if number <= self._before:
            return True
        if may_end:
            self._insist_on_transaction(sent)
        self._stand()
        if not (self._in_autocommit or may_end):
            return False
        self._note(self._watched, self._without_repeats(number - 1))
        self._mark()
        self._running, self._running_sent = number, sent
        try:
            execute()
        except Exception as error:
            # Begun by a run that was cut off before it knew the end.
            if not (begun and _is_there(error, sent)):
                raise
        if self._in_autocommit:
            if not self._has_begun(sent):
                self._durable = number
        elif not self._stands():
            self._settle_committed(number)
        self._running, self._running_sent = 0, Sent()
        return True

    def _setting(self, sent: Sent, execute: Callable[[], Any]) -> bool:
        """Run a setting of MySQL's that may commit what came before it."""
        number = len(self._seen)
        if number > self._durable:
            self._note(self._watched, self._without_repeats(number))
        self._stand()
        self._mark()
        execute()
        if not self._stands():
            self._durable = max(self._durable, number)
            self._transaction = None
        if run(self._connection.connection, "SELECT @@autocommit")[0] and not self._in_autocommit:
            run(self._connection.connection, "SET autocommit = 0")
            self._refusal = TransactionEndedError(str(sent))
            raise self._refusal
        return True

    def _may_end(self, sent: Sent) -> bool:
        """Tell whether what is sent could end the transaction, as far as its words tell."""
        if self._is_mysql:
            return sent.is_committing_set or not (sent.is_rows or sent.reads)
        return any(each.ends or each.verb == UNKNOWN for each in sent.statements)

    def _has_parts(self, sent: Sent) -> bool:
        """Tell whether what failed may be in place in part."""
        if self._is_mysql:
            is_whole = self._in_autocommit and sent.is_rows and len(sent.statements) == 1
            return not (sent.is_atomic or is_whole)
        is_script = len(sent.statements) > 1 and self._may_end(sent)
        return is_script or sent.verb == "CALL"

    def _stand(self) -> None:
        """Make the savepoint that stands as long as this transaction does."""
        if self._transaction is not None or self._in_autocommit:
            return
        dbapi_connection = self._connection.connection
        run(dbapi_connection, f"SAVEPOINT {SAVEPOINT}")
        known = None if self._is_mysql else run(dbapi_connection, "SELECT txid_current()")
        self._transaction = known[0] if known else 1

    def _has_begun(self, sent: Sent) -> bool:
        """Tell whether a transaction that an autocommit block began itself is open.

        :param sent: what ran last.
        """
        if not self._is_mysql:
            assigned = run(self._connection.connection, "SELECT txid_current_if_assigned()")[0]
            return sent.statements[-1].begins or assigned is not None
        run(self._connection.connection, f"SAVEPOINT {_MARK}")
        return self._stands()

    def _mark(self) -> None:
        """On MySQL make another savepoint before a statement: asking for one takes it away."""
        if self._is_mysql and not self._in_autocommit:
            run(self._connection.connection, f"SAVEPOINT {_MARK}")

    def _stands(self, savepoint: str = _MARK) -> bool:
        """Tell whether the transaction is still that of the savepoint."""
        dbapi_connection = self._connection.connection
        if not self._is_mysql:
            current = run(dbapi_connection, "SELECT txid_current_if_assigned()")[0]
            return bool(current == self._transaction)
        try:
            run(dbapi_connection, f"RELEASE SAVEPOINT {savepoint}")
        except Exception as error:
            if code(error) != _NO_SAVEPOINT:
                raise
            return False
        return True

    def _stands_after(self, error: BaseException) -> bool:
        """Tell the same after *error*; by a deadlock MySQL rolls all of it back itself."""
        if self._is_mysql and code(error) in LOCK_TIMEOUT and not self._running:
            return True
        verb = "RELEASE" if self._is_mysql else "ROLLBACK TO"
        try:
            run(self._connection.connection, f"{verb} SAVEPOINT {SAVEPOINT}")
        except Exception:  # each driver has its own
            return False
        return True

    def _insist_on_transaction(self, sent: Sent | None = None) -> None:
        """Refuse to go on where the transaction was ended past SQLAlchemy.

        :param sent: what comes next, and may end it.
        :raises TransactionEndedError: where it was.
        """
        if self._transaction is None or self._in_autocommit:
            return
        if self._is_mysql and self._has_savepoints and sent and not sent.is_atomic:
            return  # asking would take the revision's own savepoints away
        if not self._stands(SAVEPOINT):
            self._is_unknown = True
            self._refusal = TransactionEndedError("the driver's own commit or rollback")
            raise self._refusal
        if self._is_mysql:
            self._transaction = None

    def _place_of_log(self) -> object:
        """Return what tells the log from one of another database or schema."""
        if self._is_mysql:
            question = "SELECT database()"
        else:
            log = log_of(self._connection)
            name = self._connection.dialect.identifier_preparer.format_table(log)
            question = f"SELECT to_regclass({literal(name)})::oid::text"
        return run(self._connection.connection, question)[0]

    def _insist_on_place(self) -> None:
        """Refuse a revision after which its version would be noted elsewhere, or nowhere.

        :raises MigrationError: where it left another search path.
        """
        if self._place_of_log() != self._place:
            self._refusal = MigrationError(
                "it leaves a search_path by which its version would not be noted in this schema: "
                "end it with RESET search_path, or write SET LOCAL and name the schema of each "
                "table instead."
            )
            raise self._refusal

    def _use(self, sent: Sent, execute: Callable[[], Any]) -> bool:
        """Run MySQL's USE; refuse one by which what follows is noted in another database.

        :raises MigrationError: where it leads to another.
        """
        execute()
        if self._place_of_log() != self._place:
            run(self._connection.connection, f"USE {quote(str(self._place), 'mysql')}")
            self._refusal = MigrationError(
                f"{str(sent)[:80]} leads to another database, in which its version "
                "would be noted too: name the database of each table instead, as in other.table."
            )
            raise self._refusal
        return True

    def _settle_committed(self, number: int) -> None:
        """Note that statement *number* ended the transaction, and all up to it is in place.

        :raises TransactionEndedError: where what came before it was rolled back.
        """
        self._transaction, self._has_savepoints = None, False
        if self._is_mysql and self._running_sent.is_atomic:
            self._durable = number
            return
        entry = self._read().get(self._watched or "", Entry())
        if len(entry.statements) < number:
            self._transaction = 0  # none: what follows it is rolled back
            self._refusal = TransactionEndedError(str(self._running_sent)[:60], is_lost=True)
            raise self._refusal
        self._note(self._watched, self._without_repeats(number))
        # What it did after its last COMMIT goes with the rest of it.
        self._connection.connection.commit()
        self._durable = number

    def _changed(self, number: int) -> MigrationError:
        event, _, revision = (self._watched or "").rpartition(" ")
        self._is_changed = True
        stamp = hints.command("stamp", "REVISION" if event else revision)
        which = ", naming where it is then" if event else ""
        self._refusal = MigrationError(
            f"Revision {revision} is half {'undone' if event else 'applied'}, "
            f"{in_place(self._before)}; but statement {number} of the file is another now. Either "
            "put it back as it was and run again; or bring the database by hand to where the "
            f"{event or 'revision'} leads, then {stamp}{which}.",
            exit_code=7,
        )
        return self._refusal

    def _is_same(self, digest: str, known: str) -> bool:
        """Compare two digests.

        The values of a file that was not edited do not count: they may be made as it runs, such as
        the time.
        """
        text, _, values = digest.partition(" ")
        known_text, _, known_values = known.partition(" ")
        if text != known_text:
            return False
        is_edited = self._entry.checksum not in (None, self._checksum)
        return values == known_values or not is_edited

    def _without_repeats(self, done: int) -> int:
        while done and self._seen[done - 1 : done] and self._seen[done - 1].endswith("again"):
            done -= 1
        return done

    def _note(self, name: str | None, done: int, *, begun: bool = True, keep: bool = False) -> None:
        """Write that *done* statements of *name* are in place, and those seen after *begun*.

        :param keep: write it also where there is none.
        """
        assert name is not None
        statements = self._seen if begun else self._seen[:done]
        if not statements and not keep:
            self._delete(name)
            return
        values = {
            "applied_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0),
            "applied_by": whoami()[:255],
            "checksum": self._checksum,
            "done": done,
            "statements": json.dumps(statements),
        }
        # One statement, because in an autocommit block each is committed by itself.
        log = log_of(self._connection)
        if not self._execute(log.update().where(*_entry(log, name)).values(values)).rowcount:
            new = {"event": "journal", "revision": name, "came_from": "", **values}
            self._execute(log.insert().values(new))
        self._is_noted = True

    def _delete(self, name: str) -> None:
        log = log_of(self._connection)
        self._execute(log.delete().where(*_entry(log, name)))

    def _read(self) -> dict[str, Entry]:
        self._is_own = True
        try:
            return read(self._connection)
        finally:
            self._is_own = False

    def _execute(self, statement: Any) -> Any:
        self._is_own = True
        try:
            return self._connection.execute(statement)
        finally:
            self._is_own = False


def read(connection: Connection) -> dict[str, Entry]:
    """Return the entries of what is half applied, by revision, or ``downgrade`` and revision."""
    log = log_of(connection).c
    entries = select(log.revision, log.done, log.statements, log.checksum)
    rows = connection.execute(entries.where(log.event == "journal")).all()
    return {row.revision: Entry(row.done, json.loads(row.statements), row.checksum) for row in rows}


def _entry(log: Table, name: str) -> tuple[Any, Any]:
    return log.c.event == "journal", log.c.revision == name


def in_place(done: int) -> str:
    """Say which of a revision's statements are in place, *done* of them."""
    if not done:
        return "none of its statements is known to be in place"
    if done == 1:
        return "statement 1 is in place"
    return f"statements 1 {'and' if done == 2 else 'to'} {done} are in place"


def _digest(sent: Sent, values: Any) -> str:
    """Return a digest of a statement's text, then one of its values."""
    parts = [_digest_of_text(sent.words)]
    if values:
        parts.append(sha256(_ADDRESS.sub("", repr(values)).encode()).hexdigest()[:12])
    if sent.is_repeatable:
        parts.append("again")
    return " ".join(parts)


def _digest_of_text(words: str) -> str:
    return sha256(" ".join(words.split()).encode()).hexdigest()[:12]


def _is_there(error: BaseException, sent: Sent) -> bool:
    number = code(error)
    if number in _RENAMED:
        actions = [action for each in sent.statements for action in each.actions]
        return any(action.verb in ("RENAME", "CHANGE") for action in actions)
    # PostgreSQL leaves an index behind that it could not finish building: that is not there.
    return number in _THERE and not any(each.has("CONCURRENTLY") for each in sent.statements)
