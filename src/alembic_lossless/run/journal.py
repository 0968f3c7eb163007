"""Which statements of a half-applied migration are in place.

MySQL and MariaDB commit at every DDL statement, and PostgreSQL at every statement of an
``autocommit_block``. So before each statement that will be committed, a row of the log tells how
far the migration came, in the same transaction: whatever is in place has its entry in place. When
the migration runs again, the statements done are passed over.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, event, select
from sqlalchemy.exc import DBAPIError

from .. import hints
from ..errors import MigrationError, code
from .history import LOG
from .lock import whoami

_COMMENTS = re.compile(r"\s*(?:--[^\n]*\n\s*|#[^\n]*\n\s*|/\*.*?\*/\s*)*", re.DOTALL)

#: What changes nothing, or only the session: it runs every time.
_READS = re.compile(r"(SELECT|SHOW|DESC|EXPLAIN|SET|USE|DO|SAVEPOINT|RELEASE|VALUES|TABLE)\b", re.I)

#: What MySQL does not commit of itself; everything else it does.
_ROWS = re.compile(r"(INSERT|UPDATE|DELETE|REPLACE|WITH|LOAD|CALL)\b", re.I)

#: A statement that can be said again, and that clears the way for the next one.
_AGAIN = re.compile(r"\bIF\s+(NOT\s+)?EXISTS\b", re.I)

#: Codes by which MySQL says that a statement's work is there already, and PostgreSQL.
_THERE: set[int | str | None] = {1007, 1008, 1050, 1051, 1060, 1061, 1068, 1091, 1826, 3822, 4029}
_THERE |= {"42710", "42701", "42P07", "42P06"}
_RENAMED = {1054, 1146}


class Journal:
    """The statements of the revisions that one run of ``env.py`` applies."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._autocommit = False
        self._ours = False
        #: Whether the connection went, so that nobody knows whether the last statement was done.
        self.lost = False
        self._watched: str | None = None
        self._durable = 0
        self._entries = self._read()
        listeners: dict[str, Callable[..., bool]] = {
            "do_execute": lambda cursor, sql, values, context: self._statement(
                sql, lambda: cursor.execute(sql, values)
            ),
            "do_executemany": lambda cursor, sql, values, context: self._statement(
                sql, lambda: cursor.executemany(sql, values)
            ),
            "do_execute_no_params": lambda cursor, sql, context: self._statement(
                sql, lambda: cursor.execute(sql)
            ),
        }
        for name, listener in listeners.items():
            event.listen(connection.engine, name, listener)

    def half_applied(self) -> list[str]:
        """Name what is half applied: revisions, or ``downgrade`` and a revision."""
        return list(self._entries)

    @contextmanager
    def watching(self, context: MigrationContext, name: str) -> Iterator[None]:
        """Journal what the body sends as *name*; pass over what an earlier run has done."""
        self._before, self._known = self._entries.get(name, (0, []))
        self._durable = self._before
        self._seen: list[str] = []
        self._refused = False
        self._watched = name
        context.autocommit_block = self._block(context)  # type: ignore[method-assign]
        try:
            yield
            if len(self._seen) < self._before:
                raise self._changed(len(self._seen) + 1)
        finally:
            self._watched = None
            del context.autocommit_block

    @property
    def number(self) -> int:
        """The statement of the last revision that ran last, counted from 1; 0 before the first."""
        return len(self._seen)

    def forget(self, name: str) -> None:
        """Delete the entry of *name*, in the transaction that notes it as applied or undone."""
        if name in self._entries or self._durable:
            self._delete(name)
            self._entries.pop(name, None)

    def settle(self) -> None:
        """Delete every entry: somebody stamps the database, and says by it where it is."""
        for name in list(self._entries):
            self.forget(name)

    def fail(self, name: str) -> int:
        """Roll back, and note how far *name* came, for the next run.

        :return: how many of its statements are in place.
        """
        connection = self._connection
        try:
            self.lost = connection.invalidated
            if self.lost:  # what the entry says stands
                return self._durable
            connection.rollback()
            if self._refused or len(self._seen) <= self._before:
                return self._before
            # What is known to have run counts, also where the entry has it as begun only.
            done = max(self._read().get(name, (0, []))[0], self._durable)
            self._note(name, self._without_repeats(done), begun=False)
            connection.commit()
            self._entries = self._read()
            connection.rollback()
            return self._without_repeats(done)
        except DBAPIError:
            self.lost = True
            return self._durable

    def _block(self, context: MigrationContext) -> Callable[[], Any]:
        stock = context.autocommit_block

        @contextmanager
        def block() -> Iterator[None]:
            if len(self._seen) > self._durable:
                # The block commits what came before it.
                self._note(self._watched, self._without_repeats(len(self._seen)))
            with stock():
                self._durable = max(self._durable, len(self._seen))
                self._autocommit = True
                try:
                    yield
                finally:
                    self._autocommit = False

        return block

    def _statement(self, sql: str, run: Callable[[], Any]) -> bool:
        """Tell SQLAlchemy whether this statement is seen to (True), or left to it."""
        words = sql[_COMMENTS.match(sql).end() :]  # type: ignore[union-attr]
        if self._watched is None or self._ours or _reads(words):
            return False
        self._seen.append(_digest(words))
        number = len(self._seen)
        begun = number <= len(self._known)
        if begun and self._seen[-1] != self._known[number - 1]:
            raise self._changed(number)
        if number <= self._before:
            return True
        mysql = self._connection.dialect.name in ("mysql", "mariadb")
        if not (self._autocommit or (mysql and not _ROWS.match(words))):
            return False
        self._note(self._watched, self._without_repeats(number - 1))
        try:
            run()
        except Exception as error:
            # Begun by a run that was cut off before it knew the end.
            if not (begun and _is_there(error, words)):
                raise
        self._durable = number
        return True

    def _changed(self, number: int) -> MigrationError:
        self._refused = True
        event, _, revision = (self._watched or "").rpartition(" ")
        stamp = hints.command("stamp", "REVISION" if event else revision)
        which = ", naming where it is then" if event else ""
        return MigrationError(
            f"Revision {revision} is half {'undone' if event else 'applied'}, "
            f"{in_place(self._before)}; but statement {number} of the file is another now. Either "
            "put it back as it was and run again; or bring the database by hand to where the "
            f"{event or 'revision'} leads, then {stamp}{which}.",
            exit_code=7,
        )

    def _without_repeats(self, done: int) -> int:
        while done and self._seen[done - 1].endswith("again"):
            done -= 1
        return done

    def _note(self, name: str | None, done: int, *, begun: bool = True) -> None:
        """Write that *done* statements of *name* are in place, and those seen after *begun*."""
        assert name is not None
        statements = self._seen if begun else self._seen[:done]
        if not statements:
            self._delete(name)
            return
        values = {
            "applied_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0),
            "applied_by": whoami()[:255],
            "done": done,
            "statements": json.dumps(statements),
        }
        # One statement, because in an autocommit block each is committed by itself.
        if not self._execute(LOG.update().where(*_entry(name)).values(values)).rowcount:
            new = {"event": "journal", "revision": name, "came_from": "", **values}
            self._execute(LOG.insert().values(new))

    def _delete(self, name: str) -> None:
        self._execute(LOG.delete().where(*_entry(name)))

    def _execute(self, statement: Any) -> Any:
        self._ours = True
        try:
            return self._connection.execute(statement)
        finally:
            self._ours = False

    def _read(self) -> dict[str, tuple[int, list[str]]]:
        entries = select(LOG.c.revision, LOG.c.done, LOG.c.statements)
        rows = self._connection.execute(entries.where(LOG.c.event == "journal")).all()
        return {row.revision: (row.done, json.loads(row.statements)) for row in rows}


def _entry(name: str) -> tuple[Any, Any]:
    return LOG.c.event == "journal", LOG.c.revision == name


def in_place(done: int) -> str:
    """Say which of a revision's statements are in place, *done* of them."""
    if done == 1:
        return "statement 1 is in place"
    return f"statements 1 {'and' if done == 2 else 'to'} {done} are in place"


def _reads(words: str) -> bool:
    if words[:4].upper() == "WITH":
        return not re.search(r"\b(INSERT|UPDATE|DELETE)\b", words, re.I)
    return bool(_READS.match(words))


def _digest(words: str) -> str:
    text = sha256(" ".join(words.split()).encode()).hexdigest()[:12]
    return f"{text} again" if _AGAIN.search(words) else text


def _is_there(error: BaseException, words: str) -> bool:
    number, words = code(error), words.upper()
    if number in _RENAMED:
        return "RENAME" in words or "CHANGE" in words
    # PostgreSQL leaves an index behind that it could not finish building: that is not there.
    return number in _THERE and "CONCURRENTLY" not in words
