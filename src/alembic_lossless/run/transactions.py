"""A migration that ends its transaction by itself, or writes past it."""

import re
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, event

from ..errors import MigrationError

_COMMIT = re.compile(r"\s*(COMMIT|END)\b", re.IGNORECASE)


@contextmanager
def own_commits(connection: Connection, name: str) -> Iterator[list[str]]:
    """Give a list of the statements by which revision *name* commits, which fills meanwhile.

    No rollback takes back what they committed.

    :raises MigrationError: where it calls ``commit()`` or ``rollback()`` of the connection: Alembic
        would save nothing of what comes after.
    """
    found: list[str] = []

    def note(_: Connection, _cursor: Any, statement: str, *_others: Any) -> None:
        if _COMMIT.match(statement):
            found.append(statement)

    def refuse() -> NoReturn:
        raise MigrationError(
            f"Revision {name} ends its transaction by commit() or rollback(), after which nothing "
            "of it would be saved: take that out. What cannot stand in a transaction belongs into "
            "`with op.get_context().autocommit_block():`, in a revision of its own."
        )

    ways = {"commit": refuse, "rollback": refuse}
    vars(connection).update(ways)
    event.listen(connection, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(connection, "before_cursor_execute", note)
        for way in ways:
            delattr(connection, way)


_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE|CREATE|ALTER|DROP|TRUNCATE)\b", re.I)


@contextmanager
def no_other_writer(connection: Connection, name: str, file: str) -> Iterator[None]:
    """Let revision *name* write through its own connection alone, while the body runs it.

    What the application's session writes stands in another transaction: it is there before the
    revision is, and stays when that is rolled back. On SQLite the two wait for each other.

    :param connection: the revision's own.
    :param file: the revision's file, whose line is named.
    :raises MigrationError: where it writes through another connection.
    """
    thread = threading.get_ident()

    def refuse(other: Connection, _cursor: Any, statement: str, *_others: Any) -> None:
        is_another = other.engine.pool is not connection.engine.pool
        if is_another and threading.get_ident() == thread and _WRITES.match(statement):
            lines = [frame.lineno for frame in traceback.extract_stack() if frame.filename == file]
            place = f" in line {lines[-1]} of {file}" if lines else ""
            raise MigrationError(
                f"Revision {name} writes through a connection of its own{place}, such as the "
                "application's session, which no rollback of the revision takes back; it was "
                "rolled back. Let it use op.get_bind(): Session(bind=op.get_bind()), or "
                "op.get_bind().execute(…)."
            )

    event.listen(Engine, "before_cursor_execute", refuse)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", refuse)
