"""Changes one table the cheapest way that is safe, and says which it was.

1. ``ALTER``: SQLite's own ALTER TABLE;
2. ``TEXT``: the schema's text in place (https://sqlite.org/lang_altertable.html#otheralter, the
   second procedure), where the rows on disk mean the same under both texts, see :func:`shape`;
3. ``REBUILD``: a new table, see ``rebuild.py``.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from .change import Change, involved, without
from .checks import explain_rows, insist_foreign_keys, insist_values
from .parser import ParsedColumn, ParsedTable, fold, literal, normal, quote
from .rebuild import progress, rebuild, renamed_aside
from .references import broken, check_referrers, explain, own_indexes, refuse_broken, refuse_users
from .render import addable
from .rows import insist
from .shape import shape

ALTER, TEXT, REBUILD = "SQLite's own ALTER", "the schema's text in place", "a rebuild"


@dataclass(frozen=True)
class Step:
    """What was done to one table: by which way, and the statements."""

    table: str
    way: str
    statements: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Alter:
    """Carries out one :class:`Change`.

    :param force_rebuild: take the third way whatever the edits are.
    """

    def __init__(self, change: Change, *, force_rebuild: bool = False) -> None:
        self.change = change
        self.db = change.db
        self.before = change.before
        self.after = change.after
        self.dropped = change.dropped
        self.force_rebuild = force_rebuild
        self.indexes = own_indexes(self.db, self.before, self.dropped)
        self.statements: list[str] = []

    def run(self) -> Step | None:
        """Carry the edits out and return what was done, None where nothing had to be.

        :raises MigrationError: where rows do not satisfy what is added, something still uses what
            is dropped, or SQLite refuses the new text. The database is then as it was.
        """
        if self.after.text == self.before.text and not self.force_rebuild:
            return None
        with self.db.mapped():
            return self._run()

    def _run(self) -> Step:
        refuse_users(self.db, self.before, self.after, self.dropped)
        check_referrers(self.db, self.before, self.after, self.dropped)
        if self.dropped:
            self._refuse_foreign_keys("dropping a column")
        insist_values(self.change)
        for demand in self.change.demands:
            if demand.early:
                insist(self.db, self.before, demand)
        if self.change.natives or self.dropped or self.force_rebuild:
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
                if explained.certain or not self.db.in_transaction():
                    raise explained from error
                continue
            gone = [f"index {index} went with its column" for index in sorted(self.indexes)]
            notes = (*self.change.notes, *gone)
            return Step(self.before.name, way, tuple(self.statements), notes)
        raise AssertionError("a rebuild returns or raises")

    def _ways(self) -> Iterator[tuple[str, Callable[[], None]]]:
        same = shape(self.before, self.dropped, self.change.stored) == shape(
            self.after, self.change.added, self.change.stored
        )
        added = self._added()
        last = self.after.columns[len(self.after.columns) - len(added) :]
        plain = not self.force_rebuild and not self.change.numbered and all(map(addable, added))
        if same and [*last] == added and plain:
            kept = self._without_involved()
            writable = self.db.writable_schema()
            if all(self.change.natives) and kept is self.before:
                yield ALTER, lambda: self._by_alter(writable)
            if writable and (self.db.library.stores_nulls or not self.change.stored):
                yield TEXT, lambda: self._by_text(kept)
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
        for native in self.change.natives:
            self._do(native or "")
        now = self.db.table(self.before.name).text
        if (
            self.dropped
            and writable
            and now != self.after.text
            and re.search(r"--|/\*", self.before.text)
        ):
            self._write(self.after)  # SQLite drops the comments beside a column with it
        insist_foreign_keys(self.change)

    def _by_text(self, kept: ParsedTable) -> None:
        if kept is not self.before:
            self._write(kept)
        self._add_and_drop()
        self._store()
        self._try_foreign_keys()
        if normal(self.db.table(self.before.name).text) != normal(self.after.text):
            self._write(self.after)

    def _try_foreign_keys(self) -> None:
        """Look for rows without a parent while only the new keys stand in the text: SQLite would
        check the others as well.
        """
        table, told = self.after, len(self.statements)
        for constraint in table.constraints_of("foreignkey"):
            if not any(constraint.equals(new) for new in self.change.parents):
                table = without(table, constraint)
        if self.change.parents:
            self._write(table)
            insist_foreign_keys(self.change)
            del self.statements[told:]

    def _by_rebuild(self) -> None:
        self._refuse_foreign_keys("a rebuild")
        rebuild(self.change, set(map(fold, self.indexes)), self._do)
        insist_foreign_keys(self.change)

    def _add_and_drop(self) -> None:
        for column in self._added():
            self._do(f"{self._alter_table} ADD COLUMN {self.after.text[column.start : column.end]}")
        for demand in self.change.demands:
            if not demand.early:
                insist(self.db, self.before, demand)
        for index in self.indexes:
            self._do(f"DROP INDEX {self.db.name(index)}")
        for name in self.dropped:
            self._do(f"{self._alter_table} DROP COLUMN {quote(name)}")

    def _store(self) -> None:
        """Write out the values that rows only have by the default in the text, triggers off."""
        if not self.change.stored:
            return
        triggers = self.db.objects("trigger", self.before.name)
        for name in triggers:
            self._do(f"DROP TRIGGER {self.db.name(name)}")
        values = ", ".join(f"{quote(c)} = {quote(c)}" for c in self.change.stored)
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
            text, of = literal(table.text), literal(name)
            self._do(f"UPDATE {master} SET sql = {text} WHERE type = 'table' AND name = {of}")
            self._do(f"PRAGMA {quote(self.db.schema)}.schema_version = {version + 1}")
        finally:
            self._do("PRAGMA writable_schema = RESET")
        read = [row[1] for row in self.db.pragma("table_xinfo", name)]
        wanted = [c.name for c in table.columns]
        if read != wanted or self.db.table(name).text != table.text:
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
