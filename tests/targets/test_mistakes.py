"""What a developer gets wrong on the way, and the one sentence that it gets."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.support.project import Project

NICKNAME = "    nickname: Mapped[str | None] = mapped_column(String(50))\n"


def by_hand(project: Project, message: str = "by hand") -> Path:
    """Write an empty revision, and return its file."""
    before = project.versions()
    project.make("newmigration", f"m={message}", "empty=yes")
    (name,) = project.versions() - before
    return project.versions_folder / name


def put(file: Path, old: str, new: str) -> int:
    """Replace the first *old* in *file*, and return the line it is in."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def two_heads(project: Project) -> list[str]:
    """Write two revisions that stand side by side, and return them."""
    files = [by_hand(project, "one"), by_hand(project, "two")]
    for file in files:
        first = 'down_revision = "280515ad3e21"'
        file.write_text(re.sub(r"(?m)^down_revision = .*$", first, file.read_text()))
        # As long as before and in the same second: the compiled file would still be believed.
        os.utime(file, (0, 0))
    return sorted(str(project.load_version(file.name).revision) for file in files)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("def upgrade( -> None:", "SyntaxError: "),
        ("nobody.knows()\ndef upgrade() -> None:", "NameError: name 'nobody' is not defined"),
        (
            "from baked.models import Nobody\ndef upgrade() -> None:",
            "ImportError: cannot import name 'Nobody' from 'baked.models'",
        ),
    ],
    ids=["syntax", "name", "import"],
)
def test_a_file_that_cannot_be_imported(project: Project, line: str, why: str) -> None:
    project.make("db")
    file = by_hand(project)
    number = put(file, "def upgrade() -> None:", line)
    before = project.database.read_bytes()
    for typed in ("rehearse", "plan", "history", "upgrade", "redo", "check", "reset", "downgrade"):
        done = project.flask("db", typed, fails=True)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("exit 1: "), done.stderr
        assert "Traceback" not in done.stderr
        assert f"{file.name}, line {number}, " in done.stderr
        assert why in done.stderr
        assert "run again" in done.stderr
    assert project.database.read_bytes() == before


def test_a_rehearsal_that_is_interrupted(project: Project, tmp_path: Path) -> None:
    """Ctrl-C reaches make and all that it started; the file stays, and that has to be said."""
    started = tmp_path / "started"
    # It sleeps in every migration that is written from now on.
    template = project.package / "migrations" / "script.py.mako"
    sleeps = f"import time; open({str(started)!r}, 'w').close(); time.sleep(60)"
    put(template, "def upgrade() -> None:\n", f"def upgrade() -> None:\n    {sleeps}\n")
    project.add_to_author(NICKNAME)
    running = subprocess.Popen(
        ["make", "newmigration", "m=add nickname"],
        cwd=project.root,
        env=project._environment() | {"PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not started.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    (name,) = project.versions() - project.versions_at_first
    assert running.returncode
    assert "Aborted!" in said
    assert "Traceback" not in said
    assert f"Written, and not rehearsed to the end: {name}. Next: make rehearse r=" in said
    assert "or delete the file" in said


@pytest.mark.parametrize("left", [b"\x03", b"\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_a_question_that_is_left(project: Project, left: bytes) -> None:
    project.edit("models/library.py", "name: Mapped[str]", "full_name: Mapped[str]")
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        ["flask", "db", "migrate", "-m", "full names"],
        cwd=project.root,
        env=project._environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=partial(os.login_tty, theirs),
    )
    os.close(theirs)
    said = b""
    for typed in (b"maybe\n", left):
        until = said.count(b"[y/N]: ") + 1
        while said.count(b"[y/N]: ") < until:
            said += os.read(ours, 4096)
        os.write(ours, typed)
    with suppress(OSError):  # Linux says by it that the other side is closed
        while True:
            # Python misses a signal between its prompt and its wait: one presses the keys again.
            if not select.select([ours], [], [], 5)[0]:
                os.write(ours, left)
            elif more := os.read(ours, 4096):
                said += more
            else:
                break
    assert running.wait() == 1
    assert b"'maybe' is neither yes nor no: y or n." in said
    assert b"exit 1: No migration was written: a question was left without an answer." in said
    assert b"Traceback" not in said
    assert project.versions() == project.versions_at_first


def test_seeds_that_fail(project: Project) -> None:
    project.make("db")
    project.edit("models/library.py", "name: Mapped[str]", "full_name: Mapped[str]")
    text = (project.package / "seeds.py").read_text()
    number = text[: text.index("Author(name=")].count("\n") + 1
    done = project.flask("db", "reset", "--force", fails=True)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("exit 1: The seeds failed")
    assert f"line {number} of baked/seeds.py" in done.stderr
    assert "'name' is an invalid keyword argument for Author" in done.stderr
    assert "flask db reset" in done.stderr
    assert "full_name" in project.columns("author")
    assert project.rows("SELECT * FROM author") == []
    project.edit("seeds.py", 'Author(name="U', 'Author(full_name="U')
    project.edit("seeds.py", 'Author(name="S', 'Author(full_name="S')
    project.make("db")
    assert len(project.rows("SELECT * FROM author")) == 2


def test_seeds_that_the_database_refuses(project: Project) -> None:
    project.edit("seeds.py", 'name="Stanisław Lem"', 'name="Ursula K. Le Guin"')
    done = project.flask("db", "reset", fails=True)
    assert re.search(r"The seeds failed in line \d+ of baked/seeds.py: .*UNIQUE", done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert project.rows("SELECT * FROM author") == []


def test_a_redo_that_fails_is_gone_on_with_by_migrate(project: Project) -> None:
    file = by_hand(project)
    project.make("migrate")
    put(file, "    pass\n", '    op.execute("INSERT INTO nowhere VALUES (1)")\n')
    failed = project.make("redo", fails=True)
    assert "Fix the cause or the file, and make migrate." in failed.stderr
    assert "run again" not in failed.stderr
    again = project.make("redo").stdout
    assert "Nothing to redo" in again
    revision = project.load_version(file.name).revision
    assert f"Pending: {revision}; next: make migrate" in again
    put(file, '    op.execute("INSERT INTO nowhere VALUES (1)")\n', "    pass\n")
    project.make("migrate")
    assert "pending" not in project.make("redo").stdout


@pytest.mark.parametrize("words", [(), ("empty=yes",), ("changed",)], ids=str)
def test_two_heads_are_named_before_a_migration_is_written(
    project: Project, words: tuple[str, ...]
) -> None:
    one, two = two_heads(project)
    before = project.versions()
    if words == ("changed",):
        project.add_to_author(NICKNAME)
    typed = [word for word in words if "=" in word]
    refused = project.make("newmigration", "m=add nickname", *typed, fails=True)
    sentence = (
        f"exit 1: The chain has 2 heads ({one}, {two}): join them by "
        '.venv/bin/flask db merge -m "…" heads'
    )
    assert refused.stderr.startswith(sentence)
    assert project.make("check", fails=True).stderr.startswith(sentence)
    assert project.versions() == before
    project.flask("db", "merge", "heads", "-m", "both")
    assert len(project.versions()) == len(before) + 1
    project.make("newmigration", "m=add nickname", *typed)
