"""The database that SETTINGS names is the one that is migrated, and no other."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.project import Project


@pytest.fixture
def production(project: Project, tmp_path: Path) -> Path:
    """Settings of a server, beside a developer's own that name other databases."""
    for name in ("instance/settings.py", ".env"):
        file = project.root / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'SQLALCHEMY_DATABASE_URI="sqlite:///{tmp_path}/{file.stem}.sqlite"\n')
        with file.open("a") as text:
            text.write(f'DATABASE_URL="sqlite:///{tmp_path}/{file.stem}.sqlite"\n')
    settings = tmp_path / "production.py"
    settings.write_text(
        f'SECRET_KEY = "long and random"\n'
        f'SQLALCHEMY_DATABASE_URI = "sqlite:///{tmp_path}/production.sqlite"\n'
    )
    return settings


def test_only_the_production_database_is_touched(
    project: Project, production: Path, tmp_path: Path
) -> None:
    other = tmp_path / "wsgi.py"
    other.write_text("raise SystemExit('the application that FLASK_APP names')")
    said = project.make("migrate", SETTINGS=str(production), FLASK_APP=str(other)).stdout
    assert "production.sqlite" in said.splitlines()[0]
    assert {file.name for file in tmp_path.glob("*.sqlite")} == {"production.sqlite"}
    assert not project.database.exists()
    with sqlite3.connect(tmp_path / "production.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    connection.close()


def test_a_production_database_is_neither_rebuilt_nor_rolled_back(
    project: Project, production: Path
) -> None:
    project.make("migrate", SETTINGS=str(production))
    with closing(sqlite3.connect(production.with_name("production.sqlite"))) as database:
        database.execute("INSERT INTO author (name) VALUES ('Lem')")
        database.commit()
    refused = project.make("db", SETTINGS=str(production), fails=True)
    assert "development database only" in refused.stderr
    refused = project.make("rollback", SETTINGS=str(production), fails=True)
    assert f"SETTINGS={production} make rollback force=yes gives it" in refused.stderr
    assert "Nothing to do" in project.make("migrate", SETTINGS=str(production)).stdout
    project.make("rollback", "force=yes", SETTINGS=str(production))
    assert "pending" in project.make("history", SETTINGS=str(production)).stdout


def test_settings_are_relative_to_the_working_directory(project: Project, production: Path) -> None:
    (project.root / "the server's.py").write_text(production.read_text())
    planned = project.make("plan", SETTINGS="the server's.py").stdout
    assert "production.sqlite" in planned
    # What is printed can be pasted, and is about the same database.
    hint = planned.splitlines()[-1].partition("next: ")[2]
    assert "production.sqlite" in project.run("sh", "-c", hint).stdout


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (None, "there is no such file"),
        ('SQLALCHEMY_DATABASE_URI = "sqlite:////tmp/x.sqlite"', "SECRET_KEY is not set"),
        ('SECRET_KEY = ""\nSQLALCHEMY_DATABASE_URI = "sqlite://"', "SECRET_KEY is not set"),
        ('SECRET_KEY = "x"\nSQLALCHEMY_DATABASE_URI = "nonsense"', "that SQLAlchemy knows"),
        ('SECRET_KEY = "x"\nSQLALCHEMY_DATABASE_URI = "postgresql://a@b/c"', "psycopg[binary]"),
        (
            'SECRET_KEY = "x"\nSQLALCHEMY_DATABASE_URI = "nosuch://a@b/c"',
            "no database URL that SQLAlchemy knows",
        ),
    ],
)
def test_bad_settings_get_one_sentence(
    project: Project, tmp_path: Path, settings: str | None, sentence: str
) -> None:
    file = tmp_path / "bad.py"
    if settings is not None:
        file.write_text(settings)
    for command in (["flask", "db", "upgrade"], ["alembic", "upgrade", "head"]):
        refused = project.run(*command, fails=True, SETTINGS=str(file))
        assert sentence in refused.stderr
        assert "Traceback" not in refused.stderr
        assert refused.returncode == 1


def test_settings_that_cannot_be_read_get_one_sentence(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "bad.py"
    for text, sentence in (
        (
            "SECRET_KEY = (\n\n",
            f"{file} cannot be read: SyntaxError: '(' was never closed (bad.py, ",
        ),
        ("SECRET_KEY = nobody", f"{file} cannot be read: NameError: name 'nobody' is not defined."),
        ("import nobody", f"{file} cannot be read: ModuleNotFoundError: No module named 'nobody'."),
        ("SQLALCHEMY_DATABASE_URI = 'mysql://a@b:port/c'", f"{file} names no database URL that "),
    ):
        file.write_text(text)
        refused = project.flask("db", "upgrade", fails=True, SETTINGS=str(file))
        assert refused.stderr.startswith(sentence)
        assert len(refused.stderr.splitlines()) == 1
    refused = project.flask("db", "upgrade", fails=True, DATABASE_URL="postgresql://a:b@c:port/e")
    assert refused.stderr.startswith("DATABASE_URL names no database URL that SQLAlchemy knows")


def test_settings_that_name_no_database_stop(project: Project, tmp_path: Path) -> None:
    """A DATABASE_URL that is left over in the shell would be migrated."""
    file = tmp_path / "server.py"
    file.write_text("SECRET_KEY = 'long and random'\n")
    url = f"sqlite:///{tmp_path}/left_over.sqlite"
    for environment in ({"DATABASE_URL": url}, {"BAKED_SQLALCHEMY_DATABASE_URI": url}, {}):
        refused = project.flask("db", "upgrade", fails=True, SETTINGS=str(file), **environment)
        assert refused.stderr == (
            f"{file} names no database, so a wrong one could be used: add "
            "SQLALCHEMY_DATABASE_URI.\n"
        )
    assert not list(tmp_path.glob("*.sqlite"))
    assert not project.database.exists()
    # The file may say that it is meant.
    with file.open("a") as text:
        text.write("import os\nSQLALCHEMY_DATABASE_URI = os.environ['DATABASE_URL']\n")
    project.flask("db", "upgrade", SETTINGS=str(file), DATABASE_URL=url)
    assert [found.name for found in tmp_path.glob("*.sqlite")] == ["left_over.sqlite"]


def test_the_environment_wins_over_files(project: Project, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hosted.sqlite"
    said = project.make("migrate", DATABASE_URL=url, BAKED_SECRET_KEY="12345").stdout
    assert "hosted.sqlite" in said
    # What a message names may be set by that very name.
    refused = project.make(
        "migrate",
        fails=True,
        DATABASE_URL=url + "2",
        BAKED_SECRET_KEY="12345",
        MIGRATION_LOCK_WAIT="soon",
    )
    assert "MIGRATION_LOCK_WAIT is 'soon': give a number of seconds" in refused.stderr


@pytest.mark.parametrize(
    "command", [["flask", "db", "upgrade"], ["alembic", "upgrade", "head"]], ids=" ".join
)
def test_two_databases_stop_before_anything_is_read(
    project: Project, production: Path, tmp_path: Path, command: list[str]
) -> None:
    url = f"sqlite:///{tmp_path}/hosted.sqlite?password=s3cret"
    refused = project.run(*command, fails=True, SETTINGS=str(production), DATABASE_URL=url)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"{production} names sqlite:///{tmp_path}/production.sqlite and DATABASE_URL names "
        f"sqlite:///{tmp_path}/hosted.sqlite, and the wrong one could be changed: "
        "remove all but one."
    )
    assert not list(tmp_path.glob("*.sqlite"))


def test_one_database_named_twice_is_one(
    project: Project, production: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/production.sqlite"
    assert (
        "production.sqlite"
        in project.make("migrate", SETTINGS=str(production), DATABASE_URL=url).stdout
    )


OWN, OTHER = "sqlite:///own.sqlite", "sqlite:///other.sqlite"
SAYS_SO = "MIGRATION_DEVELOPMENT = True\n"


@pytest.mark.parametrize(
    ("in_file", "environment", "development"),
    [
        ("", {}, True),
        ("", {"DATABASE_URL": OTHER}, False),
        ("", {"BAKED_MIGRATION_DEVELOPMENT": "true", "DATABASE_URL": OTHER}, False),
        ("", {"BAKED_SQLALCHEMY_ALEMBIC_URI": OTHER}, False),
        (f"SQLALCHEMY_DATABASE_URI = {OWN!r}\n", {}, False),
        (f"SQLALCHEMY_DATABASE_URI = {OWN!r}\n" + SAYS_SO, {}, True),
        (f"SQLALCHEMY_DATABASE_URI = {OWN!r}\n" + SAYS_SO, {"DATABASE_URL": OWN}, True),
        (f"SQLALCHEMY_DATABASE_URI = {OWN!r}\n" + SAYS_SO, {"DATABASE_URL": OTHER}, False),
        (
            f"SQLALCHEMY_DATABASE_URI = {OWN!r}\n" + SAYS_SO,
            {"SETTINGS": "instance/settings.py"},
            False,
        ),
    ],
)
def test_development_is_the_embedded_file_or_what_the_developer_says(
    project: Project, in_file: str, environment: dict[str, str], development: bool
) -> None:
    (project.root / "instance").mkdir()
    (project.root / "instance" / "settings.py").write_text("SECRET_KEY = 'of a test'\n" + in_file)
    show = "from wsgi import app; print(app.config['MIGRATION_DEVELOPMENT'])"
    assert project.run("python", "-c", show, **environment).stdout == f"{development}\n"


def test_a_folder_that_cannot_be_made_gets_one_sentence(project: Project) -> None:
    (project.root / "instance").write_text("a file stands in its place")
    refused = project.flask("db", "upgrade", fails=True)
    assert "instance cannot be made (File exists)" in refused.stderr
    assert "Traceback" not in refused.stderr
