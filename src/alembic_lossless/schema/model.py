"""What a schema consists of, as the readers return it and ``diff.py`` compares it."""

from collections.abc import Iterator
from typing import NamedTuple

#: The kinds that are properties of a column, or of a table where no column is named.
PROPERTIES = ("null", "default", "generated", "comment")

#: What is printed for the default of a column that counts: on PostgreSQL, MySQL and MariaDB.
COUNTERS = ("SERIAL", "IDENTITY", "IDENTITY ALWAYS", "auto_increment")


class Key(NamedTuple):
    """One object, or one property of a column.

    *kind* is table, column (its type and collation), null, default, generated, comment (of the
    table where *name* is empty), constraint, index, type or sequence.
    """

    table: str
    kind: str
    name: str

    @property
    def bare(self) -> str:
        """The name; a table's without its schema."""
        return self.name.rpartition(".")[2] if self.kind == "table" else self.name

    def __str__(self) -> str:
        if self.kind == "column":
            return f"{self.table}.{self.name}"
        if self.kind in PROPERTIES:
            return f"{self.kind} of {self.table}.{self.name}".removesuffix(".")
        if self.kind == "table":
            return f"table {self.table}"
        return f"{self.kind} {self.name}" + (f" on {self.table}" if self.table else "")


#: Every object with the text that defines it. Two schemas of one server compare with ``==``.
Schema = dict[Key, str]

#: What a reader yields: every object and its definition, empty where it has none.
Definitions = Iterator[tuple[Key, str | None]]
