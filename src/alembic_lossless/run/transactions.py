"""A migration that ends its transaction by itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import Connection, event

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
