"""The backups of a database, and the rows in one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from alembic_lossless.backup.store import BackupStore

BACKUP = ""


def store_of(url: sa.URL, backup=BACKUP) -> BackupStore:
    store = BackupStore.of(url, backup)
    assert store is not None
    return store


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        return connection.execute(query).fetchall()
