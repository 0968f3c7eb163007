"""Tables in a schema of PostgreSQL: made there, and left out on SQLite."""

import copy
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import OperationalError

from tests.engine.author.project import Project
from tests.engine.author.rules.stage import Models, found, started, stock, there_and_back, write


def models(*columns: Any, **options: Any) -> Models:
    """Return a table in a schema, with *columns* beside its own, and one that refers to it."""

    def make(metadata: MetaData) -> None:
        own = Column("id", Integer, primary_key=True), Column("name", String(9), nullable=False)
        Table("unit", metadata, *own, *(one() for one in columns), schema="app")
        user = Column("id", Integer, primary_key=True), Column("unit", ForeignKey("app.unit.id"))
        Table("user", metadata, *user)

    return make


ROWS = [
    "INSERT INTO app.unit (name) VALUES ('red'), ('blue')",
    'INSERT INTO "user" (unit) VALUES (2)',
]
CHANGES: dict[str, tuple[Models, Models, dict[str, str]]] = {
    "a column": (models(), models(lambda: Column("size", Integer)), {}),
    "a column that goes": (
        models(lambda: Column("size", Integer, nullable=False, unique=True)),
        models(),
        {"accept": "drop-column: unused"},
    ),
    "NOT NULL": (
        models(lambda: Column("size", Integer)),
        models(lambda: Column("size", Integer, nullable=False)),
        {"fill": "unit.size=1"},
    ),
    "a new one, NOT NULL": (
        models(),
        models(lambda: Column("size", Integer, nullable=False)),
        {"fill": "unit.size=1"},
    ),
    "a type": (
        models(lambda: Column("size", Integer)),
        models(lambda: Column("size", String(20))),
        {},
    ),
    "constraints": (
        models(lambda: Column("size", Integer)),
        models(
            lambda: Column("size", Integer, index=True),
            lambda: Column("other", ForeignKey("app.unit.id")),
            lambda: UniqueConstraint("name"),
            lambda: CheckConstraint("size > 0", name="size"),
        ),
        {},
    ),
    "an index": (models(), models(lambda: Index("ix_lower", "name", unique=True)), {}),
}


@pytest.mark.parametrize("case", CHANGES)
def test_it_changes(on_both: Project, case: str) -> None:
    before, after, answers = CHANGES[case]
    needed = ", size) VALUES ('red', 1), ('blue', 2)"
    rows = [ROWS[0].replace(") VALUES ('red'), ('blue')", needed), ROWS[1]]
    started(on_both, before, rows=rows if case == "a column that goes" else ROWS)
    there_and_back(on_both, after, rows="SELECT name FROM app.unit", **answers)
    assert "unit" not in on_sqlite(on_both)


def test_sqlite_does_without(on_both: Project) -> None:
    report = write(on_both, "units", models())
    assert ("not-on-sqlite", "unit", "STRIP") in found(report)
    on_both.upgrade()
    assert on_both.verify().agrees
    assert on_both.new("again").paths == []
    assert "user" in on_sqlite(on_both)
    on_both.downgrade("base")
    assert on_both.schema() == {}


def on_sqlite(project: Project) -> set[str]:
    """Run the chain there, back and there again on SQLite; return its tables."""
    twin = copy.copy(project)
    twin.url = f"sqlite:///{project.folder / 'twin.sqlite'}"
    twin.upgrade()
    twin.downgrade("base")
    assert twin.schema() == {}
    twin.upgrade()
    return {key.table for key in twin.schema()}


def test_stock_asks_sqlite_for_a_schema(project: Project) -> None:
    with pytest.raises(OperationalError, match="unknown database app"):
        stock(project.url, models())


def test_it_goes(on_both: Project) -> None:
    started(on_both, models(lambda: Column("size", Integer, index=True)))
    both = "drop-table unit: unused; drop-table user: unused"
    there_and_back(on_both, lambda metadata: None, rows="SELECT 1", accept=both)
    assert on_sqlite(on_both) == set()


def test_what_a_person_made_in_a_schema_stays(on_both: Project) -> None:
    on_both.by_hand(
        """if op.get_context().dialect.name == "postgresql":
    op.execute("CREATE SCHEMA own")
    op.execute("CREATE TABLE own.list (id INTEGER)")"""
    )
    on_both.upgrade()
    assert on_both.new("nothing").paths == []
    write(on_both, "units", models())
    assert "own.list" not in on_both.last()
    assert "list" not in [step.subject for step in on_both.new("again").steps]
