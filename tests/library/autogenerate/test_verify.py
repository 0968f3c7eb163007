"""What check says, and the one sentence where there is nothing to compare."""

import re

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    Table,
)

from alembic_lossless.errors import MigrationError
from alembic_lossless.schema import diff, model
from alembic_lossless.schema.model import Key, NotNull, Schema
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import Source
from tests.library.autogenerate.project import Project


def user(project: Project, *columns: Column) -> Table:
    project.metadata.clear()
    return Table("user", project.metadata, Column("id", Integer, primary_key=True), *columns)


def wanted(project: Project) -> Schema:
    with databases.from_models(project.metadata, Source("sqlite")) as connection:
        return diff.describe(connection)


def test_verify_names_what_differs(project: Project) -> None:
    user(project, Column("age", Integer, CheckConstraint("age > 0", name="age")))
    project.new("users")
    assert project.verify().agrees
    user(project, Column("age", Integer, CheckConstraint("age > 17", name="age")))
    agreement = project.verify()
    assert not agreement.agrees
    assert agreement.failure[1] == 4
    assert agreement.lines() == [
        "  ✗ sqlite: constraint ck_user_age on user: the migrations say CHECK (age > 0), "
        "the models say CHECK (age > 17)"
    ]


def test_difference_of_null_and_of_a_table_names_both_sides() -> None:
    null, table = Key("user", "null", "age"), Key("user", "table", "user")
    changes = {
        diff.Change(null, None, NotNull()): (
            "user.age: NOT NULL in the models, may be NULL in the migrations"
        ),
        diff.Change(null, NotNull(), None): (
            "user.age: NOT NULL in the migrations, may be NULL in the models"
        ),
        diff.Change(table, None, model.Table()): "table user: missing, the models have it",
        diff.Change(
            table, model.Table(), None
        ): "table user: not in the models, the migrations have it",
    }
    assert {change: str(change) for change in changes} == changes


def test_verify_refuses_two_heads(project: Project) -> None:
    for _ in range(2):
        path = project.by_hand("pass")
        path.write_text(re.sub(r"down_revision = .*", "down_revision = None", path.read_text()))
    agreement = project.verify()
    assert not agreement.agrees
    assert agreement.failure[0].startswith("The chain has 2 heads")
    assert agreement.failure[1] == 1
    way = "; or write the migration on one of them: alembic-lossless migrate -m more --head hand1"
    assert way in project.type("migrate", "-m", "more", code=1)


def test_a_broken_chain_is_one_sentence(project: Project) -> None:
    project.by_hand('op.execute("SELECT nothing FROM nowhere")')
    user(project)
    said = r"Revision hand1 \(.*\) does not run on an empty sqlite"
    with pytest.raises(MigrationError, match=said):
        project.new("users")


def test_a_foreign_key_to_nothing_is_one_sentence(project: Project) -> None:
    """Stock shows forty lines of SQLAlchemy."""
    user(project, Column("shelf", ForeignKey("nope.id")))
    sentence = r"^user\.shelf points to nope\.id, which no model has: correct its ForeignKey"
    for ask in (lambda: project.new("shelf"), project.verify, project.migrate):
        with pytest.raises(MigrationError, match=sentence):
            ask()
    with pytest.raises(MigrationError, match=sentence):
        wanted(project)


def test_models_that_the_database_refuses_are_one_sentence(project: Project) -> None:
    """The CHECK still speaks of a column that is gone."""
    user(project, CheckConstraint("age > 17", name="adult"))
    sentence = r"does not take the models: .*age.* \(CREATE TABLE .?user.? …\)\. Correct the model"
    for ask in (lambda: project.new("adults"), project.verify):
        with pytest.raises(MigrationError, match=sentence):
            ask()
