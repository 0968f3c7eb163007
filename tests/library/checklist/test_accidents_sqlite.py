"""Accidents that stock Flask-Migrate has on SQLite, and this project has not."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    func,
)
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import (
    ADA,
    ROWS,
    found,
    nickname,
    plain_alembic,
    started,
    stock,
    table,
    write,
)


def test_partial_index(project: Project) -> None:
    """On SQLite stock's index is a full one, and refuses good rows."""

    def wanted(metadata: MetaData) -> None:
        table(nickname())(metadata)
        column = metadata.tables["user"].c.nickname
        Index("ix_some", column, unique=True, postgresql_where=column == "one")

    started(project, table(nickname()), rows=[ADA])
    write(project, "index", wanted)
    project.upgrade()
    project.run(ADA)
    project.downgrade()
    project.run("DELETE FROM user WHERE id > 1")
    where = """postgresql_where=sa.text("nickname = 'one'")"""
    index = f"op.create_index('ix_some', 'user', ['nickname'], unique=True, {where})"
    assert plain_alembic(project.url, index) == ""
    with pytest.raises(SQLAlchemyError, match="UNIQUE constraint failed"):
        project.run(ADA)


def test_expression_default(project: Project) -> None:
    started(project, table(nickname()), rows=[ADA])

    def born() -> Column[Any]:
        return Column("born", DateTime, server_default=func.now())

    column = "sa.Column('born', sa.DateTime(), server_default=sa.func.now())"
    add = f"op.add_column('user', {column})"
    assert "Cannot add a column with non-constant default" in plain_alembic(project.url, add)
    write(project, "born", table(nickname(), born()))
    project.upgrade()
    assert project.run("SELECT nickname FROM user WHERE born IS NOT NULL") == [("Ada",)]


def test_not_on_sqlite(project: Project) -> None:
    """Stock's comment stops SQLite; here the file leaves it out there."""
    comment = "op.create_table_comment('user', 'People')"
    started(project, table(nickname()))
    assert "syntax error" in plain_alembic(project.url, comment)
    both = Project(project.folder.parent / "both", kinds=("sqlite", "postgresql"))
    started(both, table(nickname()), rows=[ADA])

    def wanted(metadata: MetaData) -> None:
        table(nickname())(metadata)
        metadata.tables["user"].comment = "People"

    report = write(both, "comment", wanted)
    assert ("not-on-sqlite", "user", "STRIP") in found(report)
    both.upgrade()
    assert both.run(ROWS) == [(1, "Ada")]


def test_raw_sql(project: Project) -> None:
    """Foreign keys switched on in a revision let stock's rebuild empty the table behind."""
    owner = Column("owner", ForeignKey("user.id", ondelete="CASCADE"))
    pet = table(owner, name="pet")
    pets = "SELECT owner FROM pet"
    started(project, table(nickname()), pet, rows=[ADA, "INSERT INTO pet (owner) VALUES (1)"])
    project.by_hand('op.execute("PRAGMA foreign_keys = ON")')
    (line,) = project.verify().unanswered
    assert "Raw SQL: PRAGMA foreign_keys = ON" in line
    assert "(raw-sql)" in line

    rebuild = "op.execute('PRAGMA foreign_keys = {}')\n"
    rebuild += "with op.batch_alter_table('user', recreate='always') as batch_op: pass"
    assert plain_alembic(project.url, rebuild.format("OFF")) == ""
    assert project.run(pets) == [(1,)]
    assert plain_alembic(project.url, rebuild.format("ON")) == ""
    assert project.run(pets) == []


FILL = "ALTER TABLE user SET (fillfactor = 70)"  # PostgreSQL's own


def test_raw_sql_of_postgresql(project: Project, tmp_path: Path) -> None:
    """Stock stops on SQLite in the middle of the revision, and then no second try runs either."""
    started(project, table(nickname()), rows=[ADA])
    upgrade = f"op.create_table('team', sa.Column('id', sa.Integer()))\nop.execute('{FILL}')"
    stocks = f"sqlite:///{tmp_path / 'stock.sqlite'}"
    assert 'near "SET": syntax error' in plain_alembic(stocks, upgrade)
    assert "table team already exists" in plain_alembic(stocks, upgrade)

    path = project.by_hand(upgrade, "op.drop_table('team')")
    with pytest.raises(MigrationError):
        project.upgrade()
    with pytest.raises(SQLAlchemyError, match="no such table"):
        project.run("SELECT * FROM team")  # nothing half-done
    with pytest.raises(
        MigrationError, match=r"hand1 .*does not run on an empty sqlite .* near .SET"
    ):
        project.verify()  # as check does, before any deployment
    guard = 'if op.get_context().dialect.name == "postgresql":'
    path.write_text(path.read_text().replace("op.execute", f"{guard}\n        op.execute"))
    assert project.verify().unanswered == []
    project.upgrade()
    assert project.run("SELECT * FROM team") == []
    assert project.run(ROWS) == [(1, "Ada")]


def test_batch_options(project: Project) -> None:
    """Stock's own rebuild loses the trigger; left to the engine, the table keeps it."""
    started(project, table(nickname()), rows=[ADA])
    trigger = "CREATE TRIGGER t AFTER INSERT ON user BEGIN SELECT 1; END"
    project.run(trigger)
    batch = "with op.batch_alter_table('user'{}) as batch_op:\n    batch_op.add_column({})"
    column = "sa.Column('age', sa.Integer(), server_default='7')"
    project.by_hand(batch.format(", recreate='always'", column))
    (line,) = [line for line in project.verify().remarks if "batch-options" in line]
    assert "Leave the option out" in line
    for file in (project.folder / "versions").glob("hand*.py"):
        file.unlink()

    triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    project.by_hand(batch.format("", column), "pass")
    project.upgrade()
    assert project.run(triggers) == [("t",)]
    assert plain_alembic(project.url, batch.format(", recreate='always'", column)) == ""
    assert project.run(triggers) == []


def test_sqlite_rowid(project: Project) -> None:
    """Stock's BIGINT primary key numbers no row there."""

    def events(metadata: MetaData) -> None:
        Table("event", metadata, Column("id", BigInteger, primary_key=True), nickname())

    def wanted(metadata: MetaData) -> None:
        number = BigInteger().with_variant(Integer, "sqlite")
        Table("event", metadata, Column("id", number, primary_key=True), nickname())

    stock(project.url, events)
    with pytest.raises(SQLAlchemyError, match="NOT NULL constraint failed"):
        project.run("INSERT INTO event (nickname) VALUES ('x')")
    project.run("DROP TABLE event")
    (finding,) = write(project, "events", events).findings
    assert 'BigInteger().with_variant(Integer, "sqlite")' in finding.remedy
    for file in (project.folder / "versions").glob("*.py"):
        file.unlink()
    assert write(project, "events", wanted).findings == []  # as it said
    project.upgrade()
    project.run("INSERT INTO event (nickname) VALUES ('x')")
    assert project.run("SELECT id FROM event") == [(1,)]


BATCH = "with op.batch_alter_table('user') as batch_op:\n    batch_op."


def test_narrow_type(project: Project) -> None:
    """Stock's rebuild casts, and SQLite makes 0 of what is no number."""
    started(project, table(nickname()), rows=["INSERT INTO user (nickname) VALUES ('x9')"])
    write(project, "numbers", table(Column("nickname", Integer)))
    with pytest.raises(MigrationError, match="nickname holds what the type"):
        project.upgrade()
    assert project.run(ROWS) == [(1, "x9")]
    narrow = f"{BATCH}alter_column('nickname', type_=sa.Integer())"
    assert plain_alembic(project.url, narrow) == ""
    assert project.run(ROWS) == [(1, 0)]


def test_set_not_null(project: Project) -> None:
    """Stock fails on the row, and then for ever on the table that it left behind."""
    started(project, table(nickname()), rows=["INSERT INTO user (nickname) VALUES (NULL)"])
    required = f"{BATCH}alter_column('nickname', nullable=False)"
    assert "NOT NULL constraint failed" in plain_alembic(project.url, required)
    project.run("UPDATE user SET nickname = 'Ada'")
    assert "_alembic_tmp_user already exists" in plain_alembic(project.url, required)
    project.run("DROP TABLE _alembic_tmp_user", "UPDATE user SET nickname = NULL")
    write(project, "required", table(nickname(nullable=False)), fill="user.nickname='?'")
    project.upgrade()
    assert project.run(ROWS) == [(1, "?")]


def test_add_unique(project: Project) -> None:
    """Stock fails on duplicates and leaves half of the revision, so that no second try runs."""
    started(project, table(nickname()), rows=[ADA, ADA])
    age = Column("age", Integer)
    add = f"{BATCH}add_column(sa.Column('age', sa.Integer()))\n"
    unique = f"{BATCH}create_unique_constraint('uq_user_nickname', ['nickname'])"
    write(project, "unique", table(nickname(unique=True), age))
    with pytest.raises(MigrationError, match="nickname"):
        project.upgrade()
    assert project.run(ROWS) == [(1, "Ada"), (2, "Ada")]  # without age
    assert "UNIQUE constraint failed" in plain_alembic(project.url, add + unique)
    project.run("DELETE FROM user WHERE id = 2")
    assert "duplicate column name: age" in plain_alembic(project.url, add + unique)


def test_add_foreign_key(project: Project) -> None:
    """Stock makes it over rows that point nowhere, without a word."""
    team = table(Column("code", Integer), name="team")
    owned = Column("owner", Integer)
    started(project, team, table(owned), rows=["INSERT INTO user (owner) VALUES (7)"])
    write(project, "owner", team, table(Column("owner", ForeignKey("team.id"))))
    with pytest.raises(MigrationError, match='owner has no parent row in "team" in 1 row'):
        project.upgrade()
    key = f"{BATCH}create_foreign_key('fk', 'team', ['owner'], ['id'])"
    assert plain_alembic(project.url, f"op.execute('PRAGMA foreign_keys = OFF')\n{key}") == ""
    assert len(project.run("PRAGMA foreign_key_check")) == 1


def test_add_check(project: Project) -> None:
    """Stock does not see it: rows that break it go on coming in."""
    old = "INSERT INTO user (age) VALUES (-7)"
    checked = table(Column("age", Integer, CheckConstraint("age > 0", name="old")))
    started(project, table(Column("age", Integer)), rows=[old])
    stock(project.url, checked)
    project.run(old)
    write(project, "checked", checked)
    with pytest.raises(MigrationError, match="2 rows"):
        project.upgrade()
    project.run("UPDATE user SET age = 7")
    project.upgrade()
    with pytest.raises(SQLAlchemyError, match="CHECK constraint failed"):
        project.run(old)
