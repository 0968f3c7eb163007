"""What is pending and what it will send, without changing anything."""

from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Column, Enum, Integer, String, Table, make_url

from alembic_lossless import plan
from alembic_lossless.run.connection import private
from tests.library.autogenerate.project import Project


def pending(project: Project) -> list[plan.Planned]:
    with private(make_url(project.url)).connect() as connection:
        return plan.pending(project.script, connection, project.metadata)[0]


def two_revisions(project: Project) -> None:
    table = Table("user", project.metadata, Column("id", Integer, primary_key=True))
    project.new("users")
    table.append_column(Column("name", String(30)))
    table.append_constraint(CheckConstraint("name <> ''", name="named"))
    project.new("names")


def test_on_sqlite_it_runs_on_a_copy(project: Project, tmp_path: Path) -> None:
    two_revisions(project)
    project.upgrade(str(project.script.get_base()))
    project.run("INSERT INTO user VALUES (1)", "CREATE VIEW ids AS SELECT id FROM user")
    before = (tmp_path / "real.sqlite").read_bytes()
    (operation,) = pending(project)
    assert operation.message == "names"
    assert any("name" in statement for statement in operation.statements)
    assert not any("alembic_version" in statement for statement in operation.statements)
    assert operation.ways
    assert all(way.startswith("user: ") for way in operation.ways)
    assert (tmp_path / "real.sqlite").read_bytes() == before


def test_nothing_is_pending_at_the_head(project: Project) -> None:
    two_revisions(project)
    project.upgrade()
    assert pending(project) == []


def test_on_a_server_it_is_alembics_sql(on_both: Project) -> None:
    two_revisions(on_both)
    first, second, third = pending(on_both)
    messages = [operation.message for operation in (first, second, third)]
    assert messages == ["users", "names", "names (validate)"]
    assert first.statements[0].startswith('CREATE TABLE "user"')
    assert second.statements == [
        'ALTER TABLE "user" ADD COLUMN name VARCHAR(30)',
        "ALTER TABLE \"user\" ADD CONSTRAINT ck_user_named CHECK (name <> '') NOT VALID",
    ]
    assert third.statements == ['ALTER TABLE "user" VALIDATE CONSTRAINT ck_user_named']
    assert on_both.schema() == {}


def test_a_revision_that_reads_rows_is_shown_as_far_as_it_is_known(on_both: Project) -> None:
    two_revisions(on_both)
    on_both.by_hand(
        'op.execute("CREATE TABLE note (id INTEGER)")\n'
        'op.get_bind().execute(sa.text("SELECT 1")).scalar()'
    )
    on_both.by_hand(
        "from sqlalchemy.orm import Session\nwith Session(op.get_bind()) as session:\n"
        '    session.execute(sa.text("SELECT 1")).all()'
    )
    on_both.by_hand('op.drop_table("note")')
    *_, reading, session, last = pending(on_both)
    assert reading.statements == ["CREATE TABLE note (id INTEGER)"]
    unseen = "cannot be followed without running it: what it does, and what comes after it, is not"
    assert reading.ways == [f"line 12 {unseen} shown"]
    assert session.statements == []
    assert session.ways == [f"line 13 {unseen} shown"]
    assert last.statements == ["DROP TABLE note"]


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ('op.get_bind().execute(sa.text("SELECT id FROM user")).all()', True),
        ('op.get_bind().execute(sa.select(sa.table("user", sa.column("id")))).all()', True),
        ('op.get_bind().exec_driver_sql("WITH x AS (SELECT 1) SELECT * FROM x").all()', True),
        ("sa.inspect(op.get_bind()).get_table_names()", False),
        ('op.execute("UPDATE user SET id = (SELECT 1)")', False),
    ],
)
def test_on_sqlite_too_it_says_where_it_reads_rows(project: Project, read: str, said: bool) -> None:
    two_revisions(project)
    project.upgrade()
    project.by_hand(f'{read}\nop.execute("UPDATE user SET name = 2")')
    (operation,) = pending(project)
    line = "line 11 reads rows: what it does with them is not shown"
    assert operation.ways == ([line] if said else [])
    assert operation.statements[-1] == "UPDATE user SET name = 2"


def test_each_statement_on_a_server_has_its_lock(on_both: Project) -> None:
    two_revisions(on_both)
    on_both.upgrade(str(on_both.script.get_base()))
    names, validate = pending(on_both)
    moment = "ACCESS EXCLUSIVE on user: reads and writes wait, for a moment"
    assert names.locks == [moment, moment]
    assert validate.locks == ["SHARE UPDATE EXCLUSIVE on user: nobody waits"]


def test_the_checklist_of_the_file_and_of_what_was_edited_into_it(on_both: Project) -> None:
    table = Table("user", on_both.metadata, Column("id", Integer, primary_key=True))
    table.append_column(Column("old", Integer))
    on_both.new("users")
    on_both.upgrade()
    table.append_column(Column("crew", Integer, nullable=False))
    table._columns.remove(table.c.old)
    reason = "nobody reads it"
    on_both.new("crew", fill="user.crew=0", accept=f"drop-column user.old: {reason}")
    crew, contract = pending(on_both)
    (checked,) = crew.checks
    assert checked.startswith("- user.crew is new and NOT NULL")
    assert "its INSERTs fail from then on" in checked
    (checked,) = contract.checks
    assert f"Accepted: {reason} (drop-column)" in checked

    on_both.by_hand('op.create_index("ix_user_crew", "user", ["crew"])')
    *_, edited = pending(on_both)
    (checked,) = edited.checks
    assert checked.startswith("✂ ix_user_crew is an index on a table that may have rows.")
    assert edited.locks == ["SHARE on user: writes wait while it is built"]


def test_on_sqlite_only_what_counts_is_shown_with_its_values(project: Project) -> None:
    """No trial, no savepoint, no pragma; the text that a table gets, the rows that come."""
    two_revisions(project)
    project.upgrade()
    project.by_hand(
        "update = sa.text(\"UPDATE user SET name = :n WHERE name <> '?'\")\n"
        'op.execute(update.bindparams(n="it\'s"))\n'
        'op.alter_column("user", "name", nullable=False)\n'
        'user = sa.table("user", sa.column("id"), sa.column("name"))\n'
        'op.bulk_insert(user, [{"id": i, "name": "n"} for i in range(7)])\n'
        'with op.batch_alter_table("user") as batch:\n'
        '    batch.create_index("ix", ["name"])\n'
        '    batch.alter_column("name", new_column_name="called")\n'
        'op.drop_index("ix", "user")'
    )
    (operation,) = pending(project)
    update, text, *inserts, more, index, rename, drop = operation.statements
    assert update == "UPDATE user SET name = 'it''s' WHERE name <> '?'"
    assert text.startswith('UPDATE "main".sqlite_master SET sql = \'CREATE TABLE')
    assert "name VARCHAR(30) NOT NULL" in text
    assert inserts == [f"INSERT INTO user (id, name) VALUES ({i}, 'n')" for i in range(5)]
    assert more == "-- and 2 more like it"
    assert index == "CREATE INDEX ix ON user (name)"
    assert rename == 'ALTER TABLE "main"."user" RENAME COLUMN "name" TO "called"'
    assert drop == 'DROP INDEX "main"."ix"'
    assert operation.ways == ["user: the schema's text in place", "user: SQLite's own ALTER"]


def test_on_sqlite_the_way_is_the_one_that_rows_need(project: Project) -> None:
    two_revisions(project)
    project.upgrade()
    project.by_hand(
        'op.add_column("user", sa.Column("at", sa.DateTime, server_default=sa.func.now()))\n'
        'op.add_column("user", sa.Column("n", sa.Integer, sa.Computed("id + 1", persisted=True)))'
    )
    (operation,) = pending(project)
    assert operation.ways == ["user: a rebuild", "user: a rebuild"]


def moods(project: Project) -> None:
    """A CHECK that a type brings along has its name by the convention, and is dropped by it."""
    for message, words in (("users", ("sad", "glad")), ("more", ("sad", "glad", "calm"))):
        project.metadata.clear()
        kind = Enum(*words, name="mood", native_enum=False, create_constraint=True)
        columns = Column("id", Integer, primary_key=True), Column("mood", kind)
        Table("user", project.metadata, *columns)
        project.new(message)


def test_names_are_those_that_the_migration_will_give(project: Project) -> None:
    moods(project)
    made, changed = pending(project)
    assert "CONSTRAINT ck_user_mood CHECK" in "".join(made.statements)
    assert "CONSTRAINT ck_user_mood CHECK" in "".join(changed.statements)


def test_names_are_those_that_the_migration_will_give_on_a_server(on_both: Project) -> None:
    moods(on_both)
    made, *_, changed = pending(on_both)
    assert "CONSTRAINT ck_user_mood CHECK" in made.statements[0]
    assert "CONSTRAINT ck_user_mood" in "".join(changed.statements)


def test_statements_stand_in_the_order_in_which_they_run(project: Project) -> None:
    """Alembic makes the indexes of a batch, after the engine has changed the table."""
    two_revisions(project)
    project.upgrade()
    project.by_hand(
        'with op.batch_alter_table("user") as batch_op:\n'
        '        batch_op.add_column(sa.Column("born", sa.Integer()))\n'
        '        batch_op.create_index("ix_user_born", ["born"])'
    )
    (operation,) = pending(project)
    assert [statement.split(" ON ")[0] for statement in operation.statements] == [
        'ALTER TABLE "main"."user" ADD COLUMN born INTEGER',
        "CREATE INDEX ix_user_born",
    ]


def test_findings_about_released_revisions_are_counted(project: Project) -> None:
    """A chain that an older project brought along was applied long ago."""
    project.by_hand('op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    for number in range(9):
        project.by_hand(f'op.add_column("t", sa.Column("n{number}", sa.Integer))')
        project.by_hand(f'op.drop_column("t", "n{number}")')
    with private(make_url(project.url)).connect() as connection:
        planned, unlisted = plan.pending(project.script, connection, project.metadata)
    assert [revision.checks for revision in planned] == [[]] * len(planned)
    assert unlisted >= 9
