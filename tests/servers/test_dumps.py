"""The copy of a server's database and the way back, typed as an operator would."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.conftest import Databases
from tests.support.project import Project
from tests.support.servers import newest_programs

SECRET = 'it\'s a "secret" $x'


def ask(url: sa.URL, query: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        result = connection.exec_driver_sql(query)
        return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture(params=["postgresql", "mysql"])
def database(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def databases(database: str, request: pytest.FixtureRequest) -> Databases:
    found: Databases = request.getfixturevalue(database.replace("mysql", "mariadb"))
    return found


@pytest.fixture
def project(database: str, start: Callable[..., Project]) -> Project:
    return start(database=database)


def test_undo_shows_what_plays_the_dump_back(
    project: Project, database: str, databases: Databases, tmp_path: Path
) -> None:
    url = sa.make_url(databases(f"kept_{database}", user="keeper", password=SECRET))
    server = {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "BAKED_SECRET_KEY": "something-long",
        "PATH": f"{project.venv / 'bin'}:{newest_programs()}",
    }
    project.make("migrate", **server)
    refused = project.make("undo", fails=True, **server)
    assert (
        "No backups are made of this database, because MIGRATION_BACKUP is empty" in refused.stderr
    )

    ask(url, "INSERT INTO author (name) VALUES ('Lem \U0001f680')")
    without = "no backup is made before this: name a folder in MIGRATION_BACKUP to have one\n"
    assert without in project.make("rollback", fails=True, **server).stdout

    folder = tmp_path / "dumps"
    server["BAKED_MIGRATION_BACKUP"] = str(folder)
    project.add_to_author("    nickname: Mapped[str | None] = mapped_column(String(50))\n")
    project.make("newmigration", "m=add nickname", **server)
    refused = project.make("migrate", fails=True, **server)
    assert f"MIGRATION_BACKUP names {folder}, which is no folder" in refused.stderr
    folder.mkdir()
    assert without not in project.make("rollback", fails=True, **server).stdout
    refused = project.make("undo", fails=True, **server)
    assert "There is no backup to restore" in refused.stderr

    assert f"Backed up to {folder}/kept_{database}-" in project.make("migrate", **server).stdout
    ask(url, "INSERT INTO author (name, nickname) VALUES ('Le Guin', 'U.')")

    shown = project.make("undo", fails=True, **server)
    assert "made " in shown.stdout
    assert f"at revision {project.first_revision()}" in shown.stdout
    assert "exit 1: Nothing was changed: a server's dump is restored by hand" in shown.stderr
    assert "secret" not in shown.stdout + shown.stderr
    assert ask(url, "SELECT count(*) FROM author") == [(2,)]

    commands = [line.strip() for line in shown.stdout.splitlines() if line.startswith("  ")]
    assert len(commands) == 2
    restored = url.set(database=f"kept_{database}_restored")
    if database == "postgresql":
        databases.server.run('ALTER ROLE "keeper" CREATEDB')
    else:
        databases.server.run(f"GRANT ALL ON `{restored.database}`.* TO 'keeper'@'localhost'")
    for command in commands:
        secrets = {"PGPASSWORD": SECRET, "MYSQL_PWD": SECRET, "PATH": server["PATH"]}
        project.run("sh", "-c", command.replace(" --password", ""), **secrets)
    assert ask(restored, "SELECT name FROM author") == [("Lem \U0001f680",)]
    there = {**server, "DATABASE_URL": restored.render_as_string(hide_password=False)}
    assert "pending" in project.make("plan", **there).stdout
    assert "Applied 1 revision" in project.make("migrate", **there).stdout
    assert ask(restored, "SELECT nickname FROM author") == [(None,)]


def test_a_dump_that_fails_stops_the_migration(
    project: Project, database: str, databases: Databases, tmp_path: Path
) -> None:
    """It may be no dump at all: a program that is not there, or a disk that is full."""
    url = sa.make_url(databases(f"full_{database}"))
    server = {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "BAKED_SECRET_KEY": "something-long",
    }
    project.make("migrate", **server)
    project.add_to_author("    nickname: Mapped[str | None] = mapped_column(String(50))\n")
    project.make("newmigration", "m=add nickname", **server)
    programs, folder = tmp_path / "programs", tmp_path / "dumps"
    programs.mkdir()
    folder.mkdir()
    for name in ("pg_dump", "mariadb-dump"):
        program = programs / name
        program.write_text('#!/bin/sh\necho "write failed: No space left on device" >&2\nexit 1\n')
        program.chmod(0o755)
    server["BAKED_MIGRATION_BACKUP"] = str(folder)
    server["PATH"] = f"{project.venv / 'bin'}:{programs}:{os.environ['PATH']}"
    refused = project.make("migrate", fails=True, **server).stderr
    assert "No space left on device" in refused
    assert "Nothing was changed, because there would be no way back. Make room" in refused
    assert list(folder.iterdir()) == []
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        names = {column["name"] for column in sa.inspect(connection).get_columns("author")}
    assert names == {"id", "name"}
