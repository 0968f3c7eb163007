"""A Flask-Migrate project as somebody has it who has never heard of this library."""

import os
import re
import shutil
from pathlib import Path

import sqlalchemy as sa

from tests.support import commands

APPLICATION = '''
"""A shop."""

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

from models import Base

db = SQLAlchemy(metadata=Base.metadata)
migrate = Migrate()


def create_app(name="shop"):
    app = Flask(name)
    app.config["SQLALCHEMY_DATABASE_URI"] = URL
    db.init_app(app)
    migrate.init_app(app, db)
    return app
'''

STOCK, OURS = "from flask_migrate import Migrate", "from alembic_lossless.flask import Migrate"

MODELS = """
import enum

from sqlalchemy import Enum, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Status(enum.Enum):
    open = "open"
    paid = "paid"


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    note: Mapped[str | None] = mapped_column(String(50))


class Purchase(Base):
    __tablename__ = "purchase"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id", name="fk_customer"))
    status: Mapped[Status] = mapped_column(Enum(Status, name="status"))
"""

#: A chain of ten revisions, as stock writes them, that makes these models.
CHAIN = [
    'op.create_table("customer", sa.Column("id", sa.Integer(), nullable=False),'
    ' sa.Column("name", sa.String(length=50), nullable=False), sa.PrimaryKeyConstraint("id"))',
    'op.create_table("purchase", sa.Column("id", sa.Integer(), nullable=False),'
    ' sa.Column("customer_id", sa.Integer(), nullable=False),'
    ' sa.Column("status", sa.Enum("open", "paid", name="status"), nullable=False),'
    ' sa.ForeignKeyConstraint(["customer_id"], ["customer.id"], name="fk_customer"),'
    ' sa.PrimaryKeyConstraint("id"))',
    *(
        f'op.add_column("customer", sa.Column("c{number}", sa.Integer(), nullable=True))'
        for number in range(1, 4)
    ),
    *(
        'with op.batch_alter_table("customer") as batch_op:\n'
        f'        batch_op.drop_column("c{number}")'
        for number in range(1, 4)
    ),
    'op.add_column("customer", sa.Column("note", sa.String(length=50), nullable=True))',
    "op.execute(\"INSERT INTO customer (id, name) VALUES (1, 'Ada'), (2, 'Grace')\")",
]

REVISION = '''"""step {number}

Revision ID: {revision}
Revises: {down}

"""
from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision = "{revision}"
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade():
    {upgrade}


def downgrade():
    pass
'''


class StockProject:
    """The project in a folder; ``flask db`` is typed in it.

    :param template: the folder of Flask-Migrate's template, whose files it keeps.
    """

    def __init__(self, folder: Path, url: str, template: Path) -> None:
        self.folder, self.url = folder, url
        self.migrations = folder / "migrations"
        (self.migrations / "versions").mkdir(parents=True)
        (folder / "models.py").write_text(MODELS)
        (folder / "app.py").write_text(APPLICATION.replace("URL", repr(url)))
        for name in ("env.py", "script.py.mako"):
            shutil.copy(template / name, self.migrations)
        shutil.copy(template / "alembic.ini.mako", self.migrations / "alembic.ini")

    def write_chain(self) -> None:
        """Write the ten revisions."""
        down = None
        for number, upgrade in enumerate(CHAIN, 1):
            revision = f"{number:04}"
            text = REVISION.format(number=number, revision=revision, down=down, upgrade=upgrade)
            (self.migrations / "versions" / f"{revision}_.py").write_text(text)
            down = revision

    def change_import(self, old: str = STOCK, new: str = OURS) -> None:
        """Change the one import."""
        self.edit("app.py", old, new)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace *old* in a file."""
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        """Type a command; it ends with *code*, and without a traceback where that is not 1."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "FLASK", "MAKE"))}
        kept |= {"FLASK_APP": "app", "PYTHONDONTWRITEBYTECODE": "1"}
        # Once it is imported, Alembic alters SQLite by it, also where it is not used.
        is_ours = OURS in (self.folder / "app.py").read_text()
        without = () if is_ours else ("alembic_lossless",)
        done = commands.run(words[0], words[1:], self.folder, kept | environment, without)
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.stdout

    def flask(self, *words: str, code: int = 0, **environment: str) -> str:
        """Type ``flask db`` and *words*."""
        return self.run("flask", "db", *words, code=code, **environment)

    def paste(self, output: str) -> list[str]:
        """Return the answers that a refused command offers, as options to add."""
        return [
            word
            for option, value in re.findall(r'(rename|fill|accept)="([^"]*)"', output)
            for word in (f"--{option}", value)
        ]

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the database."""
        with sa.create_engine(self.url, poolclass=sa.NullPool).connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def files(self) -> set[str]:
        """Return the names of the migration files."""
        return {path.name for path in (self.migrations / "versions").glob("*.py")}
