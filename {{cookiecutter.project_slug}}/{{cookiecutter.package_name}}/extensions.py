"""The extensions, and the connections to SQLite."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic_lossless.flask import Migrate
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy import MetaData, event
from sqlalchemy.orm import DeclarativeBase

FOLDER = Path(__file__).parent


class Base(DeclarativeBase):
    """What every model is made from."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


db = SQLAlchemy(model_class=Base)
migrate = Migrate(directory=FOLDER / "migrations")
csrf = CSRFProtect()


@migrate.configure
def read_pyproject(config: Config) -> Config:
    """Let ``flask db`` read ``[tool.alembic]``, as ``alembic`` does: it names new files."""
    config.toml_file_name = str(FOLDER.parent / "pyproject.toml")
    return config


def init_app(app: Flask, seed: Callable[[], None]) -> None:
    """Connect the extensions to *app*; *seed* fills a rebuilt development database."""
    db.init_app(app)
    migrate.init_app(app, db, seed=seed)
    csrf.init_app(app)
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", prepare_sqlite)


def prepare_sqlite(connection: Any, _record: Any) -> None:
    """Hold foreign keys, let readers and one writer work side by side, wait rather than fail."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA busy_timeout = 5000")
    cursor.close()
