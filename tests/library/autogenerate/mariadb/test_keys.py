"""MariaDB's own troubles: a column that counts has to be a key all the while."""

import pytest
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table
from sqlalchemy.exc import SQLAlchemyError

from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import Models, found, started, stock, there_and_back


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
    "another counts, and it is larger": keyed(
        Column("id", BigInteger, nullable=False),
        Column("code", String(9), nullable=False),
        Column("number", Integer, primary_key=True),
    ),
}
CASES = [("id counts", other) for other in KEYS if other != "id counts"]
CASES += [(other, "id counts") for _, other in CASES]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_a_primary_key_changes(on_mariadb: Project, before: str, after: str) -> None:
    started(on_mariadb, KEYS[before], rows=["INSERT INTO t (id, code) VALUES (7, 'x')"])
    goes = {"accept": "drop-column: unused"} if "another" in before else {}
    report = there_and_back(on_mariadb, KEYS[after], rows="SELECT id, code FROM t", **goes)
    flagged = ("sqlite-rowid", "t.id", "KEEP") in found(report)
    assert flagged is (after == "a larger id counts")


def test_stock_leaves_the_key_as_it_was(on_mariadb: Project) -> None:
    """It sees no primary key; a person who writes the drop is refused by the server."""
    started(on_mariadb, KEYS["id counts"])
    first = on_mariadb.schema()
    stock(on_mariadb.url, KEYS["id and code"])
    assert on_mariadb.schema() == first
    with pytest.raises(SQLAlchemyError, match="there can be only one auto column"):
        on_mariadb.run("ALTER TABLE t DROP PRIMARY KEY")
