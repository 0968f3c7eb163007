"""Answers that are wrong, or not to be read: told, typed, one too many."""

import re

import pytest
from sqlalchemy import Column, Date, Integer

from alembic_lossless.autogenerate import migrate
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.people import files, one_person, table, with_name, without_crew
from tests.library.autogenerate.project import Project


@pytest.mark.parametrize(
    "said",
    [{"rename": "person.name:other"}, {"fill": "person.age=1"}, {"accept": "drop-table x: y"}],
)
def test_an_answer_that_fits_nothing_is_refused(project: Project, said: dict[str, str]) -> None:
    without_crew(project)
    project.metadata.tables["person"].append_column(Column("team", Date))
    with pytest.raises(MigrationError, match="answers nothing") as refused:
        project.new("team", **said)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "said", [{"rename": "person.name"}, {"fill": "person.age"}, {"accept": "drop-table x"}]
)
def test_an_answer_that_is_none_is_refused(said: dict[str, str]) -> None:
    with pytest.raises(MigrationError, match="is not understood: say") as refused:
        Answers.parse(**said)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("value", ["never used", "red; DROP TABLE person", "a b", "'x' y"])
def test_words_that_are_no_literal_are_refused(project: Project, value: str) -> None:
    """The database would call it a syntax error, and not say of which answer."""
    one_person(project)
    project.metadata.tables["person"].append_column(Column("age", Integer, nullable=False))
    with pytest.raises(MigrationError, match=r"is no SQL literal for person\.age") as refused:
        project.new("age", fill=f"person.age={value}")
    assert refused.value.exit_code == 2
    assert len(files(project)) == 1


@pytest.mark.parametrize("value", ["-7", "'it''s'", "CURRENT_DATE", "(1 + 1)", "abs(-1)", "x'00'"])
def test_a_literal_may_be_any(value: str) -> None:
    answers = Answers.parse(fill=f"person.age={value}")
    assert answers.value("person.age") == value


def typing(*answers: str) -> tuple[Answers, list[str]]:
    """Answer the questions one by one; return what was asked."""
    asked: list[str] = []
    left = iter(answers)

    def ask(question: str, otherwise: str) -> str:
        asked.append(question)
        return next(left)

    return Answers(ask=ask), asked


def test_a_typing_mistake_is_asked_again(project: Project) -> None:
    one_person(project)
    with_name(project, "full_name")
    project.metadata.tables["person"].append_column(Column("age", Integer, nullable=False))
    answers, asked = typing("yess", "y", "seven", "7")
    migrate.write_migration(project.config(), "rename", answers=answers)
    assert asked[1] == (
        "'yess' is neither yes nor no: y or n.\nWas person.name renamed to person.full_name? [y/N]"
    )
    assert asked[3].startswith("'seven' is no SQL literal for person.age: text stands in quotes")
    assert asked[3].endswith(asked[2])
    project.upgrade()
    assert project.run("SELECT full_name, age FROM person") == [("Ada", 7)]


def test_a_mistake_each_time_ends_it(project: Project) -> None:
    one_person(project)
    with_name(project, "full_name")
    before = files(project)
    answers, asked = typing("j", "ja", "jo", "y")
    with pytest.raises(
        MigrationError, match=r"'jo' is neither yes nor no.*No migration was written"
    ):
        migrate.write_migration(project.config(), "rename", answers=answers)
    assert len(asked) == 3
    assert files(project) == before


@pytest.mark.parametrize(
    ("said", "several"),
    [
        ({"rename": "user.name:full_name; person:human"}, '--rename "user.name:full_name, person:'),
        ({"fill": "user.crew=0; user.note='a;b'"}, '--fill "user.crew=0, user.note='),
    ],
)
def test_the_wrong_mark_between_two_answers(said: dict[str, str], several: str) -> None:
    with pytest.raises(MigrationError) as refused:
        Answers.parse(**said)
    assert f"between several stands a comma: {several}" in str(refused.value)
    assert Answers.parse(fill="user.note='a; b=c'").fill == {"user.note": "'a; b=c'"}


def test_two_consents_that_are_run_together(project: Project) -> None:
    """A comma may stand in a reason."""
    one_person(project)
    project.metadata.clear()
    table(project, "person")
    said = "drop-column person.name: old, drop-column person.team: older"
    with pytest.raises(MigrationError) as refused:
        project.new("less", accept=said)
    lines = str(refused.value).splitlines()
    assert lines[1:] == [
        '  --accept "drop-column person.team: the reason"',
        'Several go into one: --accept "drop-column user.crew: unused; drop-table person: moved"',
    ]
    project.new("less", accept=said.replace(", ", "; "))


def test_an_apostrophe_in_a_reason_is_none_of_a_text() -> None:
    said = "drop-column person.age: nobody's; drop-table crew: it's elsewhere"
    assert Answers.parse(accept=said).accept == {
        "drop-column person.age": "nobody's",
        "drop-table crew": "it's elsewhere",
    }


def test_two_answers_to_one_question_are_refused() -> None:
    with pytest.raises(
        MigrationError, match=r"Two different values for person\.name in --rename"
    ) as refused:
        Answers.parse(rename="person.name:nick, person.name:full_name")
    assert refused.value.exit_code == 2


def test_an_answer_that_fits_nothing_is_told_what_is_asked(project: Project) -> None:
    """Such as one that names the schema too, as ``check`` does."""
    one_person(project)
    project.metadata.tables["person"].append_column(Column("age", Integer, nullable=False))
    output = project.type("migrate", "-m", "age", "--fill", "app.person.age=1", code=2)
    assert output.splitlines() == [
        'exit 2: --fill "app.person.age…" answers nothing that changed. No migration was written. '
        "What is asked:",
        '  --fill "person.age=1"',
    ]


def test_offered_answers_work_as_they_are_pasted(project: Project) -> None:
    """Each line of a refusal is an option; the last of a name is not all that counts."""
    one_person(project)
    project.metadata.clear()
    age, size = (Column(name, Integer, nullable=False) for name in ("age", "size"))
    table(project, "person", age, size)
    output = project.type("migrate", "-m", "more", code=1)
    assert "Several go into one" not in output
    offered = re.findall(r'^ +(--\w+) "(.+)"$', output, re.MULTILINE)
    assert len(offered) == 4
    words = [word for option in offered for word in option]
    assert "rehearsed on" in project.type("migrate", "-m", "more", *words)
