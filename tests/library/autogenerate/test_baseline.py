"""An old project's differences are recorded once; from then on only new ones count."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.rehearsal.rehearse import rehearse
from alembic_lossless.schema import baseline
from alembic_lossless.scratch.sources import find_sources
from tests.library.autogenerate.project import Project

#: A column, an index, a default, a type, a table and NOT NULL that the models do not have so.
CHAIN = """op.create_table("book", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(90), server_default="x"), sa.Column("old", sa.Integer),
    sa.Column("pages", sa.Integer, nullable=False))
op.create_index("ix_old", "book", ["title"])
op.create_table("gone", sa.Column("id", sa.Integer, primary_key=True))"""


@pytest.fixture
def project(on_each: Project) -> Project:
    on_each.by_hand(CHAIN)
    on_each.upgrade()
    rows = "INSERT INTO book (id, old, pages) VALUES (1, 2, 3)"
    on_each.run(rows, "INSERT INTO gone VALUES (7)")
    return on_each


def define(project: Project, *more: sa.Column[object]) -> None:
    project.metadata = sa.MetaData()
    sa.Table(
        "book",
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.String(50)),
        sa.Column("pages", sa.Integer),
        *more,
    )
    sa.Table("never", project.metadata, sa.Column("id", sa.Integer, primary_key=True))


def record(project: Project) -> None:
    baseline.write(project.folder, project.verify().all_differences)


def test_recorded_differences_are_neither_reported_nor_proposed(project: Project) -> None:
    define(project)
    before = project.verify()
    assert sum(map(len, before.all_differences.values())) >= 7
    record(project)
    after = project.verify()
    assert after.agrees
    assert after.all_differences == before.all_differences
    assert f"differences in {baseline.FILE}" in "\n".join(after.lines())
    assert not project.new("nothing").paths


def test_only_what_changes_after_the_baseline_comes_out(project: Project) -> None:
    define(project)
    record(project)
    define(project, sa.Column("name", sa.String(20)))
    (path,) = project.new("name").paths
    operations = path.read_text().partition("def upgrade")[2]
    assert operations.count("batch_op.") == 2
    assert "gone" not in operations
    sources, _ = find_sources(project.kinds, sa.make_url(project.url))
    rehearsal = rehearse(project.script, "head", project.metadata, sources)
    assert (rehearsal.failures, rehearsal.ahead) == ([], [])
    project.upgrade()
    assert project.run("SELECT old, pages, name FROM book") == [(2, 3, None)]
    assert project.run("SELECT id FROM gone") == [(7,)]
    assert project.verify().agrees


def test_known_difference_that_changes_is_new(project: Project) -> None:
    define(project)
    record(project)
    define(project)
    project.metadata.tables["book"].columns["title"].type = sa.String(40)
    assert [str(item.key) for item in project.verify().differences[project.kinds[0]]] == [
        "book.title"
    ]


def test_file_has_a_line_for_each_difference_and_is_read_back(tmp_path: Path) -> None:
    assert baseline.read(tmp_path) == {}
    project = Project(tmp_path)
    project.by_hand(CHAIN)
    define(project)
    record(project)
    path = project.folder / baseline.FILE
    differences = project.verify().all_differences["sqlite"]
    assert len(json.loads(path.read_text())["sqlite"]) == len(differences)
    assert len(path.read_text().splitlines()) == len(differences) + 4
    known = baseline.read(project.folder)["sqlite"]
    assert len(known.differences) == len(differences)
    assert known.new(differences) == []
    path.write_text("{oops")
    with pytest.raises(MigrationError, match=r"baseline\.json cannot be read \("):
        project.verify()
