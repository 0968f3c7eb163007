"""Whether a value of SQLite fits a column of a server, and as what.

SQLite keeps what it is given; a server keeps what its columns hold. A :class:`Field` takes a
value as SQLite stores it (never through the models: what a type of theirs encrypts stays as it is)
and gives the value for the server's driver, or says why there is none.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.sql import sqltypes as types

from . import moments, numeric
from .misfit import Made, Misfit, Take, is_text, parsed, word


@dataclass(frozen=True)
class Field:
    """One column that is moved."""

    name: str
    type: str
    nullable: bool
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


def _text(kind: Any, dialect: Any) -> Made:
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


def _enum(kind: Any, _dialect: Any) -> Made:
    values = frozenset(kind.enums)

    def take(value: Any) -> str:
        if value not in values:
            raise Misfit("is none of the values of the type")
        return str(value)

    return take, {}


def _bytes(kind: Any, dialect: Any) -> Made:
    most = _largest(kind, dialect, "BLOB") or kind.length

    def take(value: Any) -> bytes:
        if value.__class__ is not bytes:
            raise Misfit(f"is {word(value)}, not bytes")
        if most and len(value) > most:
            raise Misfit(f"has more than {most} bytes")
        return bytes(value)

    return take, {}


def _json(_kind: Any, dialect: Any) -> Made:
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


def _uuid(_kind: Any, _dialect: Any) -> Made:
    def take(value: Any) -> str:
        if value.__class__ is bytes and len(value) == 16:
            return str(UUID(bytes=value))
        return str(parsed("UUID", UUID, value))

    return take, {"same": lambda value: UUID(str(value)).hex}


def _array(kind: Any, dialect: Any) -> Made:
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
_MAKERS: list[tuple[Any, Callable[[Any, Any], Made]]] = [
    (types.ARRAY, _array),
    (types.JSON, _json),
    (types.Uuid, _uuid),
    (types.Boolean, numeric.of_boolean),
    (types.Enum, _enum),
    (types._AbstractInterval, moments.of_interval),
    (types.Integer, numeric.of_integer),
    (types.Float, numeric.of_float),
    (types.Numeric, numeric.of_numeric),
    (types.DateTime, moments.of_datetime),
    (types.Date, moments.of_date),
    (types.Time, moments.of_time),
    (types.LargeBinary, _bytes),
    (types._Binary, _bytes),
    (types.String, _text),
]
