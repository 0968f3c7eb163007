"""A project installs with pip and with uv, on a path with a space, also after it has moved."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.conftest import PLAIN
from tests.support.bake import Bakery

IMPORTS = "import alembic_lossless, baked, flask_migrate; print(alembic_lossless.__file__)"


@pytest.fixture(scope="module")
def folder(bakery: Bakery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose path has a space in it."""
    return bakery.copy(tmp_path_factory.mktemp("my projects"), **PLAIN)


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uv of this machine, or one installed for these tests."""
    if installed := shutil.which("uv"):
        return Path(installed)
    environment = tmp_path_factory.mktemp("uv")
    venv.create(environment, with_pip=True)
    run(environment, environment / "bin" / "pip", "install", "--quiet", "uv")
    return environment / "bin" / "uv"


def run(folder: Path, *command: str | Path) -> str:
    """Run a command in a folder, with none of this environment's variables; return its output."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("VIRTUAL_ENV", "PYTHON", "UV_PROJECT"))
    }
    variables["PIP_NO_COMPILE"] = "1"  # Half of pip's work, for modules that nobody imports.
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def imports_the_library(folder: Path, environment: Path) -> bool:
    """Tell whether the environment has the project and the library, the latter installed in it."""
    file = run(folder, environment / "bin" / "python", "-c", IMPORTS).strip()
    return environment.resolve() in Path(file).resolve().parents


def test_pip_installs_it(folder: Path, tmp_path: Path) -> None:
    """The pip that comes with this Python."""
    environment = tmp_path / "an environment"
    venv.create(environment, with_pip=True)
    run(folder, environment / "bin" / "pip", "install", "--quiet", ".")
    assert imports_the_library(folder, environment)


def test_pip_installs_it_for_development(folder: Path, tmp_path: Path) -> None:
    """A pip that knows dependency groups."""
    environment = tmp_path / "an environment"
    venv.create(environment, with_pip=True)
    pip = environment / "bin" / "pip"
    run(folder, pip, "install", "--quiet", "pip>=25.1")
    run(folder, pip, "install", "--quiet", "--editable", ".", "--group", "dev")
    assert imports_the_library(folder, environment)
    assert (environment / "bin" / "pytest").exists()


def test_uv_syncs_it_and_again_from_its_lock_after_it_has_moved(
    folder: Path, uv: Path, tmp_path: Path
) -> None:
    first = shutil.copytree(folder, tmp_path / "a first place" / folder.name, symlinks=True)
    run(first, uv, "sync", "--quiet", "--python", sys.executable)
    assert imports_the_library(first, first / ".venv")
    shutil.rmtree(first / ".venv")
    second = tmp_path / "another place" / folder.name
    shutil.move(first, second)
    run(second, uv, "sync", "--quiet", "--frozen", "--python", sys.executable)
    assert imports_the_library(second, second / ".venv")


@pytest.mark.trial  # `make install` does so where there is uv
def test_uv_installs_it_as_pip_would(folder: Path, uv: Path, tmp_path: Path) -> None:
    environment = tmp_path / "an environment"
    run(folder, uv, "venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    run(folder, uv, "pip", "install", "--quiet", "--python", python, "-e", ".", "--group", "dev")
    assert imports_the_library(folder, environment)
