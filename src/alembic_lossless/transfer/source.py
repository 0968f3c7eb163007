"""The SQLite database that is moved: one state of it, whoever writes to it meanwhile."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import MigrationError
from ..quoting import quote
from ..schema.own_tables import version_table

BATCH = 5000


class SQLiteSource:
    """A transaction that reads; nothing is written to the file.

    :raises MigrationError: where there is no such file.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        if not file.is_file():
            raise MigrationError(f"{file} does not exist, so there are no rows to move.")
        # Two connections: one reads an old state and so cannot tell what was written since.
        self._watch = sqlite3.connect(file, timeout=5, isolation_level=None)
        self._seen = self._version()
        self._connection = sqlite3.connect(file, timeout=30, isolation_level=None)
        self._connection.text_factory = lambda raw: str(raw, "utf-8", "surrogateescape")
        self._connection.execute("BEGIN")
        self.tables = {
            row[1]
            for row in self._connection.execute("PRAGMA table_list").fetchall()
            if row[0] == "main" and row[2] == "table" and not row[1].startswith("sqlite_")
        }

    def _version(self) -> int:
        return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def revisions(self) -> set[str]:
        """Return the revisions that the database is at."""
        table = version_table().name
        if table not in self.tables:
            return set()
        return {row[0] for row in self._connection.execute(f"SELECT * FROM {quote(table)}")}

    def columns(self, table: str) -> set[str]:
        """Return the columns of *table* that hold values of their own."""
        rows = self._connection.execute(f"PRAGMA table_xinfo({quote(table)})")
        return {row[1] for row in rows if row[6] not in (2, 3)}

    def count(self, table: str, where: str = "") -> int:
        """Count the rows of *table*."""
        query = f"SELECT count(*) FROM {quote(table)} {where}"
        return int(self._connection.execute(query).fetchone()[0])

    def rows(self, table: str, columns: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of *table* in batches."""
        names = ", ".join(map(quote, columns))
        cursor = self._connection.execute(f"SELECT {names} FROM {quote(table)}")
        while batch := cursor.fetchmany(BATCH):
            yield batch

    def orphans(self) -> Iterator[tuple[str, int, str]]:
        """Yield the rows that point to none: table, rowid, the table they point to."""
        for table, rowid, parent, _ in self._connection.execute("PRAGMA foreign_key_check"):
            yield table, rowid, parent

    def highest_numbers(self) -> dict[str, int]:
        """Return the highest number that AUTOINCREMENT gave a row, by table."""
        query = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"
        if self._connection.execute(query).fetchone() is None:
            return {}
        return dict(self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Keep other writers out while the body commits elsewhere.

        :raises MigrationError: when something was written since this state was taken.
        """
        self._connection.execute("ROLLBACK")
        try:
            self._watch.execute("BEGIN IMMEDIATE")
            changed = self._version() != self._seen
        except sqlite3.OperationalError:
            changed = True
        if changed:
            raise MigrationError(
                f"{self.file} was written to while its rows were copied. Nothing was moved, "
                "because rows would be missing. Stop the application, and run the move again."
            )
        yield

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
        self._watch.close()
