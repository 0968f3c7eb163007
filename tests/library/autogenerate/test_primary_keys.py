"""Columns that join a primary key and leave it, with rows, on every database."""

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)

from alembic_lossless.schema import model
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import (
    Models,
    found,
    started,
    stock,
    texts,
    there_and_back,
)


@pytest.fixture(params=["project", "on_both", "on_mariadb"])
def anywhere(request: pytest.FixtureRequest) -> Project:
    """A project on SQLite alone, with PostgreSQL, and with MariaDB."""
    found: Project = request.getfixturevalue(request.param)
    return found


def link(*columns: Column[Any], key: str, unique: str = "") -> Models:
    """Return a table of *columns* beside those that it may refer to."""

    def make(metadata: MetaData) -> None:
        Table("team", metadata, Column("id", Integer, primary_key=True))
        Table("tag", metadata, Column("id", Integer, primary_key=True))
        own = [column._copy() for column in columns]
        both = [PrimaryKeyConstraint(*key.split())]
        Table("link", metadata, *own, *both, *[UniqueConstraint(*unique.split())] * bool(unique))

    return make


def to(name: str, target: str, **options: Any) -> Column[int]:
    return Column(name, ForeignKey(target), **{"nullable": False, "autoincrement": False} | options)


NUMBER = Column("id", Integer, nullable=False)
PLAIN = Column("id", Integer, nullable=False, autoincrement=False)
TEAM, TAG, TEXT = to("a", "team.id"), to("b", "tag.id"), Column("c", String(9), nullable=False)
ROWS = ["INSERT INTO team VALUES (7), (8)", "INSERT INTO tag VALUES (9)"]

#: Models before and after, the rows, what is answered, and the columns whose values stay.
CASES: dict[str, tuple[Models, Models, str, dict[str, str], str]] = {
    "an association grows": (
        link(TEAM, TAG, TEXT, key="a"),
        link(TEAM, TAG, TEXT, key="a b"),
        "(a, b, c) VALUES (7, 9, 'x'), (8, 9, 'y')",
        {},
        "a, b, c",
    ),
    "and shrinks": (
        link(TEAM, TAG, TEXT, key="a b"),
        link(TEAM, TAG, TEXT, key="a"),
        "(a, b, c) VALUES (7, 9, 'x'), (8, 9, 'y')",
        {},
        "a, b, c",
    ),
    "another order": (
        link(TEAM, TAG, TEXT, key="a b"),
        link(TEAM, TAG, TEXT, key="b a"),
        "(a, b, c) VALUES (7, 9, 'x'), (8, 9, 'y')",
        {},
        "a, b, c",
    ),
    "a new column joins": (
        link(TEAM, TEXT, key="a"),
        link(TEAM, TAG, TEXT, key="a b"),
        "(a, c) VALUES (7, 'x'), (8, 'y')",
        {"fill": "link.b=9"},
        "a, c",
    ),
    "a column leaves and goes": (
        link(TEAM, TAG, TEXT, key="a b"),
        link(TEAM, TEXT, key="a"),
        "(a, b, c) VALUES (7, 9, 'x'), (8, 9, 'y')",
        {"accept": "drop-column: unused"},
        "a, c",
    ),
    "one that was NULL joins": (
        link(TEAM, to("b", "tag.id", nullable=True), key="a"),
        link(TEAM, TAG, key="a b"),
        "(a, b) VALUES (7, 9), (8, NULL)",
        {"fill": "link.b=9"},
        "a",
    ),
    "one leaves and may be NULL": (
        link(TEAM, TAG, key="a b"),
        link(TEAM, to("b", "tag.id", nullable=True), key="a"),
        "(a, b) VALUES (7, 9), (8, 9)",
        {},
        "a, b",
    ),
    "one takes the place of another": (
        link(PLAIN, to("a", "team.id", nullable=True), key="id"),
        link(Column("id", Integer), TEAM, key="a"),
        "(id, a) VALUES (1, 7), (2, 8)",
        {"fill": "link.a=7"},
        "id, a",
    ),
    "a number instead of a pair": (
        link(TEAM, TAG, TEXT, key="a b"),
        link(NUMBER, TEAM, TAG, TEXT, key="id", unique="a b"),
        "(a, b, c) VALUES (8, 9, 'x'), (7, 9, 'y')",
        {},
        "a, b, c",
    ),
    "a pair instead of the number": (
        link(NUMBER, TEAM, TAG, TEXT, key="id", unique="a b"),
        link(TEAM, TAG, TEXT, key="a b"),
        "(a, b, c) VALUES (8, 9, 'x'), (7, 9, 'y')",
        {"accept": "drop-column: unused"},
        "a, b, c",
    ),
    "a text instead of the number": (
        link(NUMBER, TEXT, key="id"),
        link(TEXT, key="c"),
        "(id, c) VALUES (5, 'x'), (6, 'y')",
        {"accept": "drop-column: unused"},
        "c",
    ),
    "a number instead of the text": (
        link(TEXT, TEAM, key="c"),
        link(NUMBER, TEAM, key="id"),
        "(c, a) VALUES ('x', 7), ('y', 8)",
        {"accept": "drop-column: unused"},
        "a",
    ),
    "a number instead of a reference": (
        link(TEAM, TEXT, key="a"),
        link(NUMBER, TEXT, key="id"),
        "(a, c) VALUES (7, 'x'), (8, 'y')",
        {"accept": "drop-column: unused"},
        "c",
    ),
    "a reference that is unique goes": (
        link(NUMBER, TEAM, TEXT, key="id", unique="a"),
        link(NUMBER, TEXT, key="id"),
        "(id, a, c) VALUES (1, 7, 'x'), (2, 8, 'y')",
        {"accept": "drop-column: unused"},
        "id, c",
    ),
    "texts that are unique go": (
        link(TEAM, TAG, TEXT, key="a b", unique="c"),
        link(TEAM, TAG, key="a b"),
        "(a, b, c) VALUES (7, 9, 'x'), (8, 9, 'y')",
        {"accept": "drop-column: unused"},
        "a, b",
    ),
    "renamed in it": (
        link(TEAM, TAG, key="a b"),
        link(to("team", "team.id"), TAG, key="team b"),
        "(a, b) VALUES (7, 9), (8, 9)",
        {"rename": "link.a:team"},
        "b",
    ),
    "renamed into it": (
        link(TEAM, TAG, TEXT, key="c"),
        link(to("team", "team.id"), TAG, TEXT, key="team b"),
        "(a, b, c) VALUES (7, 9, 'x'), (8, 9, 'y')",
        {"rename": "link.a:team"},
        "b, c",
    ),
    "of a table that refers to itself": (
        link(NUMBER, to("a", "link.id"), key="id"),
        link(PLAIN, to("a", "link.id"), key="id a", unique="id"),
        "(id, a) VALUES (1, 1)",
        {},
        "id, a",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_primary_key_changes(anywhere: Project, case: str) -> None:
    before, after, rows, answers, kept = CASES[case]
    started(anywhere, before, rows=[*ROWS, f"INSERT INTO link {rows}"])
    there_and_back(anywhere, after, rows=f"SELECT {kept} FROM link ORDER BY 1", **answers)


def test_stock_leaves_it_as_it_was(anywhere: Project) -> None:
    before, after, *_ = CASES["an association grows"]
    started(anywhere, before)
    first = anywhere.schema()
    stock(anywhere.url, after)
    assert anywhere.schema() == first


def test_rows_are_numbered_by_the_key_before(anywhere: Project) -> None:
    """One default for all would do for a single row; the next one gets the next number."""
    before, after, rows, *_ = CASES["a number instead of a pair"]
    started(anywhere, before, rows=[*ROWS, f"INSERT INTO link {rows}"])
    report = there_and_back(anywhere, after, rows="SELECT a, b, c FROM link ORDER BY a")
    assert ("not-null-column", "link.id", "REWRITE") in found(report)
    insert = "INSERT INTO link (a, b, c) VALUES (8, 9, 'z')"
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        anywhere.run(insert)
    anywhere.run("INSERT INTO tag VALUES (10)", insert.replace("9", "10"))
    numbers = anywhere.run("SELECT a, c, id FROM link ORDER BY id")
    assert [(a, c) for a, c, _ in numbers] == [(7, "y"), (8, "x"), (8, "z")]
    assert [number for *_, number in numbers][:2] == [1, 2]


def parent(key: str, points_to: str = "id", unique: str = "") -> Models:
    """Return a table with this key, and one that refers to columns of it."""

    def make(metadata: MetaData) -> None:
        Table(
            "team",
            metadata,
            Column("id", Integer, nullable=False, autoincrement=key == "id"),
            Column("code", String(9), nullable=False),
            PrimaryKeyConstraint(*key.split()),
            *[UniqueConstraint(*unique.split())] * bool(unique),
        )
        pairs = [(f"team_{name}", f"team.{name}") for name in points_to.split()]
        Table(
            "member",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("team_id", Integer),
            Column("team_code", String(9)),
            ForeignKeyConstraint(*map(list, zip(*pairs, strict=True))),
        )

    return make


PARENTS = {
    "it grows": (parent("id"), parent("id code", unique="id")),
    "it shrinks": (parent("id code", unique="id"), parent("id")),
    "to another": (parent("id"), parent("code", unique="id")),
    "from another": (parent("code", unique="id"), parent("id")),
    "together": (parent("id"), parent("id code", points_to="id code")),
    "together back": (parent("id code", points_to="id code"), parent("id")),
    "to another, with the children": (parent("id"), parent("code", points_to="code")),
    "the other way round": (parent("id"), parent("code id", unique="id")),
}


@pytest.mark.parametrize("case", PARENTS)
def test_a_key_changes_that_others_point_to(anywhere: Project, case: str) -> None:
    """PostgreSQL and SQLite let it go only where no foreign key needs it meanwhile."""
    before, after = PARENTS[case]
    member = "INSERT INTO member (id, team_id, team_code) VALUES (1, 7, 'x')"
    started(anywhere, before, rows=["INSERT INTO team (id, code) VALUES (7, 'x')", member])
    there_and_back(anywhere, after, rows="SELECT team_id, team_code FROM member")
    definitions = [item for key, item in anywhere.schema().items() if key.table == "member"]
    assert sum(isinstance(item, model.ForeignKey) for item in definitions) == 1


def test_mysql_is_never_without_a_key(on_mariadb: Project) -> None:
    """Some servers refuse a table without one, and a copy of the table is made once."""
    before, after, *_ = CASES["an association grows"]
    started(on_mariadb, before)
    (text,) = texts(there_and_back(on_mariadb, after, rows="SELECT * FROM link"))
    one = "ALTER TABLE link DROP PRIMARY KEY, ADD PRIMARY KEY (a, b)"
    assert one in text
