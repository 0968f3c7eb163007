"""Turns Alembic's operations on one table into as few edits of it as can be.

Alembic calls a method of its implementation for each operation. :class:`TableEditor` gets these
calls, groups those that fit into one edit, lets :class:`ChangeBuilder` collect each group in one
:class:`TableChange`, and has it carried out.
"""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import CompileError, DBAPIError, UnsupportedCompilationError
from sqlalchemy.types import TypeEngine, to_instance

from .. import compat
from ..errors import MigrationError
from ..tokens import scan
from . import names
from .alter import ALTER, Alter, AppliedChange, addable, rename_column
from .change import TableChange
from .database import SQLiteDatabase
from .parser import ParsedColumn, ParsedConstraint, ParsedTable, fold, names_in, parse, parse_column
from .references import index_uses

log = logging.getLogger("alembic_lossless.sqlite")


class ImplCall(NamedTuple):
    """A call of a method of Alembic's implementation."""

    method: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


@dataclass
class BatchOptions:
    """What ``batch_alter_table`` asks for beside its operations."""

    force_rebuild: bool = False
    conventions: Sequence[Mapping[str, Any]] = ()
    #: Constraints that ``copy_from``, ``table_args`` and ``reflect_args`` declare to be there.
    declared: Sequence[sa.Constraint] = ()
    #: Those of ``table_args``, which are added where they are missing.
    to_add: Sequence[sa.Constraint] = ()
    #: Tuples of columns, each in the order that they are to stand in.
    order: Sequence[Sequence[str]] = ()
    #: Whether the table is STRICT and WITHOUT ROWID from now on; what is not named stays.
    table_options: Mapping[str, bool] = field(default_factory=dict)
    autoincrement: bool | None = None
    #: By table, the numbers in MySQL's names of its unnamed foreign keys: they outlive each other.
    mysql_numbers: dict[str, list[int]] = field(default_factory=dict)
    #: Whether this is a batch: there a new column may be declared the primary key.
    batch: bool = False

    @property
    def change_the_table(self) -> bool:
        """Whether the table has to change in a way that no operation asks for."""
        asked = self.force_rebuild or self.to_add or self.order or self.table_options
        return bool(asked) or self.autoincrement is not None


#: The definition of a column that has nothing else, as most are.
_NAME_AND_TYPE = re.compile(r"\w+ [A-Z]+(\(\d+(, \d+)?\))?")


@dataclass
class TableEditor:
    """Carries out operations on one table.

    :param db: where the table is.
    :param table: its name.
    :param dialect: SQLAlchemy's, of the connection.
    :param create_index: creates an index by Alembic's own means.
    :param options: what a batch asks for beside its operations.
    :param applied: grows by each edit as it is made, before the indexes that come after it.
    """

    db: SQLiteDatabase
    table: str
    dialect: Any
    create_index: Callable[..., None]
    options: BatchOptions
    applied: list[AppliedChange]

    def carry_out(self, calls: Sequence[ImplCall]) -> None:
        """Carry out operations, and note in ``applied`` by which way each edit was made.

        :param calls: the operations, in their order.
        :raises MigrationError: where one cannot be done; the database is then as it was.
        """
        begun = len(self.applied)
        calls = [call for call in calls if _asks_for_a_change(call)]
        try:
            if not self._add_plain_column(calls):
                with self.db.savepoint():
                    self._carry_out(calls)
        except MigrationError:
            del self.applied[begun:]
            raise
        except CompileError as error:
            del self.applied[begun:]
            what = str(error)
            if isinstance(error, UnsupportedCompilationError):
                kind: Any = error.element_type  # a class, or an object of it
                what = f"it has no {getattr(kind, '__name__', type(kind).__name__)}"
            raise MigrationError(
                f'SQLite cannot hold what is asked of table "{self.table}": {what}. Use '
                f"with_variant(…, 'sqlite'), or guard it by the dialect's name."
            ) from error
        for change in self.applied[begun:]:
            log.info("%s: by %s", change.table, change.way)
            for note in change.notes:
                log.warning("%s: %s", change.table, note)

    def _add_plain_column(self, calls: Sequence[ImplCall]) -> bool:
        """Add a lone column without constraints by SQLite's own ALTER, its table's text unread.

        Long chains are mostly made of such. Where SQLite refuses it, the long way tells why.
        """
        if [call.method for call in calls] != ["add_column"]:
            return False
        _, arguments, keywords = calls[0]
        asked = any(value not in (None, False) for value in keywords.values())
        if asked or self.options.change_the_table or arguments[1].primary_key:
            return False
        definition = Renderer(self.dialect).column(arguments[1], **keywords)
        if not _NAME_AND_TYPE.fullmatch(definition):
            column = parse_column(definition)
            plain = {c.kind for c in column.constraints} <= {"null", "notnull", "default"}
            if not plain or not addable(column):
                return False
        sql = f"ALTER TABLE {self.db.name(self.table)} ADD COLUMN {definition}"
        try:
            self.db.rows(sql)
        except DBAPIError:
            return False
        self.applied.append(AppliedChange(self.table, ALTER, (sql,)))
        return True

    def _carry_out(self, calls: Sequence[ImplCall]) -> None:
        group: list[ImplCall] = []
        for call in calls:
            if not _may_join(call, group, self.db.table(self.table)):
                self._make_edit(group)
                group = []
            group.append(call)
        self._make_edit(group, self.options.force_rebuild)

    def _make_edit(self, group: Sequence[ImplCall], force_rebuild: bool = False) -> None:
        original, renamed = self.db.table(self.table), {}
        for call in group:
            if new := _new_name(call):
                old = call.arguments[1]
                self.applied += rename_column(self.db, self.table, old, new)
                renamed[fold(old)] = new
        builder = ChangeBuilder(self.db, self.table, self.dialect, self.options, original, renamed)
        for method, arguments, keywords in group:
            getattr(builder, method)(*arguments, **keywords)
        builder.finish()
        applied = Alter(builder.change, force_rebuild=force_rebuild).run()
        if applied:
            self.applied.append(applied)
        for index, keywords in builder.later:
            builder.rename_columns(index)
            self.create_index(index, **keywords)


#: What ``alter_column`` is given where that is to stay.
_STAYS = {"nullable": None, "server_default": False, "name": None, "type_": None}


def _asks_for_a_change(call: ImplCall) -> bool:
    """Tell whether an operation does anything; where it does not, a wrong name is no matter."""
    changes = (call.keywords.get(key, stays) is not stays for key, stays in _STAYS.items())
    return call.method != "alter_column" or any(changes)


def _new_name(call: ImplCall) -> str | None:
    """Return the name that an operation gives a column, None where it renames nothing."""
    new = call.keywords.get("name") if call.method == "alter_column" else None
    return str(new) if new and new != call.arguments[1] else None


def _may_join(call: ImplCall, group: Sequence[ImplCall], table: ParsedTable) -> bool:
    """Whether an operation may be part of one edit with those before it.

    A new column's default has to be in its rows before it is changed; a column that takes the name
    of one that goes is another; a rename is done first.
    """
    method, arguments, keywords = call
    if method == "alter_column" and keywords.get("server_default", False) is not False:
        added = [c.arguments[1].name for c in group if c.method == "add_column"]
        if arguments[1] in added:
            return False
    if method == "add_column":
        dropped = [fold(c.arguments[1].name) for c in group if c.method == "drop_column"]
        if fold(arguments[1].name) in dropped:
            return False
    return _new_name(call) is None or _may_go_first(call, group, table)


def _may_go_first(rename: ImplCall, group: Sequence[ImplCall], table: ParsedTable) -> bool:
    rest = [call for call in group if not _new_name(call)]
    if not rest:
        return True
    added = [fold(c.arguments[1].name) for c in rest if c.method == "add_column"]
    old, new = rename.arguments[1], _new_name(rename) or ""
    free = table.column(old) is not None and table.column(new) is None
    named = any(fold(old) in names_in(text) for c in rest for text in _expressions(c))
    indexed = any(c.method == "create_index" for c in rest)
    return free and fold(new) not in added and not named and not indexed


def _expressions(call: ImplCall) -> Iterator[str]:
    """Yield the expressions of an operation that name columns: SQLite's text, not ours."""
    if isinstance(call.arguments[0], sa.CheckConstraint):
        yield names.text_of(call.arguments[0])
    computed = [getattr(item, "computed", None) for item in call.arguments[1:]]
    for clause in [*computed, call.keywords.get("server_default")]:
        if isinstance(clause, sa.Computed):
            yield names.text_of(clause)


class ChangeBuilder:
    """Collects operations on one table: ``change``, and the indexes to create ``later``.

    It has the methods of Alembic's implementation that concern one table.

    :param db: where the table is.
    :param table: its name.
    :param dialect: SQLAlchemy's, of the connection.
    :param options: what a batch asks for beside its operations.
    :param original: the table before the renames, which are done first.
    :param renamed: old names, folded, and the new.
    """

    def __init__(
        self,
        db: SQLiteDatabase,
        table: str,
        dialect: Any,
        options: BatchOptions,
        original: ParsedTable,
        renamed: Mapping[str, str],
    ) -> None:
        self.db, self.table, self.dialect, self.options = db, table, dialect, options
        self.original, self.renamed = original, renamed
        self.render = Renderer(dialect)
        self.change = TableChange(db, table)
        self.keyed: list[str] = []
        self.later: list[tuple[sa.Index, dict[str, Any]]] = []

    def finish(self) -> None:
        """Add what the batch's options ask for beside its operations."""
        for constraint in self.options.to_add:
            self._add_if_missing(constraint)
        if self.options.batch and self.keyed and not self.change.after.primary_key:
            key = sa.PrimaryKeyConstraint(*self.keyed)
            self._bare_table().append_constraint(key)
            self.add_constraint(key)
        if self.options.order:
            tuples = [[self.name(c) for c in columns] for columns in self.options.order]
            columns = [c.name for c in self.change.after.columns]
            self.change.reorder(_reordered(columns, tuples))
        autoincrement = self.options.autoincrement
        if self.options.table_options:
            self.change.set_options(self.options.table_options, None)
        # Where no number is counted, SQLAlchemy passes over it too.
        if autoincrement is False or (autoincrement and self.change.after.rowid_alias):
            self.change.set_options({}, autoincrement)

    def _bare_table(self) -> sa.Table:
        columns = [sa.Column(c.name, sa.types.NullType()) for c in self.change.after.columns]
        return sa.Table(self.table, sa.MetaData(), *columns)

    def name(self, column: str) -> str:
        """Return the name that a column has by now; a batch may go on using the old one."""
        if self.change.after.column(column) is None:
            return self.renamed.get(fold(column), column)
        return column

    def rename_columns(self, item: Any) -> None:
        """Give the columns of a constraint or index the names that they have by now."""
        for column in item.columns:
            column.name = self.name(column.name)

    # Alembic's operations, by the names of its implementation's methods.

    def add_column(
        self,
        _: str,
        column: Any,
        *,
        if_not_exists: Any = None,
        insert_before: Any = None,
        insert_after: Any = None,
        **keywords: Any,
    ) -> None:
        if if_not_exists and self.change.after.column(column.name):
            return
        definition = self.render.column(column, **keywords)
        before = self.name(insert_before) if insert_before else None
        after = self.name(insert_after) if insert_after else None
        numbered = column.identity is not None or column.table.autoincrement_column is column
        self.change.add_column(
            column.name, definition, before=before, after=after, numbered=numbered
        )
        if column.primary_key:
            self.keyed.append(column.name)

    def drop_column(self, _: str, column: Any, *, if_exists: Any = None, **_kw: Any) -> None:
        name = self.name(column.name)
        if if_exists and self.change.after.column(name) is None:
            return
        self.change.drop_column(name)
        for index, keywords in list(self.later):
            self.rename_columns(index)
            if index_uses(index, name):
                self.later.remove((index, keywords))
                self.change.notes.append(f"index {index.name} went with its column")

    def alter_column(
        self,
        _: str,
        column_name: str,
        *,
        nullable: Any = None,
        server_default: Any = False,
        name: Any = None,
        type_: Any = None,
        existing_type: Any = None,
        **keywords: Any,
    ) -> None:
        column = self.name(name or column_name)
        if type_ is not None:
            if existing_type is not None:
                old_type, after = to_instance(existing_type), self.change.after
                for check in names.checks_of_type(after, column, old_type):
                    self.change.drop_constraint(check)
            typed = self.render.type(type_)
            self.change.set_type(column, typed.type)
            if typed.collate:
                self.change.set_collation(column, typed.collate)
        if server_default is not False:
            self._default(column, server_default)
        if nullable is not None:
            self.change.set_not_null(column, not nullable)

    def _default(self, column: str, default: Any) -> None:
        if isinstance(default, sa.Identity):
            return  # SQLite numbers the rows of an INTEGER PRIMARY KEY by itself
        if isinstance(default, sa.Computed):
            self.change.set_generated(column, self.render.item(default))
            return
        if self.change.column(column).generated:
            self.change.set_generated(column, None)
        self.change.set_default(column, self.render.default(default))

    def add_constraint(self, constraint: Any, **keywords: Any) -> None:
        if not compat.is_wanted(constraint, self):
            return
        self.rename_columns(constraint)
        definition = self.render.item(constraint)
        if not definition:
            raise MigrationError(
                f'SQLite cannot have a foreign key of table "{self.table}" to another schema.'
            )
        if self.options.batch:  # as stock's batch has it: of two with one name the later counts
            for namesake in names.with_name(self.change.after, definition):
                self.change.drop_constraint(namesake)
        self.change.add_constraint(definition)

    def _add_if_missing(self, constraint: Any) -> None:
        bare = self._bare_table()
        if getattr(constraint, "parent", None) is not None:
            constraint = compat.copy_constraint(constraint, bare)
        bare.append_constraint(constraint)
        definition = self.render.item(constraint)
        parsed = parse(f"CREATE TABLE t (c, {definition})").constraints[0]
        if not any(c.means(parsed) for c in self.change.after.all_constraints()):
            self.add_constraint(constraint)

    def drop_constraint(
        self, constraint: Any, *, if_exists: bool | None = None, **keywords: Any
    ) -> None:
        kind = next(
            (k for k, class_ in names.CLASSES.items() if isinstance(constraint, class_)), None
        )
        name = constraint.name if isinstance(constraint.name, str) else None
        of_type = compat.is_of_type(constraint)
        if of_type and name is None:
            for check in names.equal_checks(self.change.after, constraint):
                self.change.drop_constraint(check)
            return
        try:
            meant = self._find(name, kind)
        except names.NoSuchConstraint:
            if of_type or if_exists:
                return
            unique = name is not None and kind in (None, "unique")
            if not unique or not _drop_unique_index(self.db, self.table, name or ""):
                raise
            return
        if meant in (keys := self._unnamed_keys()):
            self._numbers().pop(keys.index(meant))
        self.change.drop_constraint(meant)

    def _unnamed_keys(self) -> list[ParsedConstraint]:
        return [c for c in self.change.after.constraints_of("foreignkey") if c.name is None]

    def _numbers(self) -> list[int]:
        """Return MySQL's numbers of the foreign keys without a name, as this run remembers them."""
        known = self.options.mysql_numbers.setdefault(fold(self.table), [])
        count = len(self._unnamed_keys())
        if len(known) > count:
            known.clear()
        while len(known) < count:
            known.append(max(known, default=0) + 1)
        return known

    def _find(self, name: str | None, kind: str | None) -> ParsedConstraint:
        after, options = self.change.after, self.options
        try:
            return names.find(
                after, name, kind, options.conventions, options.declared, self._numbers()
            )
        except names.NoSuchConstraint:
            # A column renamed in this batch had another name when its constraints got theirs.
            if not self.renamed:
                raise
            then = names.find(self.original, name, kind, options.conventions, options.declared)
            number = list(self.original.all_constraints()).index(then)
            now = list(self.change.before.all_constraints())[number]
            for constraint in after.all_constraints():
                if constraint.equals(now):
                    return constraint
            raise  # it went with its column

    def create_index(self, index: sa.Index, **keywords: Any) -> None:
        self.later.append((index, keywords))

    def drop_index(
        self, index: sa.Index, *, if_exists: bool | None = None, **keywords: Any
    ) -> None:
        name = str(index.name)
        unique = [
            c
            for c in self.change.after.constraints_of("unique")
            if c.name and fold(c.name) == fold(name)
        ]
        waiting = [i for i, _ in self.later if fold(str(i.name)) == fold(name)]
        if waiting:
            self.later = [(i, k) for i, k in self.later if i not in waiting]
        elif _drop_index(self.db, name):
            pass
        elif unique:
            self.change.drop_constraint(unique[0])
        elif not if_exists:
            existing = ", ".join(self.db.objects("index", self.table)) or "none"
            raise MigrationError(
                f'There is no index "{name}" on "{self.table}"; its own: {existing}.'
            )

    def create_table_comment(self, *arguments: Any) -> None:
        """SQLite holds no comments."""

    drop_table_comment = create_column_comment = create_table_comment


def _drop_index(db: SQLiteDatabase, name: str) -> bool:
    """Drop the index of this name, and tell whether there was one."""
    spelled = {fold(index): index for index in db.objects("index")}
    if fold(name) not in spelled:
        return False
    db.connection.exec_driver_sql(f"DROP INDEX {db.name(spelled[fold(name)])}")
    return True


def _drop_unique_index(db: SQLiteDatabase, table: str, name: str) -> bool:
    """Drop the unique index of this name: to MySQL it is the same as the constraint."""
    texts = {fold(index): sql for index, sql in db.objects("index", table).items()}
    sql = texts.get(fold(name))
    return sql is not None and scan(sql)[1].key == "UNIQUE" and _drop_index(db, name)


def _reordered(columns: Sequence[str], tuples: Sequence[Sequence[str]]) -> list[str]:
    """Sort columns so that each tuple of ``partial_reordering`` stands in its order."""
    predecessors: dict[str, set[str]] = {fold(c): set() for c in columns}
    for names_in_order in tuples:
        for earlier, later in itertools.pairwise(map(fold, names_in_order)):
            predecessors[later].add(earlier)
    result: list[str] = []
    rest = list(columns)
    while rest:
        ready = [c for c in rest if predecessors[fold(c)] <= set(map(fold, result))]
        if not ready:
            raise MigrationError(
                "partial_reordering asks for an order that goes round in a circle."
            )
        result.append(ready[0])
        rest.remove(ready[0])
    return result


def is_printable(call: ImplCall, dialect: Any) -> bool:
    """Tell whether SQLite's own ALTER TABLE can do an operation on any table.

    :param call: the operation.
    :param dialect: SQLAlchemy's, for SQLite.
    :return: True where it can be printed as SQL without looking at the database.
    """
    method, arguments, keywords = call
    asked = {key for key, value in keywords.items() if value not in (None, False)}
    if method == "alter_column":
        rest = keywords.get("nullable") is None and keywords.get("server_default", False) is False
        return "name" in asked and "type_" not in asked and rest
    if method != "add_column":
        is_index = method in ("create_index", "drop_index")
        return is_index or method == "drop_column" or method.endswith("_comment")
    placed = asked & {"insert_before", "insert_after", "if_not_exists", "inline_primary_key"}
    return addable(parse_column(Renderer(dialect).column(arguments[1]))) and not placed


class Renderer:
    """Renders SQLAlchemy's objects in SQLite's SQL.

    :param dialect: it knows what the SQLite behind it can do.
    """

    def __init__(self, dialect: Any) -> None:
        self._types = dialect.type_compiler_instance
        self._compiler = dialect.ddl_compiler(dialect, None)

    def item(self, item: Any) -> str:
        """Return the definition of a constraint, or the clause of a computed column.

        :raises sqlalchemy.exc.CompileError: where SQLite has no such thing.
        """
        return str(self._compiler.process(item) or "")

    def column(self, column: sa.Column[Any], **keywords: Any) -> str:
        """Return the definition of a new column."""
        return compat.column_definition(self._compiler, column, **keywords)

    def type(self, type_: TypeEngine[Any]) -> ParsedColumn:
        """Return a type as a column that has it: its name, and its collation."""
        return parse_column(f"c {self._types.process(to_instance(type_))}")

    def default(self, default: Any) -> str | None:
        """Return what follows DEFAULT, None for none."""
        if default is None:
            return None
        holder = sa.Column("c", sa.types.NullType(), server_default=default)
        text = self._compiler.get_column_default_string(holder)
        # As SQLAlchemy's own SQLite dialect does it in a column's definition.
        if text and not re.match(r"\s*['\"(]", text) and re.match(r".*\W.*", text):
            text = f"({text})"
        return text  # type: ignore[no-any-return]
