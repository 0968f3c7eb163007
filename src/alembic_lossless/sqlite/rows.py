"""Finds the rows that stand in a change's way, so that it can be refused with their keys."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from ..errors import MigrationError, plural
from .database import Database
from .parser import ParsedTable, quote

#: How many rows a refusal names.
SHOWN = 5


@dataclass(frozen=True)
class Demand:
    """What every row has to satisfy.

    ``bad`` is true of the rows that do not, ``problem`` says what is wrong in them, ``remedy``
    what to do. ``early`` demands are looked at even where SQLite itself would refuse the rows.
    """

    bad: str
    problem: str
    remedy: str
    early: bool = False


def rowid_name(table: ParsedTable) -> str | None:
    """Return a name by which the rowid can be had: none WITHOUT ROWID or where columns hide it."""
    if table.without_rowid:
        return None
    return next((n for n in ("rowid", "_rowid_", "oid") if table.column(n) is None), None)


def key_columns(table: ParsedTable) -> list[str]:
    """Return what identifies a row for a person, as SQL: the primary key, else the rowid."""
    return [quote(c) for c in table.primary_key] or [rowid_name(table) or "1"]


def insist(db: Database, table: ParsedTable, demand: Demand) -> None:
    """Look at every row.

    :raises MigrationError: with the count and first keys of those that do not satisfy *demand*.
    """
    source = f"FROM {db.name(table.name)} WHERE {demand.bad}"
    if not db.rows(f"SELECT 1 {source} LIMIT 1"):
        return
    count = db.rows(f"SELECT count(*) {source}")[0][0]
    keys = ", ".join(key_columns(table))
    first = db.rows(f"SELECT {keys} {source} ORDER BY {keys} LIMIT {SHOWN}")
    which = f"{keys.replace(chr(34), '')} = {shown(first)}"
    refuse(table, count, demand.problem, which, demand.remedy)


def refuse(table: ParsedTable, count: int, problem: str, which: str, remedy: str) -> NoReturn:
    """Raise the refusal of a change that *count* rows do not satisfy."""
    raise MigrationError(
        f'Table "{table.name}": {problem} in {plural(count, "row")} ({which}). '
        f"Nothing was changed. {remedy}"
    )


def shown(rows: Sequence[tuple[object, ...]]) -> str:
    values = [row[0] if len(row) == 1 else row for row in rows]
    return ", ".join(repr(value) for value in values) + (", …" if len(rows) == SHOWN else "")


def insist_unique(db: Database, table: ParsedTable, columns: Sequence[str]) -> None:
    """Look for values that stand twice in *columns*.

    :raises MigrationError: with the count of such values and the first of them.
    """
    names = ", ".join(map(quote, columns))
    present = " AND ".join(f"{quote(c)} IS NOT NULL" for c in columns)
    twice = f"FROM {db.name(table.name)} WHERE {present} GROUP BY {names} HAVING count(*) > 1"
    count = db.rows(f"SELECT count(*) FROM (SELECT 1 {twice})")[0][0]
    if count:
        first = db.rows(f"SELECT {names} {twice} LIMIT {SHOWN}")
        times = "1 value stands" if count == 1 else f"{count} values stand"
        raise MigrationError(
            f'Table "{table.name}": {times} more than once in {", ".join(columns)} '
            f"({shown(first)}). Nothing was changed. Make the rows differ in a migration before."
        )


def affinity(type_: str) -> str:
    """Return the affinity of a declared type (https://sqlite.org/datatype3.html, 3.1)."""
    name = type_.upper()
    if "INT" in name:
        return "INTEGER"
    if any(word in name for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in name or not name:
        return "BLOB"
    if any(word in name for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def _size(type_: str) -> tuple[int, int] | None:
    found = re.search(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", type_)
    return (int(found[1]), int(found[2] or 0)) if found else None


def _kind(type_: str) -> str:
    """What a type is for, which SQLite's affinities do not tell: dates are NUMERIC there."""
    name = type_.upper()
    if affinity(type_) != "NUMERIC":
        return affinity(type_)
    for kind, words in {
        "BOOLEAN": ("BOOL",),
        "DATETIME": ("DATETIME", "TIMESTAMP"),
        "DATE": ("DATE",),
        "TIME": ("TIME",),
        "JSON": ("JSON",),
        "NUMBER": ("NUM", "DEC"),
    }.items():
        if any(word in name for word in words):
            return kind
    return "OTHER"


def misfit(column: str, old: str, new: str) -> str:
    """Return the condition of values of type *old* that type *new* would not hold, or "" for none.

    A number written as text fits a number's type where the number reads the same: ``'12'`` does,
    ``'012'`` and ``'x9'`` do not.
    """
    c, kind, size = quote(column), _kind(new), _size(new)
    same_kind = kind == _kind(old)
    if same_kind and (size is None or size == _size(old)):
        return ""
    text = f"(typeof({c}) = 'text')"
    unlike = f"CAST(CAST({c} AS NUMERIC) AS TEXT) <> {c}"
    number = f"typeof({c}) = 'blob' OR {text} AND {unlike}"
    day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
    conditions = {
        "TEXT": f"typeof({c}) = 'blob' OR typeof({c}) = 'real' "
        f"AND CAST(CAST({c} AS TEXT) AS REAL) <> {c}",
        "BLOB": f"typeof({c}) NOT IN ('blob', 'null')" if new else "",
        "INTEGER": f"{number} OR CAST({c} AS INTEGER) <> CAST({c} AS NUMERIC)",
        "REAL": number,
        "NUMBER": number,
        "BOOLEAN": f"typeof({c}) = 'blob' OR {c} NOT IN (0, 1, '0', '1')",
        "DATETIME": f"{c} IS NOT NULL AND NOT ({text} AND {c} GLOB '{day}*' "
        f"AND datetime({c}) IS NOT NULL)",
        "DATE": f"{c} IS NOT NULL AND NOT ({text} AND {c} GLOB '{day}' AND date({c}) IS NOT NULL)",
        "TIME": f"{c} IS NOT NULL AND NOT ({text} AND {c} GLOB '[0-9][0-9]:[0-9][0-9]*' "
        f"AND time({c}) IS NOT NULL)",
        "JSON": f"{text} AND NOT json_valid({c})",
        # Text that looks like a number becomes one under this affinity.
        "OTHER": f"{text} AND {unlike} AND {c} GLOB '*[0-9]*' AND {c} NOT GLOB '*[^0-9.eE+ -]*'",
    }
    parts = [] if same_kind else [conditions[kind]]
    if size and kind == "TEXT":
        parts.append(f"length({c}) > {size[0]}")
    if size and kind == "NUMBER":
        parts.append(f"abs(CAST({c} AS NUMERIC)) >= 1e{size[0] - size[1]}")
    return " OR ".join(f"({part})" for part in parts if part)
