"""Flask-Migrate's and Alembic's own commands work as their documentation says."""

import re

import pytest

from tests.support.project import Project

NICKNAME = "    nickname: Mapped[str | None] = mapped_column(String(50))\n"


def test_upgrade_downgrade_current_and_history(project: Project) -> None:
    head = project.first_revision()
    project.flask("db", "upgrade")
    assert head in project.flask("db", "current").stdout
    assert head in project.flask("db", "history").stdout
    project.flask("db", "downgrade", "base")
    assert head not in project.flask("db", "current").stdout
    assert project.columns("author") == []


def test_help_lists_ours_beside_theirs(project: Project) -> None:
    said = project.flask("db", "--help").stdout
    for command in (
        "migrate",
        "upgrade",
        "downgrade",
        "check",
        "merge",
        "plan",
        "rehearse",
        "reset",
    ):
        assert f"\n  {command} " in said


def test_bare_alembic_needs_no_options(project: Project) -> None:
    project.run("alembic", "upgrade", "head")
    assert "name" in project.columns("author")
    assert project.first_revision() in project.run("alembic", "current").stdout


def test_stock_migrate_passes_through_the_same_detection(project: Project) -> None:
    project.add_to_author(NICKNAME)
    # No development database exists: stock Flask-Migrate would say it is not up to date.
    project.flask("db", "migrate", "-m", "add nickname")
    (file,) = project.versions() - project.versions_at_first
    assert re.fullmatch(r"\d{8}_\d{4}_\w{12}_add_nickname\.py", file)
    assert "nickname" in (project.versions_folder / file).read_text()


@pytest.mark.parametrize("words", [("revision",), ("merge", "heads")], ids=str)
def test_stock_verbs_date_their_files(project: Project, words: tuple[str, ...]) -> None:
    project.flask("db", *words, "-m", "by stock")
    (file,) = project.versions() - project.versions_at_first
    assert re.fullmatch(r"\d{8}_\d{4}_\w{12}_by_stock\.py", file)


def leave(project: Project) -> None:
    """Do what the last paragraph of the project's README says."""
    ours, theirs = "from alembic_lossless.flask import", "from flask_migrate import"
    project.edit("extensions.py", ours, theirs)
    lines = (project.package / "health.py").read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if "why_not_ready" in line)
    (project.package / "health.py").write_text("".join(lines[:at] + lines[at + 2 :]))
    project.make("format")


def test_after_leaving_a_stock_project_stays(project: Project) -> None:
    leave(project)
    loaded = project.run("python", "-c", "import wsgi, sys; print(*sys.modules)").stdout
    assert "alembic_lossless" not in loaded
    project.make("lint")
    assert " passed" in project.make("test").stdout
    project.flask("db", "upgrade")
    project.flask("db", "check")
    project.add_to_author(NICKNAME)
    project.flask("db", "migrate", "-m", "add nickname")
    (file,) = project.versions() - project.versions_at_first
    assert "constraint" not in (project.versions_folder / file).read_text()
    assert " passed" in project.make("test").stdout
    project.flask("db", "upgrade")
    assert "nickname" in project.columns("author")
    project.flask("db", "downgrade")
    assert "nickname" not in project.columns("author")


def test_offline_sql_on_sqlite_is_what_sqlite_can_alter(project: Project) -> None:
    project.add_to_author(NICKNAME)
    project.make("newmigration", "m=add nickname")
    sql = project.flask("db", "upgrade", "--sql").stdout
    assert "CREATE TABLE author" in sql
    assert "ADD COLUMN nickname" in sql
    assert not project.database.exists()


def test_offline_sql_that_needs_the_table_names_plan(project: Project) -> None:
    project.edit("models/library.py", "title: Mapped[str]", "title: Mapped[str | None]")
    project.make("newmigration", "m=books without a title")
    refused = project.flask("db", "upgrade", "--sql", fails=True)
    assert "flask db plan" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "-- book: " in project.make("plan").stdout
