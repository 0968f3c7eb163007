"""A small handmade application with the env.py that ``flask db init`` writes: fast to start, and
its chain is whatever a test needs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import flask_migrate
import sqlalchemy as sa

from tests.support import commands

#: What ``flask db init`` writes.
STOCK = Path(flask_migrate.__file__).parent / "templates" / "flask"

APPLICATION = '''
"""The application; its settings come from the environment."""

from flask import Flask

from . import extensions
from .health import blueprint


def create_app():
    app = Flask(__name__)
    app.config.from_prefixed_env("SHOP")
    extensions.db.init_app(app)
    extensions.migrate.init_app(app, extensions.db)
    app.register_blueprint(blueprint)
    return app
'''

EXTENSIONS = """
from pathlib import Path

from alembic_lossless.flask import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
migrate = Migrate(directory=str(Path(__file__).with_name("migrations")))
"""

HEALTH = """
from flask import Blueprint

from .extensions import migrate

blueprint = Blueprint("health", __name__, url_prefix="/health")


@blueprint.get("/ready")
def ready():
    reason = migrate.why_not_ready()
    return {"status": reason or "ready"}, 503 if reason else 200
"""

REVISION = '''"""{title}"""

import time

import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''

#: A table with a row, for a revision.
TABLE = """
op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO t (n) VALUES (1)")
"""


class Shop:
    """A project in a folder: write its revisions, then run ``flask`` in it."""

    def __init__(self, root: Path, url: str, **settings: Any) -> None:
        self.root = root
        self.url = url
        self.settings = {"SQLALCHEMY_DATABASE_URI": url, **settings}
        self.python = sys.executable
        self.package = root / "shop"
        self.versions = self.package / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        (root / "wsgi.py").write_text("from shop import create_app\n\napp = create_app()\n")
        (self.package / "__init__.py").write_text(APPLICATION)
        (self.package / "extensions.py").write_text(EXTENSIONS)
        (self.package / "health.py").write_text(HEALTH)
        for name in ("env.py", "script.py.mako"):
            shutil.copy(STOCK / name, self.package / "migrations")
        shutil.copy(STOCK / "alembic.ini.mako", self.package / "migrations" / "alembic.ini")
        self.head: str | None = None
        #: Where the user's own files go, and where programs are looked for.
        self.data = root / "data"
        self.path = os.environ["PATH"]

    def revision(
        self,
        revision: str,
        upgrade: str,
        downgrade: str = "pass",
        down: str | None = None,
        phase: str = "",
    ) -> Path:
        """Write a revision after the last one (or after *down*); return its file."""
        path = self.versions / f"20260101_0000_{revision}_{revision}.py"
        text = REVISION.format(
            title=f"the {revision} revision",
            revision=revision,
            down=down or self.head,
            upgrade=indent(dedent(upgrade).strip(), "    "),
            downgrade=indent(dedent(downgrade).strip(), "    "),
        )
        text += f'\nphase = "{phase}"\n' if phase else ""
        path.write_text(text, encoding="utf-8")
        self.head = revision
        return path

    def leave(self) -> None:
        """Change the one import back: from now on stock Flask-Migrate runs."""
        extensions = self.package / "extensions.py"
        text = extensions.read_text(encoding="utf-8")
        assert "from alembic_lossless.flask import" in text
        text = text.replace("from alembic_lossless.flask import", "from flask_migrate import")
        extensions.write_text(text, encoding="utf-8")

    def environment(self, **settings: Any) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "SHOP_", "FLASK"))}
        places = {"XDG_DATA_HOME": str(self.data), "PATH": self.path}
        said = {f"SHOP_{key}": str(value) for key, value in {**self.settings, **settings}.items()}
        return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", **said, **places}

    def start(self, *command: str, **settings: Any) -> "subprocess.Popen[str]":
        """Start ``flask …`` with no terminal; its output is collected, both streams in one."""
        return subprocess.Popen(
            [sys.executable, "-m", "flask", *command],
            cwd=self.root,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def flask(self, *command: str, code: int = 0, **settings: Any) -> str:
        """Run ``flask …``, which has to exit with *code* and without a traceback."""
        done = commands.run("flask", command, self.root, self.environment(**settings))
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def python_run(self, code: str, **settings: Any) -> str:
        """Run Python code beside the application; return what it printed."""
        done = subprocess.run(
            [self.python, "-c", code],
            cwd=self.root,
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ask(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Ask the database, or change it; what changes is committed."""
        return ask(self.url, query, values)

    def engine(self) -> sa.Engine:
        return sa.create_engine(self.url, poolclass=sa.NullPool)

    def at(self) -> list[str]:
        """The revisions that the database is at."""
        if not sa.inspect(self.engine()).has_table("alembic_version"):
            return []
        return [row[0] for row in self.ask("SELECT version_num FROM alembic_version")]

    def tables(self) -> set[str]:
        names = set(sa.inspect(self.engine()).get_table_names())
        return names - {"alembic_version", "alembic_lossless_log"}


def ask(url: str, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.execute(sa.text(query), values or {})
        return [tuple(row) for row in result] if result.returns_rows else []


def until(process: "subprocess.Popen[str]", words: str) -> str:
    """Read what a process says until a line holds *words*; return all of it."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it ended without saying {words!r}:\n{said}")
