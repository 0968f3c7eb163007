"""A throwaway database with the schema of a real one, on which a revision can be tried."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, MetaData

from ..errors import MigrationError
from ..run.connection import private
from ..schema import dialect_support, diff
from ..scratch import dump
from ..scratch.sources import Source, empty_database


@contextmanager
def twin(connection: Connection, source: Source) -> Iterator[Connection]:
    """Give a throwaway database with the schema of *connection*'s; on SQLite with the rows too.

    :raises MigrationError: where the schema cannot be rebuilt.
    """
    if connection.dialect.name == "sqlite":
        with _copied(connection.engine.url) as copy:
            yield copy
        return
    with empty_database(source) as copy:
        if connection.dialect.name == "postgresql":
            reflected = MetaData()
            reflected.reflect(connection)
            dialect_support.create_all(reflected, copy)
        else:
            dump.run(copy, dump.tables(connection))
        copy.commit()
        for item in diff.differences(diff.describe(copy), diff.describe(connection)):
            raise MigrationError(
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
