"""A SQLite database the way env.py opens it, operations on it, and what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_lossless import sqlite
from tests.support.sqlite import private_engine

#: Two tables with all that can hang on one.
SCRIPT = """
CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT);
CREATE TABLE t (
	id INTEGER NOT NULL,
	a INTEGER,
	b VARCHAR(10) COLLATE nocase,
	c INTEGER DEFAULT 5,
	PRIMARY KEY (id),
	CONSTRAINT ck_t_a CHECK (a > 0)
);
CREATE INDEX ix_t_b ON t (b DESC);
CREATE TABLE log (what TEXT);
CREATE TRIGGER tr AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.id); END;
INSERT INTO p VALUES (1, 'one');
INSERT INTO t VALUES (1, 1, 'x', 1), (2, 1, 'y', NULL);
"""


class Base:
    """One database file, made by *script*; *driver* migrates it where it is not *module*."""

    def __init__(
        self, path: Any, script: str = "", module: Any = sqlite3, driver: Any = None
    ) -> None:
        self.path = path
        self.module = module
        self.driver = driver or module
        self.execute(script)

    def execute(self, script: str) -> None:
        connection = self.module.connect(self.path)
        connection.executescript(script)
        connection.close()

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        connection = self.module.connect(self.path)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    def text(self, name: str = "t") -> str:
        return self.rows("SELECT sql FROM sqlite_master WHERE name = ?", name)[0][0]

    def schema(self) -> dict[str, str]:
        return dict(self.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))

    def columns(self) -> list[str]:
        return [row[1] for row in self.rows("PRAGMA table_xinfo(t)")]

    def values(self, table: str = "t") -> list[tuple[Any, ...]]:
        """All rows, each value beside its storage class."""
        names = [row[1] for row in self.rows(f'PRAGMA table_xinfo("{table}")')]
        listed = ", ".join(f'"{n}", typeof("{n}")' for n in names)
        return self.rows(f'SELECT {listed} FROM "{table}"')

    @contextmanager
    def migrating(self, foreign_keys: bool = False, **opts: Any) -> Iterator[Operations]:
        """Give the operations of one transaction."""
        engine = private_engine(self.path, self.driver, foreign_keys=foreign_keys)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts=opts)
            sqlite.require(context)
            with context.begin_transaction():
                yield Operations(context)

    def migrate(self, *changes: Callable[[Operations], Any], **opts: Any) -> list[str]:
        """Carry out *changes* in one transaction, and return by which ways."""
        with self.migrating(**opts) as op:
            for change in changes:
                change(op)
        self.check()
        return [change.way for change in op.get_context().impl.applied]

    def check(self) -> None:
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.rows("PRAGMA foreign_key_check") == []
        leftovers = [name for name in self.schema() if "alembic_lossless" in name]
        assert leftovers == []
