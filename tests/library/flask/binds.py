"""A Flask-Migrate project with two databases, by the templates of ``flask db init --multidb``."""

from pathlib import Path

import flask_migrate
import sqlalchemy as sa

from tests.library.flask.project import StockProject

TEMPLATE = Path(flask_migrate.__file__).parent / "templates" / "flask-multidb"

APPLICATION = '''
"""A shop, whose people are in a database of their own."""

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
migrate = Migrate()


class Customer(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), nullable=False)


class Person(db.Model):
    __bind_key__ = "users"
    id = db.Column(db.Integer, primary_key=True)
    email = db.Column(db.String(50), nullable=False)


def create_app(name="shop"):
    app = Flask(name)
    app.config["SQLALCHEMY_DATABASE_URI"] = URL
    app.config["SQLALCHEMY_BINDS"] = {"users": USERS}
    db.init_app(app)
    migrate.init_app(app, db)
    return app
'''

#: As the script.py.mako of that template writes it.
REVISION = '''"""step {revision}

Revision ID: {revision}
Revises: {down}

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade(engine_name):
    globals()["upgrade_%s" % engine_name]()


def downgrade(engine_name):
    globals()["downgrade_%s" % engine_name]()


def upgrade_():
    {default}


def downgrade_():
    {default_back}


def upgrade_users():
    {users}


def downgrade_users():
    {users_back}
'''


def table(name: str, column: str) -> str:
    """The operation that makes one of the two tables."""
    return (
        f'op.create_table("{name}", sa.Column("id", sa.Integer(), nullable=False),'
        f' sa.Column("{column}", sa.String(length=50), nullable=False),'
        ' sa.PrimaryKeyConstraint("id"))'
    )


class BindsProject(StockProject):
    """The project in a folder, with a chain that makes both tables, and a row in each.

    :param users: the URL of the bind's database.
    """

    def __init__(self, folder: Path, url: str, users: str, template: Path = TEMPLATE) -> None:
        super().__init__(folder, url, template)
        self.users = users
        application = APPLICATION.replace("URL", repr(url)).replace("USERS", repr(users))
        (folder / "app.py").write_text(application)
        self._down: str | None = None
        self.add(
            "0001",
            table("customer", "name"),
            table("person", "email"),
            'op.drop_table("customer")',
            'op.drop_table("person")',
        )
        self.add(
            "0002",
            "op.execute(\"INSERT INTO customer (id, name) VALUES (1, 'Ada')\")",
            "op.execute(\"INSERT INTO person (id, email) VALUES (1, 'ada@example.com')\")",
            'op.execute("DELETE FROM customer")',
            'op.execute("DELETE FROM person")',
        )

    def add(
        self,
        revision: str,
        default: str = "pass",
        users: str = "pass",
        default_back: str = "pass",
        users_back: str = "pass",
    ) -> Path:
        """Write one more revision behind the last; return its file."""
        path = self.migrations / "versions" / f"{revision}_.py"
        path.write_text(
            REVISION.format(
                revision=revision,
                down=self._down,
                default=default,
                users=users,
                default_back=default_back,
                users_back=users_back,
            )
        )
        self._down = revision
        return path

    def at(self) -> tuple[str, str]:
        """The revision of each database, by its version table."""
        query = "SELECT version_num FROM alembic_version"
        return str(self.rows(query)[0][0]), str(self.rows_of_users(query)[0][0])

    def rows_of_users(self, query: str) -> list[tuple[object, ...]]:
        """Ask the bind's database."""
        with sa.create_engine(self.users, poolclass=sa.NullPool).connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]


def sqlite_project(folder: Path, template: Path = TEMPLATE) -> BindsProject:
    """A project with two SQLite files, which has changed the import."""
    urls = (f"sqlite:///{folder}/{name}.db" for name in ("shop", "users"))
    project = BindsProject(folder / "project", *urls, template)
    project.change_import()
    return project
