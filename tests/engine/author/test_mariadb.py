"""MariaDB's own troubles: a column that counts has to be a key all the while."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table
from sqlalchemy.exc import SQLAlchemyError

from tests.engine.author.project import Project
from tests.engine.author.rules.stage import Models, started, stock, write


def keyed(*columns: Column) -> Models:
    def make(metadata: MetaData) -> None:
        Table("t", metadata, *[column._copy() for column in columns])

    return make


KEYS = {
    "id counts": keyed(
        Column("id", Integer, primary_key=True), Column("code", String(9), nullable=False)
    ),
    "id and code": keyed(
        Column("id", Integer, primary_key=True), Column("code", String(9), primary_key=True)
    ),
    "code": keyed(
        Column("id", Integer, nullable=False), Column("code", String(9), primary_key=True)
    ),
    "id does not count": keyed(
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("code", String(9), nullable=False),
    ),
    "a larger id counts": keyed(
        Column("id", BigInteger, primary_key=True), Column("code", String(9), nullable=False)
    ),
}
CASES = [("id counts", other) for other in KEYS if other != "id counts"]
CASES += [(other, "id counts") for _, other in CASES]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_a_primary_key_changes(
    tmp_path: Path, mariadb: Callable[[], str], before: str, after: str
) -> None:
    project = Project(tmp_path, url=mariadb(), kinds=("sqlite", "mysql"))
    started(project, KEYS[before], rows=["INSERT INTO t (id, code) VALUES (7, 'x')"])
    first = project.schema()
    report = write(project, "another key", KEYS[after])
    project.upgrade()
    assert project.verify().agrees
    assert project.run("SELECT * FROM t") == [(7, "x")]
    for _ in report.paths:
        project.downgrade()
    assert project.schema() == first
    assert project.run("SELECT * FROM t") == [(7, "x")]


def test_stock_leaves_the_key_as_it_was(tmp_path: Path, mariadb: Callable[[], str]) -> None:
    """It sees no primary key; a person who writes the drop is refused by the server."""
    project = Project(tmp_path, url=mariadb(), kinds=("sqlite", "mysql"))
    started(project, KEYS["id counts"])
    first = project.schema()
    stock(project.url, KEYS["id and code"])
    assert project.schema() == first
    with pytest.raises(SQLAlchemyError, match="there can be only one auto column"):
        project.run("ALTER TABLE t DROP PRIMARY KEY")
