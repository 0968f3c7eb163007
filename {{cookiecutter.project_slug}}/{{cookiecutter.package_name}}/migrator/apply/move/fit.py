"""Whether a value of SQLite fits a column of a server, and as what.

SQLite keeps what it is given; a server keeps what its columns hold. A :class:`Field` takes a
value as SQLite stores it (never through the models: what a type of theirs encrypts stays as it is)
and gives the value for the server's driver, or says why there is none.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

from sqlalchemy.dialects import mysql
from sqlalchemy.sql import sqltypes as types

from . import moments
from .misfit import Misfit, is_text, parsed, word

Take = Callable[[Any], Any]


@dataclass(frozen=True)
class Field:
    """One column that is moved."""

    name: str
    type: str
    nullable: bool
    #: A value of SQLite → one for the driver; raises Misfit.
    take: Take
    #: A value sent, or read back → what the two sides are compared by; None: the value itself.
    same: Take | None = None
    #: Read back as text, because the driver would make something else of it.
    as_text: bool = False
    #: False where the server may spell it in its own way; then the rows are only counted.
    compared: bool = True

    def empty(self, value: Any) -> Any:
        """Take *value*, which is NULL, or raise Misfit."""
        if not self.nullable:
            raise Misfit("is missing (NULL)")
        return value


def field(column: Any, dialect: Any) -> Field:
    """Make the field for a *column* as SQLAlchemy's inspector describes it."""
    kind = column["type"]
    spelled = "unknown" if isinstance(kind, types.NullType) else kind.compile(dialect)
    make = next((make for class_, make in _MAKERS if isinstance(kind, class_)), None)
    rest: dict[str, Any] = {"compared": False, "as_text": dialect.name == "postgresql"}
    take: Take = _anything
    if make is not None:
        take, rest = make(kind, dialect)
    return Field(column["name"], spelled, column["nullable"], take, **rest)


def _anything(value: Any) -> Any:
    return value


#: Bytes that MySQL's text and binary types hold; VARCHAR counts its characters.
_LARGEST = {"TINY": 2**8 - 1, "": 2**16 - 1, "MEDIUM": 2**24 - 1, "LONG": 2**32 - 1}


def _largest(kind: Any, dialect: Any, word: str) -> int | None:
    name = type(kind).__name__.upper()
    if dialect.name == "postgresql" or not name.endswith(word):
        return None
    return kind.length or _LARGEST.get(name.removesuffix(word))


def _text(kind: Any, dialect: Any) -> tuple[Take, dict[str, Any]]:
    nul = dialect.name == "postgresql"
    most = _largest(kind, dialect, "TEXT")
    longest = None if most else kind.length

    def take(value: Any) -> str:
        if value.__class__ is not str:
            raise Misfit(f"is {word(value)}, not a text")
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
    return take, {"same": (lambda value: value.rstrip(" ")) if padded else None}


def _enum(kind: Any, _dialect: Any) -> tuple[Take, dict[str, Any]]:
    values = frozenset(kind.enums)

    def take(value: Any) -> str:
        if value not in values:
            raise Misfit("is none of the values of the type")
        return str(value)

    return take, {}


_BITS = [
    (mysql.TINYINT, 8),
    (mysql.MEDIUMINT, 24),
    (types.BigInteger, 64),
    (types.SmallInteger, 16),
]


def _integer(kind: Any, _dialect: Any) -> tuple[Take, dict[str, Any]]:
    bits = next((bits for class_, bits in _BITS if isinstance(kind, class_)), 32)
    signed = not getattr(kind, "unsigned", False)
    low = -(2 ** (bits - 1)) if signed else 0
    high = low + 2**bits - 1

    def take(value: Any) -> int:
        if value.__class__ is float and isfinite(value) and value.is_integer():
            value = int(value)
        if value.__class__ is not int:
            raise Misfit(f"is {word(value)}, not a whole number")
        if not low <= value <= high:
            raise Misfit(f"is not between {low} and {high}")
        return int(value)

    return take, {}


def _boolean(_kind: Any, _dialect: Any) -> tuple[Take, dict[str, Any]]:
    def take(value: Any) -> bool:
        if value.__class__ is not int or value not in (0, 1):
            raise Misfit("is neither 0 nor 1")
        return bool(value)

    return take, {}


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(repr(value) if value.__class__ is float else value)
    except (InvalidOperation, TypeError, ValueError):
        raise Misfit(f"is {word(value)}, not a number") from None
    if not number.is_finite():
        raise Misfit("is not a finite number")
    return number


def _numeric(kind: Any, _dialect: Any) -> tuple[Take, dict[str, Any]]:
    if kind.scale is None:
        return _number, {"same": Decimal.normalize}
    step = Decimal(1).scaleb(-kind.scale)
    limit = Decimal(10) ** ((kind.precision or 1000) - kind.scale)

    def take(value: Any) -> Decimal:
        number = _number(value)
        if abs(number) >= limit:
            raise Misfit(f"has more than {kind.precision - kind.scale} digits before the point")
        rounded = number.quantize(step)
        # 59.97 may stand there as 59.970000000000006: that is still 59.97.
        if rounded != number and abs(rounded - number) > abs(number) * Decimal("1e-14"):
            raise Misfit(f"has more than {kind.scale} digits after the point", rounded)
        return rounded

    return take, {}


def _float(kind: Any, dialect: Any) -> tuple[Take, dict[str, Any]]:
    infinite = dialect.name == "postgresql"
    # MySQL's FLOAT has four bytes and shows six digits; PostgreSQL's REAL shows what it holds.
    single = not isinstance(kind, types.Double) and (not infinite or isinstance(kind, types.REAL))

    def take(value: Any) -> float:
        if value.__class__ not in (int, float):
            raise Misfit(f"is {word(value)}, not a number")
        value = float(value)
        if not (infinite or isfinite(value)):
            raise Misfit("is infinite")
        if single and isfinite(value) and float(f"{value:.6g}") != value:
            raise Misfit("has more than 6 digits", float(f"{value:.6g}"))
        return float(value)

    return take, {}


def _bytes(kind: Any, dialect: Any) -> tuple[Take, dict[str, Any]]:
    most = _largest(kind, dialect, "BLOB") or kind.length

    def take(value: Any) -> bytes:
        if value.__class__ is not bytes:
            raise Misfit(f"is {word(value)}, not bytes")
        if most and len(value) > most:
            raise Misfit(f"has more than {most} bytes")
        return bytes(value)

    return take, {}


def _json(_kind: Any, dialect: Any) -> tuple[Take, dict[str, Any]]:
    nul = dialect.name == "postgresql"

    def take(value: Any) -> str:
        # A column declared JSON turns the text 5 into the number 5.
        text = json.dumps(value) if value.__class__ in (int, float) else is_text(value)
        parsed("JSON text", json.loads, text)
        if nul and "\\u0000" in text:
            raise Misfit("contains a NUL character")
        return text

    def same(value: Any) -> str:
        return json.dumps(json.loads(value), sort_keys=True)

    return take, {"same": same, "as_text": nul}


def _uuid(_kind: Any, _dialect: Any) -> tuple[Take, dict[str, Any]]:
    def take(value: Any) -> str:
        if value.__class__ is bytes and len(value) == 16:
            return str(UUID(bytes=value))
        return str(parsed("UUID", UUID, value))

    return take, {"same": lambda value: UUID(str(value)).hex}


def _array(kind: Any, dialect: Any) -> tuple[Take, dict[str, Any]]:
    item = field({"name": "", "type": kind.item_type, "nullable": True}, dialect)

    def each(value: Any) -> Any:
        if isinstance(value, list):
            return [each(one) for one in value]
        return None if value is None else item.take(value)

    def take(value: Any) -> Any:
        found = parsed("JSON text", json.loads, value)
        if not isinstance(found, list):
            raise Misfit("is not a list")
        return each(found)

    return take, {}


# The first that fits; a class stands before those it inherits from.
_MAKERS: list[tuple[Any, Callable[[Any, Any], tuple[Take, dict[str, Any]]]]] = [
    (types.ARRAY, _array),
    (types.JSON, _json),
    (types.Uuid, _uuid),
    (types.Boolean, _boolean),
    (types.Enum, _enum),
    (types._AbstractInterval, moments.of_interval),
    (types.Integer, _integer),
    (types.Float, _float),
    (types.Numeric, _numeric),
    (types.DateTime, moments.of_datetime),
    (types.Date, moments.of_date),
    (types.Time, moments.of_time),
    (types.LargeBinary, _bytes),
    (types._Binary, _bytes),
    (types.String, _text),
]
