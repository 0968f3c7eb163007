"""Carries out Alembic's operations on one table, in as few edits as can be."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import CompileError, DBAPIError, UnsupportedCompilationError

from ..errors import MigrationError
from .alter import ALTER, Alter, Step
from .batch import Operation, Options, may_join, new_name
from .database import Database
from .operations import Told
from .parser import fold
from .rename import rename_column
from .render import Render, addable, read_column

log = logging.getLogger("alembic_lossless.sqlite")

#: The definition of a column that says nothing else, as most do.
_NAME_AND_TYPE = re.compile(r"\w+ [A-Z]+(\(\d+(, \d+)?\))?")


@dataclass
class TableChange:
    """The operations on one table, one edit.

    :param create_index_: creates an index by Alembic's own means.
    :param steps: grows by each edit as it is made, before the indexes that come after it.
    """

    db: Database
    table: str
    dialect: Any
    create_index_: Callable[..., None]
    options: Options
    steps: list[Step]

    def carry_out(self, operations: Sequence[Operation]) -> None:
        """Do *operations*, and note in ``steps`` by which way each edit was made.

        :raises MigrationError: where one cannot be done; the database is then as it was.
        """
        begun = len(self.steps)
        try:
            if not self._add_plain(operations):
                with self.db.savepoint():
                    self._carry_out(operations)
        except MigrationError:
            del self.steps[begun:]
            raise
        except CompileError as error:
            del self.steps[begun:]
            what = str(error)
            if isinstance(error, UnsupportedCompilationError):
                kind: Any = error.element_type  # a class, or an object of it
                what = f"it has no {getattr(kind, '__name__', type(kind).__name__)}"
            raise MigrationError(
                f'SQLite cannot hold what is asked of table "{self.table}": {what}. Use '
                f"with_variant(…, 'sqlite'), or guard it by the dialect's name."
            ) from error
        for step in self.steps[begun:]:
            log.info("%s: by %s", step.table, step.way)
            for note in step.notes:
                log.warning("%s: %s", step.table, note)

    def _add_plain(self, operations: Sequence[Operation]) -> bool:
        """Add a lone column without constraints by SQLite's own ALTER, its table's text unread.

        Long chains are mostly made of such. Where SQLite refuses it, the long way says why.
        """
        if [operation[0] for operation in operations] != ["add_column"]:
            return False
        _, arguments, keywords = operations[0]
        asked = any(value not in (None, False) for value in keywords.values())
        if asked or self.options.beside_operations or arguments[1].primary_key:
            return False
        definition = Render(self.dialect).column(arguments[1], **keywords)
        if not _NAME_AND_TYPE.fullmatch(definition):
            column = read_column(definition)
            plain = {c.kind for c in column.constraints} <= {"null", "notnull", "default"}
            if not plain or not addable(column):
                return False
        sql = f"ALTER TABLE {self.db.name(self.table)} ADD COLUMN {definition}"
        try:
            self.db.rows(sql)
        except DBAPIError:
            return False
        self.steps.append(Step(self.table, ALTER, (sql,)))
        return True

    def _carry_out(self, operations: Sequence[Operation]) -> None:
        todo: list[Operation] = []
        for operation in operations:
            if not may_join(operation, todo, self.db.table(self.table)):
                self._flush(todo)
                todo = []
            todo.append(operation)
        self._flush(todo, self.options.force_rebuild)

    def _flush(self, todo: Sequence[Operation], force_rebuild: bool = False) -> None:
        original, renamed = self.db.table(self.table), {}
        for operation in todo:
            if new := new_name(operation):
                old = operation[1][1]
                self.steps += rename_column(self.db, self.table, old, new)
                renamed[fold(old)] = new
        told = Told(self.db, self.table, self.dialect, self.options, original, renamed)
        for name, arguments, keywords in todo:
            getattr(told, name)(*arguments, **keywords)
        told.finish()
        step = Alter(told.change, force_rebuild=force_rebuild).run()
        if step:
            self.steps.append(step)
        for index, keywords in told.later:
            told.rename_columns(index)
            self.create_index_(index, **keywords)
