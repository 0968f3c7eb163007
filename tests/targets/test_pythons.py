"""A project on every Python it is made for, installed by both of its ways."""

import sys
from pathlib import Path

import pytest

from tests.conftest import PLAIN, leave_out
from tests.support.bake import Bakery
from tests.support.project import Project
from tests.support.pythons import OTHERS, find

#: One in `make test`, all in `make trials`.
EACH = [*OTHERS[:1], *(pytest.param(version, marks=pytest.mark.trial) for version in OTHERS[1:])]


@pytest.mark.parametrize("version", EACH)
def test_a_day_on_another_python(version: str, bakery: Bakery, tmp_path: Path) -> None:
    python = find(version)
    if python is None:
        leave_out(f"Python {version}", "it is not installed")
    project = Project(bakery.copy(tmp_path, **PLAIN), tmp_path / "venv")
    project.make("install", f"PYTHON={python}")
    assert version in project.run("python", "--version").stdout
    project.make("db")
    before = project.rows("SELECT id, name FROM author ORDER BY id")
    project.add_to_author("    nickname: Mapped[str | None] = mapped_column(String(50))\n")
    project.make("newmigration", "m=add nickname")
    project.make("migrate")
    assert project.rows("SELECT id, name FROM author ORDER BY id") == before
    project.make("check")
    assert " passed" in project.make("test").stdout


def test_without_uv_pip_installs_and_a_second_make_does_not(bakery: Bakery, tmp_path: Path) -> None:
    project = Project(bakery.copy(tmp_path, **PLAIN), tmp_path / "venv")
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("python3", "make", "sh", "touch", "git"):
        where = project.run("which", tool).stdout.strip()
        (tools / tool).symlink_to(where)
    project.make("install", PATH=str(tools), PYTHON=str(Path(sys.base_prefix, "bin", "python3")))
    stamp = project.venv / ".installed"
    before = stamp.stat().st_mtime_ns
    assert (project.venv / "bin" / "pip").exists()
    assert "agree" in project.make("check", PATH=str(tools)).stdout
    assert stamp.stat().st_mtime_ns == before
