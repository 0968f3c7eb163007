"""What env.py leaves out is neither compared nor proposed."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from alembic_lossless.autogenerate.migrate import write_migration
from alembic_lossless.errors import MigrationError
from alembic_lossless.rehearsal.rehearse import rehearse
from alembic_lossless.scratch.sources import find_sources
from tests.library.autogenerate.project import ENV, Project

INCLUDE = """
def include_object(object, name, type_, reflected, compare_to):
    if type_ == "table":
        return not object.info.get("elsewhere") and name != "legacy"
    return name not in ("ix_by_hand", "extra")


def include_name(name, type_, parents):
    return type_ != "table" or not name.startswith("tmp_")


options = {"include_object": include_object, "include_name": include_name,
"""

CHAIN = """op.create_table("legacy", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("tmp_import", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer),
    sa.Column("extra", sa.Integer))
op.create_index("ix_by_hand", "book", ["n"])"""


@pytest.fixture
def project(on_each: Project) -> Project:
    env = ENV.replace("options = {", INCLUDE)
    assert env != ENV
    (on_each.folder / "env.py").write_text(env)
    return on_each


def test_what_env_py_leaves_out_is_neither_compared_nor_dropped(project: Project) -> None:
    project.by_hand(CHAIN)
    project.upgrade()
    project.run("INSERT INTO legacy VALUES (1)", "INSERT INTO book (id, n, extra) VALUES (1, 2, 3)")
    sa.Table("elsewhere", project.metadata, sa.Column("id", sa.Integer), info={"elsewhere": True})
    book = sa.Table(
        "book",
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("n", sa.Integer),
    )
    assert not any(project.verify().differences.values())
    assert not project.new("nothing").paths
    book.append_column(sa.Column("name", sa.String(20)))
    (path,) = project.new("name").paths
    operations = path.read_text().partition("def upgrade")[2]
    assert '"name"' in operations
    for left_out in ("legacy", "tmp_import", "elsewhere", "ix_by_hand", "extra"):
        assert left_out not in operations
    given: dict[str, Any] = {}
    exec(INCLUDE + "}", given)
    sources, _ = find_sources(project.kinds, sa.make_url(project.url))
    rehearsal = rehearse(
        project.script, "head", project.metadata, sources, options=given["options"]
    )
    assert (rehearsal.failures, rehearsal.ahead) == ([], [])
    project.upgrade()
    assert project.run("SELECT n, extra, name FROM book") == [(2, 3, None)]
    assert project.run("SELECT id FROM legacy") == [(1,)]
    assert not any(project.verify().differences.values())


def test_proposal_is_limited_to_the_tables_that_are_named(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(
        'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True))\n'
        'op.create_table("gone", sa.Column("id", sa.Integer, primary_key=True))'
    )
    project.upgrade()
    project.run("INSERT INTO gone VALUES (1)")
    for name in ("book", "author"):
        sa.Table(
            name,
            project.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("mood", sa.Enum("sad", "glad", name=f"mood_of_{name}")),
        )
    config = project.config()
    (path,) = write_migration(config, "mood", tables=["book"]).paths
    operations = path.read_text().partition("def upgrade")[2]
    assert "mood_of_book" in operations
    assert "author" not in operations
    assert "gone" not in operations
    project.upgrade()
    assert project.run("SELECT id FROM gone") == [(1,)]
    with pytest.raises(MigrationError, match="--tables names bok, which neither the models nor"):
        write_migration(project.config(), "mood", tables=["bok"])
