"""A project whose only driver is an asynchronous one types every command there is."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.cli.commands import load
from tests.library.alembic.project import DRIVERS, GUARD, AlembicProject
from tests.support.servers import newest_programs

#: Whatever connects without an event loop, but for Python's own SQLite; and Flask.
SYNCHRONOUS = ("psycopg", "psycopg2", "pymysql", "MySQLdb", "flask", "flask_migrate")

NOTE = '    sa.Column("note", sa.String(50)),\n'
AGE = '    sa.Column("age", sa.Integer, nullable=False),\n'


@pytest.fixture(params=["sqlite", "postgresql", pytest.param("mariadb", marks=pytest.mark.trial)])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> AlembicProject:
    """An ``alembic init -t async`` project with two customers, which has the one line."""
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param != "sqlite":
        databases: Callable[[], str] = request.getfixturevalue(request.param)
        url = databases()
    project = AlembicProject(tmp_path / "project", url, "async", SYNCHRONOUS)
    project.write_chain()
    project.run("alembic", "upgrade", "head")
    project.rows(
        "INSERT INTO customer (id, name, status) VALUES (1, 'Ada', 'open'), (2, 'Grace', 'paid')"
    )
    project.add_line()
    return project


CUSTOMERS = "SELECT id, name FROM customer ORDER BY id"


def test_every_command_works_with_an_asynchronous_driver_alone(project: AlembicProject) -> None:
    typed = set()
    is_file = project.url.startswith("sqlite")

    def command(name: str, *words: str, code: int = 0) -> str:
        typed.add(name)
        development = {"MIGRATION_DEVELOPMENT": "true", "MIGRATION_BACKUP": str(project.folder)}
        development["PATH"] = newest_programs() if not is_file else os.environ["PATH"]
        return project.lossless(name, *words, code=code, **development)

    assert "models and migrations agree" in command("check")
    project.edit("models.py", NOTE, NOTE + AGE)
    written = command("migrate", "-m", "age", "--fill", "customer.age=30", "--rev-id", "0011")
    assert "rehearsed on" in written
    assert "not reviewed" not in written
    assert "0011" in command("plan")
    assert "rehearsed on" in command("rehearse")
    assert "Applied" in command("upgrade")
    assert project.rows("SELECT age FROM customer") == [(30,), (30,)]
    assert "applied  0011" in command("history")
    assert "0011" in command("current")

    (file,) = project.migrations.glob("versions/0011*.py")
    file.write_text(file.read_text().replace("30", "31"))
    assert "Undid" in command("redo", "--force")
    assert project.rows("SELECT age FROM customer") == [(31,), (31,)]
    assert "at 0010" in command("downgrade", "0010", "--force")
    assert project.rows(CUSTOMERS) == [(1, "Ada"), (2, "Grace")]
    undone = command("undo", "--force", code=0 if is_file else 1)
    assert ("Restored" if is_file else "restored by hand") in undone
    command("upgrade")

    assert "Nothing to do" in command("stamp", "head")
    project.rows("DROP TABLE alembic_version")
    assert "Stamped" in command("adopt")
    project.rows("ALTER TABLE customer ADD COLUMN shelf INTEGER", "DROP TABLE alembic_version")
    adopted = command("adopt", "--accept", "drop-column customer.shelf: unused")
    assert "It is adopted" in adopted
    assert "Applied" in command("upgrade")
    assert "agree" in command("check")
    is_mysql = project.url.startswith("mysql")
    snapshot = command("baseline", code=1 if is_mysql else 0)
    assert ("PyMySQL, which is not installed" if is_mysql else "Wrote") in snapshot
    assert "agree" in command("check")
    command("revision", "-m", "by hand")
    assert project.rows(CUSTOMERS) == [(1, "Ada"), (2, "Grace")]
    assert "CREATE TABLE customer" in command("upgrade", "0001", "--sql")
    moved = command(
        "move", "--to", "mysql+pymysql://nobody@localhost/shop", code=1 if is_file else 2
    )
    reason = "is not installed, so nothing was moved" if is_file else "is not a SQLite file"
    assert reason in moved

    project.edit("migrations/env.py", GUARD, "config = context.config\n")
    project.run("alembic", "upgrade", "head")
    project.run("alembic", "downgrade", "0001")
    assert project.rows(CUSTOMERS) == [(1, "Ada"), (2, "Grace")]

    project.edit("migrations/env.py", "config = context.config\n", GUARD)
    assert "Rebuilt" in command("reset", "--force")
    assert project.rows(CUSTOMERS) == []
    assert set(load()) <= typed


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_rows_move_to_a_server_by_its_asynchronous_driver(
    server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    databases: Callable[[], str] = request.getfixturevalue(server)
    project = AlembicProject(
        tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", "async", SYNCHRONOUS
    )
    project.write_chain()
    project.add_line()
    project.lossless("upgrade")
    project.rows("INSERT INTO customer (id, name, status) VALUES (1, 'Ada, ''the first', 'open')")
    url = sa.make_url(databases())
    there = url.set(drivername=DRIVERS[url.get_backend_name()])
    to = there.render_as_string(hide_password=False)
    assert "Every row is moved and equal" in project.lossless("move", "--to", to)
    assert "was moved already" in project.lossless("move", "--to", to)
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        rows = connection.execute(sa.text("SELECT id, name, status FROM customer")).all()
    assert rows == [(1, "Ada, 'the first", "open")]
