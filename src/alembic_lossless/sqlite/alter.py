"""Changes one table the cheapest way that is safe, and reports which it was.

1. ``ALTER``: SQLite's own ALTER TABLE;
2. ``TEXT``: the schema's text in place (https://sqlite.org/lang_altertable.html#otheralter, the
   second procedure), where the rows on disk mean the same under both texts, see :func:`shape`;
3. ``REBUILD``: a new table, see ``rebuild.py``.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from ..quoting import literal, quote
from .change import TableChange, affinity, involved, without
from .database import SQLiteDatabase
from .names import given_by_postgresql
from .parser import ParsedColumn, ParsedTable, fold, normal
from .rebuild import progress, rebuild, renamed_aside
from .references import (
    broken,
    explain,
    own_indexes,
    refuse_broken,
    refuse_orphaned_keys,
    refuse_users,
)
from .rows import explain_rows, refuse_missing_values, refuse_orphans, refuse_violations

ALTER, TEXT, REBUILD = "SQLite's own ALTER", "the schema's text in place", "a rebuild"


@dataclass(frozen=True)
class AppliedChange:
    """What was done to one table: by which way, and the statements."""

    table: str
    #: ``ALTER``, ``TEXT`` or ``REBUILD``.
    way: str
    statements: tuple[str, ...]
    #: What went or changed without being asked for by itself.
    notes: tuple[str, ...] = ()


class Alter:
    """Carries out one :class:`TableChange`.

    :param change: the edits.
    :param force_rebuild: take the third way whatever the edits are.
    """

    def __init__(self, change: TableChange, *, force_rebuild: bool = False) -> None:
        self.change = change
        self.db = change.db
        self.before = change.before
        self.after = change.after
        self.dropped = change.dropped
        self.force_rebuild = force_rebuild
        self.indexes = own_indexes(self.db, self.before, self.dropped)
        self.statements: list[str] = []

    def run(self) -> AppliedChange | None:
        """Carry the edits out.

        :return: what was done, None where nothing had to be.
        :raises MigrationError: where rows do not satisfy what is added, something still uses what
            is dropped, or SQLite refuses the new text. The database is then as it was.
        """
        if self.after.text == self.before.text and not self.force_rebuild:
            return None
        with self.db.memory_mapped():
            return self._run()

    def _run(self) -> AppliedChange:
        refuse_users(self.db, self.before, self.after, self.dropped)
        refuse_orphaned_keys(self.db, self.before, self.after, self.dropped)
        if self.dropped:
            self._refuse_foreign_keys("dropping a column")
        refuse_missing_values(self.change)
        for requirement in self.change.requirements:
            if requirement.early:
                refuse_violations(self.db, self.before, requirement)
        if self.change.native_statements or self.dropped or self.force_rebuild:
            self._try_text()  # a column is added by SQLite's own ALTER, which reads it too
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
                    explain_rows(self.change, error)
                    raise explain(self.before, error) from error
                explained = explain(self.before, error)
                if explained.final or not self.db.in_transaction():
                    raise explained from error
                continue
            dropped = [f"index {index} went with its column" for index in sorted(self.indexes)]
            notes = (*self.change.notes, *dropped)
            return AppliedChange(self.before.name, way, tuple(self.statements), notes)
        raise AssertionError("a rebuild returns or raises")

    def _ways(self) -> Iterator[tuple[str, Callable[[], None]]]:
        same = shape(self.before, self.dropped, self.change.redefaulted) == shape(
            self.after, self.change.added, self.change.redefaulted
        )
        added = self._added()
        last = self.after.columns[len(self.after.columns) - len(added) :]
        plain = not self.force_rebuild and not self.change.numbered and all(map(addable, added))
        if same and [*last] == added and plain:
            reduced = self._without_involved()
            writable = self.db.writable_schema()
            if all(self.change.native_statements) and reduced is self.before:
                yield ALTER, lambda: self._by_alter(writable)
            if writable and (self.db.library.stores_nulls or not self.change.redefaulted):
                yield TEXT, lambda: self._by_text(reduced)
        yield REBUILD, self._by_rebuild

    def _added(self) -> list[ParsedColumn]:
        return [self.change.column(name) for name in self.change.added]

    def _without_involved(self) -> ParsedTable:
        """The table as it is, without the constraints that a dropped column takes with it."""
        table = self.before
        for name in self.dropped:
            for constraint in involved(table, name):
                table = without(table, constraint)
        return table

    @property
    def _alter_table(self) -> str:
        return f"ALTER TABLE {self.db.name(self.before.name)}"

    def _do(self, sql: str) -> None:
        self.statements.append(sql)
        self.db.rows(sql)

    def _by_alter(self, writable: bool) -> None:
        self._add_and_drop()
        for native in self.change.native_statements:
            self._do(native or "")
        now = self.db.table(self.before.name).text
        if (
            self.dropped
            and writable
            and now != self.after.text
            and re.search(r"--|/\*", self.before.text)
        ):
            self._write(self.after)  # SQLite drops the comments beside a column with it
        refuse_orphans(self.change)

    def _by_text(self, reduced: ParsedTable) -> None:
        if reduced is not self.before:
            self._write(reduced)
        self._add_and_drop()
        self._store()
        self._try_foreign_keys()
        if normal(self.db.table(self.before.name).text) != normal(self.after.text):
            self._write(self.after)

    def _try_foreign_keys(self) -> None:
        """Look for rows without a parent while only the new keys stand in the text: SQLite would
        check the others as well.
        """
        table, listed = self.after, len(self.statements)
        for constraint in table.constraints_of("foreignkey"):
            if not any(constraint.equals(new) for new in self.change.new_foreign_keys):
                table = without(table, constraint)
        if self.change.new_foreign_keys:
            self._write(table)
            refuse_orphans(self.change)
            del self.statements[listed:]

    def _by_rebuild(self) -> None:
        self._refuse_foreign_keys("a rebuild")
        rebuild(self.change, set(map(fold, self.indexes)), self._do)
        refuse_orphans(self.change)

    def _add_and_drop(self) -> None:
        for column in self._added():
            self._do(f"{self._alter_table} ADD COLUMN {self.after.text[column.start : column.end]}")
        for requirement in self.change.requirements:
            if not requirement.early:
                refuse_violations(self.db, self.before, requirement)
        for index in self.indexes:
            self._do(f"DROP INDEX {self.db.name(index)}")
        for name in self.dropped:
            self._do(f"{self._alter_table} DROP COLUMN {quote(name)}")

    def _store(self) -> None:
        """Write out the values that rows only have by the default in the text, triggers off."""
        if not self.change.redefaulted:
            return
        triggers = self.db.objects("trigger", self.before.name)
        for name in triggers:
            self._do(f"DROP TRIGGER {self.db.name(name)}")
        values = ", ".join(f"{quote(c)} = {quote(c)}" for c in self.change.redefaulted)
        with progress(self.db, self.before.name):
            self._do(f"UPDATE OR ABORT {self.db.name(self.before.name)} SET {values}")
        for sql in triggers.values():
            self._do(sql)

    def _write(self, table: ParsedTable) -> None:
        """Put a table's text in the schema, and read it back."""
        version = self.db.pragma("schema_version")[0][0]
        master = f"{quote(self.db.schema)}.sqlite_master"
        name = self.before.name
        self._do("PRAGMA writable_schema = ON")
        try:
            set_sql = f"sql = {literal(table.text)}"
            self._do(
                f"UPDATE {master} SET {set_sql} WHERE type = 'table' AND name = {literal(name)}"
            )
            self._do(f"PRAGMA {quote(self.db.schema)}.schema_version = {version + 1}")
        finally:
            self._do("PRAGMA writable_schema = RESET")
        read = [row[1] for row in self.db.pragma("table_xinfo", name)]
        written = [c.name for c in table.columns]
        if read != written or self.db.table(name).text != table.text:
            raise MigrationError(f'Table "{name}" reads otherwise than it was written: {read}.')
        self.db.rows(f"SELECT * FROM {self.db.name(name)} LIMIT 1")

    def _try_text(self) -> None:
        """Let SQLite read the new text under the table's own name, with its own functions.

        :raises MigrationError: with what SQLite says, where it takes the text for wrong.
        """
        text = self.after.text[self.after.name_start :]
        try:
            with (
                self.db.savepoint(undo=True),
                renamed_aside(self.db, self.before.name, self.db.rows),
            ):
                self.db.rows(f"CREATE TABLE {quote(self.db.schema)}.{text}")
        except DBAPIError as error:
            raise explain(self.before, error) from error

    def _refuse_foreign_keys(self, what: str) -> None:
        if self.db.foreign_keys_on():
            raise MigrationError(
                f'Table "{self.before.name}" needs {what}, which with PRAGMA foreign_keys on '
                f"would delete or change rows of other tables: switch it off at connect."
            )


def addable(column: ParsedColumn) -> bool:
    """Whether SQLite's own ALTER can add a column to a table, with rows or without.

    :param column: the new column.
    :return: False where its values would have to be computed, or be NULL in spite of NOT NULL.
    """
    if column.generated:
        return column.generated.options != "stored"
    constant = not re.match(r"(?i)\(|CURRENT_", column.default or "")
    return constant and (column.default is not None or not column.not_null)


def shape(table: ParsedTable, but: Sequence[str] = (), defaults_of: Sequence[str] = ()) -> object:
    """Return all of a table that the rows and keys on disk depend on.

    Two texts of one shape are two names for the same bytes. A primary key, a generated column and
    a STRICT table are compared to the letter; elsewhere NOT NULL, CHECK, FOREIGN KEY, names and
    the type within its affinity are free.

    :param table: the table.
    :param but: columns to leave out.
    :param defaults_of: columns whose default does not count, its values being stored.
    :return: something to be compared with the shape of another text.
    """
    left_out = {fold(name) for name in but}
    free = {fold(name) for name in defaults_of}

    def shape_of(column: ParsedColumn) -> object:
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

    columns = tuple(shape_of(c) for c in table.columns if fold(c.name) not in left_out)
    keys = [
        (c.kind, tuple(map(fold, c.columns)), c.options)
        for c in table.constraints_of("primary", "unique")
    ]
    if table.rowid_alias:  # it has no index, so its place among those that have does not count
        keys.sort(key=lambda key: key[0] != "primary")
    return columns, keys, table.options


def rename_column(db: SQLiteDatabase, table: str, old: str, new: str) -> list[AppliedChange]:
    """Rename a column by SQLite's own ALTER, which every reference to it follows.

    SQLite, up to 3.54 at least, cannot rename an INTEGER PRIMARY KEY whose constraint stands after
    a UNIQUE that names it too: meanwhile it stands before.

    :param db: where the table is.
    :param table: its name.
    :param old: the column's name.
    :param new: the name that it gets.
    :return: what was done.
    :raises MigrationError: where there is no such column, or something that uses it is broken.
    """
    before = db.table(table)
    old = before.require_column(old).name
    if before.column(new) and fold(new) != fold(old):
        raise MigrationError(f'Table "{before.name}" has a column "{new}" already.')
    sql = f"ALTER TABLE {db.name(before.name)} RENAME COLUMN {quote(old)} TO {quote(new)}"
    change = TableChange(db, before.name)
    if fold(new) != fold(old):
        _name_constraints(change, [old])
    if not _badly_placed(before, old):
        return [*_run(change), _native(db, before, sql)]
    place = [c.kind for c in before.constraints].index("primary")
    change.move_constraint(place, 0)
    first = [*_run(change), _native(db, before, sql)]
    change = TableChange(db, before.name)
    change.move_constraint(0, place)
    return [*first, *_run(change)]


def _name_constraints(change: TableChange, columns: Sequence[str] = ()) -> None:
    """Write the names of constraints down that a rename would make untrue."""
    for constraint, name in given_by_postgresql(change.before, columns).items():
        same = next(c for c in change.after.all_constraints() if c.equals(constraint))
        change.name_constraint(same, name)


def _run(change: TableChange) -> list[AppliedChange]:
    applied = Alter(change).run()
    return [applied] if applied else []


def _badly_placed(table: ParsedTable, column: str) -> bool:
    """Whether *column*'s own PRIMARY KEY stands after a UNIQUE that names the column."""
    kinds = [c.kind for c in table.constraints if fold(column) in map(fold, c.columns)]
    before = kinds[: kinds.index("primary")] if "primary" in kinds else []
    return "unique" in before and fold(table.rowid_alias or "") == fold(column)


def rename_table(db: SQLiteDatabase, old: str, new: str) -> list[AppliedChange]:
    """Rename a table by SQLite's own ALTER, which every reference to it follows.

    :param db: where the table is.
    :param old: its name.
    :param new: the name that it gets.
    :return: what was done.
    :raises MigrationError: where there is no such table, or something that uses it is broken.
    """
    before = db.table(old)
    change = TableChange(db, before.name)
    if fold(new) != fold(old):
        _name_constraints(change)
    return [
        *_run(change),
        _native(db, before, f"ALTER TABLE {db.name(before.name)} RENAME TO {quote(new)}"),
    ]


def _native(db: SQLiteDatabase, before: ParsedTable, sql: str) -> AppliedChange:
    try:
        with db.savepoint():
            db.rows(sql)
    except DBAPIError as error:
        raise explain(before, error) from error
    return AppliedChange(before.name, ALTER, (sql,))
