from collections.abc import Callable
from pathlib import Path

import pytest

from tests.library.autogenerate.project import Project

KINDS = {"sqlite": "sqlite", "postgresql": "postgresql", "mariadb": "mysql"}


@pytest.fixture(params=list(KINDS))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project on one kind of database: a test that asks for it runs on each."""
    if request.param == "sqlite":
        return Project(tmp_path)
    databases: Callable[[], str] = request.getfixturevalue(request.param)
    return Project(tmp_path, url=databases(), kinds=(KINDS[request.param],))
