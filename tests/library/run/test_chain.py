"""A broken chain: every command names the file, what it misses, and how to bring it back."""

import subprocess
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from alembic_lossless.errors import MigrationError
from alembic_lossless.run.chain import read_chain
from tests.library.alembic.project import AlembicProject
from tests.servers.run.shop import Shop

FILE = "revision = {!r}\ndown_revision = {!r}\nbranch_labels = {!r}\ndepends_on = {!r}\n"


class Versions:
    """A folder of revisions that say no more than what they follow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "versions").mkdir()

    def write(
        self,
        name: str,
        revision: str,
        down: object,
        depends_on: object = None,
        label: object = None,
    ) -> Path:
        path = self.folder / "versions" / f"{name}.py"
        path.write_text(FILE.format(revision, down, label, depends_on))
        return path

    def refusal(self) -> str:
        with pytest.raises(MigrationError) as refused:
            read_chain(ScriptDirectory(str(self.folder)))
        return str(refused.value)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_missing_revision_is_named_with_the_file_that_follows_it(versions: Versions) -> None:
    versions.write("first", "a1", None)
    versions.write("third", "a3", "a2")
    versions.write("fourth", "a4", "a3")
    message = versions.refusal()
    assert "third.py follows revision 'a2' (its down_revision), and no file" in message
    assert "Bring its file back from the branch or the release that has it; or, where no" in message
    assert 'write down_revision = "a1" in third.py.' in message


def test_missing_revision_with_a_similar_id_suggests_that(versions: Versions) -> None:
    versions.write("first", "3f2a9c81", None)
    versions.write("second", "99e1b7d0", "3f2a9c81")
    versions.write("third", "77aa0011", "99e1b7d9")
    assert 'down_revision = "99e1b7d0" in third.py.' in versions.refusal()
    # What follows the file itself would make a circle of it.
    versions.write("third", "77aa0011", "88bb0023")
    versions.write("fourth", "88bb0022", "77aa0011")
    assert 'down_revision = "99e1b7d0" in third.py.' in versions.refusal()


@pytest.mark.parametrize("loaded_by_alembic", [False, True])
def test_missing_dependency_is_named(versions: Versions, loaded_by_alembic: bool) -> None:
    versions.write("first", "a1", None, label="shop")
    path = versions.write("second", "a2", "a1", depends_on=("shop", "gone"))
    if loaded_by_alembic:
        path.write_text(path.read_text().replace("'a2'", "str('a2')"))
    assert "second.py depends on revision 'gone'" in versions.refusal()
    path.write_text(path.read_text().replace(", 'gone'", ","))
    assert read_chain(ScriptDirectory(str(versions.folder))).heads == {"a2"}


def test_two_files_with_one_id_are_named(versions: Versions) -> None:
    versions.write("first", "a1", None)
    versions.write("second", "a2", "a1")
    versions.write("second_copy", "a2", "a1")
    assert "second.py and second_copy.py have the same id, revision = 'a2'" in versions.refusal()


def test_circle_is_named(versions: Versions) -> None:
    versions.write("first", "a1", None)
    versions.write("second", "a2", "a3")
    versions.write("third", "a3", "a2")
    message = versions.refusal()
    assert "follow each other in a circle" in message
    assert "second.py" in message
    assert "third.py" in message
    versions.write("second", "a2", "a2")
    assert "a2 → a2" in versions.refusal()


@pytest.mark.parametrize("end", ["deleted", "renamed", "on a branch", "not committed"])
def test_missing_file_that_git_knows_comes_back_by_the_command_shown(
    versions: Versions, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(versions.folder)
    git(versions.folder, "init", "-b", "main")
    versions.write("first", "a1", None)
    second = versions.write("second", "a2", "a1")
    versions.write("third", "a3", "a2")
    git(versions.folder, "add", "versions/first.py", "versions/third.py")
    if end == "on a branch":
        git(versions.folder, "commit", "-m", "first")
        git(versions.folder, "checkout", "-b", "feature")
    git(versions.folder, "add", ".")
    git(versions.folder, "commit", "-m", "all")
    text = second.read_text() + "# the last words\n"
    if end == "on a branch":
        text = second.read_text()
        git(versions.folder, "checkout", "main")
    else:
        second.write_text(text)
        git(versions.folder, "commit", "-am", "a word more")
    if end == "renamed":
        (versions.folder / "elsewhere").mkdir()
        git(versions.folder, "mv", "versions/second.py", "elsewhere/second.py")
        git(versions.folder, "commit", "-m", "moved")
    elif end != "on a branch":
        second.unlink()
    if end == "deleted":
        git(versions.folder, "commit", "-am", "gone")
    words = versions.refusal().partition("git checkout ")[2].partition(";")[0].split()
    git(versions.folder, "checkout", *words)
    assert second.read_text() == text
    assert read_chain(ScriptDirectory(str(versions.folder))).heads == {"a3"}


COMMANDS = [
    *("upgrade", "downgrade", "redo", "undo", "reset", "check", "plan", "history", "history -v"),
    *("migrate -m x", "revision -m x", "rehearse", "adopt", "stamp head", "stamp --force head"),
    *("current", "heads", "branches", "show a1", "merge a1 a3", "upgrade --phase expand"),
    *("upgrade --sql", "edit"),
]

RUN_ALL = """
from wsgi import app

for command in {commands!r}:
    result = app.test_cli_runner().invoke(args=["db", *command.split()])
    print(command, "|", result.exit_code, "|", " ".join(result.output.split()))
"""


def test_every_command_with_a_broken_chain_names_the_missing_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite", MIGRATION_DEVELOPMENT=True)
    for name in ("a1", "a2", "a3"):
        shop.revision(name, f'op.create_table("{name}", sa.Column("id", sa.Integer))')
    shop.flask("db", "upgrade", "a1")
    shop.ask("INSERT INTO a1 VALUES (7)")
    (shop.versions / "20260101_0000_a2_a2.py").unlink()
    output = shop.python_run(RUN_ALL.format(commands=COMMANDS)).splitlines()
    assert [line.partition(" | ")[0] for line in output] == COMMANDS
    for line in output:
        assert "| 1 |" in line
        assert "20260101_0000_a3_a3.py follows revision 'a2'" in line
        assert "join them" not in line
    assert shop.ask("SELECT id FROM a1") == [(7,)]
    assert shop.at() == ["a1"]


def test_revision_of_the_database_that_git_knows_comes_back_by_the_command_shown(
    tmp_path: Path,
) -> None:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    for name in ("a1", "a2"):
        file = shop.revision(name, "pass")
    git(shop.root, "init", "-b", "main")
    git(shop.root, "add", ".")
    git(shop.root, "commit", "-m", "all")
    shop.flask("db", "upgrade")
    file.unlink()
    shop.ask("DELETE FROM alembic_lossless_log")
    output = shop.flask("db", "upgrade", code=1)
    words = output.partition("bring its file back, git checkout ")[2].partition(";")[0].split()
    git(shop.root, "checkout", *words)
    assert "Nothing to do: at a2" in shop.flask("db", "upgrade")


def test_command_lines_without_flask_name_the_missing_file_too(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", "generic")
    project.add_line()
    text = "def upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
    for name, down in (("a1", None), ("a3", "a2")):
        file = project.migrations / "versions" / f"{name}.py"
        file.write_text(FILE.format(name, down, None, None) + text)
    for words in (["upgrade"], ["heads"], ["merge", "heads"], ["history", "-v"], ["check"]):
        assert "a3.py follows revision 'a2'" in project.lossless(*words, code=1)
    output = project.run("alembic", "upgrade", "head", code=1)
    assert "exit 1: a3.py follows revision 'a2'" in output


def test_file_in_another_encoding_is_read_as_python_reads_it(shop: Shop) -> None:
    file = shop.revision("a3", 'op.execute("UPDATE t SET n = 5")  # größer', "pass  # größer")
    text = "# -*- coding: latin-1 -*-\n" + file.read_text(encoding="utf-8")
    file.write_bytes(text.encode("latin-1"))
    assert "UPDATE t SET n = 5" in shop.flask("db", "plan")
    shop.flask("db", "upgrade", "--phase", "expand")
    assert "applied  a3" in shop.flask("db", "history")
    shop.flask("db", "downgrade")
