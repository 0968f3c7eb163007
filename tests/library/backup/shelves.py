"""The copies of a database, and what is in one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from alembic_lossless.backup.store import Shelf

SETTINGS = {"MIGRATION_BACKUP": ""}


def shelf_of(url: sa.URL, settings=SETTINGS) -> Shelf:
    shelf = Shelf.of(url, settings)
    assert shelf is not None
    return shelf


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        return connection.execute(query).fetchall()
