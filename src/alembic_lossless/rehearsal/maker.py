"""Finds rows that one table takes, by putting them in.

Its own word on a CHECK is the only sure one.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, ForeignKeyConstraint, Table
from sqlalchemy.exc import SQLAlchemyError

from ..scratch.hints import reason
from ..sqlite import parser
from .values import candidates, fresh, literals

#: How many rows are tried before a table is given up.
ATTEMPTS = 2000

Row = dict[str, Any]


@dataclass
class Maker:
    """Puts rows into one table."""

    connection: Connection
    table: Table
    #: The rows of the tables made before, which foreign keys point to.
    parents: dict[str, list[Row]]
    #: Foreign keys of a cycle, which are set when all rows are there.
    later: set[ForeignKeyConstraint]
    number: int = 0
    chosen: Row = field(default_factory=dict)
    error: str = ""

    def __post_init__(self) -> None:
        table = self.table
        self.insert = table.insert().inline()
        self.columns = [c for c in table.columns if not c.computed and not _always(c)]
        self.automatic = {c.key for c in self.columns if automatic(c, self.connection.dialect.name)}
        self.checks, uniques = _conditions(self.connection, table)
        sets = [list(table.primary_key.columns.keys()), *uniques]
        sets += [[c.key for c in index.columns] for index in table.indexes if index.unique]
        self.sets = [one for one in sets if one]
        self.keys = [key for key in table.foreign_key_constraints if key not in self.later]
        self.keyed = {c.key for key in table.foreign_key_constraints for c in key.columns}
        self.values = {c.key: self._values(c) for c in self.columns}
        self.mentioned = {name: self._mentioned(text) for name, text in self.checks}

    def _values(self, column: Any) -> list[Any]:
        likely = [
            value
            for _, text in self.checks
            if re.search(rf"\b{re.escape(column.name)}\b", text, re.IGNORECASE)
            for value in literals(text, column.type)
        ]
        usual = candidates(column.type)
        guessed = len(usual) > 1 and isinstance(usual[0], sa.ColumnElement)
        return [*likely, *([None] if guessed and column.nullable else []), *usual]

    def _mentioned(self, text: str) -> list[str]:
        return [
            c.key
            for c in self.columns
            if re.search(rf"\b{re.escape(c.name)}\b", text, re.IGNORECASE)
        ]

    def row(self) -> Row | None:
        """Return the next row as the constraints would have it; None where a parent is missing."""
        row: Row = {}
        for column in self.columns:
            if column.key not in self.automatic:
                row[column.key] = self.chosen.get(column.key, self.values[column.key][0])
        for key in self.later:
            row.update(dict.fromkeys(c.key for c in key.columns if c.nullable))
        for columns in self.sets:
            own = [c for c in columns if c in row and c not in self.keyed | self.chosen.keys()]
            for name in own[:1]:
                row[name] = fresh(self.table.c[name].type, self.number)
        stride = 1
        taken: set[str] = set()
        for key in self.keys:
            locals_ = [c.key for c in key.columns]
            rows = self._parents(key, {name: row[name] for name in locals_ if name in taken})
            if not rows and not all(c.nullable for c in key.columns):
                self.error = f"there is no row of {key.referred_table.name} to point to"
                return None
            parent = rows[(self.number // stride) % len(rows)] if rows else {}
            for name, element in zip(locals_, key.elements, strict=True):
                row[name] = parent.get(element.column.key)
            taken |= set(locals_)
            if any(set(locals_) & set(one) and len(one) > len(locals_) for one in self.sets):
                stride *= max(len(rows), 1)
        return row

    def _parents(self, key: ForeignKeyConstraint, fixed: Row) -> list[Row]:
        pairs = [(c.key, e.column.key) for c, e in zip(key.columns, key.elements, strict=True)]
        return [
            parent
            for parent in self.parents.get(key.referred_table.key, [])
            if all(parent[there] is not None for _, there in pairs)
            and all(parent[there] == fixed[here] for here, there in pairs if here in fixed)
        ]

    def put(self, special: Row | None = None, without: str = "") -> bool:
        """Put the next row in, with *special* values; tell whether the database took it."""
        self.number += 1
        row = self.row()
        if row is None:
            return False
        row.update(special or {})
        row.pop(without, None)
        try:
            with attempt(self.connection):
                self.connection.execute(self.insert.values(row))
        except (SQLAlchemyError, OverflowError, ValueError, TypeError) as error:
            self.error = reason(error)
            return False
        return True

    def search(self) -> bool:
        """Find values that the table takes at all, and put such a row in."""
        if self.put():
            return True
        ways: dict[str, Iterator[Row]] = {}
        for _ in range(ATTEMPTS):
            check = next((name for name in self.mentioned if name in self.error), "")
            if check not in ways:
                ways[check] = self._combinations(self.mentioned.get(check) or self._doubtful())
            try:
                self.chosen |= next(ways[check])
            except StopIteration:
                return False
            if self.put():
                return True
        return False

    def _doubtful(self) -> list[str]:
        """Return the columns that may be to blame where the error names no CHECK."""
        if self.automatic and "null" in self.error.lower():
            self.automatic = set()  # WITHOUT ROWID numbers no rows by itself
        checked = {name for names in self.mentioned.values() for name in names}
        odd = {
            name for name, values in self.values.items() if isinstance(values[0], sa.ColumnElement)
        }
        unique = {name for columns in self.sets for name in columns}
        return sorted(checked | odd) or [c.key for c in self.columns if c.key not in unique]

    def _combinations(self, names: Sequence[str]) -> Iterator[Row]:
        free = [n for n in names if n not in self.keyed and n not in self.automatic]
        for values in itertools.product(*(self.values[name] for name in free)):
            yield dict(zip(free, values, strict=True))

    def vary(self) -> None:
        """Put in every other value of each column, NULL among them, and the same row again."""
        for _ in range(5):
            self.put()
        for column in self.columns:
            if column.nullable and not column.primary_key:
                self.put({column.key: None})
            if column.key in self.keyed or column.primary_key:
                continue
            if column.server_default is not None:
                self.put(without=column.key)
            for value in self.values[column.key]:
                self.put({column.key: value})
        self.put({c.key: None for c in self.columns if c.nullable and not c.primary_key})
        for columns in self.sets:
            self._repeat([c for c in columns if c not in self.keyed | self.automatic], len(columns))

    def _repeat(self, own: Sequence[str], of: int) -> None:
        """Let a value stand twice in each column of its *own* that is unique with others alone."""
        for name in own if of > 1 else ():
            other = next((c for c in own if c != name), name)
            for _ in range(3):
                value = fresh(self.table.c[other].type, self.number + 1)
                self.put({other: value, name: self.values[name][0]})


@contextmanager
def attempt(connection: Connection) -> Iterator[None]:
    """Run something that may fail: on PostgreSQL a failure would end the transaction."""
    if connection.dialect.name != "postgresql":
        yield
        return
    with connection.begin_nested():
        yield


def _conditions(
    connection: Connection, table: Table
) -> tuple[list[tuple[str, str]], list[list[str]]]:
    """Return what an error calls each CHECK of *table* and its condition; and what is unique."""
    checks = [c for c in table.constraints if isinstance(c, sa.CheckConstraint)]
    named = [(str(c.name or c.sqltext), str(c.sqltext)) for c in checks]
    unique = [
        list(c.columns.keys()) for c in table.constraints if isinstance(c, sa.UniqueConstraint)
    ]
    if connection.dialect.name == "sqlite":  # SQLAlchemy misses some that have no name
        query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
        sql = connection.scalar(query, {"name": table.name})
        found = list(parser.parse(sql).all_constraints()) if sql else []
        named = [(c.name or c.expression, c.expression) for c in found if c.kind == "check"]
        unique = [list(c.columns) for c in found if c.kind == "unique"]
    elif getattr(connection.dialect, "is_mariadb", False):  # and those written at their column
        query = sa.text(
            "SELECT constraint_name, check_clause FROM information_schema.check_constraints"
            " WHERE constraint_schema = database() AND table_name = :name"
        )
        named = [(row[0], row[1]) for row in connection.execute(query, {"name": table.name})]
    return named, unique


def _always(column: Any) -> bool:
    return bool(column.identity and column.identity.always)


def automatic(column: Any, dialect: str) -> bool:
    """Tell whether the database numbers *column* itself; its counter must not lag behind."""
    only = column.primary_key and len(column.table.primary_key.columns) == 1
    if not only or not isinstance(column.type, sa.Integer) or column.foreign_keys:
        return False
    if dialect == "sqlite":
        return column.type.__visit_name__ == "INTEGER"
    return column.autoincrement is True or bool(column.identity or column.server_default)
