"""Compares the rows before a revision and after it: what changed that is none of its effects."""

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

from ..errors import plural, reason
from ..quoting import qualified
from ..schema import diff
from ..schema.values import NUMBER
from .effects import ALL, Effects

#: How many rows are shown.
SHOWN = 3


@dataclass
class TableRows:
    """The rows of one table, told apart by the columns of *key*; by nothing where that is empty."""

    name: str
    columns: list[str]
    key: list[str]
    rows: list[tuple[Any, ...]]
    #: The tables that these rows point to, which may have changed them.
    referred: list[str]

    def shown(self, row: Sequence[Any]) -> str:
        """Return *row* as a person is shown it: its key, or all of it."""
        values = dict(zip(self.columns, row, strict=True))
        pairs = [f"{name}={values[name]!r:.40}" for name in self.key or self.columns]
        return f"{self.name}({', '.join(pairs)})"


class Unreadable(Exception):
    """The rows of *table* cannot be read, and why."""

    def __init__(self, table: str, error: SQLAlchemyError) -> None:
        super().__init__(f"the rows of {table} cannot be read any more: {reason(error)}")
        self.table = table


def all_rows(connection: Connection, metadata: MetaData) -> dict[str, TableRows]:
    """Return the rows of every table of *metadata*, by the table's folded name.

    :raises Unreadable: where the database fails on one, as in a column that is computed.
    """
    rows = {}
    for table in metadata.tables.values():
        select = f"SELECT * FROM {qualified(connection.dialect, table.name, table.schema)}"
        try:
            result = connection.exec_driver_sql(select, execution_options={"no_parameters": True})
        except SQLAlchemyError as error:
            connection.rollback()
            raise Unreadable(table.name, error) from error
        rows[table.name.casefold()] = TableRows(
            table.name,
            list(map(str.casefold, result.keys())),
            [column.name.casefold() for column in table.primary_key.columns],
            [tuple(row) for row in result],
            [key.referred_table.name for key in table.foreign_key_constraints],
        )
    connection.rollback()
    return rows


@dataclass(frozen=True)
class UnexpectedChange:
    """What happened to rows of *table* that is none of the revision's effects, in words."""

    table: str
    sentence: str
    #: Where to look for the cause, the nearest first.
    near: tuple[str, ...]


def unexpected_changes(
    before: dict[str, TableRows],
    after: dict[str, TableRows],
    effects: Effects,
    schema_changes: Sequence[diff.Change],
) -> Iterator[UnexpectedChange]:
    """Compare the rows before and after.

    :param before: the rows of each table, by its name.
    :param after: the rows of each table afterwards.
    :param effects: what the revision did.
    :param schema_changes: how the schema was changed: another type of a column lets its values be
        spelled in another way, as long as they mean the same.
    :return: the changes that are none of these effects.
    """
    retyped = set()
    for change in schema_changes:
        if change.key.kind == "column":
            table = effects.old_table(change.key.table)
            retyped.add((table, effects.old_column(table, change.key.name)))
    for name, old in before.items():
        near = (name, *(table.casefold() for table in old.referred))
        new = after.get(effects.tables.get(name, name))
        if name in effects.dropped and new is None:
            continue
        if new is None:
            if old.rows:
                sentence = f"table {old.name} is gone with {plural(old.rows, 'row')}"
                yield UnexpectedChange(name, sentence, near)
            continue
        lost = [
            column
            for column in old.columns
            if (name, column) not in effects.dropped
            and effects.columns.get((name, column), column) not in new.columns
        ]
        if lost and old.rows and name not in effects.dropped:
            sentence = f"column {old.name}.{lost[0]} is gone with its values"
            yield UnexpectedChange(name, sentence, near)
        yield from _table(name, old, new, effects, retyped, near)


def _table(
    name: str,
    old: TableRows,
    new: TableRows,
    effects: Effects,
    retyped: set[tuple[str, str]],
    near: tuple[str, ...],
) -> Iterator[UnexpectedChange]:
    written = effects.updated.get(name, set())
    pairs = []
    for column in old.columns:
        new_name = effects.columns.get((name, column), column)
        is_retyped = (name, column) in retyped
        # An UPDATE sets other columns too, by triggers and ON UPDATE; but it casts none.
        expected = ALL in written or column in written or (written and not is_retyped)
        if new_name in new.columns and (name, column) not in effects.dropped and not expected:
            pairs.append((column, new_name, is_retyped))
    was = _projected(old, [(column, is_retyped) for column, _, is_retyped in pairs])
    now = _projected(new, [(new_name, is_retyped) for _, new_name, is_retyped in pairs])
    columns = [column for column, _, _ in pairs]
    places = [columns.index(column) for column in old.key if column in columns]
    may_be_deleted = name in effects.deleted or name in effects.dropped
    if old.key and len(places) == len(old.key):
        lost, changes = _by_key(was, now, places)
        for place in sorted(changes):
            column, new_name, _ = pairs[place]
            shown = [
                f"{old.shown(old.rows[before])} {_value(old, before, column)}"
                f" → {_value(new, after, new_name)}"
                for before, after in changes[place][:SHOWN]
            ]
            what = f"{plural(changes[place], 'value')} of {old.name}.{column} changed"
            yield UnexpectedChange(name, f"{what}: {'; '.join(shown)}", near)
    else:
        remaining = Counter(now)
        lost = []
        for number, row in enumerate(was):
            remaining[row] -= 1
            if remaining[row] < 0:
                lost.append(number)
    if lost and not may_be_deleted:
        shown = [old.shown(old.rows[number]) for number in lost[:SHOWN]]
        rows = f"{plural(lost, 'row')} of {old.name} lost, and no operation deletes them"
        yield UnexpectedChange(name, f"{rows}: {', '.join(shown)}", near)
    more = len(new.rows) - len(old.rows)
    if more > 0 and not {name, effects.tables.get(name, name)} & effects.inserted:
        sentence = f"{plural(more, 'row')} of {old.name} appeared, and no operation inserts them"
        yield UnexpectedChange(name, sentence, near)


def _by_key(
    was: list[tuple[Any, ...]], now: list[tuple[Any, ...]], places: list[int]
) -> tuple[list[int], dict[int, list[tuple[int, int]]]]:
    """Pair rows by the values in *places*; return those without a partner, and what differs."""
    partners = {tuple(row[place] for place in places): number for number, row in enumerate(now)}
    lost: list[int] = []
    changes: dict[int, list[tuple[int, int]]] = {}
    for number, row in enumerate(was):
        partner = partners.get(tuple(row[place] for place in places))
        if partner is None:
            lost.append(number)
        elif row != now[partner]:
            for place, (before, after) in enumerate(zip(row, now[partner], strict=True)):
                if before != after:
                    changes.setdefault(place, []).append((number, partner))
    return lost, changes


def _value(table: TableRows, number: int, column: str) -> str:
    return f"{table.rows[number][table.columns.index(column)]!r:.60}"


def _projected(table: TableRows, columns: list[tuple[str, bool]]) -> list[tuple[Any, ...]]:
    places = [(table.columns.index(name), _loose if loose else _exact) for name, loose in columns]
    return [tuple(spell(row[place]) for place, spell in places) for row in table.rows]


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
    if NUMBER.fullmatch(text):
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
