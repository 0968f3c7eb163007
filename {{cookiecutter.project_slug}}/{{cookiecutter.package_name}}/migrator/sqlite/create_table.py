"""Reads the text of one CREATE TABLE statement; pure text, knows no database.

``parse(text)`` returns a :class:`Table`: its name, its :class:`Column` objects and its table
constraints, each with the place (``start``, ``end``) of its text, so that ``edit.py`` can change
one and keep every other byte. What the classes hold, for whoever wants to describe a schema:

- ``Table``: ``name``, ``columns``, ``constraints`` (of the table), ``options`` (``"STRICT"``,
  ``"WITHOUT ROWID"``); ``every_constraint()`` yields those of the columns too; ``column(name)``;
  ``primary_key`` (column names), ``autoincrement``, ``strict``, ``without_rowid``,
  ``rowid_alias`` (the name of the INTEGER PRIMARY KEY that is the rowid itself, or None).
- ``Column``: ``name``, ``type`` (as written, comments and all; "" for none), ``declared``;
  ``constraints``; ``not_null``, ``default`` (its text or None), ``collate``, ``generated`` (a
  :class:`Constraint`).
- ``Constraint``: ``kind`` ("primary", "unique", "check", "foreignkey", "notnull", "null",
  "default", "collate", "generated"), ``name`` or None, ``columns`` (its own column when it stands
  in a column's definition), ``expression`` (of check, default, generated; the collation's name),
  ``referred_table`` and ``referred_columns``, ``options`` (what follows, normalised: ``on delete
  cascade``, ``on conflict ignore``, ``stored``, ``deferrable initially deferred``,
  ``autoincrement``), ``inline`` (it stands in a column's definition).

``tokens.normal(text)`` makes two spellings of one expression equal; ``tokens.fold(name)`` compares
names as SQLite does.

The grammar is https://sqlite.org/lang_createtable.html as SQLite's ``parse.y`` really takes it:
constraints of a table need no commas between them, a type may be any words, ``CONSTRAINT x`` may
stand alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .. import MigratorError
from .tokens import SQLTextError, fold, normal, scan


class CreateTableError(MigratorError):
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

    def every_constraint(self) -> Iterator[Constraint]:
        """Yield the columns' constraints, then the table's, in the order of the text."""
        for column in self.columns:
            yield from column.constraints
        yield from self.constraints

    def first(self, kind: str) -> Constraint | None:
        """Return the first constraint of this *kind*, wherever it stands."""
        return next((c for c in self.every_constraint() if c.kind == kind), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        key = self.first("primary")
        return key.columns if key else ()

    @property
    def autoincrement(self) -> bool:
        key = self.first("primary")
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
        key = self.first("primary")
        if key is None or len(key.columns) != 1 or self.without_rowid:
            return None
        column = self.column(key.columns[0])
        if column is None or normal(column.declared) != "integer":
            return None
        return None if key.inline and "desc" in key.options.split() else column.name


@lru_cache(maxsize=256)
def parse(text: str) -> Table:
    """Read *text*, one CREATE TABLE statement as ``sqlite_master`` holds it.

    What was read lately is kept: between two changes of a table its text is asked for often.

    :raises CreateTableError: if it is anything else, with the place where reading stopped.
    """
    from .grammar import Reader  # it makes the objects defined here

    try:
        return Reader(text).table()
    except SQLTextError as error:
        line = " ".join(text.split())
        raise CreateTableError(f"This CREATE TABLE statement {error}: {line}") from error
