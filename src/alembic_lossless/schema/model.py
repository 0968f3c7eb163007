"""What a schema consists of: typed definitions, which the readers return and ``diff.py`` compares.

Each definition is a value: two of one server are equal where they mean the same. Its text is what
a person reads in ``check``, and what the baseline records.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ..quoting import literal

#: The kinds that are properties of a column, or of a table where no column is named.
PROPERTIES = ("null", "default", "generated", "comment")


class Key(NamedTuple):
    """Where a definition belongs: one object, or one property of a column.

    *kind* is table, column (its type and collation), null, default, generated, comment (of the
    table where *name* is empty), constraint, index, type or sequence. A constraint that has no
    name goes by the text of its definition.
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


@dataclass(frozen=True)
class Table:
    """A table, with its options.

    :param words: options without a value: ``STRICT``, ``WITHOUT ROWID``, ``AUTOINCREMENT``.
    :param settings: options with one: ``ENGINE``, ``fillfactor``.
    """

    words: frozenset[str] = frozenset()
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        settings = (f"{name}={value}" for name, value in self.settings)
        return " ".join(["TABLE", *sorted(self.words), *settings])


@dataclass(frozen=True)
class ColumnType:
    """The type of a column.

    :param type: as the database spells it.
    :param collation: where it is not the usual one; MySQL always names it.
    :param check: what MariaDB demands of its JSON, which is text.
    :param values: those of an enum that is the column's own, as MySQL has it.
    """

    type: str
    collation: str | None = None
    check: str | None = None
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        collation = f" COLLATE {self.collation}" if self.collation else ""
        return self.type + collation + (f" CHECK ({self.check})" if self.check else "")


@dataclass(frozen=True)
class NotNull:
    """The demand that a column is not NULL."""

    def __str__(self) -> str:
        return "NOT NULL"


@dataclass(frozen=True)
class Default:
    """A server default.

    :param expression: as the database spells it; empty where there is but *on_update*.
    :param on_update: what MySQL does when the row changes.
    """

    expression: str
    on_update: str = ""

    def __str__(self) -> str:
        return f"{self.expression} {self.on_update}".strip()


@dataclass(frozen=True)
class Counter:
    """A column that numbers the rows: it has this in the place of a default.

    :param kind: SERIAL, IDENTITY or IDENTITY ALWAYS on PostgreSQL, else auto_increment.
    """

    kind: str

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True)
class Generated:
    """What a generated column is computed from, and whether it is stored."""

    expression: str
    storage: str

    def __str__(self) -> str:
        return f"{self.expression} {self.storage}"


@dataclass(frozen=True)
class Comment:
    """The comment on a table or a column."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class PrimaryKey:
    """A primary key; *options* is what follows the columns, as the database spells it."""

    columns: tuple[str, ...]
    options: str = ""

    def __str__(self) -> str:
        return f"PRIMARY KEY ({', '.join(self.columns)}) {self.options}".strip()


@dataclass(frozen=True)
class Unique:
    """A UNIQUE constraint; *options* is what follows the columns, as the database spells it."""

    columns: tuple[str, ...]
    options: str = ""
    nulls_not_distinct: bool = False

    def __str__(self) -> str:
        word = "UNIQUE NULLS NOT DISTINCT" if self.nulls_not_distinct else "UNIQUE"
        return f"{word} ({', '.join(self.columns)}) {self.options}".strip()


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key.

    :param referred_table: with its schema, where that is not the usual one.
    :param ondelete: CASCADE, SET NULL … as SQLAlchemy has it.
    :param options: what else follows, as the database spells it.
    """

    columns: tuple[str, ...]
    referred_table: str
    referred_columns: tuple[str, ...]
    ondelete: str | None = None
    onupdate: str | None = None
    deferrable: bool = False
    initially: str | None = None
    match: str | None = None
    options: str = ""

    def __str__(self) -> str:
        parts = [
            f"FOREIGN KEY ({', '.join(self.columns)}) REFERENCES",
            f"{self.referred_table} ({', '.join(self.referred_columns)})",
            f"MATCH {self.match}" if self.match else "",
            f"ON UPDATE {self.onupdate}" if self.onupdate else "",
            f"ON DELETE {self.ondelete}" if self.ondelete else "",
            "DEFERRABLE" if self.deferrable else "",
            f"INITIALLY {self.initially}" if self.initially else "",
            self.options,
        ]
        return " ".join(filter(None, parts))


@dataclass(frozen=True)
class Check:
    """A CHECK constraint.

    :param condition: in the spelling in which two that mean the same are equal.
    :param options: what follows, as the database spells it.
    :param typed: the condition as it was typed, where the database keeps that.
    """

    condition: str
    options: str = ""
    typed: str | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"CHECK ({self.condition}) {self.options}".strip()


@dataclass(frozen=True)
class Exclusion:
    """An exclusion constraint of PostgreSQL's, as it prints it."""

    definition: str

    def __str__(self) -> str:
        return self.definition


@dataclass(frozen=True)
class Index:
    """An index.

    :param elements: columns and expressions, with order and operator class, in the spelling in
        which two that mean the same are equal.
    :param method: btree, gin …; FULLTEXT or SPATIAL on MySQL.
    :param condition: of a partial index.
    :param included: the columns that it only carries along.
    :param options: what else it says, as the database spells it.
    :param typed: the elements as they were typed, where the database keeps that.
    :param typed_condition: the condition likewise.
    """

    elements: tuple[str, ...]
    unique: bool = False
    method: str = ""
    condition: str = ""
    included: tuple[str, ...] = ()
    options: str = ""
    typed: tuple[str, ...] = field(default=(), compare=False)
    typed_condition: str = field(default="", compare=False)

    def __str__(self) -> str:
        parts = [
            "UNIQUE INDEX" if self.unique else "INDEX",
            f"USING {self.method}" if self.method else "",
            f"({', '.join(self.elements)})",
            f"INCLUDE ({', '.join(self.included)})" if self.included else "",
            self.options,
            f"WHERE {self.condition}" if self.condition else "",
        ]
        return " ".join(filter(None, parts))


@dataclass(frozen=True)
class EnumType:
    """An enum type of PostgreSQL's, with its values in their order."""

    values: tuple[str, ...]

    def __str__(self) -> str:
        return "ENUM " + ", ".join(map(literal, self.values))


@dataclass(frozen=True)
class Sequence:
    """A sequence that belongs to no column."""

    type: str
    start: int
    increment: int
    minimum: int
    maximum: int
    cycle: bool

    def __str__(self) -> str:
        words = f"{self.type} START {self.start} INCREMENT {self.increment}"
        limits = f"MINVALUE {self.minimum} MAXVALUE {self.maximum}"
        return f"{words} {limits} CYCLE" if self.cycle else f"{words} {limits}"


Constraint = PrimaryKey | Unique | ForeignKey | Check | Exclusion

#: All that a schema can hold.
Definition = (
    Table
    | ColumnType
    | NotNull
    | Default
    | Counter
    | Generated
    | Comment
    | Constraint
    | Index
    | EnumType
    | Sequence
)

#: Every object and property with its definition. Two schemas of one server compare with ``==``.
Schema = dict[Key, Definition]

#: What a reader yields.
Definitions = Iterator[tuple[Key, Definition]]


def values_of(definition: Definition | None) -> list[str]:
    """Return the values that an enum, or the list in a CHECK, allows."""
    if isinstance(definition, EnumType | ColumnType):
        return list(definition.values)
    texts = _TEXT.findall(definition.condition) if isinstance(definition, Check) else ()
    return [text[1:-1].replace("''", "'").replace("\\'", "'") for text in texts]


#: MySQL writes a quote with a backslash before it.
_TEXT = re.compile(r"'(?:[^']|''|(?<=\\)')*'")


def words_of(definition: Definition | None) -> set[str]:
    """Return all the words that a definition speaks of: columns, and what its expressions name."""
    texts: list[str] = [*columns_of(definition)]
    if isinstance(definition, ForeignKey):
        texts += [definition.referred_table, *definition.referred_columns]
    if isinstance(definition, Check | Index):
        texts.append(definition.condition)
    if isinstance(definition, Generated):
        texts.append(definition.expression)
    if isinstance(definition, Index):
        texts += definition.included
    if isinstance(definition, Exclusion):
        texts.append(definition.definition)
    return {word for text in texts for word in re.findall(r"\w+", text)}


def columns_of(definition: Definition | None) -> tuple[str, ...]:
    """Return the columns that a constraint or an index is about; expressions as they are."""
    if isinstance(definition, PrimaryKey | Unique | ForeignKey):
        return definition.columns
    return definition.elements if isinstance(definition, Index) else ()
