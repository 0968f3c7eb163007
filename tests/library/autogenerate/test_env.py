"""An env.py that is older than the engine beside it, or another's."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Column, Integer, Table

from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.project import ENV, Project

STOCK = """
from alembic import context
from sqlalchemy import create_engine

with create_engine(context.config.attributes["url"]).connect() as connection:
    metadata = context.config.attributes["metadata"]
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
"""
HOOK = '    "process_revision_directives": process_revision_directives,\n'


@pytest.fixture
def two_columns(project: Project) -> Iterator[Project]:
    """A project whose model has a column less than its chain."""
    for columns in ([Column("name", Integer)], []):
        project.metadata.clear()
        Table("user", project.metadata, Column("id", Integer, primary_key=True), *columns)
        if columns:
            project.new("users")
    return project


def test_the_checklist_is_laid_in_any_case(two_columns: Project) -> None:
    """The first env.py of this template did not name it."""
    (two_columns.folder / "env.py").write_text(ENV.replace(HOOK, ""))
    with pytest.raises(MigrationError, match=r'accept="drop-column user\.name: the reason"'):
        two_columns.new("drop")
    report = two_columns.new("drop", accept="drop-column: unused")
    assert "drop-column user.name" in report.paths[-1].read_text()
    with pytest.raises(MigrationError, match=r"env\.py is older than alembic_lossless"):
        two_columns.verify()


def test_an_env_that_knows_nothing_of_it_is_refused(two_columns: Project) -> None:
    (two_columns.folder / "env.py").write_text(STOCK)
    two_columns.upgrade()
    before = sorted(two_columns.folder.rglob("*.py"))
    for ask in (lambda: two_columns.new("drop"), two_columns.verify):
        with pytest.raises(MigrationError, match="Take over the template's"):
            ask()
    assert sorted(two_columns.folder.rglob("*.py")) == before
