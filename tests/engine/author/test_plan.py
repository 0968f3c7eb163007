"""What is pending and what it will send, without changing anything."""

from pathlib import Path

import pytest
from migrator import MigratorError
from migrator.apply.connection import private
from migrator.author import plan
from sqlalchemy import CheckConstraint, Column, Integer, String, Table, make_url

from tests.engine.author.project import Project


def pending(project: Project) -> list[plan.Planned]:
    with private(make_url(project.url)).connect() as connection:
        return plan.pending(project.script, connection)


def two_revisions(project: Project) -> None:
    table = Table("user", project.metadata, Column("id", Integer, primary_key=True))
    project.new("users")
    table.append_column(Column("name", String(30)))
    table.append_constraint(CheckConstraint("name <> ''", name="named"))
    project.new("names")


def test_on_sqlite_it_runs_on_a_copy(project: Project, tmp_path: Path) -> None:
    two_revisions(project)
    project.upgrade(str(project.script.get_base()))
    project.run("INSERT INTO user VALUES (1)", "CREATE VIEW ids AS SELECT id FROM user")
    before = (tmp_path / "real.sqlite").read_bytes()
    (step,) = pending(project)
    assert step.message == "names"
    assert any("name" in statement for statement in step.statements)
    assert not any("alembic_version" in statement for statement in step.statements)
    assert step.ways
    assert all(way.startswith("user: ") for way in step.ways)
    assert (tmp_path / "real.sqlite").read_bytes() == before


def test_nothing_is_pending_at_the_head(project: Project) -> None:
    two_revisions(project)
    project.upgrade()
    assert pending(project) == []


def test_on_a_server_it_is_alembics_sql(on_both: Project) -> None:
    two_revisions(on_both)
    first, second, third = pending(on_both)
    messages = [step.message for step in (first, second, third)]
    assert messages == ["users", "names", "names (validate)"]
    assert first.statements[0].startswith('CREATE TABLE "user"')
    assert second.statements == [
        'ALTER TABLE "user" ADD COLUMN name VARCHAR(30)',
        "ALTER TABLE \"user\" ADD CONSTRAINT ck_user_named CHECK (name <> '') NOT VALID",
    ]
    assert third.statements == ['ALTER TABLE "user" VALIDATE CONSTRAINT ck_user_named']
    assert on_both.schema() == {}


def test_a_revision_that_reads_rows_is_named(on_both: Project) -> None:
    on_both.by_hand('op.get_bind().execute(sa.text("SELECT 1")).scalar()')
    with pytest.raises(MigratorError, match="Revision hand1 reads the database"):
        pending(on_both)
