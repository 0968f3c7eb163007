"""Rules about locks: what would hold up those who read and write, on PostgreSQL and MySQL."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    CheckConstraint,
    Column,
    Engine,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    event,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless.autogenerate.report import Report
from alembic_lossless.errors import MigrationError
from tests.conftest import leave_out
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import found, sent, started, stock, table, texts, write

SQUAWK = shutil.which("squawk", path=str(Path(sys.executable).parent)) or shutil.which("squawk")
TEAM = table(name="team")


def column(*items: Any, **options: Any) -> Column[Any]:
    return Column("nickname", String(30), *items, **options)


def numbered(*items: Any, **options: Any) -> Column[Any]:
    return Column("team", Integer, *items, **options)


def squawk(statements: list[str], *, excluded: tuple[str, ...] = ()) -> str:
    """Return what squawk says of the statements of one revision after the other."""
    if SQUAWK is None:
        leave_out("squawk", "not installed")
        return ""
    # What every migrating connection says in its options (run/connection.py).
    head = "SET lock_timeout = '1s'; SET statement_timeout = '1h';"
    script = "\n".join([head, *(statement.rstrip(";") + ";" for statement in statements)])
    command = [SQUAWK, "--reporter", "gcc", *(f"--exclude={rule}" for rule in excluded)]
    done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


CASES = [
    ("add-index", [column()], [column(index=True)]),
    ("add-unique", [column()], [column(unique=True)]),
    ("add-foreign-key", [numbered()], [numbered(ForeignKey("team.id"))]),
    ("add-check", [numbered()], [numbered(CheckConstraint("team > 0", name="team"))]),
    ("set-not-null", [numbered()], [numbered(nullable=False)]),
]


@pytest.mark.parametrize(("rule", "before", "after"), CASES)
def test_squawk_has_nothing_to_say(
    on_both: Project, rule: str, before: list[Any], after: list[Any]
) -> None:
    """Of what stock sends it has."""
    started(on_both, TEAM, table(*before))
    report = write(
        on_both,
        "after",
        TEAM,
        table(*after),
        **({"fill": "user.team=1"} if rule == "set-not-null" else {}),
    )
    assert rule in {name for name, _, _ in found(report)}
    # The constraint that is dropped is the CHECK that an earlier of these revisions made.
    excluded = ("ban-drop-constraint",) if rule == "set-not-null" else ()
    assert squawk(sent(on_both), excluded=excluded) == ""
    assert on_both.verify().unanswered == []
    assert on_both.verify().remarks == []

    on_both.downgrade(on_both.script.get_base() or "")
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *args: Any) -> None:
        if statement.lstrip().startswith(("ALTER", "CREATE")):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        stock(on_both.url, TEAM, table(*after))
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    # A new CHECK is what stock does not even see.
    assert statements == [] if rule == "add-check" else "warning" in squawk(statements)


def test_an_attempt_that_failed_is_no_obstacle(on_both: Project) -> None:
    """A failed CREATE INDEX CONCURRENTLY leaves an index that is not valid."""
    two = ["""INSERT INTO "user" (nickname) VALUES ('Ada')"""] * 2
    started(on_both, table(column()), rows=two)
    write(on_both, "unique", table(column(unique=True)))
    with pytest.raises(MigrationError):
        on_both.upgrade()
    on_both.run('DELETE FROM "user" WHERE id = 2')
    on_both.upgrade()
    assert on_both.run(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq_user_nickname'::regclass"
    ) == [(True,)]


def test_tables_made_beside_it_are_exempt(on_both: Project) -> None:
    wanted = table(
        column(unique=True, index=True, nullable=False),
        numbered(ForeignKey("team.id")),
        Column("age", Integer, CheckConstraint("age > 0", name="old")),
        Column("mood", Enum("fine", name="mood")),
    )
    report = write(on_both, "first", TEAM, wanted)
    assert len(report.paths) == 1
    assert {name for name, _, _ in found(report)} == {"enum"}


def test_a_rule_is_switched_off_with_a_reason(on_both: Project) -> None:
    started(on_both, table(column()))
    settings = on_both.folder.parent / "pyproject.toml"
    settings.write_text('[tool.migrations.off]\nadd-index = "our tables are small"\n')
    report = write(on_both, "index", table(column(index=True)))
    assert found(report) == set()
    assert "CONCURRENTLY" not in on_both.last().upper()
    assert "Switched off here: add-index (our tables are small)" in on_both.last()
    settings.write_text('[tool.migrations.off]\nadd-index = ""\n')
    with pytest.raises(MigrationError, match="add-index without a reason"):
        write(on_both, "again", table(column()))
    settings.write_text('[tool.migrations.off]\nadd-indices = "small"\n')
    with pytest.raises(MigrationError, match="'add-indices', which is no rule"):
        write(on_both, "again", table(column()))


def test_a_volatile_default_comes_after_its_column(on_both: Project) -> None:
    """With it PostgreSQL writes every row anew; stock does just that."""
    started(on_both, table(column()), rows=['INSERT INTO "user" (id) VALUES (7)'])
    wanted = table(column(), Column("lot", Float, server_default=text("random()")))
    report = write(on_both, "lots", wanted)
    assert ("volatile-default", "user.lot", "REWRITE") in found(report)
    node = "SELECT pg_relation_filenode('\"user\"')"
    before = on_both.run(node)
    on_both.upgrade()
    assert on_both.run(node) == before
    on_both.run('INSERT INTO "user" (id) VALUES (8)')
    assert on_both.run('SELECT id FROM "user" WHERE lot IS NULL') == [(7,)]
    on_both.downgrade()
    before = on_both.run(node)
    stock(on_both.url, wanted)
    assert on_both.run(node) != before


def test_mariadb_refuses_text_without_a_length_too_late(on_mariadb: Project) -> None:
    wanted = (TEAM, table(Column("name", String)))
    with pytest.raises(SQLAlchemyError):
        stock(on_mariadb.url, *wanted)
    assert on_mariadb.schema() != {}  # half of it is there
    with pytest.raises(
        MigrationError, match=r"user\.name: a String without a length.*String\(255\)"
    ):
        write(on_mariadb, "names", *wanted)


def test_mariadb_refuses_long_names(tmp_path: Path) -> None:
    project = Project(tmp_path, kinds=("sqlite", "mysql"))

    def wanted(metadata: Any) -> None:
        table(column())(metadata)
        Index("ix_" + "n" * 70, metadata.tables["user"].c.nickname)

    with pytest.raises(MigrationError, match="a name of 73 characters, of 64 at most"):
        write(project, "names", wanted)


def test_change_that_copies_the_table_is_reported(on_mariadb: Project) -> None:
    started(on_mariadb, table(numbered(), column()))
    wider = table(Column("team", String(9)), Column("nickname", String(40)))
    report = write(on_mariadb, "texts", wider)
    copied = {subject for rule, subject, _ in found(report) if rule == "mysql-copy"}
    assert copied == {"user.team"}
    (finding,) = [str(item) for item in report.findings if item.rule == "mysql-copy"]
    assert "LOCK=SHARED" in finding


def test_not_null_on_mariadb(on_mariadb: Project) -> None:
    """Added bare, MariaDB writes 0 into every row without a word."""
    started(on_mariadb, table(column()), rows=["INSERT INTO user (nickname) VALUES ('Ada')"])
    wanted = table(column(), numbered(nullable=False))
    write(on_mariadb, "teams", wanted, fill="user.team=7")
    on_mariadb.upgrade()
    assert on_mariadb.run("SELECT * FROM user") == [(1, "Ada", 7)]
    on_mariadb.downgrade()
    stock(on_mariadb.url, wanted)
    assert on_mariadb.run("SELECT * FROM user") == [(1, "Ada", 0)]


def test_the_checklist_is_in_every_file(on_both: Project) -> None:
    started(on_both, table(numbered()))
    report = write(on_both, "required", table(numbered(nullable=False)), fill="user.team=1")
    first, rows, validate = texts(report)
    assert '"""required\n' in first
    assert '"""required (rows)\n' in rows
    assert '"""required (validate)\n' in validate
    assert "(set-not-null)" in first
    assert "(backfill)" in rows
    assert Report is type(report)
