"""A CREATE TABLE statement in its parts, each with the place of its text: see create_table.py."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import MigrationError
from .tokens import fold, normal, scan

#: The kinds of constraint that a server has by a name.
RULES = ("primary", "unique", "check", "foreignkey")


class CreateTableError(MigrationError):
    """A CREATE TABLE statement that cannot be read, with the reason."""


@dataclass(frozen=True)
class Constraint:
    """A constraint of a table or a column, and the place of its text, name included."""

    kind: str
    start: int
    end: int
    name: str | None = None
    columns: tuple[str, ...] = ()
    expression: str = ""
    referred_table: str = ""
    referred_columns: tuple[str, ...] = ()
    options: str = ""
    inline: bool = False

    def says(self, other: "Constraint") -> bool:
        """Whether another, of another text, says the same."""

        def meaning(c: Constraint) -> object:
            own = [] if c.kind == "check" else [fold(column) for column in c.columns]
            return (c.kind, own, normal(c.expression), fold(c.referred_table), c.referred_columns)

        return meaning(self) == meaning(other)

    def like(self, other: "Constraint") -> bool:
        """Whether another says the same, in the same place and by the same name."""
        place = (other.name, other.inline, other.columns)
        return (self.name, self.inline, self.columns) == place and self.says(other)


@dataclass(frozen=True)
class Column:
    """A column's definition and its places: the whole, the name and the type."""

    name: str
    type: str
    start: int
    end: int
    name_end: int
    type_end: int
    constraints: tuple[Constraint, ...] = ()

    def first(self, kind: str) -> Constraint | None:
        """Return the constraint of this *kind* that counts: SQLite takes the last one written."""
        return next((c for c in reversed(self.constraints) if c.kind == kind), None)

    @property
    def declared(self) -> str:
        """The type as SQLite reads it: of one in quotes, only what the quotes hold."""
        return scan(self.type)[0].name if self.type[:1] in tuple("'\"`[") else self.type

    @property
    def not_null(self) -> bool:
        return self.first("notnull") is not None

    @property
    def default(self) -> str | None:
        found = self.first("default")
        return found.expression if found else None

    @property
    def collate(self) -> str | None:
        found = self.first("collate")
        return found.expression if found else None

    @property
    def generated(self) -> Constraint | None:
        return self.first("generated")


@dataclass(frozen=True)
class Table:
    """What one CREATE TABLE says; ``text`` is the statement, byte for byte."""

    text: str
    name: str
    name_start: int
    name_end: int
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...]
    options: frozenset[str]

    def column(self, name: str) -> Column | None:
        """Return the column of this *name* (ASCII case does not count), or None."""
        return next((c for c in self.columns if fold(c.name) == fold(name)), None)

    def named(self, name: str) -> Column:
        """Return the column of this *name*.

        :raises CreateTableError: where there is none, with those that there are.
        """
        column = self.column(name)
        if column is None:
            there = ", ".join(c.name for c in self.columns)
            raise CreateTableError(f'Table "{self.name}" has no column "{name}", only: {there}.')
        return column

    def every_constraint(self) -> Iterator[Constraint]:
        """Yield the columns' constraints, then the table's, in the order of the text."""
        for column in self.columns:
            yield from column.constraints
        yield from self.constraints

    def of(self, *kinds: str) -> list[Constraint]:
        """Return the constraints of these *kinds*, wherever they stand."""
        return [c for c in self.every_constraint() if c.kind in kinds]

    @property
    def key(self) -> Constraint | None:
        """The PRIMARY KEY."""
        return next(iter(self.of("primary")), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        key = self.key
        return key.columns if key else ()

    @property
    def autoincrement(self) -> bool:
        key = self.key
        return key is not None and "autoincrement" in key.options.split()

    @property
    def strict(self) -> bool:
        return "STRICT" in self.options

    @property
    def without_rowid(self) -> bool:
        return "WITHOUT ROWID" in self.options

    @property
    def rowid_alias(self) -> str | None:
        """The INTEGER PRIMARY KEY, which is the rowid itself (written inline, not ``DESC``)."""
        key = self.key
        if key is None or len(key.columns) != 1 or self.without_rowid:
            return None
        column = self.column(key.columns[0])
        if column is None or normal(column.declared) != "integer":
            return None
        return None if key.inline and "desc" in key.options.split() else column.name
