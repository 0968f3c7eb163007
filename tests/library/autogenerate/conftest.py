from collections.abc import Callable
from pathlib import Path

import pytest

from tests.library.autogenerate.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project on SQLite, without models and without a chain."""
    return Project(tmp_path)


@pytest.fixture
def on_both(tmp_path: Path, postgresql: Callable[[], str]) -> Project:
    """A project for PostgreSQL, developed on SQLite too; the real database is PostgreSQL's."""
    return Project(tmp_path, url=postgresql(), kinds=("sqlite", "postgresql"))


@pytest.fixture
def on_mariadb(tmp_path: Path, mariadb: Callable[[], str]) -> Project:
    """A project for MariaDB, developed on SQLite too; the real database is MariaDB's."""
    return Project(tmp_path, url=mariadb(), kinds=("sqlite", "mysql"))


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Project:
    """A project, once on SQLite, once on PostgreSQL and SQLite."""
    found: Project = request.getfixturevalue({"sqlite": "project"}.get(request.param, "on_both"))
    return found


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def on_each(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project on each kind of database in turn, and for no other."""
    if request.param == "sqlite":
        return Project(tmp_path)
    databases: Callable[[], str] = request.getfixturevalue(request.param)
    return Project(tmp_path, url=databases())
