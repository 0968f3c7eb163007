"""Reads one CREATE TABLE statement of SQLite's.

Pure text, knows no database. ``parse(text)`` returns a :class:`ParsedTable`: its name, its columns
and its constraints, each with the place (``start``, ``end``) of its text, so that ``edit.py`` can
change one and keep every other byte.

The grammar is https://sqlite.org/lang_createtable.html as SQLite's ``parse.y`` really takes it:
constraints of a table need no commas between them, a type may be any words, ``CONSTRAINT x`` may
stand alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from ..errors import MigrationError
from ..quoting import quote
from ..tokens import SQLTextError, Token, scan


def names_in(text: str) -> set[str]:
    """Return, folded, every identifier in *text* that may name a column or a table.

    A function's name, a collation's and the words of a string are left out.
    """
    tokens = scan(text)
    names = set()
    for index, token in enumerate(tokens):
        after = tokens[index + 1].key if index + 1 < len(tokens) else ""
        before = tokens[index - 1].key if index else ""
        if token.kind in ("word", "quoted") and after != "(" and before != "COLLATE":
            names.add(fold(token.name))
    return names


def fold(name: str) -> str:
    """Return *name* as SQLite compares names: without regard to the case of ASCII letters."""
    if name.isascii():
        return name.lower()
    return "".join(c.lower() if c.isascii() else c for c in name)


def normal(text: str) -> str:
    """Return *text* with one space between tokens and bare words folded, for comparing."""
    return " ".join(
        token.text.lower()
        if token.kind == "word"
        else quote(token.name)
        if token.kind == "quoted"
        else token.text
        for token in scan(text)
    )


#: The kinds of constraint that a server knows by a name.
NAMED_KINDS = ("primary", "unique", "check", "foreignkey")


class CreateTableError(MigrationError):
    """A CREATE TABLE statement that cannot be read, with the reason."""


@dataclass(frozen=True)
class ParsedConstraint:
    """A constraint of a table or a column, and the place of its text, name included."""

    #: One of :data:`NAMED_KINDS`, or "notnull", "null", "default", "collate", "generated",
    #: "deferral"; "" for a ``CONSTRAINT x`` that stands alone.
    kind: str
    start: int
    end: int
    name: str | None = None
    #: Its own column where it stands in a column's definition.
    columns: tuple[str, ...] = ()
    #: Of a CHECK, DEFAULT or generated column; the name of a collation.
    expression: str = ""
    referred_table: str = ""
    referred_columns: tuple[str, ...] = ()
    #: What follows, normalised: ``on delete cascade``, ``on conflict ignore``, ``stored``,
    #: ``deferrable initially deferred``, ``autoincrement``.
    options: str = ""
    #: Whether it stands in a column's definition.
    inline: bool = False

    def means(self, other: "ParsedConstraint") -> bool:
        """Whether it demands the same as one of another text, by whatever name."""

        def meaning(c: ParsedConstraint) -> object:
            columns = [] if c.kind == "check" else [fold(column) for column in c.columns]
            expression, referred = normal(c.expression), fold(c.referred_table)
            return (c.kind, columns, expression, referred, c.referred_columns)

        return meaning(self) == meaning(other)

    def equals(self, other: "ParsedConstraint") -> bool:
        """Whether it means the same as another, in the same place and by the same name."""
        place = (other.name, other.inline, other.columns)
        return (self.name, self.inline, self.columns) == place and self.means(other)


@dataclass(frozen=True)
class ParsedColumn:
    """A column's definition and its places: the whole, the name and the type."""

    name: str
    #: As written, comments and all; "" for none.
    type: str
    start: int
    end: int
    name_end: int
    type_end: int
    constraints: tuple[ParsedConstraint, ...] = ()

    def first(self, kind: str) -> ParsedConstraint | None:
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
        """The text of its DEFAULT."""
        constraint = self.first("default")
        return constraint.expression if constraint else None

    @property
    def collate(self) -> str | None:
        """The name of its collation, where one is written."""
        constraint = self.first("collate")
        return constraint.expression if constraint else None

    @property
    def generated(self) -> ParsedConstraint | None:
        return self.first("generated")


@dataclass(frozen=True)
class ParsedTable:
    """What one CREATE TABLE says; ``text`` is the statement, byte for byte."""

    text: str
    name: str
    name_start: int
    name_end: int
    columns: tuple[ParsedColumn, ...]
    #: Those of the table; the columns hold their own.
    constraints: tuple[ParsedConstraint, ...]
    #: ``STRICT``, ``WITHOUT ROWID``.
    options: frozenset[str]

    def column(self, name: str) -> ParsedColumn | None:
        """Return the column of this *name* (ASCII case does not count), or None."""
        return next((c for c in self.columns if fold(c.name) == fold(name)), None)

    def require_column(self, name: str) -> ParsedColumn:
        """Return the column of this *name*.

        :raises CreateTableError: where there is none, with those that there are.
        """
        column = self.column(name)
        if column is None:
            columns = ", ".join(c.name for c in self.columns)
            raise CreateTableError(f'Table "{self.name}" has no column "{name}", only: {columns}.')
        return column

    def all_constraints(self) -> Iterator[ParsedConstraint]:
        """Yield the columns' constraints, then the table's, in the order of the text."""
        for column in self.columns:
            yield from column.constraints
        yield from self.constraints

    def constraints_of(self, *kinds: str) -> list[ParsedConstraint]:
        """Return the constraints of these *kinds*, wherever they stand."""
        return [c for c in self.all_constraints() if c.kind in kinds]

    @property
    def key(self) -> ParsedConstraint | None:
        """The PRIMARY KEY."""
        return next(iter(self.constraints_of("primary")), None)

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


#: The words that a constraint begins with.
_COLUMN_CONSTRAINTS = frozenset(
    [
        "CONSTRAINT",
        "PRIMARY",
        "NOT",
        "NULL",
        "UNIQUE",
        "CHECK",
        "DEFAULT",
        "COLLATE",
        "REFERENCES",
        "GENERATED",
        "AS",
        "DEFERRABLE",
    ]
)
_TABLE_CONSTRAINTS = frozenset(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"])


class _Parser:
    """Goes through the tokens of a text once.

    First come the steps from token to token, then a method for each rule of the grammar.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [*scan(text), Token("end", "", len(text), len(text))]
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)].key

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind == "end":
            raise SQLTextError("ends too early")
        self.at += 1
        return token

    def accept(self, *keys: str) -> bool:
        if tuple(self.peek(i) for i in range(len(keys))) != keys:
            return False
        self.at += len(keys)
        return True

    def expect(self, *keys: str) -> None:
        if not self.accept(*keys):
            token = self.tokens[self.at]
            raise SQLTextError(
                f"has {token.text or 'its end'!r} where {' '.join(keys)} was expected "
                f"(character {token.start})"
            )

    def identifier(self) -> str:
        token = self.take()
        if token.kind not in ("word", "quoted", "string"):
            raise SQLTextError(f"has {token.text!r} where a name was expected")
        return token.name

    @property
    def end(self) -> int:
        return self.tokens[self.at - 1].end

    def words(self, *choices: str) -> str:
        return self.take().text.lower() if self.peek() in choices else ""

    def parenthesis(self) -> str:
        """Read ``( … )`` and return what stands between."""
        self.expect("(")
        begin, depth = self.end, 1
        while depth:
            depth += {"(": 1, ")": -1}.get(self.take().key, 0)
        return self.text[begin : self.end - 1].strip()

    def table(self) -> ParsedTable:
        self.expect("CREATE")
        if not self.accept("TEMP"):
            self.accept("TEMPORARY")
        self.expect("TABLE")
        self.accept("IF", "NOT", "EXISTS")
        start = self.tokens[self.at].start
        name = self.identifier()
        if self.accept("."):
            start = self.tokens[self.at].start
            name = self.identifier()
        name_end = self.end
        self.expect("(")
        columns, constraints = self.body()
        options = self.options()
        return ParsedTable(self.text, name, start, name_end, columns, constraints, options)

    def body(self) -> tuple[tuple[ParsedColumn, ...], tuple[ParsedConstraint, ...]]:
        columns = [self.column()]
        constraints: list[ParsedConstraint] = []
        while self.accept(","):
            if self.peek() in _TABLE_CONSTRAINTS:
                constraints = self.table_constraints()
                break
            columns.append(self.column())
        self.expect(")")
        return tuple(columns), tuple(constraints)

    def options(self) -> frozenset[str]:
        options = set()
        while self.peek():
            if self.accept("WITHOUT", "ROWID"):
                options.add("WITHOUT ROWID")
            elif self.accept("STRICT"):
                options.add("STRICT")
            elif not self.accept(",") and not self.accept(";"):
                self.expect("WITHOUT", "ROWID")
        if self.tokens[self.at].kind != "end":
            self.expect("the end")
        return frozenset(options)

    def column(self) -> ParsedColumn:
        start = self.tokens[self.at].start
        name = self.identifier()
        name_end = self.end
        written = self.type()
        type_end = self.end
        constraints = []
        while self.peek() in _COLUMN_CONSTRAINTS:
            constraints.append(self.constraint(partial(self.column_constraint, (name,))))
        real = tuple(c for c in constraints if c.kind)
        return ParsedColumn(name, written, start, self.end, name_end, type_end, real)

    def type(self) -> str:
        """Read a type, any words and perhaps a size in parentheses, and return it as written."""
        begin = self.at
        while self.tokens[self.at].kind in ("word", "quoted", "string") and (
            self.peek() not in _COLUMN_CONSTRAINTS
        ):
            self.take()
        if self.at == begin:
            return ""
        if self.peek() == "(":
            self.parenthesis()
        return self.text[self.tokens[begin].start : self.end]

    def constraint(self, rule: Callable[[int], ParsedConstraint]) -> ParsedConstraint:
        """Read ``[CONSTRAINT name]…`` and what *rule* reads after it."""
        start = self.tokens[self.at].start
        name = None
        while self.accept("CONSTRAINT"):
            name = self.identifier()
        return replace(rule(start), name=name, end=self.end)

    def table_constraints(self) -> list[ParsedConstraint]:
        constraints = []
        while self.peek() in _TABLE_CONSTRAINTS:
            constraints.append(self.constraint(self.table_constraint))
            self.accept(",")
        return [c for c in constraints if c.kind]

    def table_constraint(self, start: int) -> ParsedConstraint:
        if self.accept("PRIMARY", "KEY"):
            columns, extra = self.indexed_columns()
            return self.key("primary", start, columns, False, extra)
        if self.accept("UNIQUE"):
            columns, extra = self.indexed_columns()
            return self.key("unique", start, columns, False, extra)
        if self.accept("CHECK"):
            expression = self.parenthesis()
            return ParsedConstraint(
                "check", start, 0, expression=expression, options=self.conflict()
            )
        if self.accept("FOREIGN", "KEY"):
            columns, _ = self.indexed_columns()
            self.expect("REFERENCES")
            return self.references(start, columns, False)
        return ParsedConstraint("", start, 0)

    def column_constraint(self, own: tuple[str, ...], start: int) -> ParsedConstraint:
        def inline(kind: str, expression: str = "", options: str = "") -> ParsedConstraint:
            return ParsedConstraint(
                kind, start, 0, columns=own, expression=expression, options=options, inline=True
            )

        if self.accept("PRIMARY", "KEY"):
            order = self.words("ASC", "DESC")
            return self.key("primary", start, own, True, order)
        if self.accept("UNIQUE"):
            return self.key("unique", start, own, True, "")
        if self.accept("NOT", "NULL"):
            return inline("notnull", options=self.conflict())
        if self.accept("NULL"):
            return inline("null", options=self.conflict())
        if self.accept("CHECK"):
            return inline("check", self.parenthesis(), self.conflict())
        if self.accept("COLLATE"):
            return inline("collate", self.identifier())
        if self.accept("REFERENCES"):
            return self.references(start, own, True)
        if self.accept("DEFAULT"):
            return inline("default", self.default())
        if self.peek() in ("GENERATED", "AS"):
            if self.accept("GENERATED"):
                self.expect("ALWAYS")
            self.expect("AS")
            return inline("generated", self.parenthesis(), self.words("STORED", "VIRTUAL"))
        if start != self.tokens[self.at].start:
            return ParsedConstraint("", start, 0)
        if deferral := self.deferral():
            return inline("deferral", options=deferral)
        raise SQLTextError(f"has {self.take().text!r} where a column's constraint was expected")

    def key(
        self, kind: str, start: int, columns: tuple[str, ...], inline: bool, extra: str
    ) -> ParsedConstraint:
        rest = [extra, self.conflict(), self.words("AUTOINCREMENT")]
        options = " ".join(filter(None, rest))
        return ParsedConstraint(kind, start, 0, columns=columns, options=options, inline=inline)

    def references(self, start: int, own: tuple[str, ...], inline: bool) -> ParsedConstraint:
        table = self.identifier()
        columns: tuple[str, ...] = ()
        if self.peek() == "(":
            columns, _ = self.indexed_columns()
        begin = self.end
        while True:
            if self.accept("ON"):
                self.take()  # DELETE, UPDATE, and INSERT, which SQLite reads and forgets
                if not (self.accept("SET", "NULL") or self.accept("SET", "DEFAULT")):
                    _ = self.accept("NO", "ACTION") or self.take()
            elif self.accept("MATCH"):
                self.identifier()
            elif not self.deferral():
                break
        options = normal(self.text[begin : self.end])
        return ParsedConstraint(
            "foreignkey", start, 0, None, own, "", table, columns, options, inline
        )

    def deferral(self) -> str:
        begin = self.tokens[self.at].start
        if not (self.accept("NOT", "DEFERRABLE") or self.accept("DEFERRABLE")):
            return ""
        if self.accept("INITIALLY"):
            self.take()
        return normal(self.text[begin : self.end])

    def conflict(self) -> str:
        return f"on conflict {self.take().text.lower()}" if self.accept("ON", "CONFLICT") else ""

    def default(self) -> str:
        begin = self.tokens[self.at].start
        if self.peek() == "(":
            self.parenthesis()
        else:
            _ = self.accept("+") or self.accept("-")
            self.take()
        return self.text[begin : self.end]

    def indexed_columns(self) -> tuple[tuple[str, ...], str]:
        """Read ``(a, b COLLATE x DESC)`` and return the names and what else was said of them."""
        self.expect("(")
        names = [self.identifier()]
        extra: list[str] = []
        while not self.accept(")"):
            if self.accept(","):
                names.append(self.identifier())
            elif self.accept("AUTOINCREMENT"):
                extra.append("autoincrement")
            elif self.accept("COLLATE"):
                extra.append(f"{names[-1]} collate {self.identifier()}")
            else:
                extra.append(f"{names[-1]} {self.take().text.lower()}")
        return tuple(names), ", ".join(extra)


@lru_cache(maxsize=256)
def parse(text: str) -> ParsedTable:
    """Read one CREATE TABLE statement.

    What was read lately is cached: between two changes of a table its text is asked for often.

    :param text: the statement, as ``sqlite_master`` holds it.
    :return: the table.
    :raises CreateTableError: if it is anything else, with the place where reading stopped.
    """
    try:
        return _Parser(text).table()
    except SQLTextError as error:
        line = " ".join(text.split())
        raise CreateTableError(f"This CREATE TABLE statement {error}: {line}") from error


def parse_column(definition: str) -> ParsedColumn:
    """Read the definition of a single column.

    :param definition: as it stands in a CREATE TABLE statement.
    :return: the column; its places count from the beginning of a statement made up around it.
    :raises CreateTableError: if it is anything else.
    """
    return parse(f"CREATE TABLE t ({definition})").columns[0]
