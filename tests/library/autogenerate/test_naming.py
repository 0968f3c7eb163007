"""Each CHECK has a name of its own, where a plain convention aborts, doubles or repeats it."""

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    make_url,
)
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.schema import SchemaItem

from alembic_lossless.errors import MigrationError
from alembic_lossless.run.connection import private
from tests.library.autogenerate.project import Project, models
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


def test_check_gets_prefix_of_convention_once(project: Project) -> None:
    """An operation with a plain name gets the convention's prefix when it runs: twice, then."""
    assert "CONSTRAINT ck_t_ck_t_low CHECK" in stock(project, OF_NAME, "ck_t_low", "high")
    project.run("DROP TABLE t")
    first = ours(project, "low", "high")
    assert "CONSTRAINT ck_t_low CHECK" in first
    assert "CONSTRAINT ck_t_high CHECK" in first
    project.metadata = models()
    checks(project.metadata, "low", "top")
    project.new("another name")
    assert 'op.f("ck_t_top")' in project.last()
    assert 'op.f("ck_t_high")' in project.last()
    project.upgrade()
    assert "CONSTRAINT ck_t_top CHECK" in text(project)
    assert "ck_t_high" not in text(project)
    assert project.verify().agrees
    project.downgrade()
    assert "CONSTRAINT ck_t_high CHECK" in text(project)
    assert "ck_t_top" not in text(project)


def test_check_without_name_is_refused_by_sqlalchemy_or_named_by_revision(
    project: Project,
) -> None:
    """With the convention SQLAlchemy refuses it when the models are imported."""
    with pytest.raises(InvalidRequestError, match="requires that constraint is explicitly named"):
        checks(project.metadata, None, "high")
    project.metadata = MetaData()
    found = ours(project, None, "high")
    assert found.count("CONSTRAINT ck_t_") == 1
    assert "CONSTRAINT high CHECK" in found
    assert project.verify().agrees
    assert project.new("nothing").paths == []


def test_two_without_a_name_survive_a_rebuild(project: Project) -> None:
    """Stock calls both ``ck_t_``, and its next rebuild keeps one of them."""
    assert stock(project, OF_COLUMN, None, None).count("CONSTRAINT ck_t_ CHECK") == 2
    assert plain_alembic(project.url, REBUILD) == ""
    assert text(project).count("CHECK") == 1
    lost = 0 if "a < 99" in text(project) else 1  # stock holds them in a set
    project.run(BROKEN[lost])
    project.run("DROP TABLE t")

    project.metadata = MetaData()
    ours(project, None, None)
    project.run("INSERT INTO t (a) VALUES (7)")
    project.by_hand(REBUILD)
    project.upgrade()
    assert project.run("SELECT a FROM t") == [(7,)]
    assert text(project).count("CHECK") == 2
    for row in BROKEN:
        with pytest.raises(SQLAlchemyError, match="CHECK constraint failed"):
            project.run(row)


LONG = "a_name_that_is_about_as_long_as_postgresql_keeps_one_whole"


def test_long_names_of_convention_are_shortened_as_sqlalchemy_does(on_both: Project) -> None:
    """Each database has its own limit: in models and files alike SQLAlchemy shortens the name."""
    key = Column("id", Integer, primary_key=True)
    Table("t", on_both.metadata, key, Column(LONG, Integer))
    on_both.new("first")
    on_both.metadata = models()
    key = Column("id", Integer, primary_key=True)
    check = CheckConstraint(f"{LONG} > 0", name=LONG)
    Table("t", on_both.metadata, key, Column(LONG, Integer, unique=True, index=True), check)
    on_both.new("second")
    on_both.upgrade()
    assert on_both.verify().agrees
    assert on_both.new("nothing").paths == []


def plain(*items: SchemaItem) -> MetaData:
    """Models without a naming convention, whose constraints have no names."""
    metadata = MetaData()
    Table("town", metadata, Column("id", Integer, primary_key=True))
    Table(
        "person",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("code", Integer, unique=True),
        Column("town_id", ForeignKey("town.id")),
        Column("age", Integer),
        CheckConstraint("age > 0"),
        *items,
    )
    return metadata


def test_models_without_convention_agree_with_chain_of_stock(either: Project) -> None:
    """Each server chose the names, and nobody else: they do not count."""
    either.metadata = plain()
    either.by_hand(
        """op.create_table("town", sa.Column("id", sa.Integer(), primary_key=True))
op.create_table(
    "person",
    sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("code", sa.Integer()),
    sa.Column("town_id", sa.Integer()),
    sa.Column("age", sa.Integer()),
    sa.CheckConstraint("age > 0"),
    sa.ForeignKeyConstraint(["town_id"], ["town.id"]),
    sa.PrimaryKeyConstraint("id"),
    sa.UniqueConstraint("code"),
)"""
    )
    assert either.verify().agrees
    assert either.new("nothing").paths == []
    either.metadata = plain(UniqueConstraint("code", "age"), CheckConstraint("age < 99"))
    report = either.new("two more")
    assert "uq_person_code_age" in "".join(path.read_text() for path in report.paths)
    either.upgrade()
    assert either.verify().agrees
    either.metadata = plain(UniqueConstraint("code", "age"), CheckConstraint("age < 100"))
    either.new("a CHECK changed")
    either.upgrade()
    assert either.verify().agrees
    either.metadata = plain()
    either.new("back")
    either.upgrade()
    assert either.verify().agrees


def test_two_constraints_of_one_name_are_refused(project: Project) -> None:
    """SQLite makes both without a word, and a later revision changes either."""
    checks(project.metadata, "low", "low")
    with pytest.raises(MigrationError, match="t has two constraints named ck_t_low"):
        project.new("first")


def test_enum_whose_check_has_no_name_is_refused(project: Project) -> None:
    """SQLAlchemy says so too, and neither the table nor the column."""
    mood = Enum("fine", create_constraint=True)
    Table("t", project.metadata, Column("id", Integer, primary_key=True), Column("mood", mood))
    with pytest.raises(MigrationError, match=r't\.mood has no name.*Enum\(…, name="mood"\)'):
        project.new("first")
