"""What happens after a project is written: tidying, a git repository, the next steps."""

import importlib.util
import subprocess

import pytest

from tests.support.bake import TEMPLATE, environment, type_cookiecutter


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location(
        "post_gen_project", TEMPLATE / "hooks" / "post_gen_project.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Become a person whom git knows; call it to become one whom it does not."""

    def become(identity):
        for name, value in environment(tmp_path / "home", identity=identity).items():
            monkeypatch.setenv(name, value)
        for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "EMAIL"):
            monkeypatch.delenv(name, raising=False)

    become(True)
    return become


def git(folder, *arguments):
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "README.md").write_text("# Shop\n")
    (folder / ".gitignore").write_text("instance/\n")
    (folder / "instance").mkdir()
    (folder / "instance" / "shop.sqlite").touch()
    return folder


def test_a_repository_with_one_commit_is_started(hook, home, project):
    assert hook.start_repository(project) == "A git repository with one commit was started."
    assert git(project, "log", "--format=%an %ae %s") == "Ann ann@example.com Start"
    assert git(project, "branch", "--show-current") == "main"
    assert git(project, "ls-files").split() == [".gitignore", "README.md"]
    assert git(project, "status", "--porcelain") == ""


def test_a_person_s_own_settings_of_git_count(hook, home, project):
    git(project, "config", "--global", "init.defaultBranch", "trunk")
    git(project, "config", "--global", "commit.gpgSign", "true")
    git(project, "config", "--global", "gpg.program", "false")
    hook.start_repository(project)
    assert git(project, "branch", "--show-current") == "trunk"
    assert git(project, "log", "--format=%s") == "Start"


def test_inside_a_repository_none_is_started(hook, home, project, tmp_path):
    git(tmp_path, "init")
    assert "inside one already" in hook.start_repository(project)
    assert not (project / ".git").exists()


def test_a_person_unknown_to_git_gets_none(hook, home, project):
    home(False)
    assert "does not know your name" in hook.start_repository(project)
    assert not (project / ".git").exists()


def test_without_git_there_is_none(hook, home, project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.start_repository(project) == "No git repository: git is not installed."


def test_a_commit_that_fails_leaves_no_repository(hook, home, project):
    git(project, "config", "--global", "core.attributesFile", str(project / "attributes"))
    git(project, "config", "--global", "filter.broken.clean", "false")
    git(project, "config", "--global", "filter.broken.required", "true")
    (project / "attributes").write_text("* filter=broken\n")
    assert hook.start_repository(project).startswith("No git repository: ")
    assert not (project / ".git").exists()


def test_what_was_not_chosen_goes_and_the_rest_stays(hook, tmp_path):
    for pattern in [*hook.LEFT_OUT["no"], "PACKAGE/models/__init__.py"]:
        path = tmp_path / pattern.replace("PACKAGE", "shop").replace("*", "20260101_0000_abc")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert hook.remove_left_out(tmp_path, "shop", "no") == []
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["__init__.py"]
    assert hook.remove_left_out(tmp_path, "shop", "no") == hook.LEFT_OUT["no"]


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("gh:ann/tpl", "https://github.com/ann/tpl.git"),
        ("gl:ann/tpl", "https://gitlab.com/ann/tpl.git"),
        ("https://example.com/tpl.git", "https://example.com/tpl.git"),
        ("git+https://example.com/tpl", "https://example.com/tpl"),
        ("git@example.com:ann/tpl.git", "git@example.com:ann/tpl.git"),
    ],
)
def test_the_template_s_address_is_written_out(hook, template, found, tmp_path):
    assert hook.address(template, str(tmp_path)) == found


def test_a_template_of_this_machine_is_found_from_where_it_was_named(hook, tmp_path):
    (tmp_path / "a" / "tpl").mkdir(parents=True)
    assert hook.address("../a/tpl", str(tmp_path / "a")) == str(tmp_path / "a" / "tpl")
    assert hook.address(".", str(tmp_path)) == str(tmp_path)


def test_a_bake_ends_with_the_next_steps(tmp_path):
    done = type_cookiecutter(tmp_path / "it's here")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "A git repository with one commit was started.",
        "",
        "Next:",
        "  cd my-project",
        "  make run",
        "",
        "For later changes of the template, link the project to it (give the same answers),",
        "then take them over with `cruft update`:",
        f"  cruft link {TEMPLATE}",
    ]
    assert git(tmp_path / "it's here" / "my-project", "status", "--porcelain") == ""


def test_a_bake_inside_a_repository_or_by_a_stranger_says_why_there_is_none(tmp_path):
    done = type_cookiecutter(tmp_path / "a", identity=False)
    assert "git does not know your name" in done.stdout.splitlines()[0]
    assert not (tmp_path / "a" / "my-project" / ".git").exists()
    git(tmp_path, "init", "b")
    done = type_cookiecutter(tmp_path / "b")
    assert "inside one already" in done.stdout.splitlines()[0]
    assert not (tmp_path / "b" / "my-project" / ".git").exists()
