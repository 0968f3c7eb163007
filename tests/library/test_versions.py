"""The library on other Pythons, and with the oldest packages that it promises to work with."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import leave_out
from tests.support.bake import TEMPLATE
from tests.support.pythons import environment, find, oldest

#: A project with ten revisions and every command; every operation on SQLite.
SOME = ("tests/library/flask/test_one_import.py", "tests/library/sqlite/impl/test_operations.py")
MOST = (
    *("tests/library/flask", "tests/library/run", "tests/library/sqlite"),
    *("tests/library/matrix", "tests/library/autogenerate/test_new.py"),
)


def run(python: Path, tests: tuple[str, ...], *options: str) -> None:
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-m", "not trial", *options, *tests],
        cwd=TEMPLATE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]


def test_oldest_packages_run_every_command(tmp_path: Path) -> None:
    own = environment(tmp_path / "venv", sys.executable, *oldest())
    run(own, SOME, "-k", "sqlite or operations")


#: Each with its oldest that the library takes, and its newest: by requirement.
PACKAGES = {
    "alembic": ("alembic==1.16.1", "alembic"),
    "sqlalchemy": ("sqlalchemy<2.1", "sqlalchemy>=2.1"),
    "flask-migrate": ("flask-migrate<4.1", "flask-migrate>=4.1"),
    "flask-sqlalchemy": ("flask-sqlalchemy<3.1", "flask-sqlalchemy>=3.1"),
}


def interpreter(version: str) -> str | None:
    python = find(version)
    if python is None:
        leave_out(f"Python {version}", "it is not installed")
    return python


@pytest.mark.trial
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("packages", list(product(*PACKAGES.values())), ids="+".join)
def test_every_mixture_runs_every_command(
    version: str, packages: tuple[str, ...], tmp_path: Path
) -> None:
    if python := interpreter(version):
        run(environment(tmp_path / "venv", python, *packages), SOME, "-k", "sqlite or operations")


@pytest.mark.trial
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("packages", ["oldest", "newest"])
def test_most_of_the_library_runs_on_each_python(
    version: str, packages: str, tmp_path: Path
) -> None:
    python = interpreter(version)
    if python is None:
        return
    held = oldest() if packages == "oldest" else []
    if version >= "3.13":  # for which the oldest SQLAlchemy was not made
        held = [package for package in held if not package.startswith("sqlalchemy")]
    run(environment(tmp_path / "venv", python, *held), MOST)
