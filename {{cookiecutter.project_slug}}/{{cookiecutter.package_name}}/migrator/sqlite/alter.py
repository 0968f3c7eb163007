"""Changes one table the cheapest way that is safe.

An :class:`Alter` collects the edits of one table, then :meth:`Alter.run` takes the first way of
these that can carry all of them, and says in its :class:`Step` objects which it was:

1. ``ALTER``: SQLite's own ALTER TABLE;
2. ``TEXT``: the schema's text in place (https://sqlite.org/lang_altertable.html#otheralter, the
   second procedure), where the rows on disk mean the same under both texts, see :func:`shape`;
3. ``REBUILD``: a new table, see ``rebuild.py``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, IntegrityError

from .. import MigratorError
from . import edit
from .create_table import Column, Constraint, Table, parse
from .database import Database
from .names import describe
from .rebuild import progress, rebuild, renamed_aside
from .references import (
    broken,
    check_referrers,
    explain,
    own_indexes,
    refuse_broken,
    refuse_users,
)
from .rows import Demand, affinity, insist, insist_parents, insist_unique, misfit, refuse
from .tokens import fold, names_in, normal, quote, scan

ALTER, TEXT, REBUILD = "SQLite's own ALTER", "the schema's text in place", "a rebuild"


@dataclass(frozen=True)
class Step:
    """What was done to one table: by which way, and the statements."""

    table: str
    way: str
    statements: tuple[str, ...]
    notes: tuple[str, ...] = ()


def shape(table: Table, but: Sequence[str] = (), defaults_of: Sequence[str] = ()) -> object:
    """Return all of a table that the rows and keys on disk depend on.

    Two texts of one shape are two names for the same bytes. A primary key, a generated column and
    a STRICT table are compared to the letter; elsewhere NOT NULL, CHECK, FOREIGN KEY, names and
    the type within its affinity are free.

    :param but: columns to leave out.
    :param defaults_of: columns whose default does not count, its values being stored.
    """
    gone = {fold(name) for name in but}
    free = {fold(name) for name in defaults_of}

    def of(column: Column) -> object:
        name = fold(column.name)
        generated = column.generated
        exact = table.strict or generated or name in map(fold, table.primary_key)
        return (
            name,
            normal(column.type) if exact else affinity(column.declared),
            bool(exact) and column.not_null,
            fold(column.collate or "binary"),
            generated and (normal(generated.expression), generated.options),
            None if name in free or column.default is None else normal(column.default),
        )

    columns = tuple(of(c) for c in table.columns if fold(c.name) not in gone)
    keys = tuple(
        (c.kind, tuple(map(fold, c.columns)), c.options)
        for c in table.every_constraint()
        if c.kind in ("primary", "unique")
    )
    return columns, keys, table.options


class Alter:
    """The edits of one table, collected and carried out together.

    :param force_rebuild: take the third way whatever the edits are.
    :raises MigratorError: where there is no such table or its text cannot be read.
    """

    def __init__(self, db: Database, name: str, *, force_rebuild: bool = False) -> None:
        self.db = db
        self.before = self.after = db.table(name)
        self.force_rebuild = force_rebuild
        self.added: list[str] = []
        self.dropped: list[str] = []
        self.stored: list[str] = []
        self.demands: list[Demand] = []
        self.parents: list[Constraint] = []
        self.natives: list[str | None] = []
        self.notes: list[str] = []
        self.statements: list[str] = []

    # What an edit asks for.

    def add_column(
        self, name: str, definition: str, *, before: str | None = None, after: str | None = None
    ) -> None:
        """Add a column; its rows take its default."""
        if self.after.column(name):
            raise MigratorError(f'Table "{self.after.name}" has a column "{name}" already.')
        self.after = edit.add_column(self.after, definition, before=before, after=after)
        if self.after.strict:
            self.after = edit.set_type(self.after, name, strict_type(self.column(name).type))
        self.added.append(name)

    def drop_column(self, name: str) -> None:
        """Drop a column with the constraints it is part of, as PostgreSQL does."""
        column = self.column(name)
        for constraint in list(self.after.every_constraint()):
            if self._involves(constraint, column.name):
                self._without(constraint)
                self.notes.append(f"constraint {describe(constraint)} went with its column {name}")
        self.after = edit.drop_column(self.after, column.name)
        if fold(name) in map(fold, self.added):
            self.added = [n for n in self.added if fold(n) != fold(name)]
        else:
            self.dropped.append(column.name)

    def _involves(self, constraint: Constraint, name: str) -> bool:
        own = [fold(c) for c in constraint.columns]
        if constraint.inline and own == [fold(name)]:
            return False
        if constraint.kind == "check":
            return fold(name) in names_in(constraint.expression)
        return constraint.kind in ("primary", "unique", "foreignkey") and fold(name) in own

    def _without(self, constraint: Constraint) -> None:
        found = next(c for c in self.after.every_constraint() if alike(c, constraint))
        self.after = edit.drop_constraint(self.after, found)

    def set_type(self, name: str, type_: str) -> None:
        """Give a column another type; values it would not hold are refused."""
        column = self.column(name)
        if self.after.strict:
            type_ = strict_type(type_)
        if normal(column.type) == normal(type_):
            return
        bad = "" if self._is_new(name) else misfit(column.name, column.declared, type_)
        if bad:
            problem = f'{name} holds what the type "{type_}" does not'
            remedy = "Change the values in a migration before: nothing is converted here."
            self.demands.append(Demand(bad, problem, remedy, early=True))
        self._edited(edit.set_type(self.after, column.name, type_))

    def set_collation(self, name: str, collation: str) -> None:
        """Give a column another collation."""
        if fold(self.column(name).collate or "binary") != fold(collation):
            self._edited(edit.set_collation(self.after, name, collation))

    def set_not_null(self, name: str, not_null: bool) -> None:
        """Refuse NULL in a column, or allow it."""
        column = self.column(name)
        if column.not_null == not_null:
            return
        if not_null and not self._is_new(name):
            remedy = f"Fill {name} in a migration before."
            self.demands.append(Demand(f"{quote(column.name)} IS NULL", f"{name} is NULL", remedy))
        words = "SET NOT NULL" if not_null else "DROP NOT NULL"
        native = f"{self._alter} ALTER COLUMN {quote(column.name)} {words}"
        self._edited(
            edit.set_not_null(self.after, column.name, not_null),
            native if self.db.library.set_not_null else None,
        )

    def set_default(self, name: str, default: str | None) -> None:
        """Change what rows to come hold in a column; those that are there keep what they hold."""
        column = self.column(name)
        if column.default == default:
            return
        if not self._is_new(name):
            self.stored.append(column.name)
        self._edited(edit.set_default(self.after, column.name, default))

    def set_generated(self, name: str, generated: str | None) -> None:
        """Make a column a generated one, where its rows hold that already, or an ordinary one."""
        column = self.column(name)
        if column.generated is None and generated is None:
            return
        target = edit.set_generated(self.after, column.name, generated)
        new = target.columns[[c.name for c in target.columns].index(column.name)].generated
        if new and column.generated is None and not self._is_new(name):
            bad = f"{quote(column.name)} IS NOT ({new.expression})"
            problem = f"{name} holds something else than it would be computed to be"
            remedy = "Drop the column and add it as a computed one if its values may go."
            self.demands.append(Demand(bad, problem, remedy, early=True))
        self._edited(target)

    def add_constraint(self, definition: str) -> None:
        """Add a constraint of the table."""
        target = edit.add_constraint(self.after, definition)
        new = target.constraints[-1]
        taken = [c.name for c in self.after.every_constraint() if c.name and c.kind != "primary"]
        if new.name and fold(new.name) in map(fold, taken):
            raise MigratorError(
                f'Table "{target.name}" has a constraint "{new.name}" already: drop it first.'
            )
        for name in new.columns:
            self.column(name)
        native = None
        if new.kind == "check":
            self._check_names(new)
            problem = f"CHECK ({new.expression}) is not true"
            remedy = "Change them in a migration before."
            self.demands.append(Demand(f"NOT ({new.expression})", problem, remedy))
            native = f"{self._alter} ADD {definition}" if self.db.library.add_check else None
        elif new.kind == "foreignkey":
            if fold(new.referred_table) != fold(target.name):
                self.db.table(new.referred_table)
            self.parents.append(new)
        elif new.kind == "primary" and (old := self.after.first("primary")):
            self.notes.append(f"the primary key ({', '.join(old.columns)}) made way for another")
            self.drop_constraint(old)
            target = edit.add_constraint(self.after, definition)
        self._edited(target, native)
        for name in new.columns if new.kind == "primary" else ():
            self.set_not_null(name, True)

    def _check_names(self, check: Constraint) -> None:
        """Refuse a quoted name that is no column: SQLite would take it for a string."""
        tokens = scan(check.expression)
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            dotted = following is not None and following.key == "."
            if token.kind == "quoted" and not dotted:
                self.column(token.name)

    def drop_constraint(self, constraint: Constraint) -> None:
        """Drop a constraint of ``self.after``."""
        library = self.db.library
        able = library.drop_check if constraint.kind == "check" else False
        able = library.drop_foreign_key if constraint.kind == "foreignkey" else able
        able = able and constraint.name is not None
        native = f"{self._alter} DROP CONSTRAINT {quote(constraint.name or '')}" if able else None
        alias = self.after.rowid_alias if constraint.kind == "primary" else None
        self._edited(edit.drop_constraint(self.after, constraint), native)
        if alias is not None and not self.column(alias).not_null:
            # The rowid never was NULL; without the key only the text can say so.
            self._edited(edit.set_not_null(self.after, alias, True))

    def reorder(self, order: Sequence[str]) -> None:
        """Put the columns in this order."""
        self._edited(edit.reorder(self.after, order))

    def set_options(self, options: Sequence[str], autoincrement: bool) -> None:
        """Make the table STRICT, WITHOUT ROWID or AUTOINCREMENT."""
        if autoincrement and not self.after.autoincrement:
            self._edited(edit.set_autoincrement(self.after))
        if not self.after.options.issuperset(options):
            self._edited(edit.set_options(self.after, options))

    def column(self, name: str) -> Column:
        """Return the column as it is to be.

        :raises MigratorError: where there is none of that name.
        """
        column = self.after.column(name)
        if column is None:
            there = ", ".join(c.name for c in self.after.columns)
            raise MigratorError(f'Table "{self.after.name}" has no column "{name}", only: {there}.')
        return column

    def _is_new(self, name: str) -> bool:
        return fold(name) in map(fold, self.added)

    @property
    def _alter(self) -> str:
        return f"ALTER TABLE {self.db.name(self.before.name)}"

    def _edited(self, target: Table, native: str | None = None) -> None:
        self.after = target
        self.natives.append(native)

    # How it is done.

    def run(self) -> Step | None:
        """Carry the edits out and return what was done, None where nothing had to be.

        :raises MigratorError: where rows do not satisfy what is added, something still uses what
            is dropped, or SQLite refuses the new text. The database is then as it was.
        """
        if self.after.text == self.before.text and not self.force_rebuild:
            return None
        refuse_users(self.db, self.before, self.after, self.dropped)
        check_referrers(self.db, self.before, self.after, self.dropped)
        if self.dropped:
            self._refuse_foreign_keys("dropping a column")
        self._insist_values()
        for demand in self.demands:
            if demand.early:
                insist(self.db, self.before, demand)
        self._try_text()
        name = self.before.name
        for way, carry_out in self._ways():
            self.statements.clear()
            try:
                with self.db.savepoint():
                    was_broken = self.dropped and broken(self.db, name, self.dropped)
                    carry_out()
                    if self.dropped:
                        refuse_broken(self.db, name, self.dropped, was_broken or {})
            except DBAPIError as error:
                if way == REBUILD:
                    self._explain_rows(error)
                    raise explain(self.before, error) from error
                explained = explain(self.before, error)
                if explained.certain or not self.db.in_transaction():
                    raise explained from error
                continue
            return Step(self.before.name, way, tuple(self.statements), tuple(self.notes))
        raise AssertionError("a rebuild returns or raises")

    def _ways(self) -> Iterator[tuple[str, Callable[[], None]]]:
        same = shape(self.before, self.dropped, self.stored) == shape(
            self.after, self.added, self.stored
        )
        last = [c.name for c in self.after.columns][len(self.after.columns) - len(self.added) :]
        if same and last == self._added_names() and not self.force_rebuild:
            without = self._without_involved()
            writable = self.db.writable_schema()
            if all(self.natives) and without is self.before:
                yield ALTER, lambda: self._by_alter(writable)
            if writable and (self.db.library.stores_nulls or not self.stored):
                yield TEXT, lambda: self._by_text(without)
        yield REBUILD, self._by_rebuild

    def _added_names(self) -> list[str]:
        return [self.column(name).name for name in self.added]

    def _without_involved(self) -> Table:
        """The table as it is, without the constraints that a dropped column takes with it."""
        table = self.before
        for name in self.dropped:
            for constraint in list(table.every_constraint()):
                if self._involves(constraint, name):
                    found = next(c for c in table.every_constraint() if alike(c, constraint))
                    table = edit.drop_constraint(table, found)
        return table

    def _do(self, sql: str) -> None:
        self.statements.append(sql)
        self.db.rows(sql)

    def _by_alter(self, writable: bool) -> None:
        self._add_and_drop()
        for native in self.natives:
            self._do(native or "")
        now = self.db.table(self.before.name).text
        if (
            self.dropped
            and writable
            and now != self.after.text
            and re.search(r"--|/\*", self.before.text)
        ):
            self._write(self.after)  # SQLite drops the comments beside a column with it
        self._insist_parents()

    def _by_text(self, without: Table) -> None:
        if without is not self.before:
            self._write(without)
        self._add_and_drop()
        self._store()
        if normal(self.db.table(self.before.name).text) != normal(self.after.text):
            self._write(self.after)
        self._insist_parents()

    def _by_rebuild(self) -> None:
        self._refuse_foreign_keys("a rebuild")
        without = {fold(name) for name in own_indexes(self.db, self.before, self.dropped)}
        self._note_indexes(without)
        rebuild(self.db, self.before, self.after, without, self._do)
        self._insist_parents()

    def _add_and_drop(self) -> None:
        for name in self._added_names():
            column = self.column(name)
            self._do(f"{self._alter} ADD COLUMN {self.after.text[column.start : column.end]}")
        for demand in self.demands:
            insist(self.db, self.before, demand)
        indexes = own_indexes(self.db, self.before, self.dropped)
        self._note_indexes(indexes)
        for index in indexes:
            self._do(f"DROP INDEX {self.db.name(index)}")
        for name in self.dropped:
            self._do(f"{self._alter} DROP COLUMN {quote(name)}")

    def _note_indexes(self, indexes: Sequence[str] | set[str]) -> None:
        for name in sorted(indexes):
            note = f"index {name} went with its column"
            if note not in self.notes:
                self.notes.append(note)

    def _store(self) -> None:
        """Write out the values that rows only have by the default in the text, triggers off."""
        if not self.stored:
            return
        triggers = self.db.objects("trigger", self.before.name)
        for name in triggers:
            self._do(f"DROP TRIGGER {self.db.name(name)}")
        values = ", ".join(f"{quote(c)} = {quote(c)}" for c in self.stored)
        with progress(self.db, self.before.name):
            self._do(f"UPDATE OR ABORT {self.db.name(self.before.name)} SET {values}")
        for sql in triggers.values():
            self._do(sql)

    def _write(self, table: Table) -> None:
        """Put a table's text in the schema, and read it back."""
        version = self.db.pragma("schema_version")[0][0]
        master = f"{quote(self.db.schema)}.sqlite_master"
        name = self.before.name
        self._do("PRAGMA writable_schema = ON")
        try:
            sql = f"UPDATE {master} SET sql = ? WHERE type = 'table' AND name = ?"
            self.statements.append(f"-- {name} becomes: {table.text}")
            self.db.rows(sql, table.text, name)
            self._do(f"PRAGMA {quote(self.db.schema)}.schema_version = {version + 1}")
        finally:
            self._do("PRAGMA writable_schema = RESET")
        read = [row[1] for row in self.db.pragma("table_xinfo", name)]
        wanted = [c.name for c in table.columns]
        if read != wanted or self.db.table(name).text != table.text:
            raise MigratorError(f'Table "{name}" reads otherwise than it was written: {read}.')
        self.db.rows(f"SELECT * FROM {self.db.name(name)} LIMIT 1")

    def _try_text(self) -> None:
        """Let SQLite read the new text under the table's own name, with its own functions.

        :raises MigratorError: with what SQLite says, where it takes the text for wrong.
        """
        undo = MigratorError("undo")
        try:
            with self.db.savepoint():
                with renamed_aside(self.db, self.before.name, self.db.rows):
                    text = self.after.text[self.after.name_start :]
                    self.db.rows(f"CREATE TABLE {quote(self.db.schema)}.{text}")
                raise undo
        except DBAPIError as error:
            raise explain(self.before, error) from error
        except MigratorError as error:
            if error is not undo:
                raise

    # What is refused.

    def _refuse_foreign_keys(self, what: str) -> None:
        if self.db.foreign_keys_on():
            raise MigratorError(
                f'Table "{self.before.name}" needs {what}, which with PRAGMA foreign_keys on '
                f"would delete or change rows of other tables: switch it off at connect."
            )

    def _insist_values(self) -> None:
        """Refuse a new column that may not be NULL and has no value for the rows there are."""
        rows = None
        for name in self.added:
            column = self.column(name)
            empty = column.default is None or column.default.upper() == "NULL"
            numbered = fold(name) == fold(self.after.rowid_alias or "")
            if not column.not_null or not empty or column.generated or numbered:
                continue
            if rows is None:
                rows = self.db.rows(f"SELECT count(*) FROM {self.db.name(self.before.name)}")[0][0]
            if rows:
                remedy = "Add it with a server default, which can be dropped afterwards."
                refuse(self.before, rows, f"{name}, NOT NULL, would have no value", "all", remedy)

    def _insist_parents(self) -> None:
        there = list(self.after.every_constraint())
        for key in [k for k in self.parents if any(alike(k, c) for c in there)]:
            try:
                insist_parents(self.db, self.after, key.columns, key.referred_table)
            except DBAPIError as error:
                if "mismatch" not in str(error.orig):
                    raise explain(self.before, error) from error
                needed = ", ".join(key.referred_columns) or "its primary key"
                raise MigratorError(
                    f'Table "{key.referred_table}" has no PRIMARY KEY or UNIQUE of exactly '
                    f'{needed}, which the foreign key of "{self.before.name}" needs.'
                ) from error

    def _explain_rows(self, error: DBAPIError) -> None:
        """After SQLite's refusal of rows, look for them, to name them."""
        if not isinstance(error, IntegrityError):
            return
        for demand in self.demands:
            insist(self.db, self.before, demand)
        for constraint in self.after.every_constraint():
            known = all(self.before.column(c) for c in constraint.columns)
            if constraint.kind in ("primary", "unique") and known:
                insist_unique(self.db, self.before, constraint.columns)


def says_the_same(one: Constraint, other: Constraint) -> bool:
    """Whether two constraints, of two texts, say the same."""

    def key(c: Constraint) -> object:
        own = [] if c.kind == "check" else [fold(column) for column in c.columns]
        return (c.kind, own, normal(c.expression), fold(c.referred_table), c.referred_columns)

    return key(one) == key(other)


def alike(one: Constraint, other: Constraint) -> bool:
    """Whether two constraints, of two texts, say the same, in the same place, by the same name."""
    same = one.name == other.name and one.inline == other.inline and one.columns == other.columns
    return same and says_the_same(one, other)


def strict_type(type_: str) -> str:
    """Return the type of a STRICT table that holds what *type_* does."""
    if re.fullmatch(r"(?i)INT|INTEGER|REAL|TEXT|BLOB|ANY", type_.strip()):
        return type_
    known = affinity(type_)
    if known != "NUMERIC":
        return known
    name = type_.upper()
    if "BOOL" in name:
        return "INTEGER"
    return "TEXT" if re.search("DATE|TIME|JSON", name) else "REAL"


def rename_column(db: Database, table: str, old: str, new: str) -> Step:
    """Rename a column by SQLite's own ALTER, which every reference to it follows."""
    before = db.table(table)
    sql = f"ALTER TABLE {db.name(before.name)} RENAME COLUMN {quote(old)} TO {quote(new)}"
    return _native(db, before, sql)


def rename_table(db: Database, old: str, new: str) -> Step:
    """Rename a table by SQLite's own ALTER, which every reference to it follows."""
    before = db.table(old)
    return _native(db, before, f"ALTER TABLE {db.name(before.name)} RENAME TO {quote(new)}")


def _native(db: Database, before: Table, sql: str) -> Step:
    try:
        with db.savepoint():
            db.rows(sql)
    except DBAPIError as error:
        raise explain(before, error) from error
    parse(before.text)
    return Step(before.name, ALTER, (sql,))
