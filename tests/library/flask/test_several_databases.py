"""A project with SQLALCHEMY_BINDS: each database has a lock, a log, backups and transactions."""

import contextlib
import os
import sqlite3
from pathlib import Path

import flask_migrate
import pytest
from filelock import FileLock

from tests.library.flask.binds import BindsProject, sqlite_project
from tests.library.flask.project import StockProject

TEMPLATES = Path(flask_migrate.__file__).parent / "templates"
BINDS = """    app.config["SQLALCHEMY_BINDS"] = {"meta": f"sqlite:///{app.root_path}/meta.db"}
    db.init_app(app)"""
MODEL = """

class Metric(db.Model):
    __bind_key__ = "meta"
    id = db.Column(db.Integer, primary_key=True)


def create_app("""

LOG = "SELECT event, revision FROM alembic_lossless_log ORDER BY id"


def test_each_database_is_upgraded_and_downgraded_with_its_own_log_and_backup(
    tmp_path: Path,
) -> None:
    project = sqlite_project(tmp_path)
    output = project.flask("upgrade")
    assert f"Database default: sqlite:///{tmp_path}/shop.db" in output
    assert f"Database users: sqlite:///{tmp_path}/users.db" in output
    assert "default: Applied 2 revisions: at 0002." in output
    assert "users: Applied 2 revisions: at 0002." in output
    assert project.rows("SELECT name FROM customer") == [("Ada",)]
    assert project.rows_of_users("SELECT email FROM person") == [("ada@example.com",)]
    log = [("upgrade", "0001"), ("upgrade", "0002")]
    assert project.rows(LOG) == log
    assert project.rows_of_users(LOG) == log
    assert "users: Nothing to do: at 0002." in project.flask("upgrade")

    output = project.flask("downgrade", code=1)
    assert "lose  all of table customer (1 row)" in output
    output = project.flask("downgrade", "--force")
    assert "lose  all of table person (1 row)" in output
    assert "default: Downgraded 1 revision: at 0001." in output
    assert "users: Downgraded 1 revision: at 0001." in output
    assert project.rows("SELECT * FROM customer") == project.rows_of_users("SELECT * FROM person")
    assert project.at() == ("0001", "0001")
    assert len([*tmp_path.glob("shop.db.*.0002.bak")]) == 1
    assert len([*tmp_path.glob("users.db.*.0002.bak")]) == 1


def test_failure_names_each_databases_revision_and_a_second_run_continues(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.flask("upgrade")
    column = 'op.add_column("{}", sa.Column("note", sa.String(length=9), nullable=True))'
    file = project.add(
        "0003",
        column.format("customer"),
        column.format("person") + '\n    op.execute("INSERT INTO nobody VALUES (1)")',
    )
    output = project.flask("upgrade", code=1)
    assert "exit 1: users: Revision 0003 failed" in output
    assert "nothing of it is in the database" in output
    assert output.rstrip().endswith("default is at 0003, users is at 0002.")
    assert project.at() == ("0003", "0002")

    output = project.flask("downgrade", "-1", "--force", code=2)
    assert "-1 is another revision for each database" in output
    assert "default is at 0003, users is at 0002. Nothing was changed." in output

    text = file.read_text()
    file.write_text(text.replace('    op.execute("INSERT INTO nobody VALUES (1)")\n', ""))
    os.utime(file, (0, 0))
    output = project.flask("upgrade")
    assert "default: Nothing to do: at 0003." in output
    assert "users: Applied 1 revision: at 0003." in output
    assert project.rows_of_users("SELECT email, note FROM person") == [("ada@example.com", None)]
    assert "edited" not in project.flask("history")  # what is for the other counts for none


def test_revision_before_the_one_that_fails_stays(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.add("0003", "raise ValueError('stop')")
    output = project.flask("upgrade", code=1)
    assert "default: Revision 0003 failed" in output
    assert "2 of 3 revisions were applied before it" in output
    assert output.rstrip().endswith("default is at 0002, users is at no revision.")


def test_downgrade_passes_over_a_database_that_has_not_reached_the_revision(
    tmp_path: Path,
) -> None:
    project = sqlite_project(tmp_path)
    project.add("0003", users="raise ValueError('stop')")
    project.add("0004")
    project.flask("upgrade", code=1)
    assert project.at() == ("0004", "0002")
    output = project.flask("downgrade", "0003")
    assert "Nothing to downgrade: at 0002, and 0003 is not applied." in output
    assert "default: Downgraded 1 revision: at 0003." in output
    assert "users: Nothing to downgrade: at 0002." in output
    assert project.at() == ("0003", "0002")


def test_each_database_has_a_lock_of_its_own(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    with FileLock(tmp_path / "users.db.lock"):
        output = project.flask("upgrade", code=5, MIGRATION_LOCK_WAIT="0.1")
    assert "exit 5: users: Another process migrates this database" in output
    assert output.rstrip().endswith("default is at 0002, users is at no revision.")


def test_env_of_the_oldest_version_is_reached(tmp_path: Path, templates: dict[str, Path]) -> None:
    project = sqlite_project(tmp_path, templates["4.0.0"].parent / "flask-multidb")
    assert "users: Applied 2 revisions: at 0002." in project.flask("upgrade")
    assert "✓ users (sqlite): models and migrations agree" in project.flask("check")
    assert "users: Downgraded 2 revisions" in project.flask("downgrade", "base", "--force")


IN_MEMORY = """
import flask_migrate
import sqlalchemy as sa

from app import create_app, db

with create_app().app_context():
    flask_migrate.upgrade()
    for engine in db.engines.values():
        print(sorted(sa.inspect(engine).get_table_names()))
"""


def test_databases_in_memory_are_migrated_where_the_application_has_them(tmp_path: Path) -> None:
    project = BindsProject(tmp_path / "project", "sqlite://", "sqlite://")
    project.change_import()
    (project.folder / "memory.py").write_text(IN_MEMORY)
    output = project.run("memory")
    assert "['alembic_version', 'customer']" in output
    assert "['alembic_version', 'person']" in output


def test_history_plan_and_stamp_are_about_each_database(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.flask("upgrade", "0001")
    project.add("0003", users='op.add_column("person", sa.Column("age", sa.Integer()))')
    output = project.flask("history")
    users = output.index("Database users")
    assert "applied  0001" in output[:users]
    assert "applied  0001" in output[users:]
    assert "pending  0002" in output[users:]

    output = project.flask("current")
    assert output.index("Database default") < output.index("0001")
    assert output.index("Database users") < output.rindex("0001")

    output = project.flask("plan")
    users = output.index("Database users")
    assert "INSERT INTO customer" in output[:users]
    assert "ADD COLUMN" not in output[:users]
    assert "INSERT INTO person" in output[users:]
    assert "ADD COLUMN" in output[users:]
    assert "exit 3: 2 migrations pending" in project.flask("plan", "--check", code=3)

    # Rows are no part of a schema; the column is, and the bind lacks it.
    assert "Stamped: at 0002" in project.flask("stamp", "0002")
    output = project.flask("stamp", "0003", code=4)
    assert "The schema does not match revision 0003. Nothing was stamped" in output
    assert project.at() == ("0002", "0002")
    assert output.index("Database users") < output.index("person")


@pytest.mark.parametrize(
    "words",
    [
        ("adopt",),
        ("reset", "--force"),
        ("undo",),
    ],
)
def test_command_for_one_database_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    project = sqlite_project(tmp_path)
    output = project.flask(*words, code=2)
    assert "works on one database, and env.py migrates several" in output
    assert not [*tmp_path.glob("*.db")]


def test_two_phase_transaction_is_refused(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.edit("migrations/env.py", "USE_TWOPHASE = False", "USE_TWOPHASE = True")
    output = project.flask("upgrade", code=2)
    assert "USE_TWOPHASE = True in env.py would commit all databases at once" in output
    assert not [*tmp_path.glob("*.db")]


def test_sql_is_written_for_each_database_as_stock_does(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.flask("upgrade", "--sql")
    assert "INSERT INTO customer" in (project.folder / ".sql").read_text()
    assert "INSERT INTO person" in (project.folder / "users.sql").read_text()


READY = """
from app import create_app, migrate

with create_app().app_context():
    print(migrate.why_not_ready())
"""


def test_application_is_ready_when_each_database_is(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.flask("upgrade")
    (project.folder / "ready.py").write_text(READY)
    assert project.run("ready").split() == ["None"]
    with contextlib.closing(sqlite3.connect(tmp_path / "users.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    assert project.run("ready").strip() == "users: migrations pending"


def test_models_of_a_bind_are_named_where_env_is_for_one_database(tmp_path: Path) -> None:
    project = StockProject(
        tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", TEMPLATES / "flask"
    )
    project.write_chain()
    project.edit("app.py", "    db.init_app(app)", BINDS)
    project.edit("app.py", "\n\ndef create_app(", MODEL)
    project.change_import()
    project.flask("upgrade")
    output = project.flask("check")
    assert "! Not looked at: metric, of the bind 'meta'" in output
    assert "agree" in output


def test_project_of_several_databases_leaves_as_it_came(tmp_path: Path) -> None:
    project: BindsProject = sqlite_project(tmp_path)
    project.flask("upgrade", "0001")
    project.change_import(
        "from alembic_lossless.flask import Migrate", "from flask_migrate import Migrate"
    )
    project.flask("upgrade")
    assert project.at() == ("0002", "0002")
