"""Moving to a server as its guide shows it, and adopting a database of stock Flask-Migrate."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.bake import TEMPLATE
from tests.support.console import play, sections
from tests.support.project import Project

MOVE = sections(TEMPLATE / "docs" / "how-to" / "move-from-sqlite-to-a-server.md")


@pytest.mark.parametrize(
    ("kind", "database", "heading", "shown"),
    [
        ("postgresql", "postgresql", "To PostgreSQL", "postgresql://keeper@db.example.org/library"),
        ("mariadb", "mysql", "To MariaDB or MySQL", "mysql://keeper@db.example.org/library"),
    ],
)
def test_move(
    kind: str,
    database: str,
    heading: str,
    shown: str,
    start: Callable[..., Project],
    request: pytest.FixtureRequest,
) -> None:
    project = start(project_slug="my-project", package_name="my_project", database=database)
    real = sa.make_url(request.getfixturevalue(kind)(user="keeper", password="s3cret & %"))
    uri = real.set(drivername=database).render_as_string(hide_password=False)
    text = MOVE[heading].replace(shown, f"'{uri}'").replace("'…", "…")
    assert play(text, project)

    ready = (
        "from my_project import create_app; from my_project.models.library import Author;"
        "from my_project.extensions import db\n"
        "app = create_app()\nclient = app.test_client()\n"
        "print(client.get('/health/ready').status_code, client.get('/books').status_code)\n"
        "with app.app_context():\n"
        "    db.session.add(Author(name='New')); db.session.commit()\n"
        "    print([author.id for author in db.session.query(Author).order_by(Author.id)])\n"
    )
    done = project.run(
        "python", "-c", ready, DATABASE_URL=uri, MY_PROJECT_SECRET_KEY="something-long"
    )
    assert done.stdout.splitlines() == ["200 200", "[1, 2, 3]"]

    refused = project.make("move", f"to={uri}", fails=True)
    assert "exit 1: The target is not empty (author, book)" in refused.stderr
    assert "s3cret" not in refused.stdout + refused.stderr


#: The example's tables, in an application of stock Flask-Migrate: no naming convention, a chain
#: of its own.
STOCK = """
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import CheckConstraint

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "{uri}"
db = SQLAlchemy(app)
Migrate(app, db)


class Author(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(100), nullable=False, unique=True)


class Book(db.Model):
    __table_args__ = (
        db.UniqueConstraint("author_id", "title"),
        CheckConstraint("year > 0"),
        CheckConstraint("status IN ('wanted', 'reading', 'read')"),
    )
    id = db.Column(db.Integer, primary_key=True)
    author_id = db.Column(db.ForeignKey("author.id", ondelete="CASCADE"), nullable=False)
    title = db.Column(db.String(200), nullable=False)
    year = db.Column(db.Integer)
    status = db.Column(db.String(20), nullable=False)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_database_of_stock_flask_migrate_is_adopted(
    kind: str, start: Callable[..., Project], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """With its rows, its own revision, and the names that the server gave."""
    database = "mysql" if kind == "mariadb" else kind
    project = start(project_slug="my-project", package_name="my_project", database=database)
    uri = f"sqlite:///{tmp_path}/stock.sqlite"
    if kind != "sqlite":
        real = sa.make_url(request.getfixturevalue(kind)(f"stock_{kind}_dev"))
        uri = real.render_as_string(hide_password=False)
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / "stock.py").write_text(STOCK.format(uri=uri), encoding="utf-8")
    for words in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        project.flask("--app", str(stock / "stock.py"), "db", *words, "-d", str(stock / "m"))
    engine = sa.create_engine(uri, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO author (id, name) VALUES (1, 'Lem')")
        connection.exec_driver_sql(
            "INSERT INTO book (id, author_id, title, year, status)"
            " VALUES (1, 1, 'Solaris', 1961, 'read')"
        )

    here = {"DATABASE_URL": uri, "MY_PROJECT_SECRET_KEY": "something-long"}
    said = project.make("adopt", fails=True, **here).stderr
    assert "make adopt force=yes" in said
    adopted = project.make("adopt", "force=yes", **here).stdout
    assert "Stamped: at 280515ad3e21" in adopted
    project.make("migrate", **here)
    assert "Nothing to do" in project.make("migrate", **here).stdout
    assert "Nothing to adopt" in project.make("adopt", **here).stdout
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT title, year, status FROM book").all()
        assert rows == [("Solaris", 1961, "read")]
        found = sa.inspect(connection)
        if kind != "sqlite":
            names = {key["name"] for key in found.get_foreign_keys("book")}
            assert names == {"fk_book_author_id_author"}

    # What comes later finds the constraints by the names that this project gives them.
    line = '        CheckConstraint("year > 0", name="year_is_positive"),\n'
    project.edit("models/library.py", line, "")
    project.make("newmigration", "m=any year")
    project.make("migrate", **here)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE book SET year = -1")


def test_stamp_without_a_revision_says_what_to_type(project: Project) -> None:
    refused = project.make("stamp", fails=True)
    sentence = "exit 2: Nothing was stamped: say at which revision it is, make stamp r=head.\n"
    assert refused.stderr.startswith(sentence)
