"""The developer's own rows, which a rule may ask about before they stand in a revision's way."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sqlalchemy import ColumnClause, Connection, column, func, select, table
from sqlalchemy.exc import SQLAlchemyError

#: Opens the development database for reading; gives None where there is none.
Look = Callable[[], AbstractContextManager[Connection | None]]


class DevelopmentRows:
    """Reads the development database, and never writes; *look* is None where it is another."""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look

    def values(self, table_name: str, column_name: str) -> Counter[Any]:
        """Count the values of a column as the database stores them; none where it is not there."""
        asked: ColumnClause[Any] = column(column_name)
        query = select(asked, func.count()).select_from(table(table_name)).group_by(asked)
        try:
            with self._look() if self._look else nullcontext() as connection:
                if connection is None:
                    return Counter()
                return Counter(dict(tuple(row) for row in connection.execute(query)))
        except (SQLAlchemyError, TypeError):  # as of JSON, which the driver reads as objects
            return Counter()
