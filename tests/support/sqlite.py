"""SQLite as migrations need it."""

import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa


def private_engine(
    path: Path, module: ModuleType = sqlite3, *, foreign_keys: bool = False, sync: str = "OFF"
) -> sa.Engine:
    """Return an engine without a pool, whose transactions are begun by us."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool, module=module)

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, record: object) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
        connection.execute(f"PRAGMA synchronous = {sync}")

    @sa.event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
