"""Dates, times and spans: SQLite keeps them as texts."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from .misfit import Made, Misfit, parsed


def _cut(value: Any, digits: int | None) -> Any:
    """Return *value* with no more than *digits* of a second's fraction."""
    unit = 10 ** (6 - (6 if digits is None else digits))
    near = value.replace(microsecond=value.microsecond // unit * unit)
    if near != value:
        raise Misfit("has more of a second's fraction than the column", near)
    return value


def _fraction(kind: Any, dialect: Any) -> int | None:
    if dialect.name == "postgresql":
        precision: int | None = getattr(kind, "precision", None)
        return precision
    return getattr(kind, "fsp", None) or 0


def of_datetime(kind: Any, dialect: Any) -> Made:
    digits, zoned = _fraction(kind, dialect), bool(kind.timezone)

    def take(value: Any) -> datetime:
        moment = parsed("date and time", datetime.fromisoformat, value)
        if zoned:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            moment = moment.astimezone(UTC)
        elif moment.tzinfo is not None:
            raise Misfit("has an offset, and the column has none")
        return _cut(moment, digits)  # type: ignore[no-any-return]

    return take, {"same": (lambda value: value.astimezone(UTC)) if zoned else None}


def of_date(_kind: Any, _dialect: Any) -> Made:
    return lambda value: parsed("date", date.fromisoformat, value), {}


def of_time(kind: Any, dialect: Any) -> Made:
    digits = _fraction(kind, dialect)

    def same(value: Any) -> time:
        # PyMySQL reads a time of day as a duration.
        return (datetime.min + value).time() if isinstance(value, timedelta) else value

    return lambda value: _cut(parsed("time", time.fromisoformat, value), digits), {"same": same}


def of_interval(_kind: Any, _dialect: Any) -> Made:
    # SQLAlchemy keeps one as the moment that it is after 1970 began.
    def take(value: Any) -> timedelta:
        moment: datetime = parsed("date and time", datetime.fromisoformat, value)
        return moment - datetime(1970, 1, 1)

    return take, {}
