"""A developer's day, typed as a person would, in a baked project."""

import re
from collections.abc import Callable

import pytest

from tests.support.project import Project

NICKNAME = "    nickname: Mapped[str | None] = mapped_column(String(50))\n"


def test_bare_make_lists_every_target_in_groups(project: Project) -> None:
    said = project.make().stdout
    targets = re.findall(r"^\.PHONY: (\S+)", (project.root / "Makefile").read_text(), re.M)
    assert set(re.findall(r"  make (\S+)", said)) == set(targets)
    assert re.findall(r"^\w+$", said, re.M) == ["Start", "Work", "Database"]


def test_a_new_column_keeps_the_rows(project: Project) -> None:
    project.make("db")
    before = project.rows("SELECT id, name FROM author ORDER BY id")
    assert before

    project.add_to_author(NICKNAME)
    said = project.make("newmigration", "m=add nickname").stdout
    (file,) = project.versions() - project.versions_at_first
    assert re.fullmatch(r"\d{8}_\d{4}_[0-9a-f]{12}_add_nickname\.py", file)
    assert file in said

    plan = project.make("plan").stdout
    assert "ADD COLUMN nickname VARCHAR(50)" in plan.replace('"', "")

    project.make("migrate")
    assert project.rows("SELECT id, name FROM author ORDER BY id") == before
    assert project.rows("SELECT nickname FROM author") == [(None,)] * len(before)


def test_nothing_changed_writes_nothing(project: Project) -> None:
    said = project.make("newmigration", "m=nothing").stdout
    assert "othing" in said
    assert project.versions() == project.versions_at_first


def test_a_broken_model_is_one_sentence_for_each_command(project: Project) -> None:
    project.add_to_author('    shelf: Mapped[int] = mapped_column(db.ForeignKey("nope.id"))\n')
    for typed in (("newmigration", "m=shelf"), ("check",), ("db",)):
        done = project.make(*typed, fails=True)
        assert "exit 1: author.shelf points to nope.id, which no model has" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_database_rebuilt_before_the_migration_is_stamped(project: Project) -> None:
    project.add_to_author(NICKNAME)
    project.make("db")
    before = project.rows("SELECT * FROM author")
    project.make("newmigration", "m=add nickname")
    said = project.make("migrate").stdout
    assert "stamped, no table was touched" in said
    assert project.rows("SELECT * FROM author") == before
    assert "Nothing to do" in project.make("migrate").stdout


def test_the_message_arrives_letter_by_letter(project: Project) -> None:
    message = "costs $5 $(shell touch owned) `touch owned` 'quoted' \"twice\" \\ # 100% 🐘"
    project.add_to_author(NICKNAME)
    project.make("newmigration", f"m={message}")
    (file,) = project.versions() - project.versions_at_first
    module = project.load_version(file)
    assert message in module.__doc__
    assert not (project.root / "owned").exists()


def test_a_files_name_is_plain_ascii(project: Project) -> None:
    project.make("newmigration", "m=Größe für Ünal 🎉", "empty=yes")
    (file,) = project.versions() - project.versions_at_first
    assert re.fullmatch(r"\d{8}_\d{4}_[0-9a-f]{12}_grosse_fur_unal\.py", file)
    assert project.load_version(file).__doc__.startswith("Größe für Ünal 🎉\n")


def test_a_database_of_another_branch_names_the_way_out(project: Project) -> None:
    project.add_to_author(NICKNAME)
    project.make("newmigration", "m=add nickname")
    project.make("migrate")
    project.git("stash", "--include-untracked")
    project.add_to_author(NICKNAME.replace("nickname", "born"))
    said = project.make("newmigration", "m=add born").stdout
    refused = project.make("migrate", fails=True)
    stock = project.flask("db", "upgrade", fails=True)
    assert refused.stderr.startswith("exit 1: The database is at revision")
    assert stock.stderr.splitlines()[-1].startswith("exit 1: The database is at revision")
    for text in (said, refused.stderr):
        assert "go back to the branch" in text
        assert "make db" in text
    assert "Next: make migrate" not in said
    project.make("db")
    assert "born" in project.columns("author")


@pytest.mark.parametrize("words", [(), ("m=",), ("m=   ",)])
def test_without_a_message_it_says_what_to_type(project: Project, words: tuple[str, ...]) -> None:
    project.add_to_author(NICKNAME)
    refused = project.make("newmigration", *words, fails=True, m="a stray variable")
    assert 'make newmigration m="add nickname"' in refused.stderr
    assert "exit 2" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert project.versions() == project.versions_at_first


def test_an_empty_revision_is_for_writing_by_hand(project: Project) -> None:
    project.make("newmigration", "m=by hand", "empty=yes")
    (file,) = project.versions() - project.versions_at_first
    assert "def upgrade() -> None:\n    pass\n" in (project.versions_folder / file).read_text()


def test_rollback_and_forward_again(project: Project) -> None:
    project.make("migrate")
    project.add_to_author(NICKNAME)
    project.make("newmigration", "m=add nickname")
    project.make("migrate")
    assert "nickname" in project.columns("author")
    project.make("rollback")
    assert "nickname" not in project.columns("author")
    project.make("migrate")
    assert "nickname" in project.columns("author")
    project.make("rollback", "to=base")
    assert project.columns("author") == []
    assert "o revision" in project.make("rollback").stdout


def test_rollback_names_what_else_was_written_for_the_change(project: Project) -> None:
    project.edit("models/library.py", "    year: Mapped[int | None]\n", "")
    project.edit(
        "models/library.py",
        """        CheckConstraint("year > 0", name="year_is_positive"),\n""",
        "",
    )
    project.add_to_author(NICKNAME)
    accept = "accept=drop-column book.year: unused"
    written = project.make("newmigration", "m=nicknames", accept).stdout
    first, last = re.findall(r"(?m)^(\w+)  nicknames", written)
    project.make("migrate")
    said = project.make("rollback").stdout
    assert f"  undo  {last}  nicknames (contract)\n" in said
    assert f"  stays {first}  nicknames\n" in said
    assert "to undo all of it: make rollback to=280515ad3e21\n" in said
    assert "nickname" in project.columns("author")
    assert "stays" not in project.make("rollback", "to=280515ad3e21").stdout
    assert "nickname" not in project.columns("author")


def test_plan_check_exits_with_3_while_something_is_pending(project: Project) -> None:
    refused = project.flask("db", "plan", "--check", fails=True)
    assert refused.returncode == 3
    (create,) = re.findall(r"(?m)^  CREATE TABLE author[^;]*;$", refused.stdout)
    assert all(line.startswith("  ") for line in create.splitlines())
    project.make("migrate")
    assert "Nothing is pending" in project.flask("db", "plan", "--check").stdout


def test_a_shell_knows_the_application(project: Project) -> None:
    said = project.run("sh", "-c", "echo 'print(app.name * 2)' | make shell").stdout
    assert "bakedbaked" in said


def test_format_tidies_what_lint_complains_of(project: Project) -> None:
    file = project.package / "untidy.py"
    file.write_text("import sys, os\nprint( sys.path,os.name )\n")
    project.make("lint", fails=True)
    project.make("format")
    project.make("lint")
    assert file.read_text() == "import os\nimport sys\n\nprint(sys.path, os.name)\n"


def test_ones_own_targets_are_read(project: Project) -> None:
    (project.root / "local.mk").write_text("mine: ## My own\n\t@echo it is mine\n")
    assert "it is mine" in project.make("mine").stdout


@pytest.mark.parametrize("example", ["yes", pytest.param("no", marks=pytest.mark.trial)])
def test_the_projects_own_tests_and_lint_pass_and_leave_its_database_alone(
    start: Callable[..., Project], example: str
) -> None:
    project = start(example=example)
    project.make("db")
    before = project.database.read_bytes()
    assert " passed" in project.make("test").stdout
    project.make("lint")
    # Each also by itself: none leans on what another set up.
    for file in (project.root / "tests").glob("test_*.py"):
        assert " passed" in project.run("pytest", f"tests/{file.name}").stdout
    assert project.database.read_bytes() == before
    assert not project.git("status", "--porcelain")


def test_an_empty_chain_is_served_and_checked(start: Callable[..., Project]) -> None:
    project = start(example="no")
    assert "models and migrations agree" in project.make("check").stdout
    assert "Nothing is pending" in project.make("plan").stdout
    assert "Nothing to do" in project.make("migrate").stdout
    said = project.make("newmigration", "m=nothing yet").stdout
    assert "Nothing changed" in said
    assert project.versions() == set()
