"""An env.py that the library does not get hold of."""

import pytest
from sqlalchemy import Column, Integer, Table

from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.project import ENV, Project

LINES = ("from alembic_lossless import safeguard\n", "safeguard(context, ", ', given["settings"])')


def unguarded() -> str:
    """Return the env.py without the lines that safeguard it."""
    env = ENV
    for line in LINES:
        assert line in env
        env = env.replace(line, "")
    return env


@pytest.mark.parametrize("command", ["new", "verify"])
def test_unguarded_env_is_refused_and_nothing_is_written(project: Project, command: str) -> None:
    Table("user", project.metadata, Column("id", Integer, primary_key=True))
    (project.folder / "env.py").write_text(unguarded())
    before = sorted(project.folder.rglob("*.py"))
    with pytest.raises(MigrationError, match=r"(?s)is not safeguarded.*safeguard\(context\)"):
        getattr(project, command)()
    assert sorted(project.folder.rglob("*.py")) == before


def test_env_of_a_project_that_never_asked_runs_as_stock(project: Project) -> None:
    project.by_hand("op.create_table('t', sa.Column('id', sa.Integer))")
    (project.folder / "env.py").write_text(unguarded())
    project.upgrade()
    assert project.run("SELECT name FROM sqlite_master WHERE name = 'alembic_lossless_log'") == []
