"""The options of a table on SQLite: from any to any, with rows."""

from itertools import permutations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text

from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import Models, started, stock, there_and_back

OPTIONS: dict[str, dict[str, bool]] = {
    "none": {},
    "AUTOINCREMENT": {"sqlite_autoincrement": True},
    "STRICT": {"sqlite_strict": True},
    "WITHOUT ROWID": {"sqlite_with_rowid": False},
    "AUTOINCREMENT, STRICT": {"sqlite_autoincrement": True, "sqlite_strict": True},
    "WITHOUT ROWID, STRICT": {"sqlite_with_rowid": False, "sqlite_strict": True},
}
ROWS = ["INSERT INTO t (id, a) VALUES (1, 'x'), (5, 'y')"]


def with_options(name: str) -> Models:
    def make(metadata: MetaData) -> None:
        key = Column("id", Integer, primary_key=True)
        Table("t", metadata, key, Column("a", Text), **OPTIONS[name])

    return make


@pytest.mark.parametrize(("before", "after"), list(permutations(OPTIONS, 2)))
def test_they_change(project: Project, before: str, after: str) -> None:
    started(project, with_options(before), rows=ROWS)
    there_and_back(project, with_options(after), rows="SELECT * FROM t")


@pytest.mark.parametrize("after", [name for name in OPTIONS if name != "none"])
def test_stock_sees_none(project: Project, after: str) -> None:
    started(project, with_options("none"), rows=ROWS)
    first = project.schema()
    stock(project.url, with_options(after))
    assert project.schema() == first
