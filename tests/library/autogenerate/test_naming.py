"""Each CHECK has a name of its own, also where a stock convention aborts, doubles or repeats it."""

import pytest
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, Table, make_url
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError

from alembic_lossless.run.connection import private
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import plain_alembic

OF_NAME = "ck_%(table_name)s_%(constraint_name)s"
OF_COLUMN = "ck_%(table_name)s_%(column_0_name)s"
REBUILD = (
    "with op.batch_alter_table('t', recreate='always') as batch:\n"
    "    batch.alter_column('a', existing_type=sa.Integer(), nullable=False)"
)
BROKEN = ("INSERT INTO t (a) VALUES (0)", "INSERT INTO t (a) VALUES (99)")


def checks(metadata: MetaData, *names: str | None) -> None:
    """Two CHECKs of a table, under these names."""
    both = zip(("a > 0", "a < 99"), names, strict=True)
    column = Column("a", Integer)
    key = Column("id", Integer, primary_key=True)
    Table("t", metadata, key, column, *[CheckConstraint(text, name=name) for text, name in both])


def stock(project: Project, convention: str, *names: str | None) -> str:
    """Create the table as stock names it; return its text."""
    metadata = MetaData(naming_convention={"ck": convention})
    checks(metadata, *names)
    metadata.create_all(private(make_url(project.url)))
    return text(project)


def text(project: Project) -> str:
    ((found,),) = project.run("SELECT sql FROM sqlite_master WHERE name = 't'")
    return str(found)


def ours(project: Project, *names: str | None) -> str:
    """Write and apply the migration that creates the table; return its text."""
    checks(project.metadata, *names)
    project.new("first")
    project.upgrade()
    return text(project)


def test_a_full_name_is_not_prefixed_again(project: Project) -> None:
    assert "CONSTRAINT ck_t_ck_t_low CHECK" in stock(project, OF_NAME, "ck_t_low", "high")
    project.run("DROP TABLE t")
    found = ours(project, "ck_t_low", "high")
    assert "CONSTRAINT ck_t_low CHECK" in found
    assert "CONSTRAINT ck_t_high CHECK" in found


def test_a_check_without_a_name_is_given_one(project: Project) -> None:
    with pytest.raises(InvalidRequestError, match="requires that constraint is explicitly named"):
        stock(project, OF_NAME, None, "high")
    assert ours(project, None, "high").count("CONSTRAINT ck_t_") == 2


def test_two_without_a_name_survive_a_rebuild(project: Project) -> None:
    """Stock calls both ``ck_t_``, and its next rebuild keeps one of them."""
    assert stock(project, OF_COLUMN, None, None).count("CONSTRAINT ck_t_ CHECK") == 2
    assert plain_alembic(project.url, REBUILD) == ""
    assert text(project).count("CHECK") == 1
    lost = 0 if "a < 99" in text(project) else 1  # stock holds them in a set
    project.run(BROKEN[lost])
    project.run("DROP TABLE t")

    ours(project, None, None)
    project.run("INSERT INTO t (a) VALUES (7)")
    project.by_hand(REBUILD)
    project.upgrade()
    assert project.run("SELECT a FROM t") == [(7,)]
    assert text(project).count("CHECK") == 2
    for row in BROKEN:
        with pytest.raises(SQLAlchemyError, match="CHECK constraint failed"):
            project.run(row)
