"""Collects the edits of one table, and what they require of its rows; changes nothing yet."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import MigrationError
from ..quoting import quote
from . import edit
from .database import SQLiteDatabase
from .names import describe
from .parser import (
    NAMED_KINDS,
    ParsedColumn,
    ParsedConstraint,
    ParsedTable,
    fold,
    names_in,
    normal,
)
from .references import refuse_strings


@dataclass(frozen=True)
class Requirement:
    """What every row has to satisfy."""

    #: SQL that is true of the rows that do not.
    violation: str
    #: What is wrong in them.
    problem: str
    remedy: str
    #: Whether it is checked even where SQLite itself would refuse the rows.
    early: bool = False


class TableChange:
    """What is to become of one table: ``before``, ``after``, and all that lies between.

    :param db: where the table is.
    :param name: the table's.
    :raises MigrationError: where there is no such table or its text cannot be read.
    """

    def __init__(self, db: SQLiteDatabase, name: str) -> None:
        self.db = db
        self.before = self.after = db.table(name)
        #: Names of columns: the new ones, of these the ones that number the rows, the old ones
        #: that go, and those whose default changes.
        self.added: list[str] = []
        self.numbered: list[str] = []
        self.dropped: list[str] = []
        self.redefaulted: list[str] = []
        #: What the rows have to satisfy.
        self.requirements: list[Requirement] = []
        self.new_foreign_keys: list[ParsedConstraint] = []
        #: For each edit beside added and dropped columns, the statement of this SQLite that makes
        #: it, or None.
        self.native_statements: list[str | None] = []
        self.notes: list[str] = []

    def add_column(
        self,
        name: str,
        definition: str,
        *,
        before: str | None = None,
        after: str | None = None,
        numbered: bool = False,
    ) -> None:
        """Add a column; its rows take its default, or with *numbered* 1, 2, 3 and so on."""
        if self.after.column(name):
            raise MigrationError(f'Table "{self.after.name}" has a column "{name}" already.')
        self.after = edit.add_column(self.after, definition, before=before, after=after)
        if self.after.strict:
            self.after = edit.set_type(self.after, name, strict_type(self.column(name).type))
        self.added.append(name)
        if numbered:
            self.numbered.append(name)

    def drop_column(self, name: str) -> None:
        """Drop a column with the constraints it is part of, as PostgreSQL does."""
        column = self.column(name)
        for constraint in involved(self.after, column.name):
            self.after = without(self.after, constraint)
            self.notes.append(f"constraint {describe(constraint)} went with its column {name}")
        self.after = edit.drop_column(self.after, column.name)
        if fold(name) in map(fold, self.added):
            self.added = [n for n in self.added if fold(n) != fold(name)]
            self.numbered = [n for n in self.numbered if fold(n) != fold(name)]
        else:
            self.dropped.append(column.name)

    def set_type(self, name: str, type_: str) -> None:
        """Give a column another type; values it would not hold are refused."""
        column = self.column(name)
        if self.after.strict:
            type_ = strict_type(type_)
        if normal(column.type) == normal(type_):
            return
        violation = "" if self._is_new(name) else unfit(column.name, column.declared, type_)
        if violation:
            problem = f'{name} holds what the type "{type_}" does not'
            remedy = "Change the values in a migration before: nothing is converted here."
            self.requirements.append(Requirement(violation, problem, remedy, early=True))
        self._edited(edit.set_type(self.after, column.name, type_), of=name)

    def set_collation(self, name: str, collation: str) -> None:
        """Give a column another collation."""
        if fold(self.column(name).collate or "binary") != fold(collation):
            self._edited(edit.set_collation(self.after, name, collation), of=name)

    def set_not_null(self, name: str, not_null: bool) -> None:
        """Refuse NULL in a column, or allow it."""
        column = self.column(name)
        if column.not_null == not_null:
            return
        if not_null and not self._is_new(name):
            remedy = f"Fill {name} in a migration before."
            self.requirements.append(
                Requirement(f"{quote(column.name)} IS NULL", f"{name} is NULL", remedy)
            )
        words = "SET NOT NULL" if not_null else "DROP NOT NULL"
        native = f"{self._alter} ALTER COLUMN {quote(column.name)} {words}"
        self._edited(
            edit.set_not_null(self.after, column.name, not_null),
            native if self.db.library.set_not_null else None,
            of=name,
        )

    def set_default(self, name: str, default: str | None) -> None:
        """Change what rows to come hold in a column; those that are there keep what they hold."""
        column = self.column(name)
        if column.default == default:
            return
        if not self._is_new(name):
            self.redefaulted.append(column.name)
        self._edited(edit.set_default(self.after, column.name, default), of=name)

    def set_generated(self, name: str, generated: str | None) -> None:
        """Make a column a generated one, where its rows hold that already, or an ordinary one."""
        column = self.column(name)
        if column.generated is None and generated is None:
            return
        target = edit.set_generated(self.after, column.name, generated)
        new = target.columns[[c.name for c in target.columns].index(column.name)].generated
        if new and column.generated is None and not self._is_new(name):
            violation = f"{quote(column.name)} IS NOT ({new.expression})"
            problem = f"{name} holds something else than it would be computed to be"
            remedy = "Drop the column and add it as a computed one if its values may go."
            self.requirements.append(Requirement(violation, problem, remedy, early=True))
        self._edited(target, of=name)

    def add_constraint(self, definition: str) -> None:
        """Add a constraint of the table."""
        target = edit.add_constraint(self.after, definition)
        new = target.constraints[-1]
        taken = [c.name for c in self.after.all_constraints() if c.name and c.kind != "primary"]
        if new.name and fold(new.name) in map(fold, taken):
            raise MigrationError(
                f'Table "{target.name}" has a constraint "{new.name}" already: drop it first.'
            )
        for name in new.columns:
            self.column(name)
        native = None
        if new.kind == "check":
            refuse_strings(self.after, new.expression)
            problem = f"CHECK ({new.expression}) is not true"
            remedy = "Change them in a migration before."
            self.requirements.append(Requirement(f"NOT ({new.expression})", problem, remedy))
            native = f"{self._alter} ADD {definition}" if self.db.library.add_check else None
        elif new.kind == "foreignkey":
            if fold(new.referred_table) != fold(target.name):
                self.db.table(new.referred_table)
            self.new_foreign_keys.append(new)
        elif new.kind == "primary" and (old := self.after.key):
            self.notes.append(f"the primary key ({', '.join(old.columns)}) made way for another")
            self.drop_constraint(old)
            target = edit.add_constraint(self.after, definition)
        self._edited(target, native)
        for name in new.columns if new.kind == "primary" else ():
            self.set_not_null(name, True)

    def drop_constraint(self, constraint: ParsedConstraint) -> None:
        """Drop a constraint of ``self.after``."""
        library = self.db.library
        able = {"check": library.drop_check, "foreignkey": library.drop_foreign_key}
        native = None
        if constraint.name is not None and able.get(constraint.kind):
            native = f"{self._alter} DROP CONSTRAINT {quote(constraint.name)}"
        alias = self.after.rowid_alias if constraint.kind == "primary" else None
        self._edited(edit.drop_constraint(self.after, constraint), native)
        if alias is not None and not self.column(alias).not_null:
            # The rowid never was NULL; without the key only the text can say so.
            self._edited(edit.set_not_null(self.after, alias, True))

    def name_constraint(self, constraint: ParsedConstraint, name: str) -> None:
        """Give a constraint of ``self.after`` that has no name this one."""
        self._edited(edit.set_constraint_name(self.after, constraint, name))

    def move_constraint(self, at: int, to: int) -> None:
        """Move one of the table's constraints to another place among them."""
        self._edited(edit.move_constraint(self.after, at, to))

    def reorder(self, order: Sequence[str]) -> None:
        """Put the columns in this order."""
        self._edited(edit.reorder(self.after, order))

    def set_options(self, options: Mapping[str, bool], autoincrement: bool | None) -> None:
        """Make the table STRICT, WITHOUT ROWID or AUTOINCREMENT, or make it so no longer."""
        target = set(self.after.options) - set(options)
        target |= {option for option, on in options.items() if on}
        # Only what is numbered by a rowid counts up.
        if autoincrement is False and self.after.autoincrement:
            self._edited(edit.drop_autoincrement(self.after))
        if self.after.options != target:
            self._edited(edit.set_options(self.after, target))
        if autoincrement and not self.after.autoincrement:
            self._edited(edit.set_autoincrement(self.after))

    def column(self, name: str) -> ParsedColumn:
        """Return the column as it is to be.

        :raises MigrationError: where there is none of that name.
        """
        return self.after.require_column(name)

    def _is_new(self, name: str) -> bool:
        return fold(name) in map(fold, self.added)

    @property
    def _alter(self) -> str:
        return f"ALTER TABLE {self.db.name(self.before.name)}"

    def _edited(self, target: ParsedTable, native: str | None = None, of: str = "") -> None:
        self.after = target
        if not self._is_new(of):  # a new column is added as it ends up
            self.native_statements.append(native)


def involved(table: ParsedTable, column: str) -> list[ParsedConstraint]:
    """Return the constraints, beside the column's own definition, that go when the column goes."""
    return [c for c in table.constraints_of(*NAMED_KINDS) if _involves(c, column)]


def _involves(constraint: ParsedConstraint, column: str) -> bool:
    columns = [fold(c) for c in constraint.columns]
    if constraint.inline and columns == [fold(column)]:
        return False
    if constraint.kind == "check":
        return fold(column) in names_in(constraint.expression)
    return fold(column) in columns


def without(table: ParsedTable, constraint: ParsedConstraint) -> ParsedTable:
    """Return *table* without a constraint that another text of it holds."""
    same = next(c for c in table.all_constraints() if c.equals(constraint))
    return edit.drop_constraint(table, same)


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
    size = re.search(r"\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", type_)
    return (int(size[1]), int(size[2] or 0)) if size else None


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


def unfit(column: str, old: str | None, new: str) -> str:
    """Return the condition of a column's values that another type would not hold.

    A number written as text fits a number's type where the number reads the same: ``'12'`` does,
    ``'012'`` and ``'x9'`` do not. What comes back has to be what went in: a REAL holds whole
    numbers up to 2**53, and SQLite passes February's 31st for a date until a modifier makes it
    March's 2nd.

    :param column: its name.
    :param old: its declared type; None where the values may be any.
    :param new: the type that it gets.
    :return: SQL, or "" where every value fits.
    """
    c, kind, size = quote(column), _kind(new), _size(new)
    same_kind = old is not None and kind == _kind(old)
    if same_kind and (size is None or size == _size(old or "")):
        return ""
    text = f"(typeof({c}) = 'text')"
    unlike = f"CAST(CAST({c} AS NUMERIC) AS TEXT) <> {c}"
    number = f"typeof({c}) = 'blob' OR {text} AND {unlike}"
    rounded = f"CAST(CAST({c} AS NUMERIC) AS REAL) <> CAST({c} AS NUMERIC)"
    # Text that looks like a number becomes one under NUMERIC affinity.
    numeric = f"{unlike} AND {c} GLOB '*[0-9]*' AND {c} NOT GLOB '*[^0-9.eE+ \t\n\r-]*'"
    day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
    date = f"date(substr({c}, 1, 10), '+0 days') IS substr({c}, 1, 10)"
    clock = "time(substr({c}, {at}, 5), '+0 days') IS substr({c}, {at}, 5) || ':00'"
    hour = f"(length({c}) = 10 OR {clock.format(c=c, at=12)})"
    conditions = {
        "TEXT": f"typeof({c}) = 'blob' OR typeof({c}) = 'real' "
        f"AND CAST(CAST({c} AS TEXT) AS REAL) <> {c}",
        "BLOB": f"typeof({c}) NOT IN ('blob', 'null')" if new else "",
        "INTEGER": f"{number} OR CAST({c} AS INTEGER) <> CAST({c} AS NUMERIC)",
        "REAL": f"{number} OR typeof({c}) IN ('integer', 'text') AND {rounded}",
        "NUMBER": number,
        "BOOLEAN": f"typeof({c}) = 'blob' OR {c} NOT IN (0, 1, '0', '1')",
        "DATETIME": f"{c} IS NOT NULL AND NOT ({text} AND {c} GLOB '{day}*' AND {date} AND {hour} "
        f"AND datetime({c}) IS NOT NULL)",
        "DATE": f"{c} IS NOT NULL AND NOT ({text} AND {c} GLOB '{day}' AND {date})",
        "TIME": f"{c} IS NOT NULL AND NOT ({text} AND {c} GLOB '[0-9][0-9]:[0-9][0-9]*' "
        f"AND {clock.format(c=c, at=1)} AND time({c}) IS NOT NULL)",
        "JSON": f"{text} AND (NOT json_valid({c}) OR {numeric})",
        "OTHER": f"{text} AND {numeric}",
    }
    parts = [] if same_kind else [conditions[kind]]
    if size and kind == "TEXT":
        parts.append(f"length({c}) > {size[0]}")
    if size and kind == "NUMBER":
        parts.append(f"abs(CAST({c} AS NUMERIC)) >= 1e{size[0] - size[1]}")
    return " OR ".join(f"({part})" for part in parts if part)


def strict_type(type_: str) -> str:
    """Return the type of a STRICT table that holds what *type_* does."""
    if re.fullmatch(r"(?i)INT|INTEGER|REAL|TEXT|BLOB|ANY", type_.strip()):
        return type_
    if affinity(type_) != "NUMERIC":
        return affinity(type_)
    name = type_.upper()
    if "BOOL" in name:
        return "INTEGER"
    return "TEXT" if re.search("DATE|TIME|JSON", name) else "REAL"
