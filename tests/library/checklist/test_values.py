"""Values of an enum that go and come: the rows follow, where a person says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Enum, create_engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless.autogenerate import migrate
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import Models, found, started, stock, table, texts, write

ROWS = [f"INSERT INTO pet (mood) VALUES ('{mood}')" for mood in ("fine", "sad", "it's")]
ROWS = [row.replace("it's", "it''s") for row in ROWS]
MOODS = "SELECT mood FROM pet ORDER BY id"


def pet(*moods: str, native: bool, of: str = "pet") -> Models:
    """A table with an enum: a type of its own where there is one, or text with a CHECK."""
    kind = Enum(*moods, name="mood", native_enum=native, create_constraint=not native, length=9)
    return table(Column("mood", kind), name=of)


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def any_kind(request: pytest.FixtureRequest, tmp_path: Path, mariadb: Callable[[], str]) -> Project:
    """A project on each database, with SQLite beside."""
    if request.param == "mysql":
        return Project(tmp_path, url=mariadb(), kinds=("sqlite", "mysql"))
    name = {"sqlite": "project", "postgresql": "on_both"}[request.param]
    found: Project = request.getfixturevalue(name)
    return found


def natives(project: Project) -> list[bool]:
    return [False] if project.kinds == ("sqlite",) else [False, True]


def test_a_renamed_value_keeps_its_rows(any_kind: Project) -> None:
    """Stock sees nothing and the rows hold what no model knows, or MariaDB refuses them."""
    for native in natives(any_kind):
        before, after = pet("fine", "sad", "it's", native=native), ("fine", "low", "it's")
        started(any_kind, before, rows=ROWS)
        if native and "mysql" in any_kind.kinds:
            with pytest.raises(SQLAlchemyError, match="Data truncated"):
                stock(any_kind.url, pet(*after, native=native))
        else:
            stock(any_kind.url, pet(*after, native=native))
            assert any_kind.run(MOODS)[1] == ("sad",)  # which no model knows any more

        report = write(any_kind, "low", pet(*after, native=native), rename="pet.mood.sad:low")
        assert ("rename", "pet.mood.sad", "KEEP") in found(report)
        any_kind.upgrade()
        assert any_kind.run(MOODS) == [("fine",), ("low",), ("it's",)]
        agreement = any_kind.verify()
        assert agreement.agrees, agreement.lines()
        for _ in report.paths:
            any_kind.downgrade()
        assert any_kind.run(MOODS) == [("fine",), ("sad",), ("it's",)]
        any_kind.upgrade()
        any_kind.downgrade("base")
        for file in (any_kind.folder / "versions").glob("*.py"):
            file.unlink()


def test_rows_with_a_removed_value_get_another(any_kind: Project) -> None:
    for native in natives(any_kind):
        started(any_kind, pet("fine", "sad", "it's", native=native), rows=ROWS)
        wanted = pet("fine", "it's", native=native)
        with pytest.raises(MigrationError) as stopped:
            write(any_kind, "never sad", wanted)
        assert str(stopped.value).endswith(
            '--fill "pet.mood.sad=\'fine\'" or --accept "enum pet.mood.sad: no row holds it"'
        )
        report = write(any_kind, "never sad", wanted, fill="pet.mood.sad='it''s'")
        any_kind.upgrade()
        assert any_kind.run(MOODS) == [("fine",), ("it's",), ("it's",)]
        for _ in report.paths:
            any_kind.downgrade()
        any_kind.downgrade("base")
        for file in (any_kind.folder / "versions").glob("*.py"):
            file.unlink()


def test_unanswered_removal_lists_both_answers(project: Project) -> None:
    started(project, pet("fine", "sad", native=False), rows=ROWS[:2])
    wanted = pet("fine", "low", native=False)
    with pytest.raises(MigrationError) as stopped:
        write(project, "low", wanted)
    assert str(stopped.value).splitlines()[1:] == [
        '  either  --rename "pet.mood.sad:low"',
        '  or      --fill "pet.mood.sad=\'fine\'" or --accept "enum pet.mood.sad: no row holds it"',
    ]
    write(project, "low", wanted, accept="enum pet.mood.sad: never used")
    assert 'accepted = {"enum pet.mood.sad": "never used"}' in project.last()
    with pytest.raises(MigrationError):
        project.upgrade()
    assert project.run(MOODS) == [("fine",), ("sad",)]
    project.run("DELETE FROM pet WHERE mood = 'sad'")
    project.upgrade()
    assert project.verify().agrees


def test_a_terminal_asks(project: Project) -> None:
    started(project, pet("fine", "sad", native=False), rows=ROWS[:2])
    project.metadata.clear()
    pet("fine", "low", native=False)(project.metadata)
    asked = []

    def ask(question: str, otherwise: str) -> str:
        asked.append(question)
        return "y"

    migrate.write_migration(project.config(), "low", answers=Answers(ask=ask))
    assert asked == ["Was pet.mood.sad renamed to pet.mood.low? [y/N]"]
    project.upgrade()
    assert project.run(MOODS) == [("fine",), ("low",)]


def test_one_type_in_two_tables_is_asked_about_once(on_both: Project) -> None:
    def moods(*values: str) -> list[Any]:
        return [pet(*values, native=True, of=name) for name in ("pet", "zebra")]

    rows = [*ROWS[:2], *(row.replace("pet", "zebra") for row in ROWS[:2])]
    started(on_both, *moods("fine", "sad"), rows=rows)
    report = write(on_both, "low", *moods("fine", "low"), rename="pet.mood.sad:low")
    (written,) = texts(report)
    assert written.partition("def upgrade")[2].count("RENAME VALUE") == 2  # there and back
    on_both.upgrade()
    for name in ("pet", "zebra"):
        assert on_both.run(f"SELECT mood FROM {name} ORDER BY id") == [("fine",), ("low",)]
    with pytest.raises(SQLAlchemyError, match="invalid input value"):
        on_both.run("INSERT INTO pet (mood) VALUES ('sad')")


def unchecked(*moods: str) -> Models:
    """A table with an enum that is text without a CHECK, as SQLAlchemy makes it on SQLite."""
    return table(Column("mood", Enum(*moods, name="mood")), name="pet")


def test_a_value_that_no_database_checks_is_noticed(project: Project) -> None:
    """Stock sees the same text; the application fails on the row that is left."""
    before, after = ("fine", "grumpy", "sad"), ("fine", "sullen", "sad")
    started(project, unchecked(*before), rows=["INSERT INTO pet (mood) VALUES ('grumpy')"])
    stock(project.url, unchecked(*after))
    with create_engine(project.url).connect() as connection:
        with pytest.raises(LookupError, match="'grumpy' is not among"):
            connection.execute(select(Column("mood", Enum(*after))).select_from(text("pet"))).all()
        connection.engine.dispose()
    ways = r'--rename "pet.mood.grumpy:sullen"\n  or .*--accept "enum pet.mood.grumpy: no row'
    with pytest.raises(MigrationError, match=ways):
        write(project, "moods", unchecked(*after))
    write(project, "moods", unchecked(*after), rename="pet.mood.grumpy:sullen")
    project.upgrade()
    assert project.run(MOODS) == [("sullen",)]
    assert write(project, "again", unchecked(*after)).paths == []
    assert write(project, "more", unchecked(*after, "happy")).paths == []
    project.downgrade()
    assert project.run(MOODS) == [("grumpy",)]


def test_that_no_row_holds_it_stands_in_the_file(project: Project) -> None:
    started(project, unchecked("fine", "grumpy"))
    report = write(project, "moods", unchecked("fine"), accept="enum: no row holds it")
    assert ("enum", "pet.mood.grumpy", "ASK") in found(report)
    assert 'accepted = {"enum pet.mood.grumpy": "no row holds it"}' in texts(report)[0]
    project.upgrade()
    assert project.verify().agrees
    assert write(project, "again", unchecked("fine")).paths == []


def test_a_database_that_could_not_be_asked_may_know_the_values(tmp_path: Path) -> None:
    """Its type would refuse what SQLite's text takes."""
    project = Project(tmp_path, kinds=("sqlite", "mysql"))
    started(project, unchecked("fine", "grumpy"))
    assert write(project, "moods", unchecked("fine", "gloomy")).paths == []
