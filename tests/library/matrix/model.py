"""A database's schema as plain data: what the matrix expects, told without the engine.

Every text is a template: ``{pages}`` stands for the name that the column or table with the key
``pages`` has at the moment. A rename is therefore one entry in :attr:`Database.names`, and what
uses a column is found by its key.
"""

import re
import sqlite3
from copy import deepcopy
from dataclasses import dataclass, field, replace
from string import Formatter

KEYWORDS = {"order", "group", "select", "index", "table", "check", "default", "unique"}


def uses(template: str) -> set[str]:
    """Return the keys of the columns and tables that *template* speaks of."""
    return {key for _, key, _, _ in Formatter().parse(template) if key}


@dataclass
class Column:
    """One column: *clauses* holds, by key, what stands behind its type, NOT NULL and DEFAULT."""

    type: str
    not_null: str = ""
    default: str = ""
    clauses: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return the definition, still a template."""
        default = f"DEFAULT {self.default}" if self.default else ""
        parts = (name, self.type, self.not_null, default, *self.clauses.values())
        return " ".join(part for part in parts if part)


@dataclass
class Table:
    """One table; *late* names the columns that come by ADD COLUMN, after the rows."""

    columns: dict[str, Column]
    constraints: dict[str, str] = field(default_factory=dict)
    options: str = ""
    rows: list[dict[str, object]] = field(default_factory=list)
    late: tuple[str, ...] = ()
    between_constraints: str = ", "
    sequence: int | None = None


@dataclass
class Database:
    """Tables by key, and what stands around them (indexes, triggers, views) by key, in order."""

    tables: dict[str, Table]
    around: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    quote: str = '""'
    always_quoted: set[str] = field(default_factory=set)
    pragmas: tuple[str, ...] = ()

    def copy(self) -> "Database":
        return deepcopy(self)

    @property
    def book(self) -> Table:
        """The table that every operation changes."""
        return self.tables["book"]

    # -- names and texts

    def name(self, key: str) -> str:
        return self.names.get(key, key)

    def quoted(self, key: str) -> str:
        name = self.name(key)
        simple = re.fullmatch(r"[a-z_][a-z0-9_]*", name) and name not in KEYWORDS
        if simple and key not in self.always_quoted:
            return name
        opening, closing = self.quote
        return opening + name.replace(closing, closing * 2) + closing

    def text(self, template: str) -> str:
        """Fill the current names into *template*."""
        return template.format_map({key: self.quoted(key) for key in uses(template)})

    def items(self, key: str) -> list[str]:
        """Return the texts of a table's columns and constraints, one each."""
        table = self.tables[key]
        columns = [column.text(f"{{{name}}}") for name, column in table.columns.items()]
        return [self.text(item) for item in (*columns, *table.constraints.values())]

    def create_table(self, key: str, *, without: tuple[str, ...] = ()) -> str:
        table = self.tables[key]
        kept = {name: column for name, column in table.columns.items() if name not in without}
        items = [column.text(f"{{{name}}}") for name, column in kept.items()]
        if table.constraints:
            items.append(table.between_constraints.join(table.constraints.values()))
        body = ",\n  ".join(items)
        return self.text(f"CREATE TABLE {{{key}}} (\n  {body}\n) {table.options}".rstrip())

    # -- changes, as the operations make them

    def drop_column(self, key: str) -> None:
        """Take a column out, with its indexes and the constraints it is part of."""
        book = self.book
        del book.columns[key]
        book.constraints = {k: t for k, t in book.constraints.items() if key not in uses(t)}
        self.around = {
            k: text
            for k, text in self.around.items()
            if not ("INDEX" in text.split(" ON ")[0] and key in uses(text))
        }
        for row in book.rows:
            row.pop(key, None)

    def add_column(self, key: str, column: Column, value: object = None) -> None:
        self.book.columns[key] = column
        if "generated" not in column.clauses:
            for row in self.book.rows:
                row[key] = value

    def set(self, key: str, **changes: object) -> None:
        """Change a column's type, nullability or default."""
        column = replace(self.book.columns[key], **changes)  # type: ignore[arg-type]
        if "STRICT" in self.book.options:  # it takes no type but SQLite's own
            column.type = "TEXT" if column.type.startswith("VARCHAR") else column.type
            column.type = "INTEGER" if column.type == "BIGINT" else column.type
        self.book.columns[key] = column

    def rename(self, key: str, name: str) -> None:
        self.names[key] = name

    def drop_clause(self, key: str) -> None:
        """Drop a constraint, wherever it stands."""
        for clauses in (self.book.constraints, *(c.clauses for c in self.book.columns.values())):
            clauses.pop(key, None)

    def inline(self, column: str, key: str, text: str) -> None:
        """Let constraint *key* stand behind its column instead of at the table's end."""
        self.drop_clause(key)
        self.book.columns[column].clauses[key] = text

    # -- a real database

    def build(self, connection: sqlite3.Connection, *, aged: bool = False) -> None:
        """Make the database; *aged*: late columns by ADD COLUMN, after the rows were put in."""
        for pragma in self.pragmas:
            connection.execute(f"PRAGMA {pragma}")
        for key, table in self.tables.items():
            late = table.late if aged else ()
            connection.execute(self.create_table(key, without=late))
            for row in table.rows:
                self._insert(connection, key, {k: v for k, v in row.items() if k not in late})
            for name in late:
                added = self.text(table.columns[name].text(f"{{{name}}}"))
                connection.execute(self.text(f"ALTER TABLE {{{key}}} ADD COLUMN ") + added)
            if table.sequence is not None and "AUTOINCREMENT" in self.create_table(key):
                connection.execute(
                    "UPDATE sqlite_sequence SET seq = ? WHERE name = ?",
                    (table.sequence, self.name(key)),
                )
        for text in self.around.values():
            connection.execute(self.text(text))
        connection.commit()

    def _insert(self, connection: sqlite3.Connection, key: str, row: dict[str, object]) -> None:
        columns = ", ".join(f"{{{name}}}" for name in row)
        marks = ", ".join("?" * len(row))
        statement = self.text(f"INSERT INTO {{{key}}} ({columns}) VALUES ({marks})")
        connection.execute(statement, tuple(row.values()))
