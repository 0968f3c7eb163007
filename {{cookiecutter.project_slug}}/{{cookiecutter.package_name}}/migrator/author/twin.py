"""A throwaway database with the schema of a real one, on which a revision can be tried."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, MetaData

from .. import MigratorError, copies, portable, schema, scratch
from ..apply.connection import private


@contextmanager
def twin(connection: Connection, source: scratch.Source) -> Iterator[Connection]:
    """Give a throwaway database with the schema of *connection*'s; on SQLite with the rows too.

    :raises MigratorError: where the schema cannot be rebuilt.
    """
    if connection.dialect.name == "sqlite":
        with _copied(connection.engine.url) as copy:
            yield copy
        return
    with scratch.empty(source) as copy:
        if connection.dialect.name == "postgresql":
            reflected = MetaData()
            reflected.reflect(connection)
            portable.create_all(reflected, copy)
        else:
            copies.carry_out(copy, copies.tables(connection))
        copy.commit()
        for item in schema.difference(schema.describe(copy), schema.describe(connection)):
            raise MigratorError(
                f"This database cannot be rebuilt for a trial ({item.key}), so nothing was "
                "written: close the difference by hand, in a revision with empty=yes."
            )
        yield copy


@contextmanager
def _copied(url: URL) -> Iterator[Connection]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "copy")
        with (
            closing(sqlite3.connect(str(url.database))) as live,
            closing(sqlite3.connect(file)) as copy,
        ):
            live.backup(copy)
        with private(url.set(database=str(file))).connect() as given:
            yield given
