"""SQLite's grammar of CREATE TABLE: makes the objects of ``table.py`` from a text.

See https://sqlite.org/lang_createtable.html, and ``parse.y`` in SQLite's source for what it takes
beyond that page.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .table import Column, Constraint, Table
from .tokens import Cursor, SQLTextError, normal

_COLUMN_RULES = (
    "CONSTRAINT PRIMARY NOT NULL UNIQUE CHECK DEFAULT COLLATE REFERENCES GENERATED AS DEFERRABLE"
)
_COLUMN_CONSTRAINTS = frozenset(_COLUMN_RULES.split())
_TABLE_CONSTRAINTS = frozenset(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"])


class Reader(Cursor):
    """Goes through the tokens once; each method reads one rule of the grammar."""

    def table(self) -> Table:
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
        return Table(self.text, name, start, name_end, columns, constraints, options)

    def body(self) -> tuple[tuple[Column, ...], tuple[Constraint, ...]]:
        columns = [self.column()]
        constraints: list[Constraint] = []
        while self.accept(","):
            if self.peek() in _TABLE_CONSTRAINTS:
                self.table_constraints(constraints)
                break
            columns.append(self.column())
        self.expect(")")
        return tuple(columns), tuple(constraints)

    def options(self) -> frozenset[str]:
        found = set()
        while self.peek():
            if self.accept("WITHOUT", "ROWID"):
                found.add("WITHOUT ROWID")
            elif self.accept("STRICT"):
                found.add("STRICT")
            elif not self.accept(",") and not self.accept(";"):
                self.expect("WITHOUT", "ROWID")
        if self.tokens[self.at].kind != "end":
            self.expect("the end")
        return frozenset(found)

    def column(self) -> Column:
        start = self.tokens[self.at].start
        name = self.identifier()
        name_end = self.end
        written = self.type()
        type_end = self.end
        constraints = []
        while self.peek() in _COLUMN_CONSTRAINTS:
            constraints.append(self.constraint(partial(self.column_rule, (name,))))
        found = tuple(c for c in constraints if c.kind)
        return Column(name, written, start, self.end, name_end, type_end, found)

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

    def constraint(self, rule: Callable[[int], Constraint]) -> Constraint:
        """Read ``[CONSTRAINT name]…`` and what *rule* reads after it."""
        start = self.tokens[self.at].start
        name = None
        while self.accept("CONSTRAINT"):
            name = self.identifier()
        return replace(rule(start), name=name, end=self.end)

    def table_constraints(self, found: list[Constraint]) -> None:
        while True:
            item = self.constraint(self.table_rule)
            if item.kind:
                found.append(item)
            self.accept(",")
            if self.peek() not in _TABLE_CONSTRAINTS:
                return

    def table_rule(self, start: int) -> Constraint:
        if self.accept("PRIMARY", "KEY"):
            columns, extra = self.indexed_columns()
            return self.key("primary", start, columns, False, extra)
        if self.accept("UNIQUE"):
            columns, extra = self.indexed_columns()
            return self.key("unique", start, columns, False, extra)
        if self.accept("CHECK"):
            expression = self.parenthesis()
            return Constraint("check", start, 0, expression=expression, options=self.conflict())
        if self.accept("FOREIGN", "KEY"):
            columns, _ = self.indexed_columns()
            self.expect("REFERENCES")
            return self.references(start, columns, False)
        return Constraint("", start, 0)

    def column_rule(self, own: tuple[str, ...], start: int) -> Constraint:
        def made(kind: str, expression: str = "", options: str = "") -> Constraint:
            return Constraint(
                kind, start, 0, columns=own, expression=expression, options=options, inline=True
            )

        if self.accept("PRIMARY", "KEY"):
            order = self.words("ASC", "DESC")
            return self.key("primary", start, own, True, order)
        if self.accept("UNIQUE"):
            return self.key("unique", start, own, True, "")
        if self.accept("NOT", "NULL"):
            return made("notnull", options=self.conflict())
        if self.accept("NULL"):
            return made("null", options=self.conflict())
        if self.accept("CHECK"):
            return made("check", self.parenthesis(), self.conflict())
        if self.accept("COLLATE"):
            return made("collate", self.identifier())
        if self.accept("REFERENCES"):
            return self.references(start, own, True)
        if self.accept("DEFAULT"):
            return made("default", self.default())
        if self.peek() in ("GENERATED", "AS"):
            if self.accept("GENERATED"):
                self.expect("ALWAYS")
            self.expect("AS")
            return made("generated", self.parenthesis(), self.words("STORED", "VIRTUAL"))
        if start != self.tokens[self.at].start:
            return Constraint("", start, 0)
        if deferral := self.deferral():
            return made("deferral", options=deferral)
        raise SQLTextError(f"has {self.take().text!r} where a column's constraint was expected")

    def key(
        self, kind: str, start: int, columns: tuple[str, ...], inline: bool, extra: str
    ) -> Constraint:
        rest = [extra, self.conflict(), self.words("AUTOINCREMENT")]
        options = " ".join(filter(None, rest))
        return Constraint(kind, start, 0, columns=columns, options=options, inline=inline)

    def references(self, start: int, own: tuple[str, ...], inline: bool) -> Constraint:
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
        return Constraint("foreignkey", start, 0, None, own, "", table, columns, options, inline)

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
