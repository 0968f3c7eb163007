"""One database of a SQLite connection, and what the SQLite under it can do."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from ..quoting import quote
from .parser import ParsedTable, fold, parse

#: Marks statements of this package: those that count are listed in its AppliedChange objects.
OWN = {"alembic_lossless_own": True}

#: Runs one statement.
Run = Callable[[str], object]


class SQLiteDatabase:
    """The main or an attached database of one connection.

    :param connection: SQLAlchemy's.
    :param schema: the name of an attached database, None for the main one.
    :raises MigrationError: where none is attached by that name: SQLite has no schemas of its own.
    """

    def __init__(self, connection: Connection, schema: str | None = None) -> None:
        self.connection = connection
        self.schema = schema or "main"
        if schema is not None and fold(schema) not in self._attached():
            raise MigrationError(
                f'SQLite has no schemas, and no database "{schema}" is attached here: guard '
                f"the operation with `if op.get_context().dialect.name != 'sqlite'`."
            )

    def _attached(self) -> list[str]:
        return ["main", *(fold(row[1]) for row in self.rows("PRAGMA database_list"))]

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows, none where it has none."""
        result = self.connection.exec_driver_sql(sql, parameters, execution_options=OWN)
        return [tuple(row) for row in result] if result.returns_rows else []

    @property
    def library(self) -> Capabilities:
        """What the SQLite under this connection can do."""
        return _capabilities(cast(Hashable, self.connection.dialect.dbapi))

    @property
    def driver(self) -> Any:
        """The driver's own connection."""
        return self.connection.connection.dbapi_connection

    def name(self, name: str) -> str:
        """Return *name*, quoted and with its schema."""
        return f"{quote(self.schema)}.{quote(name)}"

    def pragma(self, pragma: str, argument: str | None = None) -> list[tuple[Any, ...]]:
        """Run a PRAGMA on this schema."""
        suffix = "" if argument is None else f"({quote(argument)})"
        return self.rows(f"PRAGMA {quote(self.schema)}.{pragma}{suffix}")

    def objects(self, kind: str, table: str | None = None) -> dict[str, str]:
        """Return name and text of the tables, indexes, triggers or views, in their order."""
        sql = f"SELECT name, sql, tbl_name FROM {quote(self.schema)}.sqlite_master"
        rows = self.rows(f"{sql} WHERE type = ? AND sql IS NOT NULL ORDER BY rowid", kind)
        return {n: text for n, text, of in rows if table is None or fold(of) == fold(table)}

    def table_of(self, kind: str, name: str) -> str | None:
        """Return the table of an index, trigger or view, None where there is none of the name."""
        sql = f"SELECT name, tbl_name FROM {quote(self.schema)}.sqlite_master WHERE type = ?"
        tables = {fold(name): table for name, table in self.rows(sql, kind)}
        return tables.get(fold(name))

    def table(self, name: str) -> ParsedTable:
        """Read the table of this *name*.

        :raises MigrationError: where there is none, or its text cannot be read.
        """
        texts = self.objects("table")
        for table, text in texts.items():
            if fold(table) == fold(name):
                return parse(text)
        tables = ", ".join(sorted(n for n in texts if not n.startswith("sqlite_"))) or "none"
        raise MigrationError(f'There is no table "{name}" in this database; its tables: {tables}.')

    def in_transaction(self) -> bool:
        return bool(getattr(self.driver, "in_transaction", True))

    def foreign_keys_on(self) -> bool:
        return bool(self.rows("PRAGMA foreign_keys")[0][0])

    def writable_schema(self) -> bool:
        """Whether this build and connection allow the schema's text to be written."""
        self.rows("PRAGMA writable_schema = ON")
        try:
            self.rows(f"UPDATE {quote(self.schema)}.sqlite_master SET sql = sql WHERE 0")
        except DBAPIError:
            return False
        finally:
            self.rows("PRAGMA writable_schema = OFF")
        return True

    @contextmanager
    def memory_mapped(self) -> Iterator[None]:
        """Read the file through memory meanwhile, which halves a scan; writing is as ever."""
        before = self.pragma("mmap_size")
        if before:  # not so in memory, nor where the build has none
            self.rows(f"PRAGMA {quote(self.schema)}.mmap_size = {1 << 30}")
        try:
            yield
        finally:
            if before:
                self.rows(f"PRAGMA {quote(self.schema)}.mmap_size = {before[0][0]}")

    @contextmanager
    def savepoint(self, *, undo: bool = False) -> Iterator[None]:
        """Undo everything inside when an exception leaves it; with *undo*, in any case."""
        self.rows("SAVEPOINT alembic_lossless")
        done = False
        try:
            yield
            done = not undo
        finally:
            if self.in_transaction():  # a full disk, for one, has undone it all by itself
                if not done:
                    self.rows("ROLLBACK TO alembic_lossless")
                self.rows("RELEASE alembic_lossless")


@dataclass(frozen=True)
class Capabilities:
    """Statements that newer versions of SQLite have, found out by trying them."""

    set_not_null: bool = False
    add_check: bool = False
    drop_check: bool = False
    drop_foreign_key: bool = False
    #: A stored NULL stays NULL under a new default (not so where SQLITE_ENABLE_NULL_TRIM is set).
    stores_nulls: bool = True


def probe(run: Run, options: Sequence[str] = ()) -> Capabilities:
    """Try SQLite's newer statements.

    :param run: runs one on an empty database in memory.
    :param options: those that this SQLite was compiled with.
    :return: which of them work.
    """

    def can(*statements: str) -> bool:
        run("SAVEPOINT probe")
        try:
            for statement in statements:
                run(statement)
        except Exception:  # each driver has its own
            return False
        else:
            return True
        finally:
            run("ROLLBACK TO probe")

    table = "CREATE TABLE t (a, CONSTRAINT k CHECK (a), CONSTRAINT f FOREIGN KEY (a) REFERENCES t)"
    return Capabilities(
        set_not_null=can(table, "ALTER TABLE t ALTER COLUMN a SET NOT NULL"),
        add_check=can(table, "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0)"),
        drop_check=can(table, "ALTER TABLE t DROP CONSTRAINT k"),
        drop_foreign_key=can(table, "ALTER TABLE t DROP CONSTRAINT f"),
        stores_nulls="ENABLE_NULL_TRIM" not in options,
    )


@functools.cache
def _capabilities(dbapi: Hashable) -> Capabilities:
    memory = cast(Any, dbapi).connect(":memory:", isolation_level=None)
    try:
        options = [row[0] for row in memory.execute("PRAGMA compile_options")]
        return probe(memory.execute, options)
    finally:
        memory.close()
