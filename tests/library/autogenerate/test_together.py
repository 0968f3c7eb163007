"""What is about one table stands in one block, where nothing forbids it."""

import re

import pytest
from sqlalchemy import CheckConstraint, Column, Enum, ForeignKey, Integer, String, Table

from tests.library.autogenerate.project import Project


def library(project: Project, *moods: str, length: int, key: bool) -> None:
    """Two tables that change in many ways; the one may point to the other."""
    project.metadata.clear()
    kind = {"name": "mood", "native_enum": False, "create_constraint": True, "length": 9}
    for name, other in (("author", "book"), ("book", "author")):
        Table(
            name,
            project.metadata,
            Column("id", Integer, primary_key=True),
            Column("mood", Enum(*moods, **kind)),
            Column("title", String(length), CheckConstraint(f"title <> '{length}'", name="title")),
            Column(
                f"{other}_id",
                *[ForeignKey(f"{other}.id")] * (key and name == "book"),
                type_=Integer,
            ),
            *[Column("age", Integer, index=True)] * (length > 20),
        )


def blocks(upgrade: str) -> list[str]:
    return re.findall(r'(?:batch_alter_table|create_table|drop_table)\(\s*"(\w+)"', upgrade)


def upgrades(project: Project) -> list[str]:
    upgrade, _, downgrade = project.last().partition("def downgrade")
    return [upgrade, downgrade]


@pytest.mark.parametrize("where", ["project", "on_both"])
@pytest.mark.parametrize("keys", [(False, False), (True, True), (True, False), (False, True)])
def test_one_block_a_table(
    where: str, keys: tuple[bool, bool], request: pytest.FixtureRequest
) -> None:
    project: Project = request.getfixturevalue(where)
    library(project, "fine", length=20, key=keys[0])
    project.new("first")
    project.upgrade()
    project.run("INSERT INTO author (mood, title) VALUES ('fine', 'x')")
    before = project.schema()
    library(project, "fine", "sad", length=30, key=keys[1])
    report = project.new("second")
    if where == "project":
        for text in upgrades(project):
            assert sorted(blocks(text)) == ["author", "book"], text
    project.upgrade()
    assert project.verify().agrees
    assert project.run("SELECT mood, title FROM author") == [("fine", "x")]
    for _ in report.paths:
        project.downgrade()
    assert project.schema() == before


def test_an_index_stands_beside_its_new_table(project: Project) -> None:
    for name in ("order", "zebra"):
        columns = [Column("id", Integer, primary_key=True), Column("a", Integer, index=True)]
        Table(name, project.metadata, *columns)
    project.new("first")
    assert blocks(upgrades(project)[0]) == ["order", "order", "zebra", "zebra"]
    project.upgrade()
    project.downgrade("base")
