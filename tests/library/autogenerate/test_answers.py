"""What only a person knows: whether it was renamed, what old rows hold, whether data may go."""

import pytest
from alembic.operations import ops
from sqlalchemy import Column, Date, ForeignKey, Integer, String
from sqlalchemy.exc import DBAPIError

from alembic_lossless import hints
from alembic_lossless.autogenerate import migrate
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.errors import MigrationError
from alembic_lossless.schema.model import Key
from tests.library.autogenerate.people import (
    files,
    one_person,
    table,
    with_crew,
    with_name,
    without_crew,
)
from tests.library.autogenerate.project import Project


def test_stock_loses_what_a_renamed_column_held(project: Project) -> None:
    one_person(project)
    with_name(project, "full_name")
    project.stock()
    assert project.run("SELECT full_name FROM person") == [(None,)]


@pytest.mark.parametrize("where", ["project", "on_both"])
def test_a_told_rename_keeps_the_values(where: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(where)
    one_person(project)
    with_name(project, "full_name")
    report = project.new("rename", rename="person.name:full_name")
    project.upgrade()

    assert project.run("SELECT full_name, team FROM person") == [("Ada", "red")]
    assert "rename" in {finding.rule for finding in report.findings}
    assert project.verify().agrees
    names = {key.name for key in project.schema() if key.kind == "constraint"}
    assert {"uq_person_full_name", "ck_person_named"} <= names
    for _ in report.paths:
        project.downgrade()
    assert project.run("SELECT name FROM person") == [("Ada",)]


def test_a_rename_is_asked_about_on_a_terminal(project: Project) -> None:
    one_person(project)
    with_name(project, "full_name")
    asked = []

    def ask(question: str, otherwise: str) -> str:
        asked.append(question)
        return "y"

    migrate.write_migration(project.config(), "rename", answers=Answers(ask=ask))
    project.upgrade()
    assert asked == ["Was person.name renamed to person.full_name? [y/N]"]
    assert project.run("SELECT full_name FROM person") == [("Ada",)]


def test_a_drop_that_is_no_rename_is_asked_for_its_reason(project: Project) -> None:
    one_person(project)
    with_name(project, "full_name")

    def ask(question: str, otherwise: str) -> str:
        return "never used" if "Why" in question else otherwise

    migrate.write_migration(project.config(), "another", answers=Answers(ask=ask))
    written = "\n".join(path.read_text() for path in files(project))
    assert '"drop-column person.name": "never used"' in written


@pytest.mark.parametrize("no", ["n", "No", ""])
def test_no_is_no_reason(project: Project, no: str) -> None:
    one_person(project)
    with_name(project, "full_name")
    before = files(project)
    answers = Answers(ask=lambda question, otherwise: no if "Why" in question else otherwise)
    with pytest.raises(MigrationError, match=r"No migration was written"):
        migrate.write_migration(project.config(), "another", answers=answers)
    assert files(project) == before


def test_without_an_answer_nothing_is_written(project: Project) -> None:
    one_person(project)
    with_name(project, "full_name")
    before = files(project)
    with pytest.raises(MigrationError) as stopped:
        project.new("rename")
    assert str(stopped.value).splitlines()[1:] == [
        '  either  --rename "person.name:full_name"',
        '  or      --accept "drop-column person.name: the reason"',
    ]
    assert files(project) == before


def test_second_answer_is_listed_whole(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    one_person(project)
    project.metadata.clear()
    new = [Column(name, String(30), nullable=False) for name in ("full_name", "city")]
    table(project, "person", *new, Column("team", String(9), index=True), Column("crew", Date))
    project.metadata.tables["person"].c.crew.nullable = False
    monkeypatch.setenv(hints.VARIABLE, hints.MAKE)
    with pytest.raises(MigrationError) as stopped:
        project.new("rename", fill="person.city=''")
    assert str(stopped.value).endswith("fill=\"user.crew=0, user.note=''\"")
    monkeypatch.delenv(hints.VARIABLE)
    with pytest.raises(MigrationError) as stopped:
        project.new("rename", fill="person.city=''")
    assert str(stopped.value).splitlines()[1:] == [
        '  either  --rename "person.name:full_name"',
        '  or      --rename "person.name:city"',
        '  or      --accept "drop-column person.name: the reason" --fill "person.full_name=\'?\'"',
        "          --fill \"person.crew='1970-01-01'\"",
    ]


def test_another_kind_of_value_is_no_rename(project: Project) -> None:
    one_person(project)
    project.metadata.clear()
    table(project, "person", Column("born", Date), Column("team", String(9), index=True))
    with pytest.raises(MigrationError) as stopped:
        project.new("born")
    assert "--rename " not in str(stopped.value)


def test_postgresql_renames_what_the_name_is_in(on_both: Project) -> None:
    """Nothing is built again that only has another name."""
    one_person(on_both)
    with_name(on_both, "full_name")
    report = on_both.new("rename", rename="person.name:full_name")
    assert len(report.paths) == 1
    statements = [
        str(s.forward.sqltext) for s in report.operations if isinstance(s.forward, ops.ExecuteSQLOp)
    ]
    assert statements == [
        "ALTER TABLE person RENAME CONSTRAINT uq_person_name TO uq_person_full_name"
    ]


def parent_and_child(project: Project, parent: str) -> None:
    project.metadata.clear()
    table(project, parent, Column("name", String(30), index=True), Column("age", Integer))
    key = Column(f"{parent}_id", ForeignKey(f"{parent}.id"))
    table(project, "letter", key)


def test_stock_loses_the_rows_of_a_renamed_table(project: Project) -> None:
    one_person(project)
    person = project.metadata.tables["person"]
    project.metadata.remove(person)
    person.to_metadata(project.metadata, name="human")
    project.stock()
    assert project.run("SELECT name FROM human") == []
    with pytest.raises(DBAPIError, match="no such table"):
        project.run("SELECT name FROM person")


@pytest.mark.parametrize("where", ["project", "on_both"])
def test_a_told_rename_of_a_table_keeps_its_rows(
    where: str, request: pytest.FixtureRequest
) -> None:
    project: Project = request.getfixturevalue(where)
    parent_and_child(project, "person")
    project.new("people")
    project.upgrade()
    project.run("INSERT INTO person (name, age) VALUES ('Ada', 36)")
    project.run("INSERT INTO letter (person_id) VALUES (1)")

    parent_and_child(project, "human")
    with pytest.raises(MigrationError, match='--rename "person:human"'):
        project.new("rename")
    report = project.new("rename", rename="person:human, letter.person_id:human_id")
    project.upgrade()
    assert project.run("SELECT name, age FROM human") == [("Ada", 36)]
    assert project.run("SELECT human_id FROM letter") == [(1,)]
    assert project.verify().agrees
    keys = set(project.schema())
    assert Key("letter", "constraint", "fk_letter_human_id_human") in keys
    assert Key("human", "index", "ix_human_name") in keys
    for _ in report.paths:
        project.downgrade()
    assert project.run("SELECT person_id FROM letter") == [(1,)]


def test_stock_fails_on_rows_without_a_value(on_both: Project) -> None:
    without_crew(on_both)
    with_crew(on_both)
    with pytest.raises(DBAPIError, match="contains null values"):
        on_both.stock()


@pytest.mark.parametrize("where", ["project", "on_both"])
def test_a_told_value_fills_the_rows(where: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(where)
    without_crew(project)
    with_crew(project)
    report = project.new("crew", fill="person.crew=7, person.note='a, b'")
    project.upgrade()
    assert project.run("SELECT crew, note FROM person") == [(7, "a, b")]
    assert Key("person", "default", "crew") not in project.schema()
    assert project.verify().agrees
    for _ in report.paths:
        project.downgrade()
    assert project.run("SELECT name FROM person") == [("Ada",)]


def test_a_value_is_asked_for_on_a_terminal(project: Project) -> None:
    without_crew(project)
    with_crew(project)

    def ask(question: str, otherwise: str) -> str:
        return "7" if "person.crew" in question else "'none'"

    migrate.write_migration(project.config(), "crew", answers=Answers(ask=ask))
    project.upgrade()
    assert project.run("SELECT crew, note FROM person") == [(7, "none")]


def test_without_a_value_nothing_is_written(project: Project) -> None:
    without_crew(project)
    with_crew(project)
    before = files(project)
    with pytest.raises(MigrationError, match=r'--fill "person\.crew=1"'):
        project.new("crew", fill="person.note=''")
    assert files(project) == before


@pytest.mark.parametrize(
    ("crew", "problem"),
    [
        ("'zero'", "'zero' is no value of person.crew, whose type is Integer()"),
        ("1.5", "1.5 is no value of person.crew, whose type is Integer()"),
        ("99999999999", "99999999999 is no value of person.crew"),
        ("NULL", "person.crew is NOT NULL, so NULL is no value for its rows"),
    ],
)
def test_a_fill_that_the_column_cannot_hold_is_refused(
    project: Project, crew: str, problem: str
) -> None:
    without_crew(project)
    with_crew(project)
    before = files(project)
    with pytest.raises(MigrationError) as error:
        project.new("crew", fill=f"person.crew={crew}, person.note=''")
    assert problem in str(error.value)
    assert '--fill "person.crew=1"' in str(error.value)
    assert error.value.exit_code == 2
    assert files(project) == before


def test_rows_that_hold_null_are_filled_with_what_fits(project: Project) -> None:
    without_crew(project)
    project.metadata.clear()
    table(project, "person", Column("name", String(3), nullable=False))
    with pytest.raises(MigrationError, match=r"'nobody' is no value of person\.name"):
        project.new("names", fill="person.name='nobody'")


@pytest.mark.parametrize("where", ["project", "on_both"])
def test_rows_that_hold_null_are_filled(where: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(where)
    without_crew(project)
    project.run("INSERT INTO person (name) VALUES (NULL)")
    project.metadata.clear()
    table(project, "person", Column("name", String(30), nullable=False))
    project.new("names", fill="person.name='nobody'")
    project.upgrade()
    assert sorted(project.run("SELECT name FROM person")) == [("Ada",), ("nobody",)]
    assert project.verify().agrees


def test_a_default_is_the_value_for_rows_that_hold_null(project: Project) -> None:
    without_crew(project)
    project.run("INSERT INTO person (name) VALUES (NULL)")
    project.metadata.clear()
    table(project, "person", Column("name", String(30), nullable=False, server_default="it's"))
    project.new("names")
    project.upgrade()
    assert sorted(project.run("SELECT name FROM person")) == [("Ada",), ("it's",)]
