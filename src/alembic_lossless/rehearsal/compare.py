"""The rows before a migration and after it: what is lost or changed that it did not say."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import SQLAlchemyError

from ..errors import plural
from ..schema import diff
from ..scratch.hints import reason
from .effects import ALL, Said
from .fixtures import quoted

#: How many rows are named.
SHOWN = 3


@dataclass
class Content:
    """The rows of one table: *key* are the columns that tell them apart, none if nothing does."""

    name: str
    columns: list[str]
    key: list[str]
    rows: list[tuple[Any, ...]]
    #: What else may have changed these rows: the tables that they point to.
    referred: list[str]

    def named(self, row: Sequence[Any]) -> str:
        """Name *row* for a person: its key, or all of it."""
        values = dict(zip(self.columns, row, strict=True))
        shown = [f"{name}={values[name]!r:.40}" for name in self.key or self.columns]
        return f"{self.name}({', '.join(shown)})"


class Unreadable(Exception):
    """The rows of *table* cannot be read, and why."""

    def __init__(self, table: str, error: SQLAlchemyError) -> None:
        super().__init__(f"the rows of {table} can be read no more: {reason(error)}")
        self.table = table


def contents(connection: Connection, metadata: MetaData) -> dict[str, Content]:
    """Return the rows of every table of *metadata*, by the table's folded name.

    :raises Unreadable: where the database fails on one, as in a column that is computed.
    """
    found = {}
    for table in metadata.tables.values():
        select = f"SELECT * FROM {quoted(connection, table)}"
        try:
            result = connection.exec_driver_sql(select, execution_options={"no_parameters": True})
        except SQLAlchemyError as error:
            connection.rollback()
            raise Unreadable(table.name, error) from error
        found[table.name.casefold()] = Content(
            table.name,
            list(map(str.casefold, result.keys())),
            [column.name.casefold() for column in table.primary_key.columns],
            [tuple(row) for row in result],
            [key.referred_table.name for key in table.foreign_key_constraints],
        )
    connection.rollback()
    return found


@dataclass(frozen=True)
class Harm:
    """What happened to rows of *table* that no operation said, in words."""

    table: str
    sentence: str
    #: Where to look for the cause, the nearest first.
    near: tuple[str, ...]


def harm(
    before: dict[str, Content],
    after: dict[str, Content],
    said: Said,
    changed: Sequence[diff.Difference],
) -> Iterator[Harm]:
    """Compare the rows before and after.

    :param said: what the migration says it does.
    :param changed: how the schema was changed: a column's other type lets its values be written
        otherwise, as long as they mean the same; a generated column's are not looked at.
    """
    retyped = {
        (said.was(d.key.table), said.column_was(said.was(d.key.table), d.key.name))
        for d in changed
        if d.key.kind == "column"
    }
    for name, old in before.items():
        near = (name, *(table.casefold() for table in old.referred))
        new = after.get(said.tables.get(name, name))
        if name in said.gone and new is None:
            continue
        if new is None:
            if old.rows:
                yield Harm(name, f"table {old.name} is gone with {plural(old.rows, 'row')}", near)
            continue
        lost = [
            column
            for column in old.columns
            if (name, column) not in said.gone
            and said.columns.get((name, column), column) not in new.columns
        ]
        if lost and old.rows and name not in said.gone:
            yield Harm(name, f"column {old.name}.{lost[0]} is gone with its values", near)
        yield from _table(name, old, new, said, retyped, near)


def _table(
    name: str,
    old: Content,
    new: Content,
    said: Said,
    retyped: set[tuple[str, str]],
    near: tuple[str, ...],
) -> Iterator[Harm]:
    written = said.updated.get(name, set())
    pairs = []
    for column in old.columns:
        there, other = said.columns.get((name, column), column), (name, column) in retyped
        # An UPDATE sets other columns too, by triggers and ON UPDATE; but it casts none.
        excused = ALL in written or column in written or (written and not other)
        if there in new.columns and (name, column) not in said.gone and not excused:
            pairs.append((column, there, other))
    was = _projected(old, [(here, other) for here, _, other in pairs])
    now = _projected(new, [(there, other) for _, there, other in pairs])
    columns = [here for here, _, _ in pairs]
    places = [columns.index(column) for column in old.key if column in columns]
    may_go = name in said.deleted or name in said.gone
    if old.key and len(places) == len(old.key):
        lost, changes = _by_key(was, now, places)
        for place in sorted(changes):
            here, there, _ = pairs[place]
            shown = [
                f"{old.named(old.rows[one])} {_value(old, one, here)} → {_value(new, other, there)}"
                for one, other in changes[place][:SHOWN]
            ]
            what = f"{plural(changes[place], 'value')} of {old.name}.{here} changed"
            yield Harm(name, f"{what}: {'; '.join(shown)}", near)
    else:
        left = Counter(now)
        lost = []
        for number, row in enumerate(was):
            left[row] -= 1
            if left[row] < 0:
                lost.append(number)
    if lost and not may_go:
        shown = [old.named(old.rows[number]) for number in lost[:SHOWN]]
        rows = f"{plural(lost, 'row')} of {old.name} lost"
        yield Harm(name, f"{rows}, and no operation deletes them: {', '.join(shown)}", near)
    more = len(new.rows) - len(old.rows)
    if more > 0 and not (name in said.inserted or said.tables.get(name, name) in said.inserted):
        yield Harm(
            name, f"{plural(more, 'row')} of {old.name} appeared that no operation put in", near
        )


def _by_key(
    was: list[tuple[Any, ...]], now: list[tuple[Any, ...]], places: list[int]
) -> tuple[list[int], dict[int, list[tuple[int, int]]]]:
    """Pair rows by the values in *places*; return those without a partner, and what differs."""
    there = {tuple(row[place] for place in places): number for number, row in enumerate(now)}
    lost: list[int] = []
    changes: dict[int, list[tuple[int, int]]] = {}
    for number, row in enumerate(was):
        partner = there.get(tuple(row[place] for place in places))
        if partner is None:
            lost.append(number)
        elif row != now[partner]:
            for place, (one, other) in enumerate(zip(row, now[partner], strict=True)):
                if one != other:
                    changes.setdefault(place, []).append((number, partner))
    return lost, changes


def _value(content: Content, number: int, column: str) -> str:
    return f"{content.rows[number][content.columns.index(column)]!r:.60}"


def _projected(content: Content, columns: list[tuple[str, bool]]) -> list[tuple[Any, ...]]:
    places = [(content.columns.index(name), _loose if loose else _exact) for name, loose in columns]
    return [tuple(spell(row[place]) for place, spell in places) for row in content.rows]


def _exact(value: Any) -> Any:
    if value is None or type(value) in (int, str, bytes):
        return value
    return type(value).__name__, _text(value)


def _loose(value: Any) -> Any:
    """Spell *value* one way whatever its type: ``7``, ``7.0`` and ``'7'`` alike, not ``'007'``."""
    text = value if isinstance(value, str) else _text(value)
    if value is None or isinstance(value, bytes):
        return value if value is None else value.decode("utf-8", "backslashreplace")
    if text.lower() in _TRUTH:
        return _TRUTH[text.lower()]
    if _NUMBER.fullmatch(text):
        return f"{Decimal(text).normalize():f}"
    if text[:1] in "{[" and not isinstance(value, dict | list):
        try:
            return _text(json.loads(text))
        except ValueError:
            return text
    if _UUID.fullmatch(text):
        return text.replace("-", "").lower()
    if _MOMENT.match(text):
        return re.sub(r"( 00:00(:00)?)?(\.0+)?$", "", text.replace("T", " "))
    return text


_TRUTH = {"true": "1", "t": "1", "false": "0", "f": "0"}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([ T]|$)")


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True, default=str)
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, memoryview | bytearray):
        value = bytes(value)
    return str(value)
