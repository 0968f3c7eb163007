"""A table as a plain model, written down in many ways.

It knows nothing of the engine: texts are written by :class:`Writer`, and the schema is read back
from SQLite's own PRAGMAs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

NAMES = ["a", "B c", 'd"q', "order", "é", "x-y", "Check", "f(g", "h,i", "k--l", "m'n", "Z"]
TYPES = {"INTEGER": "integer", "BIGINT": "integer", "TEXT": "text", "VARCHAR(20)": "text"}
QUOTES = ['"', "`", "["]
GAPS = [" ", "\n  ", "\t", " /* , ( */ ", " -- it's, (\n"]


def q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Col:
    type: str
    not_null: bool = False
    default: str | None = None
    collate: str | None = None


@dataclass
class Model:
    """What a table is: columns in their order, keys, constraints, and its rows."""

    columns: dict[str, Col]
    primary: tuple[str, ...] = ()
    uniques: list[tuple[str, ...]] = field(default_factory=list)
    checks: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: column, forbidden word
    parents: list[str] = field(default_factory=list)
    indexes: dict[str, str] = field(default_factory=dict)  # name: column
    rows: list[dict[str, Any]] = field(default_factory=list)
    named: list[str] = field(default_factory=list)  # those of parents that have a name

    def twice(self, columns: tuple[str, ...]) -> bool:
        seen = [
            tuple(row[c].lower() if self._nocase(c, row[c]) else row[c] for c in columns)
            for row in self.rows
            if all(row[c] is not None for c in columns)
        ]
        return len(seen) != len(set(seen))

    def _nocase(self, column: str, value: Any) -> bool:
        return isinstance(value, str) and self.columns[column].collate == "NOCASE"


class Writer:
    """Writes a model as SQL, choosing quotes, gaps and places as *draw* says."""

    def __init__(self, model: Model, draw: Any) -> None:
        self.model = model
        self.draw = draw

    def name(self, name: str) -> str:
        quote = self.draw(st.sampled_from(QUOTES))
        if quote == "[":
            return f"[{name}]"
        return quote + name.replace(quote, quote * 2) + quote

    def gap(self) -> str:
        return self.draw(st.sampled_from(GAPS))

    def column(self, name: str) -> str:
        column = self.model.columns[name]
        parts = [self.name(name), column.type]
        rules = []
        if column.not_null:
            rules.append("NOT NULL")
        if column.default is not None:
            rules.append(f"DEFAULT {column.default}")
        if column.collate:
            rules.append(f"COLLATE {column.collate}")
        return self.join(parts + self.draw(st.permutations(rules)))

    def join(self, parts: list[str]) -> str:
        return (
            "".join(itertools.chain.from_iterable((p, self.gap()) for p in parts[:-1]))
            + (parts[-1])
        )

    def constraints(self) -> list[str]:
        model = self.model
        found = [f"UNIQUE ({', '.join(map(self.name, columns))})" for columns in model.uniques]
        for name, (column, word) in model.checks.items():
            found.append(f"CONSTRAINT {self.name(name)} CHECK ({self.name(column)} <> '{word}')")
        for column in model.parents:
            found.append(f"FOREIGN KEY ({self.name(column)}) REFERENCES p (id)")
        if model.primary:
            found.append(f"PRIMARY KEY ({', '.join(map(self.name, model.primary))})")
        return self.draw(st.permutations(found))

    def table(self) -> tuple[str, list[str]]:
        """Return the statement and the texts of its definitions."""
        parts = [self.column(name) for name in self.model.columns] + self.constraints()
        body = parts[0]
        for part in parts[1:]:
            body += self.gap() + "," + self.gap() + part
        return f"CREATE TABLE t ({self.gap()}{body}{self.gap()})", parts


@st.composite
def models(draw: Any) -> tuple[Model, str, list[str], str]:
    """Draw a model, the statement that makes it, its definitions and the script of the rest."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=6, unique=True))
    columns = {}
    for name in names:
        type_ = draw(st.sampled_from(sorted(TYPES)))
        default = "7" if TYPES[type_] == "integer" else "'it''s (,'"
        collate = "NOCASE" if TYPES[type_] == "text" else None
        columns[name] = Col(
            type_,
            default=draw(st.sampled_from([None, default])),
            collate=draw(st.sampled_from([None, collate])),
        )
    model = Model(columns)
    texts = [n for n in names if TYPES[columns[n].type] == "text"]
    numbers = [n for n in names if TYPES[columns[n].type] == "integer"]
    for number in range(draw(st.integers(0, 4))):
        row = {}
        for name in names:
            values = [1, 2, None] if name in numbers else ["x", "X", "it's", "", None]
            row[name] = draw(st.sampled_from(values))
        row[names[0]] = number if names[0] in numbers else f"key {number}"
        model.rows.append(row)
    if draw(st.booleans()):
        model.primary = (names[0],)
        if draw(st.booleans()):
            columns[names[0]].type = "INTEGER" if names[0] in numbers else "TEXT"
    for name in names:
        full = all(row[name] is not None for row in model.rows)
        columns[name].not_null = full and draw(st.booleans())
    for name in names[1:]:
        if not model.twice((name, names[0])) and draw(st.booleans()):
            model.uniques.append((name, names[0]))
            break
    for number, name in enumerate(texts):
        if draw(st.booleans()):
            model.checks[f"ck {number}"] = (name, "bad, (")
    fine = [n for n in numbers if all(row[n] in (1, 2, None) for row in model.rows)]
    if fine and draw(st.booleans()):
        model.parents.append(fine[0])
    for number, name in enumerate(names):
        if draw(st.booleans()):
            model.indexes[f"ix {number}"] = name
    statement, parts = Writer(model, draw).table()
    script = "CREATE TABLE p (id INTEGER PRIMARY KEY); INSERT INTO p VALUES (1), (2);" + statement
    for name, column in model.indexes.items():
        script += f"; CREATE INDEX {q(name)} ON t ({q(column)} DESC)"
    return model, statement, parts, script


def insert(model: Model) -> list[tuple[str, list[Any]]]:
    """Return statements and values that put the model's rows in."""
    names = ", ".join(map(q, model.columns))
    marks = ", ".join("?" * len(model.columns))
    sql = f"INSERT INTO t ({names}) VALUES ({marks})"
    return [(sql, [row[c] for c in model.columns]) for row in model.rows]
