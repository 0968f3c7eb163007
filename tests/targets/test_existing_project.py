"""An existing project comes to the library and leaves it, typed as the guides show it."""

import os
import shlex
import sqlite3
import subprocess
from pathlib import Path

from tests.support import commands
from tests.support.bake import TEMPLATE
from tests.support.console import play, sections

ADD = sections(TEMPLATE / "docs" / "how-to" / "add-to-an-existing-project.md")
LEAVE = sections(TEMPLATE / "docs" / "how-to" / "leave.md")

FLASK = """
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__, instance_path={folder!r})
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.sqlite"
db = SQLAlchemy(app)
migrate = Migrate(app, db)


class Customer(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), nullable=False)
"""

MODELS = """
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
"""


class Folder:
    """A project that never heard of the library, with one migration and a row."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "shop.sqlite"

    def run(self, *command: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Type *command*."""
        ours = ("FLASK", "SETTINGS", "MIGRATION_", "ALEMBIC_", "MAKE")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        environment = inherited | {"PYTHONDONTWRITEBYTECODE": "1"}
        script, *words = shlex.split(command[2]) if command[0] == "sh" else command
        done = commands.run(script, words, self.root, environment)
        assert bool(done.returncode) == fails, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, "")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        """Run one statement on the database, and return its rows."""
        connection = sqlite3.connect(self.database)
        try:
            with connection:
                return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace *old* in a file."""
        text = (self.root / file).read_text(encoding="utf-8")
        assert old in text
        (self.root / file).write_text(text.replace(old, new), encoding="utf-8")


def flask_migrate_project(folder: Folder) -> None:
    """Make it with stock Flask-Migrate."""
    text = FLASK.format(folder=str(folder.root))
    (folder.root / "app.py").write_text(text, encoding="utf-8")
    for words in (["init"], ["migrate", "-m", "customers"], ["upgrade"]):
        folder.run("flask", "db", *words)


def alembic_project(folder: Folder, template: str, driver: str) -> None:
    """Make it with stock Alembic."""
    (folder.root / "models.py").write_text(MODELS, encoding="utf-8")
    folder.run("alembic", "init", "-t", template, "migrations")
    folder.edit("alembic.ini", "driver://user:pass@localhost/dbname", f"{driver}:///shop.sqlite")
    models = "from models import Base\n\ntarget_metadata = Base.metadata"
    folder.edit("migrations/env.py", "target_metadata = None", models)
    folder.run("alembic", "revision", "--autogenerate", "-m", "customers")
    folder.run("alembic", "upgrade", "head")


INSERT = "INSERT INTO customer (name) VALUES ('Ada')"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"


def is_stock_and_whole(folder: Folder, *command: str) -> bool:
    """Tell whether the rows stayed, and whether the chain runs both ways without the library.

    It runs on a new database too, which never had a table of the library's.
    """
    assert folder.execute("SELECT full_name, age FROM customer") == [("Ada", 30)]
    folder.run(*command, "downgrade", "base")
    folder.run(*command, "upgrade", "head")
    assert folder.execute(TABLES) == [("alembic_version",), ("customer",)]
    folder.database.unlink()
    folder.run(*command, "upgrade", "head")
    return folder.execute(TABLES) == [("alembic_version",), ("customer",)]


def test_flask_migrate(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    flask_migrate_project(folder)
    folder.execute(INSERT)
    assert play(ADD["Flask-Migrate"], folder)
    assert play(LEAVE["Flask-Migrate"], folder)
    assert is_stock_and_whole(folder, "flask", "db")


def test_situations(tmp_path: Path) -> None:
    """The parts for one situation each, in a project that has changed its import."""
    folder = Folder(tmp_path)
    flask_migrate_project(folder)
    folder.edit("app.py", "from flask_migrate import", "from alembic_lossless.flask import")
    played = [play(text, folder) for heading, text in ADD.items() if heading.startswith("If")]
    assert any(played)
    folder.edit("app.py", "from alembic_lossless.flask import", "from flask_migrate import")
    folder.run("flask", "db", "downgrade", "base")
    folder.run("flask", "db", "upgrade")


def test_alembic(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    alembic_project(folder, "generic", "sqlite")
    folder.execute(INSERT)
    assert play(ADD["Alembic"], folder)
    assert play(LEAVE["Alembic"], folder)
    assert is_stock_and_whole(folder, "alembic")


def test_asynchronous_alembic(tmp_path: Path) -> None:
    """What it says itself, and then what it says is as with Alembic."""
    folder = Folder(tmp_path)
    alembic_project(folder, "async", "sqlite+aiosqlite")
    folder.execute(INSERT)
    assert play(ADD["Asynchronous Alembic"], folder)
    with_line = ADD["Alembic"].partition("```console")
    assert play(with_line[1] + with_line[2], folder)
    assert play(LEAVE["Alembic"], folder)
    assert is_stock_and_whole(folder, "alembic")
