"""Accidents that stock Flask-Migrate has on servers, and this project has not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_lossless.checklist import review
from alembic_lossless.errors import MigrationError
from alembic_lossless.run.connection import private
from tests.conftest import Databases
from tests.library.autogenerate.project import Project, models
from tests.library.checklist.stage import ADA, found, nickname, started, stock, table, write


def test_mysql_copy(on_mariadb: Project) -> None:
    """Stock says nothing of it; the server says the same as the rule does."""
    columns = [Column("team", Integer), nickname()]
    started(on_mariadb, table(*columns), rows=["INSERT INTO user (team) VALUES (7)"])
    wider = [Column("team", String(9)), nickname()]
    wider[1].type = String(40)
    report = write(on_mariadb, "texts", table(*wider))
    said = {finding.subject for finding in report.findings if finding.rule == "mysql-copy"}
    assert said == {"user.team"}
    in_place = "ALTER TABLE user MODIFY {} VARCHAR({}), ALGORITHM=INPLACE"
    on_mariadb.run(in_place.format("nickname", 40))
    with pytest.raises(SQLAlchemyError, match="Try ALGORITHM=COPY"):
        on_mariadb.run(in_place.format("team", 9))
    on_mariadb.upgrade()
    assert on_mariadb.run("SELECT team FROM user") == [("7",)]


@contextmanager
def another_writer(url: str) -> Iterator[list[str]]:
    """After each statement that changes rows, let somebody else write to the first row."""
    outcomes: list[str] = []
    writer = private(make_url(url))

    def write_too(_: Connection, __: Any, statement: str, *rest: Any) -> None:
        if "UPDATE \"user\" SET nickname = 'none'" not in statement:
            return
        somebody = Thread(target=write_from_elsewhere)
        somebody.start()
        somebody.join()

    def write_from_elsewhere() -> None:
        with writer.connect() as connection:
            try:
                connection.execute(text("SET lock_timeout = '300ms'"))
                connection.execute(text('UPDATE "user" SET nickname = nickname WHERE id = 1'))
                outcomes.append("written")
            except DBAPIError as error:
                outcomes.append(str(error.orig).splitlines()[0])
            connection.rollback()

    event.listen(Engine, "after_cursor_execute", write_too)
    try:
        yield outcomes
    finally:
        event.remove(Engine, "after_cursor_execute", write_too)
        writer.dispose()


def test_backfill(on_both: Project) -> None:
    """Beside a change of the table, the rows stay locked until both are done."""
    started(on_both, table(nickname()), rows=[ADA, """INSERT INTO "user" (id) VALUES (7)"""])
    report = write(
        on_both, "required", table(nickname(nullable=False)), fill="user.nickname='none'"
    )
    assert ("backfill", "user", "SPLIT") in found(report)
    with another_writer(on_both.url) as outcomes:
        on_both.upgrade()
    assert outcomes == ["written"]
    assert on_both.run("""SELECT id FROM "user" WHERE nickname = 'none'""") == [(7,)]

    on_both.downgrade(on_both.script.get_base() or "")
    beside = """
op.execute('ALTER TABLE "user" ADD COLUMN age INTEGER')
op.execute("UPDATE \\"user\\" SET nickname = 'none'")
"""
    for path in report.paths:
        path.unlink()
    on_both.by_hand(beside.strip())
    with another_writer(on_both.url) as outcomes:
        on_both.upgrade()
    assert outcomes == ["canceling statement due to lock timeout"]


def test_mysql_limits(on_mariadb: Project) -> None:
    """Stock stops at a name that is too long when half of the revision is there for good."""

    def wanted(metadata: MetaData) -> None:
        table(nickname())(metadata)
        Index("ix_" + "n" * 70, metadata.tables["user"].c.nickname)

    with pytest.raises(SQLAlchemyError, match="too long"):
        stock(on_mariadb.url, wanted)
    assert on_mariadb.run("SELECT * FROM user") == []  # without its index
    on_mariadb.run("DROP TABLE user")
    with pytest.raises(MigrationError, match="a name of 73 characters, of 64 at most"):
        write(on_mariadb, "names", wanted)
    assert on_mariadb.schema() == {}


@pytest.mark.parametrize("name", ["ck_" + "n" * 61, "ck_" + "é" * 31], ids=["long", "bytes"])
def test_a_name_that_postgresql_would_cut_or_refuse(name: str) -> None:
    """SQLAlchemy counts characters, and the server bytes: it cuts with a notice."""
    plain = MetaData()
    Table("user", plain, Column("id", Integer), CheckConstraint("id > 0", name=name))
    with pytest.raises(MigrationError, match=rf"The name {name} in user has \d+ bytes"):
        review.refuse_long_names(plain)
    # By a convention it is shortened, alike everywhere.
    table(Column("n" * 60, Integer, index=True))(by_convention := models())
    review.refuse_long_names(by_convention)


@pytest.mark.parametrize("kind", ["unique", "index"])
def test_long_name_in_use_with_postgresql_is_refused_in_one_sentence(
    postgresql: Databases, tmp_path: Path, kind: str
) -> None:
    """Alembic compares these names, and SQLAlchemy raises at one that is too long."""
    name = "x" * 64
    item = UniqueConstraint("n", name=name) if kind == "unique" else Index(name, "n")
    project = Project(tmp_path, url=postgresql())
    columns = Column("id", Integer, primary_key=True), Column("n", Integer)
    Table("user", project.metadata, *columns, item)
    for command in (project.new, project.verify):
        with pytest.raises(MigrationError, match=f"The name {name} in user has 64 bytes"):
            command()


def test_partial_index(on_mariadb: Project) -> None:
    """MariaDB has none: stock's index is a full one, and refuses good rows."""

    def wanted(metadata: MetaData) -> None:
        table(nickname())(metadata)
        column = metadata.tables["user"].c.nickname
        Index("ix_some", column, unique=True, postgresql_where=column == "one")

    started(on_mariadb, table(nickname()), rows=[ADA.replace('"', "`")])
    with pytest.raises(MigrationError, match="enforce the rule in another way there"):
        write(on_mariadb, "index", wanted)
    stock(on_mariadb.url, wanted)
    with pytest.raises(SQLAlchemyError, match="Duplicate entry 'Ada'"):
        on_mariadb.run(ADA.replace('"', "`"))


def test_the_order_of_tables_that_go(on_both: Project) -> None:
    """Stock drops a parent before its child, where the child has no model any more."""

    def circle(metadata: MetaData) -> None:
        for name, other in (("ant", "bee"), ("bee", "ant")):
            table(Column("other_id", ForeignKey(f"{other}.id")), name=name)(metadata)

    alone = table(name="alone")
    started(on_both, alone, circle, rows=["INSERT INTO ant (id) VALUES (7)"])
    with pytest.raises(SQLAlchemyError, match="other objects depend on it"):
        stock(on_both.url, alone)
    gone = "drop-table ant: unused; drop-table bee: unused"
    write(on_both, "no circle", alone, accept=gone)
    on_both.upgrade()
    assert {key.table for key in on_both.schema()} == {"alone"}
