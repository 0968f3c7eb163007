"""Renames tables and columns by SQLite's own ALTER, which every reference to them follows."""

from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from .alter import ALTER, Alter, Step
from .change import Change
from .database import Database
from .parser import ParsedTable, fold, quote
from .references import explain


def rename_column(db: Database, table: str, old: str, new: str) -> list[Step]:
    """Rename a column by SQLite's own ALTER, which every reference to it follows.

    SQLite, up to 3.54 at least, cannot rename an INTEGER PRIMARY KEY whose constraint stands after
    a UNIQUE that names it too: meanwhile it stands before.

    :raises MigrationError: where there is no such column, or something that uses it is broken.
    """
    before = db.table(table)
    old = before.require_column(old).name
    if before.column(new) and fold(new) != fold(old):
        raise MigrationError(f'Table "{before.name}" has a column "{new}" already.')
    sql = f"ALTER TABLE {db.name(before.name)} RENAME COLUMN {quote(old)} TO {quote(new)}"
    at = [c.kind for c in before.constraints].index("primary") if _badly_placed(before, old) else 0
    if not at:
        return [_native(db, before, sql)]
    moved = _move_constraint(db, table, at, 0)
    return [*moved, _native(db, before, sql), *_move_constraint(db, table, 0, at)]


def _badly_placed(table: ParsedTable, column: str) -> bool:
    """Whether *column*'s own PRIMARY KEY stands after a UNIQUE that names the column."""
    kinds = [c.kind for c in table.constraints if fold(column) in map(fold, c.columns)]
    before = kinds[: kinds.index("primary")] if "primary" in kinds else []
    return "unique" in before and fold(table.rowid_alias or "") == fold(column)


def _move_constraint(db: Database, table: str, at: int, to: int) -> list[Step]:
    change = Change(db, table)
    change.move_constraint(at, to)
    step = Alter(change).run()
    return [step] if step else []


def rename_table(db: Database, old: str, new: str) -> Step:
    """Rename a table by SQLite's own ALTER, which every reference to it follows."""
    before = db.table(old)
    return _native(db, before, f"ALTER TABLE {db.name(before.name)} RENAME TO {quote(new)}")


def _native(db: Database, before: ParsedTable, sql: str) -> Step:
    try:
        with db.savepoint():
            db.rows(sql)
    except DBAPIError as error:
        raise explain(before, error) from error
    return Step(before.name, ALTER, (sql,))
