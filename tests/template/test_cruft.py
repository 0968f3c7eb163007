"""Taking over later changes of the template with cruft, which clones it from its repository."""

import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.support.bake import TEMPLATE, environment, type_cookiecutter

PARTS = (
    "cookiecutter.json",
    "local_extensions.py",
    "library_wheel.py",
    "pyproject.toml",
    "LICENSE",
    "hooks",
    "templates",
    "src",
)


@pytest.fixture
def type_in(tmp_path):
    """Type a command in a folder beside a clone of the template, which is called tpl."""
    variables = environment(tmp_path / "home")

    def type_in(folder, *command):
        return subprocess.run(
            command,
            cwd=folder,
            env={**variables, "PWD": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    clone = tmp_path / "tpl"
    clone.mkdir()
    (project,) = TEMPLATE.glob("*cookiecutter.project_slug*")
    for part in (*PARTS, project.name):
        copy = shutil.copytree if (TEMPLATE / part).is_dir() else shutil.copyfile
        copy(TEMPLATE / part, clone / part)
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "One"]):
        assert type_in(clone, "git", *step).returncode == 0
    return type_in


CRUFT = (sys.executable, "-m", "cruft")


def change_template(type_in, clone):
    (readme,) = clone.glob("*cookiecutter.project_slug*/README.md")
    readme.write_text(readme.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    assert type_in(clone, "git", "commit", "-qam", "Two").returncode == 0


def test_a_project_made_by_cruft_takes_later_changes(type_in, tmp_path):
    done = type_in(tmp_path, *CRUFT, "create", "tpl", "--no-input")
    assert done.returncode == 0, done.stderr
    assert "git init && git add --all" in done.stdout
    project = tmp_path / "my-project"
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Start"]):
        assert type_in(project, "git", *step).returncode == 0
    assert type_in(project, *CRUFT, "check").returncode == 0
    change_template(type_in, tmp_path / "tpl")
    assert type_in(project, *CRUFT, "check").returncode == 1
    done = type_in(project, *CRUFT, "update", "--skip-apply-ask")
    assert done.returncode == 0, done.stderr
    assert "Next:" not in done.stdout
    assert (project / "README.md").read_text(encoding="utf-8").endswith("\nMore.\n")
    changed = type_in(project, "git", "status", "--porcelain").stdout.split()
    assert sorted(changed[1::2]) == [".cruft.json", "README.md"]


def test_an_update_brings_the_library_s_new_wheel(type_in, tmp_path):
    done = type_in(tmp_path, *CRUFT, "create", "tpl", "--no-input")
    assert done.returncode == 0, done.stderr
    project = tmp_path / "my-project"
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Start"]):
        assert type_in(project, "git", *step).returncode == 0
    (before,) = (project / "vendor").iterdir()
    (tmp_path / "tpl" / "src" / "alembic_lossless" / "more.py").touch()
    for step in (["add", "-A"], ["commit", "-qm", "Two"]):
        assert type_in(tmp_path / "tpl", "git", *step).returncode == 0
    done = type_in(project, *CRUFT, "update", "--skip-apply-ask")
    assert done.returncode == 0, done.stderr
    (after,) = (project / "vendor").iterdir()
    assert after.name != before.name
    assert (project / "pyproject.toml").read_text(encoding="utf-8").count(after.name) == 2
    with zipfile.ZipFile(after) as archive:
        assert archive.testzip() is None
        assert "alembic_lossless/more.py" in archive.namelist()


def test_a_project_made_by_cookiecutter_is_linked_as_the_last_line_says(type_in, tmp_path):
    done = type_cookiecutter(tmp_path, home=tmp_path / "home", template="tpl")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1].split()
    assert last == ["cruft", "link", str(tmp_path / "tpl")]
    project = tmp_path / "my-project"
    done = type_in(project, *CRUFT, *last[1:], "--no-input")
    assert done.returncode == 0, done.stderr
    for step in (["add", "-A"], ["commit", "-qm", "Link"]):
        assert type_in(project, "git", *step).returncode == 0
    change_template(type_in, tmp_path / "tpl")
    done = type_in(project, *CRUFT, "update", "--skip-apply-ask")
    assert done.returncode == 0, done.stderr
    assert (project / "README.md").read_text(encoding="utf-8").endswith("\nMore.\n")


def test_cruft_too_refuses_in_one_sentence(type_in, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = type_in(
        tmp_path, *CRUFT, "create", "tpl", "--no-input", "--extra-context", '{"package_name": "os"}'
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "package_name cannot be 'os', which is a module of Python's standard library: "
        "type os_app instead.\n"
    )
    assert sorted(tmp_path.iterdir()) == before
