"""Constraints on rows that are there: who may break them is stopped, who cannot is not warned."""

from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import (
    ADA,
    NULL,
    ROWS,
    Models,
    found,
    nickname,
    started,
    table,
    there_and_back,
    write,
)


@pytest.mark.parametrize(
    ("rule", "column", "bad", "good"),
    [
        ("add-unique", {"unique": True}, [ADA, ADA], [ADA]),
        ("add-check", {"check": True}, [ADA], [NULL]),
        ("add-foreign-key", {"key": True}, [ADA], [NULL]),
    ],
)
def test_a_constraint_on_rows(
    either: Project, rule: str, column: dict[str, bool], bad: list[str], good: list[str]
) -> None:
    """Whoever tries it on rows that break it is stopped, with the database as it was."""

    def wanted() -> Any:
        items: list[Any] = []
        items += [CheckConstraint("nickname <> 'Ada'", name="not_ada")] if "check" in column else []
        items += [ForeignKey("team.code")] if "key" in column else []
        unique = True if "unique" in column else None
        return Column("nickname", String(30), *items, unique=unique)

    team = table(Column("code", String(30), unique=True), name="team")
    started(either, team, table(nickname()), rows=bad)
    report = write(either, "rule", team, table(wanted()))
    verdict = "SPLIT" if "postgresql" in either.kinds else "KEEP"
    assert {(name, mark) for name, _, mark in found(report)} == {(rule, verdict)}
    before = either.schema()
    with pytest.raises(MigrationError):
        either.upgrade()
    assert either.run(ROWS)[0][1] == "Ada"
    either.run('DELETE FROM "user"', *good)
    either.upgrade()
    assert either.schema() != before
    assert write(either, "again", team, table(wanted())).paths == []
    either.downgrade("base")
    either.upgrade()


def user(*items: Any, number: Any = Integer) -> Models:
    """Return two tables; *items* make the constraints of the second, or are its own columns."""

    def make(metadata: MetaData) -> None:
        Table("team", metadata, Column("id", Integer, primary_key=True))
        own = [Column("team", number), Column("nickname", String(30))]
        made = [item() if callable(item) else item._copy() for item in items]
        Table("user", metadata, Column("id", Integer, primary_key=True), *own, *made)

    return make


def unique(*columns: str, name: str | None = None) -> Any:
    return lambda: UniqueConstraint(*columns, name=name)


def mood(*values: str) -> Any:
    return Column(
        "mood", Enum(*values, name="mood", native_enum=False, create_constraint=True, length=9)
    )


def key(name: str | None = None) -> Any:
    return lambda: ForeignKeyConstraint(["team"], ["team.id"], name=name)


def named(condition: str, name: str) -> Any:
    return lambda: CheckConstraint(condition, name=name)


CERTAIN = {
    "UNIQUE, another name": (user(unique("nickname")), user(unique("nickname", name="only"))),
    "UNIQUE, more columns": (user(unique("nickname")), user(unique("nickname", "team"))),
    "CHECK, another name": (user(named("team > 0", "a")), user(named("team > 0", "b"))),
    "CHECK, one more value": (user(mood("fine", "it's")), user(mood("it's", "sad", "fine"))),
    "foreign key, another name": (user(key()), user(key("crew"))),
}
UNCERTAIN = {
    "UNIQUE, fewer columns": (user(unique("nickname", "team")), user(unique("nickname"))),
    "UNIQUE of another type": (
        user(unique("team", name="a")),
        user(unique("team", name="b"), number=String(9)),
    ),
    "CHECK, another text": (user(named("team > 0", "a")), user(named("team > 1", "a"))),
    "CHECK, a value less": (user(mood("fine", "sad")), user(mood("fine"))),
    "CHECK, a value more that it refuses": (
        user(named("nickname NOT IN ('a')", "a")),
        user(named("nickname NOT IN ('a', 'b')", "a")),
    ),
}


@pytest.mark.parametrize("case", [*CERTAIN, *UNCERTAIN])
def test_what_rows_keep_to_already_is_not_asked(project: Project, case: str) -> None:
    before, after = (CERTAIN | UNCERTAIN)[case]
    rows = ["INSERT INTO team VALUES (7)", "INSERT INTO user (nickname, team) VALUES ('x', 7)"]
    started(project, before, rows=rows)
    accept = {"accept": "enum: no row holds it"} if "less" in case else {}
    report = there_and_back(project, after, rows="SELECT nickname FROM user", **accept)
    assert any(rule.startswith("add-") for rule, _, _ in found(report)) is (case in UNCERTAIN)
