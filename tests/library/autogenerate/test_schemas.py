"""Tables in a schema of PostgreSQL: made there, and left out on SQLite."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import OperationalError

from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import Models, found, started, stock, there_and_back, write


def models(*columns: Any, **options: Any) -> Models:
    """Return a table in a schema, with *columns* beside its own, and one that refers to it."""

    def make(metadata: MetaData) -> None:
        own = Column("id", Integer, primary_key=True), Column("name", String(9), nullable=False)
        Table("unit", metadata, *own, *(one() for one in columns), schema="app")
        user = Column("id", Integer, primary_key=True), Column("unit", ForeignKey("app.unit.id"))
        Table("user", metadata, *user)

    return make


def mood(*values: str) -> Callable[[], Column[str]]:
    return lambda: Column("mood", Enum(*values, name="mood"))


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
    "an enum value": (models(mood("a")), models(mood("a", "b")), {}),
    "an enum value that goes": (models(mood("a", "b")), models(mood("a")), {"accept": "enum: no"}),
    "an enum": (models(), models(mood("a")), {}),
    "another name": (
        models(lambda: Column("size", Integer, unique=True)),
        models(lambda: Column("extent", Integer, unique=True)),
        {"rename": "unit.size:extent"},
    ),
    "a comment and a default": (
        models(lambda: Column("size", Integer)),
        models(lambda: Column("size", Integer, server_default="7", comment="it's")),
        {},
    ),
    "a computed one": (models(), models(lambda: Column("size", Integer, Computed("id + 1"))), {}),
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


def link(name: str = "link", numbered: bool = False) -> Models:
    """Return a table in a schema, whose key is a pair, or a number."""

    def make(metadata: MetaData) -> None:
        pair = (Column(one, Integer, nullable=False, autoincrement=False) for one in "ab")
        number = Column("id", Integer, primary_key=True)
        key = [number, UniqueConstraint("a", "b")] if numbered else [PrimaryKeyConstraint("a", "b")]
        Table(name, metadata, *pair, *key, schema="app")

    return make


@pytest.mark.parametrize("numbered", [True, False])
def test_another_key(on_both: Project, numbered: bool) -> None:
    rows = "INSERT INTO app.link (a, b) VALUES (1, 2), (3, 4)"
    started(on_both, link(numbered=not numbered), rows=[rows])
    answers = {} if numbered else {"accept": "drop-column: unused"}
    kept = "SELECT a, b FROM app.link ORDER BY a"
    there_and_back(on_both, link(numbered=numbered), rows=kept, **answers)
    assert on_sqlite(on_both) == set()


def test_another_name_for_the_table(on_both: Project) -> None:
    started(on_both, link(), rows=["INSERT INTO app.link (a, b) VALUES (1, 2)"])
    write(on_both, "change", link("tie"), rename="link:tie")
    on_both.upgrade()
    assert on_both.run("SELECT a, b FROM app.tie") == [(1, 2)]
    assert on_both.verify().agrees
    on_both.downgrade()
    assert on_both.run("SELECT a, b FROM app.link") == [(1, 2)]


def test_stock_asks_sqlite_for_a_schema(project: Project) -> None:
    with pytest.raises(OperationalError, match="unknown database app"):
        stock(project.url, models())


def test_tables_of_a_schema_are_dropped(on_both: Project) -> None:
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
    assert "list" not in [operation.subject for operation in on_both.new("again").operations]
