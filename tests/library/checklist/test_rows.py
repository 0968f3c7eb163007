"""Rules about rows: what would fail on them, or lose them, and what is written instead."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Date,
    Enum,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    make_url,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless.errors import MigrationError
from alembic_lossless.run import expand_contract
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import (
    ADA,
    NULL,
    ROWS,
    found,
    nickname,
    started,
    stock,
    table,
    texts,
    write,
)


def test_a_dropped_column_needs_consent(either: Project) -> None:
    """Stock drops it without a word."""
    started(either, table(nickname()), rows=[ADA])
    files = sorted(either.folder.rglob("*.py"))
    with pytest.raises(MigrationError) as refused:
        write(either, "drop", table())
    assert '--accept "drop-column user.nickname: the reason"' in str(refused.value)
    assert sorted(either.folder.rglob("*.py")) == files

    report = write(either, "drop", table(), accept="drop-column user.nickname: unused since 1.4")
    assert found(report) == {("drop-column", "user.nickname", "ASK")}
    assert 'accepted = {"drop-column user.nickname": "unused since 1.4"}' in either.last()
    assert either.verify().agrees
    assert either.run(ROWS) == [(1, "Ada")]

    stock(either.url, table())
    assert either.run(ROWS) == [(1,)]


def test_a_dropped_table_needs_consent(either: Project) -> None:
    started(either, table(nickname()), table(name="team"), rows=[ADA])
    with pytest.raises(MigrationError, match='--accept "drop-table user: the reason"'):
        write(either, "drop", table(name="team"))
    write(either, "drop", table(name="team"), accept="drop-table: moved to another service")
    assert 'accepted = {"drop-table user": "moved to another service"}' in either.last()


def test_the_short_form_is_for_one_alone(project: Project) -> None:
    started(project, table(nickname(), Column("age", Integer)))
    with pytest.raises(MigrationError):
        write(project, "drop", table(), accept="drop-column: unused")
    accept = "drop-column user.nickname: unused; drop-column user.age: wrong anyway"
    write(project, "drop", table(), accept=accept)
    assert '"drop-column user.age": "wrong anyway"' in project.last()


def test_consent_is_asked_for_on_a_terminal(project: Project) -> None:
    started(project, table(nickname()))
    asked = []

    def ask(question: str, *otherwise: Any) -> str:
        asked.append(question)
        return "unused"

    write(project, "drop", table(), ask=ask)
    assert len(asked) == 1
    assert "user.nickname" in asked[0]
    assert 'accepted = {"drop-column user.nickname": "unused"}' in project.last()


def test_a_stock_verb_writes_the_question_and_check_refuses_it(project: Project) -> None:
    started(project, table(nickname()))
    project.metadata.clear()
    table()(project.metadata)
    project.migrate()
    assert 'accepted = {"drop-column user.nickname": ""}' in project.last()
    agreement = project.verify()
    assert not agreement.agrees
    assert agreement.failure == (
        "The checklist is not settled: correct the files above, or consent in them.",
        1,
    )
    (line,) = agreement.unanswered
    assert '"drop-column user.nickname": "the reason"' in line

    (head,) = project.script.get_heads()
    path = Path(project.script.get_revision(head).path)
    path.write_text(path.read_text().replace('nickname": ""', 'nickname": "unused"'))
    assert project.verify().agrees


def test_what_takes_something_away_is_a_revision_of_its_own(either: Project) -> None:
    """So that apply --phase expand can stop before it."""
    started(either, table(nickname()), rows=[ADA])
    both = table(Column("age", Integer))
    report = write(either, "ages", both, accept="drop-column user.nickname: unused")
    first, second = texts(report)
    assert "\nphase = " not in first
    assert '\nphase = "contract"\n' in second
    dialect = make_url(either.url).get_dialect()()
    now, later = expand_contract.expanding(either.script, [str(either.script.get_base())], dialect)
    assert (len(now), list(later.values())) == (1, [["drop user.nickname"]])
    either.upgrade()
    either.downgrade("base")


def test_a_not_null_column_comes_with_its_value(either: Project) -> None:
    """Stock adds it bare, and every database refuses that once there is a row."""
    started(either, table(), rows=['INSERT INTO "user" (id) VALUES (1)'])
    wanted = table(Column("crew", Integer, nullable=False))
    with pytest.raises((SQLAlchemyError, MigrationError)):
        stock(either.url, wanted)
    with pytest.raises(MigrationError, match=r'--fill "user\.crew=1"'):
        write(either, "crew", wanted)
    report = write(either, "crew", wanted, fill="user.crew=7")
    assert found(report) == {("not-null-column", "user.crew", "REWRITE")}
    either.upgrade()
    assert either.run(ROWS) == [(1, 7)]
    with pytest.raises(SQLAlchemyError):
        either.run('INSERT INTO "user" (id) VALUES (2)')
    assert either.verify().agrees


def test_not_null_on_rows_that_hold_null(either: Project) -> None:
    started(either, table(nickname()), rows=[NULL, ADA])
    wanted = table(nickname(nullable=False))
    if "postgresql" in either.kinds:
        with pytest.raises(SQLAlchemyError):
            stock(either.url, wanted)
    with pytest.raises(MigrationError, match=r'--fill "user\.nickname='):
        write(either, "required", wanted)
    write(either, "required", wanted, fill="user.nickname='none'")
    either.upgrade()
    assert sorted(either.run(ROWS)) == [(1, "none"), (2, "Ada")]
    with pytest.raises(SQLAlchemyError):
        either.run(NULL)
    agreement = either.verify()
    assert agreement.agrees, agreement.lines()
    either.downgrade("base")


def test_a_narrower_type_asks_the_rows(either: Project) -> None:
    """Stock fails on PostgreSQL's rows; SQLite's columns would hold anything."""
    code, number = Column("code", String(30)), Column("nr", String(9))
    insert = 'INSERT INTO "user" (code, nr) VALUES '
    started(either, table(code, number), rows=[insert + "('Ada', '12'), ('Ada Love', NULL)"])
    wanted = table(Column("code", String(5)), Column("nr", Integer))
    if "postgresql" in either.kinds:
        with pytest.raises(SQLAlchemyError, match=r"too long|cannot be cast"):
            stock(either.url, wanted)

    either.development = True
    with pytest.raises(MigrationError, match=r'--accept "narrow-type user\.code: the reason"'):
        write(either, "narrow", wanted)
    accepted = "narrow-type user.code: only ours was so long"
    report = write(either, "narrow", wanted, accept=accepted)
    said = {finding.subject: finding for finding in report.findings}
    there = "rows of the development database"
    assert f"1 of 2 {there} does not fit" in said["user.code"].what
    # It may be a person's, and this would stand in the file.
    assert not [one for one in report.findings if "Ada Love" in one.what]
    assert not [path for path in report.paths if "Ada Love" in path.read_text(encoding="utf-8")]
    assert f"all 2 {there} do fit." in said["user.nr"].what
    assert [said[f"user.{name}"].verdict.name for name in ("code", "nr")] == ["ASK", "KEEP"]

    either.run("""UPDATE "user" SET code = 'Ada L' WHERE code = 'Ada Love'""")
    either.upgrade()
    assert either.run('SELECT code, nr FROM "user" ORDER BY id') == [("Ada", 12), ("Ada L", None)]
    assert either.verify().agrees


def test_a_smaller_text_or_blob_of_mysql_asks_the_rows(on_mariadb: Project) -> None:
    """Outside of strict mode the server cuts them, with a warning."""
    text: Any = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
    blob: Any = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
    insert = "INSERT INTO user (note, picture) VALUES (repeat('é', 35000), repeat('x', 65535))"
    started(on_mariadb, table(Column("note", text), Column("picture", blob)), rows=[insert])
    smaller = table(Column("note", Text), Column("picture", LargeBinary))
    on_mariadb.development = True
    with pytest.raises(MigrationError, match=r'--accept "narrow-type user\.note: the reason"'):
        write(on_mariadb, "smaller", smaller)
    report = write(on_mariadb, "smaller", smaller, accept="narrow-type user.note: only a trial")
    narrow = {item.subject: item for item in report.findings if item.rule == "narrow-type"}
    assert "65,535 bytes instead of 4,294,967,295 on MySQL" in narrow["user.note"].what
    assert "65,535 bytes instead of 16,777,215 on MySQL" in narrow["user.picture"].what
    assert "1 of 1 rows of the development database does not fit" in narrow["user.note"].what
    assert "all 1 rows of the development database do fit" in narrow["user.picture"].what
    with pytest.raises(MigrationError, match="Data too long"):
        on_mariadb.upgrade()
    assert on_mariadb.run("SELECT length(note), length(picture) FROM user") == [(70000, 65535)]


def test_a_narrower_type_by_a_stock_verb_is_refused_by_check(project: Project) -> None:
    started(project, table(nickname()), rows=[ADA])
    project.development = True
    project.metadata.clear()
    table(Column("nickname", String(2)))(project.metadata)
    project.migrate()
    assert 'accepted = {"narrow-type user.nickname": ""}' in project.last()
    (line,) = project.verify().unanswered
    assert "(narrow-type)" in line


def test_a_dropped_not_null_column_lets_both_releases_insert(either: Project) -> None:
    """Stock drops it at once; whoever waits with that has a column that no INSERT names."""
    team = table(Column("code", String(9), unique=True), name="team")
    columns = [
        Column("nickname", String(30), nullable=False, unique=True),
        Column("age", Integer, nullable=False),
        Column("team", ForeignKey("team.code"), nullable=False),
        Column("born", Date, nullable=False),
        Column("mood", Enum("fine", "sad", native_enum=False, create_constraint=True, name="m")),
    ]
    columns[-1].nullable = False
    names = "nickname, age, team, born, mood"
    rows = [
        f"""INSERT INTO "user" ({names}) VALUES ('{name}', 7, 'a', '2000-01-02', 'sad')"""
        for name in ("Ada", "Bob")
    ]
    started(either, team, table(*columns), rows=["INSERT INTO team (code) VALUES ('a')", *rows])
    before = either.schema()
    gone = "; ".join(f"drop-column user.{name}: unused" for name in names.split(", "))
    report = write(either, "fewer", team, table(), accept=gone)
    dialect = make_url(either.url).get_dialect()()
    at = [str(either.script.get_base())]
    ((contract, taken),) = expand_contract.expanding(either.script, at, dialect)[1].items()
    assert (contract, len(taken)) == (report.revisions[1], 5)
    either.upgrade("+1")
    either.run('INSERT INTO "user" (id) VALUES (7)')  # the new release
    either.run(rows[0].replace("Ada", "Cid").replace("7", "8"))  # the one before
    either.upgrade()
    assert len(either.run(ROWS)) == 4
    either.downgrade("-2")
    assert either.schema() == before
    assert len(either.run(ROWS)) == 4


def test_a_stock_verb_marks_what_may_be_a_rename(project: Project) -> None:
    started(project, table(nickname()), rows=[ADA])
    project.metadata.clear()
    table(Column("nick", String(30)))(project.metadata)
    project.migrate()
    said = "user.nickname goes, and user.nick comes, which looks like it."
    assert said in " ".join(project.last().split())
    assert '"rename-or-drop user.nickname": ""' in project.last()
    lines = project.verify().unanswered
    assert any("(drop-column)" in line for line in lines)
    assert any("(rename-or-drop)" in line for line in lines)
