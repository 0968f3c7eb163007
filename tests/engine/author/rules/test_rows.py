"""Rules about rows: what would fail on them, or lose them, and what is written instead."""

from pathlib import Path
from typing import Any

import pytest
from migrator import MigratorError
from migrator.apply import phases
from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Enum,
    ForeignKey,
    Integer,
    String,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from tests.engine.author.project import Project
from tests.engine.author.rules.stage import found, started, stock, table, texts, write

ADA = """INSERT INTO "user" (nickname) VALUES ('Ada')"""
NULL = """INSERT INTO "user" (nickname) VALUES (NULL)"""
ROWS = 'SELECT * FROM "user" ORDER BY id'


def nickname(**options: Any) -> Column[Any]:
    return Column("nickname", String(30), **options)


def test_a_dropped_column_needs_consent(either: Project) -> None:
    """Stock drops it without a word."""
    started(either, table(nickname()), rows=[ADA])
    files = sorted(either.folder.rglob("*.py"))
    with pytest.raises(MigratorError) as refused:
        write(either, "drop", table())
    assert 'accept="drop-column user.nickname: the reason"' in str(refused.value)
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
    with pytest.raises(MigratorError, match='accept="drop-table user: the reason"'):
        write(either, "drop", table(name="team"))
    write(either, "drop", table(name="team"), accept="drop-table: moved to another service")
    assert 'accepted = {"drop-table user": "moved to another service"}' in either.last()


def test_the_short_form_is_for_one_alone(project: Project) -> None:
    started(project, table(nickname(), Column("age", Integer)))
    with pytest.raises(MigratorError):
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
    from migrator.apply import phases

    started(either, table(nickname()), rows=[ADA])
    both = table(Column("age", Integer))
    report = write(either, "ages", both, accept="drop-column user.nickname: unused")
    first, second = (phases.takes_away(content) for content in texts(report))
    assert first == []
    assert second == ["drop user.nickname"]
    now, later = phases.expanding(either.script, [str(either.script.get_base())])
    assert [len(now), len(later)] == [1, 1]
    either.upgrade()
    either.downgrade("base")


def test_a_not_null_column_comes_with_its_value(either: Project) -> None:
    """Stock adds it bare, and every database refuses that once there is a row."""
    started(either, table(), rows=['INSERT INTO "user" (id) VALUES (1)'])
    wanted = table(Column("crew", Integer, nullable=False))
    with pytest.raises((SQLAlchemyError, MigratorError)):
        stock(either.url, wanted)
    with pytest.raises(MigratorError, match=r'fill="user\.crew=1"'):
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
    with pytest.raises(MigratorError, match=r'fill="user\.nickname='):
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
    with pytest.raises(MigratorError, match=r'accept="narrow-type user\.code: the reason"'):
        write(either, "narrow", wanted)
    accepted = "narrow-type user.code: only ours was so long"
    report = write(either, "narrow", wanted, accept=accepted)
    said = {finding.subject: finding for finding in report.findings}
    there = "rows of the development database do not fit"
    assert f"1 of 2 {there}, such as 'Ada Love'" in said["user.code"].what
    assert f"0 of 2 {there}." in said["user.nr"].what
    assert [said[f"user.{name}"].verdict.name for name in ("code", "nr")] == ["ASK", "KEEP"]

    either.run("""UPDATE "user" SET code = 'Ada L' WHERE code = 'Ada Love'""")
    either.upgrade()
    assert either.run('SELECT code, nr FROM "user" ORDER BY id') == [("Ada", 12), ("Ada L", None)]
    assert either.verify().agrees


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
    expand, contract = [phases.takes_away(content) for content in texts(report)]
    assert (expand, len(contract)) == ([], 5)
    either.upgrade("+1")
    either.run('INSERT INTO "user" (id) VALUES (7)')  # the new release
    either.run(rows[0].replace("Ada", "Cid").replace("7", "8"))  # the one before
    either.upgrade()
    assert len(either.run(ROWS)) == 4
    either.downgrade("-2")
    assert either.schema() == before
    assert len(either.run(ROWS)) == 4


@pytest.mark.parametrize(
    ("rule", "column", "bad", "good"),
    [
        ("add-unique", {"unique": True}, [ADA, ADA], [ADA]),
        ("add-check", {"check": True}, [ADA], [NULL]),
        ("add-foreign-key", {"key": True}, [ADA], [NULL]),
    ],
)
def test_a_constraint_on_rows(
    either: Project, rule: str, column: dict[str, bool], bad: list[str], good: list[str]
) -> None:
    """Whoever tries it on rows that break it is stopped, with the database as it was."""

    def wanted() -> Any:
        items: list[Any] = []
        items += [CheckConstraint("nickname <> 'Ada'", name="not_ada")] if "check" in column else []
        items += [ForeignKey("team.code")] if "key" in column else []
        unique = True if "unique" in column else None
        return Column("nickname", String(30), *items, unique=unique)

    team = table(Column("code", String(30), unique=True), name="team")
    started(either, team, table(nickname()), rows=bad)
    report = write(either, "rule", team, table(wanted()))
    verdict = "SPLIT" if "postgresql" in either.kinds else "KEEP"
    assert {(name, mark) for name, _, mark in found(report)} == {(rule, verdict)}
    before = either.schema()
    with pytest.raises(MigratorError):
        either.upgrade()
    assert either.run(ROWS)[0][1] == "Ada"
    either.run('DELETE FROM "user"', *good)
    either.upgrade()
    assert either.schema() != before
    assert write(either, "again", team, table(wanted())).paths == []
    either.downgrade("base")
    either.upgrade()


MOODS = ["fine", "grumpy"]


def mood(*more: str, **options: Any) -> Column[Any]:
    return Column("mood", Enum(*MOODS, *more, name="mood"), **options)


def test_an_enum_is_made_before_the_first_column(on_both: Project) -> None:
    started(on_both, table())
    with pytest.raises(SQLAlchemyError, match='type "mood" does not exist'):
        stock(on_both.url, table(mood()))
    write(on_both, "mood", table(mood()))
    on_both.upgrade()
    on_both.run("""INSERT INTO "user" (mood) VALUES ('fine')""")
    on_both.downgrade()
    on_both.upgrade()


def test_a_second_table_uses_the_type_that_is_there(on_both: Project) -> None:
    started(on_both, table(mood()))
    both = (table(mood()), table(mood(), name="pet"))
    with pytest.raises(SQLAlchemyError, match='type "mood" already exists'):
        stock(on_both.url, *both)
    write(on_both, "pets", table(mood()), table(mood(), name="pet"))
    on_both.upgrade()
    on_both.downgrade("base")
    assert on_both.schema() == {}


def test_a_new_value_and_its_use_in_one_run(on_both: Project) -> None:
    """Stock sees no difference between two enums, or fails to use the value where it is added."""
    started(on_both, table(mood()))
    stock(on_both.url, table(mood("sad")))
    with pytest.raises(SQLAlchemyError, match="invalid input value for enum"):
        on_both.run("""INSERT INTO "user" (mood) VALUES ('sad')""")
    write(on_both, "sad", table(mood("sad", server_default="sad")))
    on_both.downgrade("base")
    on_both.upgrade()
    on_both.run('INSERT INTO "user" (id) VALUES (7)')
    assert on_both.run(ROWS) == [(7, "sad")]


def test_values_come_and_go(on_both: Project) -> None:
    insert = """INSERT INTO "user" (mood) VALUES ('fine')"""
    started(on_both, table(mood()), rows=[insert])
    report = write(on_both, "sad", table(mood("it's sad", server_default=text("'it''s sad'"))))
    assert ("enum", "mood", "REWRITE") in found(report)
    on_both.upgrade()
    on_both.run('INSERT INTO "user" (id) VALUES (7)')
    assert on_both.run(ROWS) == [(1, "fine"), (7, "it's sad")]
    assert on_both.verify().agrees

    write(on_both, "no longer sad", table(mood()), accept="enum: nobody is sad any more")
    with pytest.raises(MigratorError, match="invalid input value for enum"):
        on_both.upgrade()
    on_both.run('DELETE FROM "user" WHERE id = 7')
    on_both.upgrade()
    assert on_both.verify().kept == {"sqlite": [], "postgresql": []}  # the type is the models'
    on_both.downgrade("base")
    assert on_both.schema() == {}


def test_the_type_goes_with_its_last_column(on_both: Project) -> None:
    started(on_both, table(mood()))
    write(on_both, "no moods", table(), accept="drop-column: unused")
    on_both.upgrade()
    assert not any(key.kind == "type" for key in on_both.schema())
    on_both.downgrade()
    on_both.run("""INSERT INTO "user" (mood) VALUES ('fine')""")
