"""Numbers: SQLite keeps any in any column, a server what the column's type holds."""

from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

from sqlalchemy.dialects import mysql
from sqlalchemy.sql import sqltypes as types

from .misfit import Made, Misfit, word

_BITS = [
    (mysql.TINYINT, 8),
    (mysql.MEDIUMINT, 24),
    (types.BigInteger, 64),
    (types.SmallInteger, 16),
]


def of_integer(kind: Any, _dialect: Any) -> Made:
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


def of_boolean(_kind: Any, _dialect: Any) -> Made:
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


def of_numeric(kind: Any, _dialect: Any) -> Made:
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


def of_float(kind: Any, dialect: Any) -> Made:
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
