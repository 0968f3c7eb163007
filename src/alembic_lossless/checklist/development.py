"""The developer's own rows, which a rule may ask about before they stand in a revision's way."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import ColumnClause, Connection, column, func, select, table
from sqlalchemy import types as sa
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
        except SQLAlchemyError:
            return Counter()


def fits(value: Any, type_: Any, byte_limit: int | None = None) -> bool:
    """Tell whether *type_* can hold what *value* says, without a loss.

    :param byte_limit: how many bytes of text or binary data the type holds.
    """
    if value is None:
        return True
    if byte_limit is not None and isinstance(value, str | bytes):
        data = value.encode() if isinstance(value, str) else value
        if len(data) > byte_limit:
            return False
    text = str(int(value)) if isinstance(value, bool) else str(value)
    takes = next((take for kind, take in _TAKES if isinstance(type_, kind)), None)
    try:
        return takes is None or bool(takes(text, type_))
    except (ValueError, InvalidOperation):
        return False


def _number(text: str, type_: Any) -> bool:
    number = Decimal(text)
    whole = Decimal(10) ** ((type_.precision or 1000) - (type_.scale or 0))
    exact = type_.scale is None or number == round(number, type_.scale)
    return number.is_finite() and exact and abs(number) < whole


def _integer(text: str, type_: Any) -> bool:
    bits = 64 if isinstance(type_, sa.BigInteger) else 32
    bits = 16 if isinstance(type_, sa.SmallInteger) else bits
    return str(int(text)) == text and -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1)


_TAKES: list[tuple[Any, Callable[[str, Any], object]]] = [
    (sa.Boolean, lambda text, _: text.lower() in ("0", "1", "true", "false")),
    (sa.Integer, _integer),
    (sa.Float, lambda text, _: Decimal(text).is_finite()),
    (sa.Numeric, _number),
    (sa.Enum, lambda text, type_: text in type_.enums),
    (sa.String, lambda text, type_: type_.length is None or len(text) <= type_.length),
    (sa.DateTime, lambda text, _: datetime.fromisoformat(text)),
    (sa.Date, lambda text, _: len(text) == 10 and date.fromisoformat(text)),
    (sa.Time, lambda text, _: time.fromisoformat(text) is not None),
]
