"""Rehearsals, typed as a person would."""

import os
import re
from collections.abc import Callable

from tests.support.project import Project


def test_a_failure_touches_no_database_and_keeps_the_file(project: Project) -> None:
    project.make("db")
    written = project.make("newmigration", "m=by hand", "empty=yes").stdout
    assert written.splitlines()[-1] == "Next: write the migration into it, then make rehearse"
    (name,) = project.versions() - project.versions_at_first
    file = project.versions_folder / name
    file.write_text(file.read_text().replace("pass", 'op.drop_table("book")', 1))
    text, rows = file.read_text(), project.rows("SELECT * FROM book")
    before = project.database.read_bytes()

    refused = project.flask("db", "rehearse", fails=True)
    assert refused.returncode == 1
    assert re.search(rf"schema after the .*book.*\[{name}, line \d+\]", refused.stdout)
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("exit 1: ")
    assert "flask db rehearse " in last
    assert file.read_text() == text
    assert project.database.read_bytes() == before
    assert rows
    assert project.rows("SELECT * FROM book") == rows


def test_check_rehearses_what_is_not_released(project: Project) -> None:
    project.make("db")
    project.git("tag", "v1")
    assert "rehearsed" not in project.make("check").stdout
    project.make("newmigration", "m=by hand", "empty=yes")
    (name,) = project.versions() - project.versions_at_first
    revision = project.load_version(name).revision
    file = project.versions_folder / name
    right = file.read_text()
    assert "rehearsed: 1 unreleased revision\n" in project.make("check").stdout

    file.write_text("raise ValueError".join(right.rsplit("pass", 1)))
    refused = project.flask("db", "check", fails=True, ALEMBIC_LOSSLESS_COMMAND="make")
    assert refused.returncode == 4
    assert re.search(rf"✗ SQLite .*downgrade: ValueError.*\[{name}, line \d+\]", refused.stdout)
    assert refused.stderr.splitlines()[-1] == (
        "exit 4: 1 rehearsal failed. No real database was touched. Fix the file, then run make "
        f"rehearse r={revision}. Or delete it, correct the model, and run make newmigration "
        'm="…" again.'
    )

    # Applied as it is, it cannot be deleted any more, and fixing it alone changes nothing.
    project.make("migrate")
    applied = (
        f"Your database has it already: fix the file, then run make rehearse r={revision} and "
        "make redo. Or undo it: make rollback to=280515ad3e21."
    )
    assert applied in project.make("check", fails=True).stderr
    assert applied in project.make("rehearse", fails=True).stderr
    file.write_text(right)
    project.make("redo")
    assert "rehearsed: 1 unreleased revision\n" in project.make("check").stdout


def test_models_that_are_ahead_are_no_fault_of_the_last_revision(project: Project) -> None:
    project.add_to_author("    nickname: Mapped[str | None] = mapped_column(String(50))\n")
    refused = project.flask("db", "rehearse", fails=True)
    assert refused.returncode == 4
    assert refused.stdout.splitlines()[-2:] == [
        "  ✓ rehearsed on SQLite with 0 fixture rows",
        "  ✗ SQLite: author.nickname: missing, the models say VARCHAR ( 50 )",
    ]
    assert "passed, but the models are ahead of it" in refused.stderr
    assert 'flask db migrate -m "…"' in refused.stderr
    assert "rehears" not in project.make("check", fails=True).stdout
    project.make("newmigration", "m=add nickname")
    assert "ahead" not in project.make("rehearse").stdout


def test_another_revision_by_its_name(project: Project) -> None:
    said = project.make("rehearse", "r=280515ad3e21").stdout
    assert said.splitlines()[-1] == "Next: make migrate"
    project.make("migrate")
    said = project.make("rehearse", "r=280515ad3e21").stdout
    assert said.splitlines()[-1] == "Next: nothing, the database is at the head."
    assert "base is no revision" in project.make("rehearse", "r=base", fails=True).stderr
    unknown = project.make("rehearse", "r=$(shell touch owned)", fails=True)
    assert "shell touch owned" in unknown.stderr
    assert not (project.root / "owned").exists()


def test_without_a_migration(start: Callable[..., Project]) -> None:
    refused = start(example="no").make("rehearse", fails=True)
    assert "There are no migrations" in refused.stderr


def test_two_heads(project: Project) -> None:
    project.make("newmigration", "m=one", "empty=yes")
    project.make("newmigration", "m=two", "empty=yes")
    written = project.versions() - project.versions_at_first
    for name in written:
        file, first = project.versions_folder / name, 'down_revision = "280515ad3e21"'
        file.write_text(re.sub(r"(?m)^down_revision = .*$", first, file.read_text()))
        # As long as before and in the same second: the compiled file would still be believed.
        os.utime(file, (0, 0))
    refused = project.make("rehearse", fails=True)
    assert "The chain has 2 heads" in refused.stderr
    (named,) = re.findall(r"(?m)make rehearse r=(\w+)$", refused.stderr)
    assert named in "".join(written)
    assert "Next: make migrate" in project.make("rehearse", f"r={named}").stdout
