"""MariaDB lets no index go that a foreign key needs, and changes no type under one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import Models, started, stock, texts, there_and_back

ROWS = ["INSERT INTO team (id, code) VALUES (7, 'red')"]
ROWS += ["INSERT INTO user (id, team, code, nickname) VALUES (1, 7, 'red', 'Ada')"]
ADA = "SELECT team, code, nickname FROM user"


#: Puts an index or a constraint into the table.
Put = Callable[[Table], object]


def crew(*more: Put, team: Any = Integer, code: int = 9, key: Sequence[str] = ("id",)) -> Models:
    """Return a table that refers to another twice, by a number and by a text, and *more* of it."""

    def make(metadata: MetaData) -> None:
        own = Column("code", String(code), unique=True)
        Table("team", metadata, Column("id", team, primary_key=True), own)
        user = Table(
            "user",
            metadata,
            Column("id", Integer, autoincrement=False),
            Column("team", ForeignKey("team.id", ondelete="CASCADE")),
            Column("code", String(code), ForeignKey("team.code")),
            Column("nickname", String(30)),
            PrimaryKeyConstraint(*key),
        )
        for put in more:
            put(user)

    return make


def unique(*columns: str, name: str | None = None) -> Put:
    return lambda table: table.append_constraint(UniqueConstraint(*columns, name=name))


def index(*columns: str, name: str) -> Put:
    return lambda table: Index(name, *(table.c[column] for column in columns))


@pytest.fixture(params=[("mysql",), ("sqlite", "mysql")])
def either(request: pytest.FixtureRequest, tmp_path: Path, mariadb: Callable[[], str]) -> Project:
    """A project for MariaDB alone, and one for SQLite as well."""
    return Project(tmp_path, url=mariadb(), kinds=request.param)


def refused(project: Project, sql: str, why: str) -> None:
    """Make sure that the server does refuse what a person would write."""
    with pytest.raises(SQLAlchemyError, match=why):
        project.run(sql)


@pytest.mark.parametrize("columns", [("team",), ("team", "nickname")])
@pytest.mark.parametrize("make", [unique, index])
def test_it_gets_another_name(
    either: Project, make: Callable[..., Any], columns: Sequence[str]
) -> None:
    started(either, crew(make(*columns, name="old")), rows=ROWS)
    refused(either, "ALTER TABLE user DROP INDEX old", "needed in a foreign key constraint")
    there_and_back(either, crew(make(*columns, name="new")), rows=ADA)
    if make is unique:
        with pytest.raises(IntegrityError, match="'new'"):
            either.run("INSERT INTO user (id, team, nickname) VALUES (2, 7, 'Ada')")


EXCHANGED: dict[str, tuple[Models, Models]] = {
    "more columns": (crew(unique("team")), crew(unique("team", "nickname"))),
    "fewer": (crew(unique("team", "nickname")), crew(unique("team"))),
    "more, and the name stays": (
        crew(unique("team", name="uq")),
        crew(unique("team", "nickname", name="uq")),
    ),
    "another order": (
        crew(unique("team", "nickname", name="uq")),
        crew(unique("nickname", "team", name="uq")),
    ),
    "instead of the server's own": (crew(), crew(unique("team", "nickname"))),
    "the server's own": (crew(unique("team", "nickname")), crew(unique("nickname"))),
    "an index": (crew(unique("nickname")), crew(index("team", name="ix"))),
    "out of the primary key": (crew(key=("team", "id")), crew()),
}


@pytest.mark.parametrize("case", EXCHANGED)
def test_another_takes_its_place(on_mariadb: Project, case: str) -> None:
    """Its own index the server drops by itself, but not once a revision has made it."""
    before, after = EXCHANGED[case]
    started(on_mariadb, before, rows=ROWS)
    there_and_back(on_mariadb, after, rows=ADA)
    if case != "out of the primary key":
        there_and_back(on_mariadb, before, rows=ADA)
    on_mariadb.downgrade("base")


def test_a_type_changes_on_both_sides(either: Project) -> None:
    """The foreign key goes meanwhile, on MariaDB alone."""
    started(either, crew(), rows=ROWS)
    for sql in (
        "ALTER TABLE team MODIFY id BIGINT AUTO_INCREMENT",
        "ALTER TABLE team MODIFY code VARCHAR(20)",
    ):
        refused(either, sql, "used in a foreign key constraint")
    report = there_and_back(either, crew(team=BigInteger, code=20), rows=ADA)
    assert texts(report)[0].count("drop_constraint") == 4
    assert either.run("INSERT INTO team (code) VALUES ('blue')", "SELECT max(id) FROM team") == [
        (8,)
    ]


def test_a_column_in_all_of_them_is_renamed(either: Project) -> None:
    def named(name: str) -> Models:
        def make(metadata: MetaData) -> None:
            Table("team", metadata, Column("id", Integer, primary_key=True))
            column = Column(name, ForeignKey("team.id"), index=True)
            columns = Column("id", Integer, primary_key=True), column, Column("nickname", String(9))
            Table("user", metadata, *columns, UniqueConstraint(name, "nickname"))

        return make

    rows = ["INSERT INTO team VALUES (7)", "INSERT INTO user VALUES (1, 7, 'Ada')"]
    started(either, named("team"), rows=rows)
    there_and_back(either, named("squad"), rows="SELECT * FROM user", rename="user.team:squad")


@pytest.mark.parametrize(
    "options", [{}, {"index": True}, {"nullable": False}, {"nullable": False, "index": True}]
)
def test_foreign_key_is_dropped_with_its_column(either: Project, options: dict[str, bool]) -> None:
    def boss(table: Table) -> None:
        table.append_column(Column("boss", ForeignKey("user.id"), **options))

    started(either, crew(boss), rows=ROWS[:1])
    either.run("INSERT INTO user (id, team, nickname, boss) VALUES (1, 7, 'Ada', 1)")
    there_and_back(either, crew(), rows=ADA, accept="drop-column: unused")


def test_stock_drops_the_index_first(on_mariadb: Project) -> None:
    def boss(table: Table) -> None:
        table.append_column(Column("boss", ForeignKey("user.id"), index=True))

    started(on_mariadb, crew(boss), rows=ROWS)
    before = on_mariadb.schema()
    with pytest.raises(SQLAlchemyError, match="needed in a foreign key constraint"):
        stock(on_mariadb.url, crew())
    assert on_mariadb.schema() == before
