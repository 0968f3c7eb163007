"""Whether a column's type holds a value: the one answer, for ALTER, for INSERT and for a move.

A type holds a value where the database takes it and gives back what reads the same: ``7``, ``7.0``
and ``'7'`` do, ``'007'`` does not. SQLite is asked itself, with the condition that an ALTER TABLE
there puts to the rows (``sqlite/change.py``). What a server does is written down here, because its
rows are in another database as long as the question matters; a test asks the servers.
"""

import atexit
import json
import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from functools import cache, lru_cache, partial
from math import isfinite
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import sqltypes as types

from .. import compat
from ..sqlite.change import unfit

#: A value → one for the server's driver; raises Misfit.
Convert = Callable[[Any], Any]

#: What makes SQL of a type, by the kind of database; MariaDB is a mysql.
_DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
    "mysql": mysql.dialect(),
}

#: A number as databases spell it.
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")


class Misfit(ValueError):
    """A value that a column cannot hold; *nearest* is what it can hold instead, if anything."""

    def __init__(self, reason: str, nearest: Any = None) -> None:
        super().__init__(reason)
        self.nearest = nearest


@dataclass(frozen=True)
class Conversion:
    """How the values of a type get into a column of a server, and back to be compared."""

    convert: Convert
    #: A value sent, or read back → what both sides are compared by; None for the value itself.
    comparable: Convert | None = None
    #: Read back as text, because the driver would make something else of it.
    as_text: bool = False
    #: False where the server may spell it in its own way; then the rows are only counted.
    compared: bool = True


def fits(value: Any, type_: Any, kind: str) -> Misfit | None:
    """Tell whether a column holds a value.

    :param value: as a driver reads it from any database, or the text of a literal.
    :param type_: the column's, SQLAlchemy's.
    :param kind: of the database that the column is in: "sqlite", or a server's.
    :return: None where it does, else why not.
    """
    try:
        if value is None:
            pass
        elif kind == "sqlite":
            _ask_sqlite(value, types.to_instance(type_))
        else:
            conversion(type_, kind).convert(value)
    except Misfit as misfit:
        return misfit
    return None


@lru_cache
def conversion(type_: Any, kind: str) -> Conversion:
    """Return how values get into a column of a server.

    :param type_: the column's: of a model or a revision, or as SQLAlchemy's inspector returns it.
    :param kind: of the server: "postgresql", "mysql" or "mariadb".
    """
    kind = "mysql" if kind == "mariadb" else kind
    type_ = types.to_instance(type_)
    if compat.has_variant(type_, kind):
        type_ = type_.dialect_impl(_DIALECTS[kind])
    of_type = next((find for class_, find in _CONVERSIONS if isinstance(type_, class_)), None)
    if of_type is None:
        return Conversion(lambda value: value, compared=False, as_text=kind == "postgresql")
    return of_type(type_, kind)


def _ask_sqlite(value: Any, type_: Any) -> None:
    if isinstance(type_, types.Enum):
        _require_value_of(type_, value)
    condition = _condition(type_)
    if not condition:
        return
    if isinstance(value, dict | list):
        value = json.dumps(value)
    elif isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    elif not isinstance(value, int | float | str | bytes):
        value = str(value)
    try:
        with _ONE_THREAD:
            query = f"SELECT {condition} FROM (SELECT ? AS value)"
            (is_unfit,) = _memory().execute(query, (value,)).fetchone()
    except OverflowError:
        raise Misfit("has more than 64 bits") from None
    if is_unfit:
        raise Misfit(f"is not what a column of the type {type_!r} holds")


@lru_cache
def _condition(type_: Any) -> str:
    """Return SQLite's condition of what a type does not hold; empty where it holds everything."""
    try:
        return unfit("value", None, type_.compile(_DIALECTS["sqlite"]))
    except CompileError:  # another database's own
        return ""


_ONE_THREAD = threading.Lock()


@cache
def _memory() -> sqlite3.Connection:
    """Return a database with nothing in it, where SQLite is asked."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    atexit.register(connection.close)
    return connection


def _word(value: Any) -> str:
    if isinstance(value, int | float | Decimal):
        return "a number"
    return {str: "a text", bytes: "bytes"}.get(value.__class__, "something else")


def _require_text(value: Any) -> str:
    if not isinstance(value, str):
        raise Misfit(f"is {_word(value)}, not a text")
    return value


def _parse(what: str, parse: Callable[[str], Any], value: Any) -> Any:
    try:
        return parse(_require_text(value))
    except Misfit:
        raise Misfit(f"is {_word(value)}, not a {what}") from None
    except ValueError:
        raise Misfit(f"is not a {what}") from None


def _number(value: Any, what: str = "number") -> Decimal:
    """Return the number that *value* is, or spells."""
    is_spelled = isinstance(value, str) and NUMBER.fullmatch(value)
    if not is_spelled and not isinstance(value, int | float | Decimal):
        raise Misfit(f"is {_word(value)}, not a {what}")
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not number.is_finite():
        raise Misfit("is not a finite number")
    return number


def _whole_number(value: Any) -> int:
    number = _number(value, "whole number")
    is_spelled_so = not isinstance(value, str) or value.lstrip("-").isdigit()
    if number != number.to_integral_value() or not is_spelled_so:
        raise Misfit(f"is {_word(value)}, not a whole number")
    return int(number)


_BITS = [
    (mysql.TINYINT, 8),
    (mysql.MEDIUMINT, 24),
    (types.BigInteger, 64),
    (types.SmallInteger, 16),
]


def _integer(type_: Any, _kind: str) -> Conversion:
    bits = next((bits for class_, bits in _BITS if isinstance(type_, class_)), 32)
    signed = not getattr(type_, "unsigned", False)
    low = -(2 ** (bits - 1)) if signed else 0
    high = low + 2**bits - 1

    def convert(value: Any) -> int:
        if value.__class__ is not int:
            value = _whole_number(value)
        if not low <= value <= high:
            raise Misfit(f"is not between {low} and {high}")
        return int(value)

    return Conversion(convert)


def _boolean(_type: Any, kind: str) -> Conversion:
    words = {"0": False, "1": True}
    if kind == "postgresql":
        words |= {"f": False, "false": False, "t": True, "true": True}

    def convert(value: Any) -> bool:
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if isinstance(value, str | bytes) or value not in (0, 1):
            raise Misfit("is neither 0 nor 1")
        return bool(value)

    return Conversion(convert)


#: Numbers have up to 1,000 digits on PostgreSQL.
_WIDE = Context(prec=2000)


def _numeric(type_: Any, kind: str) -> Conversion:
    precision, scale = type_.precision, type_.scale or 0
    if precision is None and kind == "mysql":
        precision, scale = 10, 0  # what DECIMAL is there
    if precision is None:
        return Conversion(_number, comparable=Decimal.normalize)
    step = Decimal(1).scaleb(-scale)
    limit = Decimal(10) ** (precision - scale)

    def convert(value: Any) -> Decimal:
        number = _number(value)
        if abs(number) >= limit:
            raise Misfit(f"has more than {precision - scale} digits before the point")
        rounded = number.quantize(step, context=_WIDE)
        # 59.97 may stand there as 59.970000000000006: that is still 59.97.
        noise = abs(number) * Decimal("1e-14") if isinstance(value, float) else 0
        if rounded != number and abs(rounded - number) > noise:
            raise Misfit(f"has more than {scale} digits after the point", rounded)
        return rounded

    return Conversion(convert)


def _nearest_float(exact: Decimal) -> float:
    number = float(exact)
    if Decimal(repr(number)) != exact:
        raise Misfit("has more digits than a floating-point number", number)
    return number


def _float(type_: Any, kind: str) -> Conversion:
    infinite = kind == "postgresql"
    # MySQL's FLOAT has four bytes and shows six digits; PostgreSQL's REAL shows what it holds.
    single = not isinstance(type_, types.Double) and (not infinite or isinstance(type_, types.REAL))

    def convert(value: Any) -> float:
        if isinstance(value, float) and not isfinite(value):
            if not infinite:
                raise Misfit("is infinite")
            return value
        number = value if isinstance(value, float) else _nearest_float(_number(value))
        if single and float(f"{number:.6g}") != number:
            raise Misfit("has more than 6 digits", float(f"{number:.6g}"))
        return number

    return Conversion(convert)


def _cut(value: Any, digits: int | None) -> Any:
    """Return *value* with no more than *digits* of a second's fraction."""
    unit = 10 ** (6 - (6 if digits is None else digits))
    nearest = value.replace(microsecond=value.microsecond // unit * unit)
    if nearest != value:
        raise Misfit("has more of a second's fraction than the column", nearest)
    return value


def _fraction(type_: Any, kind: str) -> int | None:
    if kind == "postgresql":
        precision: int | None = getattr(type_, "precision", None)
        return precision
    return getattr(type_, "fsp", None) or 0


def _of_calendar(parse: Callable[[str], Any], text: str) -> Any:
    """Read a date or a time, but for what Python reads and a server does not: weeks, and 24:00."""
    if re.search(r"W|(^|[T ])24:", text):
        raise ValueError(text)
    return parse(text)


_read_moment = partial(_of_calendar, datetime.fromisoformat)


def _moment(value: Any) -> datetime:
    if isinstance(value, date):
        value = str(value)
    moment: datetime = _parse("date and time", _read_moment, value)
    return moment


def _datetime(type_: Any, kind: str) -> Conversion:
    digits, zoned = _fraction(type_, kind), bool(type_.timezone) and kind == "postgresql"

    def convert(value: Any) -> datetime:
        moment = _moment(value)
        if zoned:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            moment = moment.astimezone(UTC)
        elif moment.tzinfo is not None:
            raise Misfit("has an offset, and the column has none")
        return _cut(moment, digits)  # type: ignore[no-any-return]

    return Conversion(convert, comparable=(lambda value: value.astimezone(UTC)) if zoned else None)


def _date(_type: Any, _kind: str) -> Conversion:
    def convert(value: Any) -> date:
        text = str(value) if isinstance(value, date) else value
        day: datetime = _parse("date", _read_moment, text)
        if day.tzinfo is not None or day.time() != time():
            raise Misfit("is not a date")
        return day.date()

    return Conversion(convert)


def _time(type_: Any, kind: str) -> Conversion:
    digits = _fraction(type_, kind)

    def convert(value: Any) -> time:
        if isinstance(value, timedelta):  # PyMySQL reads a time of day as a duration
            value = (datetime.min + value).time()
        text = str(value) if isinstance(value, time) else value
        return _cut(_parse("time", partial(_of_calendar, time.fromisoformat), text), digits)  # type: ignore[no-any-return]

    def comparable(value: Any) -> time:
        return (datetime.min + value).time() if isinstance(value, timedelta) else value

    return Conversion(convert, comparable=comparable)


def _interval(_type: Any, _kind: str) -> Conversion:
    # SQLAlchemy keeps one as the moment that it is after 1970 began.
    def convert(value: Any) -> timedelta:
        return value if isinstance(value, timedelta) else _moment(value) - datetime(1970, 1, 1)

    return Conversion(convert)


#: How many bytes the types of MySQL and MariaDB hold whose name says it.
_BYTES: dict[str, int] = {
    f"{size}{kind}": 2**bits - 1
    for size, bits in (("TINY", 8), ("", 16), ("MEDIUM", 24), ("LONG", 32))
    for kind in ("TEXT", "BLOB")
}

#: utf8mb4 takes so many for one character.
_BYTES_OF_CHARACTER = 4


def byte_limit(type_: Any) -> int | None:
    """Return how many bytes a text or binary type holds at most on MySQL and MariaDB.

    :return: None where bytes do not limit it: another type, or one whose length says more.
    """
    try:
        name = types.to_instance(type_).compile(dialect=_DIALECTS["mysql"])
    except CompileError:
        return None
    declared = re.match(r"(?:(VAR)CHAR|((?:TINY|MEDIUM|LONG)?(?:TEXT|BLOB)))(?:\((\d+)\))?", name)
    if declared is None:
        return None
    is_varchar, word, length = declared.groups()
    if not length:
        return _BYTES.get(word or "")
    needed = int(length) * (1 if word == "BLOB" else _BYTES_OF_CHARACTER)
    if is_varchar:
        return min(needed, _BYTES["TEXT"])  # a row holds no more
    # The server takes the smallest type that holds it.
    return min((size for size in _BYTES.values() if size >= needed), default=_BYTES["LONGTEXT"])


def _as_text(value: Any, kind: str) -> str:
    if isinstance(value, bytes):
        raise Misfit("is bytes, not a text")
    if isinstance(value, bool):
        return str(value).lower() if kind == "postgresql" else str(int(value))
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _text(type_: Any, kind: str) -> Conversion:
    has_nul = kind == "mysql"
    most = byte_limit(type_) if kind == "mysql" else None
    longest = None if isinstance(type_, types.Text) else type_.length

    def convert(value: Any) -> str:
        if value.__class__ is not str:
            value = _as_text(value, kind)
        if longest is not None and len(value) > longest:
            raise Misfit(f"has more than {longest} characters")
        if not has_nul and "\0" in value:
            raise Misfit("contains a NUL character")
        if not value.isascii() or most is not None:
            try:
                size = len(value.encode())
            except UnicodeEncodeError:
                raise Misfit("is not UTF-8") from None
            if most is not None and size > most:
                raise Misfit(f"has more than {most} bytes")
        return str(value)

    padded = isinstance(type_, types.CHAR)  # servers pad it, or cut spaces off
    return Conversion(convert, comparable=(lambda value: value.rstrip(" ")) if padded else None)


def _require_value_of(type_: types.Enum, value: Any) -> str:
    if value not in type_.enums:
        raise Misfit("is none of the values of the type")
    return str(value)


def _enum(type_: Any, _kind: str) -> Conversion:
    return Conversion(partial(_require_value_of, type_))


def _bytes(type_: Any, kind: str) -> Conversion:
    most = (byte_limit(type_) if kind == "mysql" else None) or type_.length

    def convert(value: Any) -> bytes:
        if not isinstance(value, bytes):
            raise Misfit(f"is {_word(value)}, not bytes")
        if most and len(value) > most:
            raise Misfit(f"has more than {most} bytes")
        return value

    return Conversion(convert)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)  # NaN and the infinite are Python's own


def _json(_type: Any, kind: str) -> Conversion:
    nul = kind == "postgresql"

    def convert(value: Any) -> Any:
        # A column declared JSON turns the text 5 into the number 5, and a driver reads objects.
        text = value if isinstance(value, str | bytes) else json.dumps(value, default=str)
        _parse("JSON text", partial(json.loads, parse_constant=_refuse_constant), text)
        if nul and "\\u0000" in text:
            raise Misfit("contains a NUL character")
        return text

    def comparable(value: Any) -> str:
        return json.dumps(json.loads(value), sort_keys=True)

    return Conversion(convert, comparable=comparable, as_text=nul)


def _uuid(_type: Any, _kind: str) -> Conversion:
    def convert(value: Any) -> str:
        if isinstance(value, UUID):
            return str(value)
        if isinstance(value, bytes) and len(value) == 16:
            return str(UUID(bytes=value))
        return str(_parse("UUID", UUID, value))

    return Conversion(convert, comparable=lambda value: UUID(str(value)).hex)


def _array(type_: Any, kind: str) -> Conversion:
    item = conversion(type_.item_type, kind)

    def each(value: Any) -> Any:
        if isinstance(value, list):
            return [each(element) for element in value]
        return None if value is None else item.convert(value)

    def convert(value: Any) -> Any:
        elements = value if isinstance(value, list) else _parse("JSON text", json.loads, value)
        if not isinstance(elements, list):
            raise Misfit("is not a list")
        return each(elements)

    return Conversion(convert)


# The first that fits; a class stands before those it inherits from.
_CONVERSIONS: list[tuple[Any, Callable[[Any, str], Conversion]]] = [
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
