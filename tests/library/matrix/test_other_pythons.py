"""The engine's own tests on the other Pythons that it promises to run on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import leave_out

HOME = Path(__file__).parents[3]
SOME = "tests/engine/matrix"
CELLS = "test_matrix.py or test_names.py or test_chain.py or test_faults.py or test_newer_sqlite.py"


def interpreter(version: str) -> str:
    """Return the path of this Python, on the path or among pyenv's; else the test is left out."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    of_pyenv = sorted(root.glob(f"versions/{version}.*/bin/python"))
    found = shutil.which(f"python{version}", path=_path_without_shims(root))
    if not found and not of_pyenv:
        leave_out(f"Python {version}", "there is no such interpreter")
    return found or str(of_pyenv[-1])


def _path_without_shims(root: Path) -> str:
    """A shim of pyenv's is there for every version, also for one that it then refuses to run."""
    parts = os.environ["PATH"].split(os.pathsep)
    return os.pathsep.join(part for part in parts if not part.startswith(str(root / "shims")))


@pytest.mark.trial
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_on_python(version: str) -> None:
    """The matrix, names, the chain and the faults, in an environment made from pyproject.toml."""
    if sys.version.startswith(f"{version}."):
        pytest.skip("this is the Python that runs the tests")
    python = interpreter(version)
    # Not in pytest's own folder, which the user that PostgreSQL runs as may not enter.
    place = HOME / "build" / f"python-{version}"
    subprocess.run([python, "-m", "venv", place], check=True)
    own = str(place / "bin" / "python")
    quiet = ["-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([own, *quiet, "pip>=25.1"], check=True)
    subprocess.run([own, *quiet, "--group", "dev"], cwd=HOME, check=True)
    done = subprocess.run(
        [own, "-m", "pytest", SOME, "-q", "-m", "not trial", "-k", CELLS, "-p", "no:cacheprovider"],
        cwd=HOME,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:]
