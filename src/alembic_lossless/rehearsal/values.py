"""Values for a column of a given type: the ordinary one first, then those that break migrations."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import types
from sqlalchemy.dialects import mysql, postgresql

_DAY = datetime(2024, 2, 29, 7, 8, 9)
#: For types that SQLAlchemy has no Python values for: a text that the server reads.
_TEXTS = {
    "INET": "127.0.0.1",
    "CIDR": "10.0.0.0/8",
    "MACADDR": "08:00:2b:01:02:03",
    "MACADDR8": "08:00:2b:01:02:03:04:05",
    "TSVECTOR": "a word",
    "TSQUERY": "word",
    "HSTORE": "a=>1",
    "YEAR": "2024",
    "MONEY": "1.50",
    "OID": "1",
    "XML": "<a/>",
    "POINT": "(0,0)",
    "INT4RANGE": "[1,5)",
    "INT8RANGE": "[1,5)",
    "NUMRANGE": "[1.5,5)",
    "DATERANGE": "[2024-01-01,2024-02-01)",
    "TSRANGE": "[2024-01-01,2024-02-01)",
    "TSTZRANGE": "[2024-01-01,2024-02-01)",
}
_GUESSES = ("", "1", "{}", "a", "127.0.0.1", "2024-02-29", "POINT(0 0)")


def candidates(type_: types.TypeEngine[Any]) -> list[Any]:
    """Return values for a column of *type_*: NULL is not among them."""
    if isinstance(type_, postgresql.DOMAIN):
        return candidates(type_.data_type)
    if isinstance(type_, sa.ARRAY):
        return [candidates(type_.item_type)[:2], []]
    if isinstance(type_, sa.Enum) and type_.enums:
        return list(type_.enums)
    if isinstance(type_, mysql.SET):
        return [{type_.values[0]}, set(), set(type_.values)]
    for kind, make in _MAKERS:
        if isinstance(type_, kind):
            return list(dict.fromkeys(make(type_))) if kind is not sa.JSON else list(make(type_))
    known = _TEXTS.get(type_.__visit_name__.upper())
    if isinstance(type_, postgresql.BIT):
        known = "1" * (type_.length or 1)
    texts = [known] if known else _GUESSES
    return [sa.literal_column("'" + text + "'") for text in texts]


def _integers(type_: Any) -> Iterator[int]:
    name = type_.__visit_name__.upper()
    bits = {"BIGINT": 63, "SMALLINT": 15, "TINYINT": 7, "MEDIUMINT": 23}.get(name, 31)
    unsigned = getattr(type_, "unsigned", False)
    yield from (7, 0, 2 ** (bits + unsigned) - 1)
    if not unsigned:
        yield from (-1, -(2**bits))


def _numbers(type_: Any) -> Iterator[Any]:
    if isinstance(type_, sa.Float):
        yield from (1.5, 0.0, -1.5, 3e37, 1e-30)
        return
    scale = type_.scale or 0
    whole = (type_.precision or 18) - scale
    smallest = Decimal(1).scaleb(-scale)
    most = Decimal(10) ** whole - smallest
    yield from (min(Decimal("7.5").quantize(smallest), most), Decimal(0), most, -most, smallest)


def _texts(type_: Any) -> Iterator[str]:
    length = type_.length
    texts = ["x9", "", "007", "12", " Ada ", 'It\'s 100% \\ "so"', "ÅDA", "åda"]
    yield from (text[:length] for text in texts)
    if length is None:
        yield from ("x" * 65535, "ä" * 255)
    else:
        yield from ("ä" * min(length, 65535), "x" * min(length, 65535))


def _bytes(type_: Any) -> Iterator[bytes]:
    length = getattr(type_, "length", None)
    yield from (b"\x00\xff"[:length], b"", b"\xff" * min(length or 1000, 65535))


#: Looked through in this order: a Boolean or a Float is more than its base.
_MAKERS: list[tuple[Any, Any]] = [
    (sa.Boolean, lambda _: (True, False)),
    (mysql.BIT, lambda _: (1, 0)),
    (sa.Integer, _integers),
    ((sa.Numeric, sa.Float), _numbers),
    (sa.JSON, lambda _: ({"a": [1, None]}, {}, [], "ä")),
    (sa.Uuid, lambda _: (UUID(int=7), UUID(int=0), UUID(int=2**128 - 1))),
    (sa.String, _texts),
    (
        sa.DateTime,
        # The second within a microsecond, the year 2038 as MySQL's TIMESTAMP ends.
        lambda _: (
            _DAY,
            _DAY.replace(microsecond=123456),
            datetime(1970, 1, 2),
            datetime(2037, 1, 1),
        ),
    ),
    (sa.Date, lambda _: (_DAY.date(), date(1000, 1, 1), date(9999, 12, 31))),
    (sa.Time, lambda _: (_DAY.time(), time(0), time(23, 59, 59))),
    (
        (sa.Interval, postgresql.INTERVAL),
        lambda _: (timedelta(hours=1), timedelta(0), timedelta(days=400)),
    ),
    (types._Binary, _bytes),
]


def fresh(type_: types.TypeEngine[Any], number: int) -> Any:
    """Return the value with this *number*, of a type that allows many; else it comes again."""
    if isinstance(type_, postgresql.DOMAIN):
        return fresh(type_.data_type, number)
    if isinstance(type_, sa.Enum | sa.Boolean):
        values = candidates(type_)
        return values[number % len(values)]
    if isinstance(type_, sa.Integer | sa.Numeric | sa.Float):
        return number + 1
    if isinstance(type_, sa.Uuid):
        return UUID(int=number + 1000)
    if isinstance(type_, sa.String):
        return f"{number:x}" if (type_.length or 9) < 5 else f"x{number}"
    if isinstance(type_, sa.DateTime):
        return _DAY + timedelta(days=number)
    if isinstance(type_, sa.Date):
        return _DAY.date() + timedelta(days=number)
    if isinstance(type_, sa.Time):
        return (_DAY + timedelta(seconds=number)).time()
    if isinstance(type_, types._Binary):
        return number.to_bytes(min(getattr(type_, "length", None) or 4, 4), "big")
    return candidates(type_)[number % len(candidates(type_))]


_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])-?\d+(?:\.\d+)?")


def literals(check: str, type_: types.TypeEngine[Any]) -> list[Any]:
    """Return values for a column of *type_* that *check*, a condition as text, makes likely."""
    found: list[Any] = []
    if "json" in check.lower() and isinstance(type_, sa.String):
        found += ['{"a": [1, null]}', "{}", "[]"]
    for match in _LITERAL.finditer(check):
        if match[1] is not None:
            text = match[1].replace("''", "'")
            found += (
                [text, text.strip("^$%")] if isinstance(type_, sa.String) else _parsed(type_, text)
            )
        elif isinstance(type_, sa.String):
            size = min(abs(int(float(match[0]))), 1000)
            found += [letter * n for n in (size, size + 1) for letter in ("x", "1", "A")]
        elif isinstance(type_, sa.Integer | sa.Numeric | sa.Float) and not isinstance(
            type_, sa.Boolean
        ):
            number = Decimal(match[0])
            near = [number, number + 1, number - 1]
            found += [int(n) if isinstance(type_, sa.Integer) else n for n in near]
    return list(dict.fromkeys(found))


def _parsed(type_: types.TypeEngine[Any], text: str) -> list[Any]:
    try:
        if isinstance(type_, sa.DateTime):
            day = datetime.fromisoformat(text)
        elif isinstance(type_, sa.Date):
            return [date.fromisoformat(text) + timedelta(days=n) for n in (0, 1, -1)]
        elif isinstance(type_, sa.Integer):
            return [int(text)]
        else:
            return []
    except (ValueError, OverflowError):
        return []
    return [day + timedelta(days=n) for n in (0, 1, -1)]
