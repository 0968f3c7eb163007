"""Turns Alembic's operations on one table into edits, and has them carried out together."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.ddl.base import add_column as render_add_column
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeEngine, to_instance

from .. import MigratorError
from . import names
from .alter import Alter, Step, alike, rename_column, says_the_same
from .create_table import Column, Constraint, parse
from .database import Database
from .tokens import fold, names_in

log = logging.getLogger("migrator.sqlite")

#: The name of a method of Alembic's implementation, its arguments, its keyword arguments.
Operation = tuple[str, tuple[Any, ...], dict[str, Any]]

_KINDS: tuple[tuple[type, str], ...] = (
    (sa.ForeignKeyConstraint, "foreignkey"),
    (sa.PrimaryKeyConstraint, "primary"),
    (sa.UniqueConstraint, "unique"),
    (sa.CheckConstraint, "check"),
)


@dataclass
class Options:
    """What ``batch_alter_table`` was told beside its operations."""

    force_rebuild: bool = False
    conventions: Sequence[Mapping[str, Any]] = ()
    #: Constraints that ``copy_from``, ``table_args`` and ``reflect_args`` say are there.
    said: Sequence[sa.Constraint] = ()
    #: Those of ``table_args``, which are added where they are not.
    wanted: Sequence[sa.Constraint] = ()
    order: Sequence[Sequence[str]] = ()
    table_options: Sequence[str] = ()
    autoincrement: bool = False
    #: In a batch, a new column may say that it is the primary key.
    batch: bool = False


@dataclass
class TableChange:
    """The operations on one table, one edit.

    :param create_index: creates an index by Alembic's own means.
    """

    db: Database
    table: str
    dialect: Any
    create_index_: Callable[..., None]
    options: Options = field(default_factory=Options)
    steps: list[Step] = field(default_factory=list)

    def carry_out(self, operations: Sequence[Operation]) -> list[Step]:
        """Do *operations* and return by which way each edit was made.

        :raises MigratorError: where one cannot be done; the database is then as it was.
        """
        try:
            with self.db.savepoint():
                todo: list[Operation] = []
                for operation in operations:
                    if not self._may_join(operation, todo):
                        self._flush(todo)
                        todo = []
                    todo.append(operation)
                self._flush(todo, self.options.force_rebuild)
        except CompileError as error:
            raise MigratorError(
                f'SQLite cannot hold what is asked of table "{self.table}": {error}. Use '
                f"with_variant(…, 'sqlite'), or guard it by the dialect's name."
            ) from error
        for step in self.steps:
            log.info("%s: by %s", step.table, step.way)
            for note in step.notes:
                log.warning("%s: %s", step.table, note)
        return self.steps

    def _may_join(self, operation: Operation, todo: Sequence[Operation]) -> bool:
        """Whether an operation may be part of one edit with those before it.

        A new column's default has to be in its rows before it is changed; a rename is done first.
        """
        name, arguments, keywords = operation
        if name == "alter_column" and keywords.get("server_default", False) is not False:
            added = [o[1][1].name for o in todo if o[0] == "add_column"]
            if arguments[1] in added:
                return False
        return _new_name(operation) is None or self._may_go_first(operation, todo)

    def _may_go_first(self, rename: Operation, todo: Sequence[Operation]) -> bool:
        others = [operation for operation in todo if not _new_name(operation)]
        if not others:
            return True
        table = self.db.table(self.table)
        added = [fold(o[1][1].name) for o in others if o[0] == "add_column"]
        old, new = rename[1][1], _new_name(rename) or ""
        free = table.column(old) is not None and table.column(new) is None
        texts = [str(o[1][0].sqltext) for o in others if hasattr(o[1][0], "sqltext")]
        named = any(fold(old) in names_in(text) for text in texts)
        indexed = any(o[0] == "create_index" for o in others)
        return free and fold(new) not in added and not named and not indexed

    def _flush(self, todo: Sequence[Operation], force_rebuild: bool = False) -> None:
        self.renamed: dict[str, str] = {}
        self.keyed: list[str] = []
        self.later: list[tuple[sa.Index, dict[str, Any]]] = []
        self.original = self.db.table(self.table)
        for operation in todo:
            if new := _new_name(operation):
                old = operation[1][1]
                self.steps.append(rename_column(self.db, self.table, old, new))
                self.renamed[fold(old)] = new
        self.alter = Alter(self.db, self.table, force_rebuild=force_rebuild)
        for name, arguments, keywords in todo:
            getattr(self, name)(*arguments, **keywords)
        self._finish()
        step = self.alter.run()
        if step:
            self.steps.append(step)
        for index, keywords in self.later:
            self._rename_columns(index)
            self.create_index_(index, **keywords)

    def _finish(self) -> None:
        for constraint in self.options.wanted:
            self._add_if_missing(constraint)
        if self.options.batch and self.keyed and not self.alter.after.primary_key:
            key = sa.PrimaryKeyConstraint(*self.keyed)
            self._bare_table().append_constraint(key)
            self.add_constraint(key)
        if self.options.order:
            self.alter.reorder(_sorted([c.name for c in self.alter.after.columns], self))
        if self.options.table_options or self.options.autoincrement:
            self.alter.set_options(self.options.table_options, self.options.autoincrement)

    def _bare_table(self) -> sa.Table:
        columns = [sa.Column(c.name, sa.types.NullType()) for c in self.alter.after.columns]
        return sa.Table(self.table, sa.MetaData(), *columns)

    def name(self, column: str) -> str:
        """Return the name that a column has by now; a batch may go on using the old one."""
        if self.alter.after.column(column) is None:
            return self.renamed.get(fold(column), column)
        return column

    def _rename_columns(self, item: Any) -> None:
        for column in item.columns:
            column.name = self.name(column.name)

    @property
    def _compiler(self) -> Any:
        return self.dialect.ddl_compiler(self.dialect, None)

    def _type(self, type_: TypeEngine[Any]) -> Column:
        text = self.dialect.type_compiler_instance.process(type_)
        return parse(f"CREATE TABLE t (c {text})").columns[0]

    # Alembic's operations, by the names of its implementation's methods.

    def add_column(
        self,
        table_name: str,
        column: sa.Column[Any],
        *,
        schema: str | None = None,
        if_not_exists: bool | None = None,
        insert_before: str | None = None,
        insert_after: str | None = None,
        **keywords: Any,
    ) -> None:
        if if_not_exists and self.alter.after.column(column.name):
            return
        rendered = render_add_column(self._compiler, column, **keywords)
        definition = rendered.removeprefix("ADD COLUMN ")
        before = self.name(insert_before) if insert_before else None
        after = self.name(insert_after) if insert_after else None
        self.alter.add_column(column.name, definition, before=before, after=after)
        if column.primary_key:
            self.keyed.append(column.name)

    def drop_column(
        self,
        table_name: str,
        column: sa.Column[Any],
        *,
        schema: str | None = None,
        if_exists: bool | None = None,
        **keywords: Any,
    ) -> None:
        name = self.name(column.name)
        if if_exists and self.alter.after.column(name) is None:
            return
        self.alter.drop_column(name)

    def alter_column(
        self,
        table_name: str,
        column_name: str,
        *,
        nullable: bool | None = None,
        server_default: Any = False,
        name: str | None = None,
        type_: TypeEngine[Any] | None = None,
        existing_type: TypeEngine[Any] | None = None,
        **keywords: Any,
    ) -> None:
        column = self.name(name if name and name != column_name else column_name)
        if type_ is not None:
            if existing_type is not None:
                self._drop_bound(column, existing_type)
            made = self._type(to_instance(type_))
            self.alter.set_type(column, made.type)
            if made.collate:
                self.alter.set_collation(column, made.collate)
        if server_default is not False:
            self._default(column, server_default)
        if nullable is not None:
            self.alter.set_not_null(column, not nullable)

    def _default(self, column: str, default: Any) -> None:
        if isinstance(default, sa.Identity):
            return  # SQLite numbers the rows of an INTEGER PRIMARY KEY by itself
        if isinstance(default, sa.Computed):
            self.alter.set_generated(column, self._compiler.process(default))
            return
        if self.alter.column(column).generated:
            self.alter.set_generated(column, None)
        text = None
        if default is not None:
            holder = sa.Column("c", sa.types.NullType(), server_default=default)
            text = self._compiler.get_column_default_string(holder)
            # As SQLAlchemy's own SQLite dialect does it in a column's definition.
            if text and not re.match(r"\s*['\"(]", text) and re.match(r".*\W.*", text):
                text = f"({text})"
        self.alter.set_default(column, text)

    def _drop_bound(self, column: str, type_: TypeEngine[Any]) -> None:
        """Drop the CHECK that an older SQLAlchemy made for a Boolean or Enum, whatever its name."""
        type_ = to_instance(type_).copy() if hasattr(type_, "copy") else to_instance(type_)
        if not isinstance(type_, sa.Boolean | sa.Enum):
            return
        type_.create_constraint = True
        table = sa.Table(self.table, sa.MetaData(), sa.Column(column, type_))
        for made in [c for c in table.constraints if isinstance(c, sa.CheckConstraint)]:
            for there in list(self.alter.after.every_constraint()):
                if there.kind == "check" and names.same_text(there, made):
                    self.alter.drop_constraint(there)

    def add_constraint(self, constraint: Any, **keywords: Any) -> None:
        rule = constraint._create_rule
        if rule is not None and not rule(self):
            return
        self._rename_columns(constraint)
        definition = self._compiler.process(constraint)
        if not definition:
            raise MigratorError(
                f'SQLite cannot have a foreign key of table "{self.table}" to another schema.'
            )
        self.alter.add_constraint(definition)

    def _add_if_missing(self, constraint: Any) -> None:
        bare = self._bare_table()
        if getattr(constraint, "parent", None) is not None:
            constraint = constraint._copy(target_table=bare)
        bare.append_constraint(constraint)
        definition = self._compiler.process(constraint)
        probe = parse(f"CREATE TABLE t (c, {definition})").constraints[0]
        if not any(says_the_same(c, probe) for c in self.alter.after.every_constraint()):
            self.add_constraint(constraint)

    def drop_constraint(
        self, constraint: Any, *, if_exists: bool | None = None, **keywords: Any
    ) -> None:
        kind = next((kind for cls, kind in _KINDS if isinstance(constraint, cls)), None)
        name = constraint.name if isinstance(constraint.name, str) else None
        bound = constraint._create_rule is not None
        after = self.alter.after
        try:
            if bound and name is None:
                checks = [c for c in after.every_constraint() if c.kind == "check"]
                for there in [c for c in checks if names.same_text(c, constraint)]:
                    self.alter.drop_constraint(there)
                return
            found = self._find(name, kind)
        except names.NoSuchConstraint:
            if bound or if_exists or self._drop_unique_index(name, kind):
                return
            raise
        self.alter.drop_constraint(found)

    def _find(self, name: str | None, kind: str | None) -> Constraint:
        after, options = self.alter.after, self.options
        try:
            return names.find(after, name, kind, options.conventions, options.said)
        except names.NoSuchConstraint:
            # A column renamed in this batch had another name when its constraints got theirs.
            if not self.renamed:
                raise
            then = names.find(self.original, name, kind, options.conventions, options.said)
            number = list(self.original.every_constraint()).index(then)
            now = list(self.alter.before.every_constraint())[number]
            return next(c for c in after.every_constraint() if alike(c, now))

    def _drop_unique_index(self, name: str | None, kind: str | None) -> bool:
        """Drop the unique index of this name: to MySQL it is the same as the constraint."""
        for index, sql in self.db.objects("index", self.table).items():
            unique = sql.upper().split()[1] == "UNIQUE"
            if unique and kind in (None, "unique") and name and fold(index) == fold(name):
                self.db.rows(f"DROP INDEX {self.db.name(index)}")
                return True
        return False

    def create_index(self, index: sa.Index, **keywords: Any) -> None:
        self.later.append((index, keywords))

    def drop_index(
        self, index: sa.Index, *, if_exists: bool | None = None, **keywords: Any
    ) -> None:
        name = str(index.name)
        there = self.db.objects("index", self.table)
        everywhere = {fold(n): n for n in self.db.objects("index")}
        unique = [
            c
            for c in self.alter.after.every_constraint()
            if c.kind == "unique" and c.name and fold(c.name) == fold(name)
        ]
        waiting = [i for i, _ in self.later if fold(str(i.name)) == fold(name)]
        if waiting:
            self.later = [(i, k) for i, k in self.later if i not in waiting]
        elif fold(name) in everywhere:
            self.db.rows(f"DROP INDEX {self.db.name(everywhere[fold(name)])}")
        elif unique:
            self.alter.drop_constraint(unique[0])
        elif not if_exists:
            listed = ", ".join(there) or "none"
            raise MigratorError(f'There is no index "{name}" on "{self.table}"; its own: {listed}.')

    def create_table_comment(self, *arguments: Any) -> None:
        """SQLite holds no comments."""

    drop_table_comment = create_column_comment = create_table_comment


def _new_name(operation: Operation) -> str | None:
    """Return the name that an operation gives a column, None where it renames nothing."""
    name, arguments, keywords = operation
    new = keywords.get("name") if name == "alter_column" else None
    return str(new) if new and new != arguments[1] else None


def is_native(operation: Operation, dialect: Any) -> bool:
    """Whether SQLite's own ALTER TABLE can do this on any table, so that it can be printed."""
    name, arguments, keywords = operation
    told = {key for key, value in keywords.items() if value not in (None, False)}
    if name == "alter_column":
        kept = keywords.get("nullable") is None and keywords.get("server_default", False) is False
        return "name" in told and "type_" not in told and kept
    if name != "add_column":
        return name in ("drop_column", "create_index", "drop_index") or name.endswith("_comment")
    definition = render_add_column(dialect.ddl_compiler(dialect, None), arguments[1])
    column = parse(f"CREATE TABLE t ({definition.removeprefix('ADD COLUMN ')})").columns[0]
    constant = not re.match(r"(?i)\(|CURRENT_", column.default or "")
    valued = column.default is not None or not column.not_null
    stored = column.generated is not None and column.generated.options == "stored"
    placed = told & {"insert_before", "insert_after", "if_not_exists", "inline_primary_key"}
    return constant and valued and not stored and not placed


def _sorted(columns: Sequence[str], change: TableChange) -> list[str]:
    """Sort columns so that each tuple of ``partial_reordering`` stands in its order."""
    before: dict[str, set[str]] = {fold(c): set() for c in columns}
    for chain in change.options.order:
        folded = [fold(change.name(c)) for c in chain]
        for one, two in itertools.pairwise(folded):
            before[two].add(one)
    result: list[str] = []
    rest = list(columns)
    while rest:
        ready = [c for c in rest if before[fold(c)] <= set(map(fold, result))]
        if not ready:
            raise MigratorError("partial_reordering asks for an order that goes round in a circle.")
        result.append(ready[0])
        rest.remove(ready[0])
    return result
