"""Converts a value of SQLite for a column of a server, or says why the column does not hold it.

SQLite keeps what it is given; a server keeps what its columns hold. A :class:`MovedColumn` takes a
value as SQLite stores it (never through the models: what a type of theirs encrypts stays as it is)
and returns the value for the server's driver.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

from sqlalchemy.dialects import mysql
from sqlalchemy.sql import sqltypes as types

#: A value of SQLite → one for the server's driver; raises Misfit.
Convert = Callable[[Any], Any]
#: What there is for a type: how its values are converted, and the options of its MovedColumn.
Conversion = tuple[Convert, dict[str, Any]]


class Misfit(ValueError):
    """A value that a column cannot hold; *nearest* is what it can hold instead, if anything."""

    def __init__(self, reason: str, nearest: Any = None) -> None:
        super().__init__(reason)
        self.nearest = nearest


@dataclass(frozen=True)
class MovedColumn:
    """A column that is moved, as the target has it."""

    name: str
    type: str
    nullable: bool
    convert: Convert
    #: A value sent, or read back → what both sides are compared by; None for the value itself.
    comparable: Convert | None = None
    #: Read back as text, because the driver would make something else of it.
    as_text: bool = False
    #: False where the server may spell it in its own way; then the rows are only counted.
    compared: bool = True

    def convert_null(self, value: Any) -> Any:
        """Return *value*, which is NULL, or raise Misfit."""
        if not self.nullable:
            raise Misfit("is missing (NULL)")
        return value


def moved_column(column: Any, dialect: Any) -> MovedColumn:
    """Return how a column is moved.

    :param column: as SQLAlchemy's inspector describes it on the target.
    :param dialect: the target's.
    """
    kind = column["type"]
    spelled = "unknown" if isinstance(kind, types.NullType) else kind.compile(dialect)
    of_type = next((find for class_, find in _CONVERSIONS if isinstance(kind, class_)), None)
    options: dict[str, Any] = {"compared": False, "as_text": dialect.name == "postgresql"}
    convert: Convert = _unchanged
    if of_type is not None:
        convert, options = of_type(kind, dialect)
    return MovedColumn(column["name"], spelled, column["nullable"], convert, **options)


def _unchanged(value: Any) -> Any:
    return value


def _require_text(value: Any) -> str:
    if value.__class__ is not str:
        raise Misfit(f"is {_word(value)}, not a text")
    return str(value)


def _word(value: Any) -> str:
    words: dict[Any, str] = {int: "a number", float: "a number", str: "a text", bytes: "bytes"}
    return words.get(value.__class__, "something else")


def _parse(what: str, parse: Callable[[str], Any], value: Any) -> Any:
    try:
        return parse(_require_text(value))
    except Misfit:
        raise Misfit(f"is {_word(value)}, not a {what}") from None
    except ValueError:
        raise Misfit(f"is not a {what}") from None


_BITS = [
    (mysql.TINYINT, 8),
    (mysql.MEDIUMINT, 24),
    (types.BigInteger, 64),
    (types.SmallInteger, 16),
]


def _integer(kind: Any, _dialect: Any) -> Conversion:
    bits = next((bits for class_, bits in _BITS if isinstance(kind, class_)), 32)
    signed = not getattr(kind, "unsigned", False)
    low = -(2 ** (bits - 1)) if signed else 0
    high = low + 2**bits - 1

    def convert(value: Any) -> int:
        if value.__class__ is float and isfinite(value) and value.is_integer():
            value = int(value)
        if value.__class__ is not int:
            raise Misfit(f"is {_word(value)}, not a whole number")
        if not low <= value <= high:
            raise Misfit(f"is not between {low} and {high}")
        return int(value)

    return convert, {}


def _boolean(_kind: Any, _dialect: Any) -> Conversion:
    def convert(value: Any) -> bool:
        if value.__class__ is not int or value not in (0, 1):
            raise Misfit("is neither 0 nor 1")
        return bool(value)

    return convert, {}


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(repr(value) if value.__class__ is float else value)
    except (InvalidOperation, TypeError, ValueError):
        raise Misfit(f"is {_word(value)}, not a number") from None
    if not number.is_finite():
        raise Misfit("is not a finite number")
    return number


def _numeric(kind: Any, _dialect: Any) -> Conversion:
    if kind.scale is None:
        return _number, {"comparable": Decimal.normalize}
    step = Decimal(1).scaleb(-kind.scale)
    limit = Decimal(10) ** ((kind.precision or 1000) - kind.scale)

    def convert(value: Any) -> Decimal:
        number = _number(value)
        if abs(number) >= limit:
            raise Misfit(f"has more than {kind.precision - kind.scale} digits before the point")
        rounded = number.quantize(step)
        # 59.97 may stand there as 59.970000000000006: that is still 59.97.
        if rounded != number and abs(rounded - number) > abs(number) * Decimal("1e-14"):
            raise Misfit(f"has more than {kind.scale} digits after the point", rounded)
        return rounded

    return convert, {}


def _float(kind: Any, dialect: Any) -> Conversion:
    infinite = dialect.name == "postgresql"
    # MySQL's FLOAT has four bytes and shows six digits; PostgreSQL's REAL shows what it holds.
    single = not isinstance(kind, types.Double) and (not infinite or isinstance(kind, types.REAL))

    def convert(value: Any) -> float:
        if value.__class__ not in (int, float):
            raise Misfit(f"is {_word(value)}, not a number")
        value = float(value)
        if not (infinite or isfinite(value)):
            raise Misfit("is infinite")
        if single and isfinite(value) and float(f"{value:.6g}") != value:
            raise Misfit("has more than 6 digits", float(f"{value:.6g}"))
        return float(value)

    return convert, {}


def _cut(value: Any, digits: int | None) -> Any:
    """Return *value* with no more than *digits* of a second's fraction."""
    unit = 10 ** (6 - (6 if digits is None else digits))
    nearest = value.replace(microsecond=value.microsecond // unit * unit)
    if nearest != value:
        raise Misfit("has more of a second's fraction than the column", nearest)
    return value


def _fraction(kind: Any, dialect: Any) -> int | None:
    if dialect.name == "postgresql":
        precision: int | None = getattr(kind, "precision", None)
        return precision
    return getattr(kind, "fsp", None) or 0


def _datetime(kind: Any, dialect: Any) -> Conversion:
    digits, zoned = _fraction(kind, dialect), bool(kind.timezone)

    def convert(value: Any) -> datetime:
        moment = _parse("date and time", datetime.fromisoformat, value)
        if zoned:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            moment = moment.astimezone(UTC)
        elif moment.tzinfo is not None:
            raise Misfit("has an offset, and the column has none")
        return _cut(moment, digits)  # type: ignore[no-any-return]

    return convert, {"comparable": (lambda value: value.astimezone(UTC)) if zoned else None}


def _date(_kind: Any, _dialect: Any) -> Conversion:
    return lambda value: _parse("date", date.fromisoformat, value), {}


def _time(kind: Any, dialect: Any) -> Conversion:
    digits = _fraction(kind, dialect)

    def comparable(value: Any) -> time:
        # PyMySQL reads a time of day as a duration.
        return (datetime.min + value).time() if isinstance(value, timedelta) else value

    return lambda value: _cut(_parse("time", time.fromisoformat, value), digits), {
        "comparable": comparable
    }


def _interval(_kind: Any, _dialect: Any) -> Conversion:
    # SQLAlchemy keeps one as the moment that it is after 1970 began.
    def convert(value: Any) -> timedelta:
        moment: datetime = _parse("date and time", datetime.fromisoformat, value)
        return moment - datetime(1970, 1, 1)

    return convert, {}


#: Bytes that MySQL's text and binary types hold; VARCHAR counts its characters.
_LARGEST = {"TINY": 2**8 - 1, "": 2**16 - 1, "MEDIUM": 2**24 - 1, "LONG": 2**32 - 1}


def _largest(kind: Any, dialect: Any, suffix: str) -> int | None:
    name = type(kind).__name__.upper()
    if dialect.name == "postgresql" or not name.endswith(suffix):
        return None
    return kind.length or _LARGEST.get(name.removesuffix(suffix))


def _text(kind: Any, dialect: Any) -> Conversion:
    nul = dialect.name == "postgresql"
    most = _largest(kind, dialect, "TEXT")
    longest = None if most else kind.length

    def convert(value: Any) -> str:
        if value.__class__ is not str:
            raise Misfit(f"is {_word(value)}, not a text")
        if longest is not None and len(value) > longest:
            raise Misfit(f"has more than {longest} characters")
        if nul and "\0" in value:
            raise Misfit("contains a NUL character")
        if not value.isascii() or most is not None:
            try:
                size = len(value.encode())
            except UnicodeEncodeError:
                raise Misfit("is not UTF-8") from None
            if most is not None and size > most:
                raise Misfit(f"has more than {most} bytes")
        return str(value)

    padded = isinstance(kind, types.CHAR)  # servers pad it, or cut spaces off
    return convert, {"comparable": (lambda value: value.rstrip(" ")) if padded else None}


def _enum(kind: Any, _dialect: Any) -> Conversion:
    values = frozenset(kind.enums)

    def convert(value: Any) -> str:
        if value not in values:
            raise Misfit("is none of the values of the type")
        return str(value)

    return convert, {}


def _bytes(kind: Any, dialect: Any) -> Conversion:
    most = _largest(kind, dialect, "BLOB") or kind.length

    def convert(value: Any) -> bytes:
        if value.__class__ is not bytes:
            raise Misfit(f"is {_word(value)}, not bytes")
        if most and len(value) > most:
            raise Misfit(f"has more than {most} bytes")
        return bytes(value)

    return convert, {}


def _json(_kind: Any, dialect: Any) -> Conversion:
    nul = dialect.name == "postgresql"

    def convert(value: Any) -> str:
        # A column declared JSON turns the text 5 into the number 5.
        text = json.dumps(value) if value.__class__ in (int, float) else _require_text(value)
        _parse("JSON text", json.loads, text)
        if nul and "\\u0000" in text:
            raise Misfit("contains a NUL character")
        return text

    def comparable(value: Any) -> str:
        return json.dumps(json.loads(value), sort_keys=True)

    return convert, {"comparable": comparable, "as_text": nul}


def _uuid(_kind: Any, _dialect: Any) -> Conversion:
    def convert(value: Any) -> str:
        if value.__class__ is bytes and len(value) == 16:
            return str(UUID(bytes=value))
        return str(_parse("UUID", UUID, value))

    return convert, {"comparable": lambda value: UUID(str(value)).hex}


def _array(kind: Any, dialect: Any) -> Conversion:
    item = moved_column({"name": "", "type": kind.item_type, "nullable": True}, dialect)

    def each(value: Any) -> Any:
        if isinstance(value, list):
            return [each(element) for element in value]
        return None if value is None else item.convert(value)

    def convert(value: Any) -> Any:
        elements = _parse("JSON text", json.loads, value)
        if not isinstance(elements, list):
            raise Misfit("is not a list")
        return each(elements)

    return convert, {}


# The first that fits; a class stands before those it inherits from.
_CONVERSIONS: list[tuple[Any, Callable[[Any, Any], Conversion]]] = [
    (types.ARRAY, _array),
    (types.JSON, _json),
    (types.Uuid, _uuid),
    (types.Boolean, _boolean),
    (types.Enum, _enum),
    (types._AbstractInterval, _interval),
    (types.Integer, _integer),
    (types.Float, _float),
    (types.Numeric, _numeric),
    (types.DateTime, _datetime),
    (types.Date, _date),
    (types.Time, _time),
    (types.LargeBinary, _bytes),
    (types._Binary, _bytes),
    (types.String, _text),
]
