"""Turns Alembic's operations on one table into one change of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import to_instance

from ..errors import MigrationError
from . import indexes, names
from .batch import Options, arranged
from .change import Change
from .database import Database
from .parser import ParsedConstraint, ParsedTable, fold, parse
from .render import Render


class Told:
    """What has been told so far: ``change``, and the indexes to make ``later``.

    :param original: the table before the renames, which are done first.
    :param renamed: old names, folded, and the new.
    """

    def __init__(
        self,
        db: Database,
        table: str,
        dialect: Any,
        options: Options,
        original: ParsedTable,
        renamed: Mapping[str, str],
    ) -> None:
        self.db, self.table, self.dialect, self.options = db, table, dialect, options
        self.original, self.renamed = original, renamed
        self.render = Render(dialect)
        self.change = Change(db, table)
        self.keyed: list[str] = []
        self.later: list[tuple[sa.Index, dict[str, Any]]] = []

    def finish(self) -> None:
        """Add what the batch's options ask for beside its operations."""
        for constraint in self.options.wanted:
            self._add_if_missing(constraint)
        if self.options.batch and self.keyed and not self.change.after.primary_key:
            key = sa.PrimaryKeyConstraint(*self.keyed)
            self._bare_table().append_constraint(key)
            self.add_constraint(key)
        if self.options.order:
            chains = [[self.name(c) for c in chain] for chain in self.options.order]
            self.change.reorder(arranged([c.name for c in self.change.after.columns], chains))
        if self.options.table_options or self.options.autoincrement is not None:
            self.change.set_options(self.options.table_options, self.options.autoincrement)

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
            if indexes.uses(index, name):
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
                for check in names.bound(self.change.after, column, to_instance(existing_type)):
                    self.change.drop_constraint(check)
            made = self.render.type(type_)
            self.change.set_type(column, made.type)
            if made.collate:
                self.change.set_collation(column, made.collate)
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
        rule = constraint._create_rule
        if rule is not None and not rule(self):
            return
        self.rename_columns(constraint)
        definition = self.render.item(constraint)
        if not definition:
            raise MigrationError(
                f'SQLite cannot have a foreign key of table "{self.table}" to another schema.'
            )
        self.change.add_constraint(definition)

    def _add_if_missing(self, constraint: Any) -> None:
        bare = self._bare_table()
        if getattr(constraint, "parent", None) is not None:
            constraint = constraint._copy(target_table=bare)
        bare.append_constraint(constraint)
        definition = self.render.item(constraint)
        probe = parse(f"CREATE TABLE t (c, {definition})").constraints[0]
        if not any(c.means(probe) for c in self.change.after.all_constraints()):
            self.add_constraint(constraint)

    def drop_constraint(
        self, constraint: Any, *, if_exists: bool | None = None, **keywords: Any
    ) -> None:
        kind = next(
            (k for k, class_ in names.CLASSES.items() if isinstance(constraint, class_)), None
        )
        name = constraint.name if isinstance(constraint.name, str) else None
        bound = constraint._create_rule is not None
        after = self.change.after
        if bound and name is None:
            for there in names.of_text(after, constraint):
                self.change.drop_constraint(there)
            return
        try:
            found = self._find(name, kind)
        except names.NoSuchConstraint:
            if bound or if_exists:
                return
            unique = name is not None and kind in (None, "unique")
            if not unique or not indexes.drop_unique(self.db, self.table, name or ""):
                raise
            return
        if found in (keys := self._unnamed_keys()):
            self._numbers().pop(keys.index(found))
        self.change.drop_constraint(found)

    def _unnamed_keys(self) -> list[ParsedConstraint]:
        return [c for c in self.change.after.constraints_of("foreignkey") if c.name is None]

    def _numbers(self) -> list[int]:
        """Return MySQL's numbers of the foreign keys without a name, as this run remembers them."""
        known, many = self.options.numbers.setdefault(fold(self.table), []), self._unnamed_keys()
        if len(known) > len(many):
            known.clear()
        while len(known) < len(many):
            known.append(max(known, default=0) + 1)
        return known

    def _find(self, name: str | None, kind: str | None) -> ParsedConstraint:
        after, options = self.change.after, self.options
        try:
            return names.find(after, name, kind, options.conventions, options.said, self._numbers())
        except names.NoSuchConstraint:
            # A column renamed in this batch had another name when its constraints got theirs.
            if not self.renamed:
                raise
            then = names.find(self.original, name, kind, options.conventions, options.said)
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
        elif indexes.drop(self.db, name):
            pass
        elif unique:
            self.change.drop_constraint(unique[0])
        elif not if_exists:
            indexes.refuse_missing(self.db, self.table, name)

    def create_table_comment(self, *arguments: Any) -> None:
        """SQLite holds no comments."""

    drop_table_comment = create_column_comment = create_table_comment
