"""A server default that only the migrations have is listed, and stays."""

import pytest
import sqlalchemy as sa

from tests.library.autogenerate.project import Project

CHAIN = """op.create_table("book", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(50), server_default="x"),
    sa.Column("pages", sa.Integer, nullable=False, server_default="0"))
op.create_table("shop", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("town", sa.String(50), server_default="here"))"""

ROWS = "INSERT INTO book (id) VALUES (1)"


@pytest.fixture
def project(on_each: Project) -> Project:
    on_each.by_hand(CHAIN)
    on_each.upgrade_as_stock()
    define(on_each)
    return on_each


def define(
    project: Project, *more: sa.Column[object], title: str = "title", default: str | None = None
) -> None:
    project.metadata = sa.MetaData()
    sa.Table(
        "book",
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(title, sa.String(50)),
        sa.Column("pages", sa.Integer, nullable=False),
        *more,
    )
    town = sa.Column("town", sa.String(50), server_default=default)
    sa.Table("shop", project.metadata, sa.Column("id", sa.Integer, primary_key=True), town)


def operations(text: str) -> int:
    return text.partition("def upgrade")[2].partition("def downgrade")[0].count("batch_op.")


def test_check_lists_them_after_the_differences_and_agrees(project: Project) -> None:
    lines = project.type("check").splitlines()
    assert "models and migrations agree" in lines[0]
    assert "only the migrations have these server defaults. They stay" in lines[1]
    assert "--tables" in lines[1]
    assert [line.split(":")[0].strip() for line in lines[2:]] == ["book", "shop"]
    define(project, sa.Column("isbn", sa.String(20)))
    differing = project.type("check", code=4).splitlines()
    assert "book.isbn" in differing[0]
    assert "only the migrations have these" in differing[1]


def test_migrate_proposes_what_changed_alone(project: Project) -> None:
    report = project.new("nothing")
    assert not report.paths
    assert (
        '3 server defaults that only the migrations have stay as they are; --tables "book,shop"'
        in ("\n".join(report.lines()))
    )
    define(project, sa.Column("isbn", sa.String(20)))
    assert "✓ rehearsed" in project.type("migrate", "-m", "isbn")
    assert operations(project.last()) == 1
    project.upgrade()
    project.run(ROWS)
    assert project.run("SELECT title, pages FROM book") == [("x", 0)]
    assert "✓ rehearsed" in project.type("rehearse")
    project.type("check")


def test_tables_drops_them(project: Project) -> None:
    written = project.type("migrate", "-m", "defaults", "--tables", "book")
    assert "✓ rehearsed" in written
    assert operations(project.last()) == 2
    assert "town" not in project.last()
    project.upgrade()
    assert project.type("check").splitlines()[2].strip().startswith("shop: town")
    project.downgrade()
    project.run(ROWS)
    assert project.run("SELECT title, pages FROM book") == [("x", 0)]


def test_default_that_migrate_wrote_is_dropped_with_its_model(project: Project) -> None:
    define(project, default="there")
    project.new("default")
    assert "there" in project.last()
    define(project)
    assert "default of shop.town" in project.type("check", code=4)
    assert "town" in "\n".join(project.new("no default").lines())
    assert operations(project.last()) == 1


def test_renamed_column_takes_its_default_along(project: Project) -> None:
    define(project, title="name")
    written = project.type("migrate", "-m", "name", "--rename", "book.title:name")
    assert "✓ rehearsed" in written
    assert operations(project.last()) == 1
    project.upgrade()
    assert "name " in project.type("check").splitlines()[2]
    assert not project.new("nothing").paths


def test_column_that_changes_its_type_takes_its_default_along(project: Project) -> None:
    define(project)
    project.metadata.tables["book"].columns["title"].type = sa.String(90)
    assert "✓ rehearsed" in project.type("migrate", "-m", "longer")
    project.upgrade()
    project.run(ROWS)
    assert project.run("SELECT title FROM book") == [("x",)]
    project.type("check")


def test_those_in_the_baseline_are_not_listed(project: Project) -> None:
    assert "3 differences" in project.type("check", "--write-baseline")
    lines = project.type("check").splitlines()
    assert len(lines) == 1
    assert "but for 3 differences in baseline.json" in lines[0]
