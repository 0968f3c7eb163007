"""Indexes as Alembic asks for them: what they use, and those that go by another kind of name."""

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from ..errors import MigrationError
from .database import Database
from .parser import ParsedTable, fold, names_in, scan
from .references import refuse_strings


def _body(index: sa.Index) -> str:
    """Return what the statement that makes *index* says after the table's name."""
    made = sa.schema.CreateIndex(index).compile(dialect=sqlite.dialect())
    text = str(made)
    return text[next(t.start for t in scan(text) if t.key == "(") :]


def uses(index: sa.Index, column: str) -> bool:
    """Whether *index* names a column, itself or in an expression."""
    return fold(column) in names_in(_body(index))


def refuse_unknown(table: ParsedTable, index: sa.Index) -> None:
    """Refuse an index of columns that are not there.

    :raises MigrationError: naming the first; SQLite would make an index of the word.
    """
    for column in index.expressions:
        if isinstance(column, sa.Column):
            table.require_column(column.name)
    refuse_strings(table, _body(index))


def drop(db: Database, name: str) -> bool:
    """Drop the index of this name, and say whether there was one."""
    there = {fold(found): found for found in db.objects("index")}
    if fold(name) not in there:
        return False
    db.connection.exec_driver_sql(f"DROP INDEX {db.name(there[fold(name)])}")
    return True


def drop_unique(db: Database, table: str, name: str) -> bool:
    """Drop the unique index of this name: to MySQL it is the same as the constraint."""
    there = {fold(found): sql for found, sql in db.objects("index", table).items()}
    sql = there.get(fold(name))
    return sql is not None and scan(sql)[1].key == "UNIQUE" and drop(db, name)


def refuse_missing(db: Database, table: str, name: str) -> None:
    """Say that there is no such index.

    :raises MigrationError: with the table's own.
    """
    there = ", ".join(db.objects("index", table)) or "none"
    raise MigrationError(f'There is no index "{name}" on "{table}"; its own: {there}.')
