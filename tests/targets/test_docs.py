"""What the documents show is what happens."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.bake import TEMPLATE
from tests.support.console import play, sections
from tests.support.project import Project

PLAYBOOK = TEMPLATE / "docs" / "playbook.md"


@pytest.mark.parametrize("heading", sections(PLAYBOOK))
def test_the_playbook(heading: str, start: Callable[..., Project]) -> None:
    project = start(project_slug="my-project", package_name="my_project")
    assert play(sections(PLAYBOOK)[heading], project)


def test_the_demonstration(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TEMPLATE / "scripts" / "demo.py", tmp_path / "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The page says: Welcome to My Project" in done.stdout


def test_the_commands_of_the_readme_exist() -> None:
    text = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    text += (TEMPLATE / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^make (\w+)", text, re.MULTILINE))
    assert shown >= {"demo", "new", "test"}
    for target in shown:
        done = subprocess.run(["make", "-n", target], cwd=TEMPLATE, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_table_of_commands_in_a_projects_readme(project: Project) -> None:
    text = (project.root / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `make (\w+).*?\| `.venv/bin/flask db (\w+)", text, re.MULTILINE)
    assert len(rows) > 5
    for target, command in rows:
        assert f" db {command}" in project.make("-n", target).stdout
        assert project.flask("db", command, "--help").stdout
