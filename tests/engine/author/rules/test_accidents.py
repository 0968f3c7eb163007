"""Accidents that stock Flask-Migrate has on a database with rows, and this project has not.

The accidents of the other rules are beside what these write instead: ``test_rows.py``,
``test_locks.py``, ``test_values.py``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from migrator import MigratorError
from migrator.apply.connection import private
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    event,
    func,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tests.engine.author.project import Project, models
from tests.engine.author.rules.stage import (
    found,
    plain_alembic,
    started,
    stock,
    table,
    write,
)

ADA = """INSERT INTO "user" (nickname) VALUES ('Ada')"""
ROWS = 'SELECT * FROM "user"'


def nickname(**options: Any) -> Column[str]:
    return Column("nickname", String(30), **options)


def test_drop_table(either: Project) -> None:
    """A model that is not imported looks like a table that goes; stock drops it with its rows."""
    team = table(name="team")
    started(either, team, table(nickname()), rows=[ADA])
    with pytest.raises(MigratorError, match="accept="):
        write(either, "drop", team)
    assert either.run(ROWS) == [(1, "Ada")]
    stock(either.url, team)
    with pytest.raises(SQLAlchemyError):
        either.run(ROWS)


def test_rename(either: Project) -> None:
    """Stock loses what the column held. Ours keeps it, and says that the old release breaks."""
    renamed = table(Column("nick", String(30)))
    stock(either.url, table(nickname()))
    either.run(ADA)
    stock(either.url, renamed)
    assert either.run('SELECT nick FROM "user"') == [(None,)]
    either.run('DROP TABLE "user"')

    started(either, table(nickname()), rows=[ADA])
    report = write(either, "rename", renamed, rename="user.nickname:nick")
    (finding,) = [finding for finding in report.findings if finding.rule == "rename"]
    assert "The release before breaks while it still runs" in str(finding)
    either.upgrade()
    with pytest.raises(SQLAlchemyError):
        either.run('SELECT nickname FROM "user"')  # the old release
    assert either.run('SELECT nick FROM "user"') == [("Ada",)]


def test_unnamed_constraint(project: Project) -> None:
    """Stock leaves it without a name on SQLite, and no later revision can drop it."""

    def wanted(metadata: MetaData) -> None:
        table(nickname())(metadata)
        metadata.tables["user"].append_constraint(UniqueConstraint("nickname"))

    stock(project.url, wanted)
    drop = "with op.batch_alter_table('user') as b: b.drop_constraint('uq_user_nickname')"
    assert "No such constraint" in plain_alembic(project.url, drop)
    project.run('DROP TABLE "user"')

    started(project, wanted, rows=[ADA])
    write(project, "no longer unique", table(nickname()))
    project.upgrade()
    project.run(ADA)
    assert len(project.run(ROWS)) == 2
    project.by_hand("op.create_unique_constraint(None, 'user', ['id', 'nickname'])", "pass")
    (line,) = project.verify().said
    assert "It is named uq_user_id_nickname. (unnamed-constraint)" in line


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
    with pytest.raises(MigratorError):
        project.upgrade()
    with pytest.raises(SQLAlchemyError, match="no such table"):
        project.run("SELECT * FROM team")  # nothing half-done
    with pytest.raises(
        MigratorError, match=r"hand1 .*does not run on an empty sqlite .* near .SET"
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
    (line,) = [line for line in project.verify().said if "batch-options" in line]
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


def test_mysql_copy(on_mariadb: Project) -> None:
    """Stock says nothing of it; the server says the same as the rule does."""
    columns = [Column("team", Integer), nickname()]
    started(on_mariadb, table(*columns), rows=["INSERT INTO user (team) VALUES (7)"])
    wider = [Column("team", String(9)), nickname()]
    wider[1].type = String(40)
    report = write(on_mariadb, "texts", table(*wider))
    said = {finding.subject for finding in report.findings if finding.rule == "mysql-copy"}
    assert said == {"user.team"}
    in_place = "ALTER TABLE user MODIFY {} VARCHAR({}), ALGORITHM=INPLACE"
    on_mariadb.run(in_place.format("nickname", 40))
    with pytest.raises(SQLAlchemyError, match="Try ALGORITHM=COPY"):
        on_mariadb.run(in_place.format("team", 9))
    on_mariadb.upgrade()
    assert on_mariadb.run("SELECT team FROM user") == [("7",)]


@contextmanager
def another_writer(url: str) -> Iterator[list[str]]:
    """After each statement that changes rows, let somebody else write to the first row."""
    outcomes: list[str] = []
    writer = private(make_url(url))

    def write_too(_: Connection, __: Any, statement: str, *rest: Any) -> None:
        if "UPDATE \"user\" SET nickname = 'none'" not in statement:
            return
        with writer.connect() as connection:
            try:
                connection.execute(text("SET lock_timeout = '300ms'"))
                connection.execute(text('UPDATE "user" SET nickname = nickname WHERE id = 1'))
                outcomes.append("written")
            except DBAPIError as error:
                outcomes.append(str(error.orig).splitlines()[0])
            connection.rollback()

    event.listen(Engine, "after_cursor_execute", write_too)
    try:
        yield outcomes
    finally:
        event.remove(Engine, "after_cursor_execute", write_too)
        writer.dispose()


def test_backfill(on_both: Project) -> None:
    """Beside a change of the table, the rows stay locked until both are done."""
    started(on_both, table(nickname()), rows=[ADA, """INSERT INTO "user" (id) VALUES (7)"""])
    report = write(
        on_both, "required", table(nickname(nullable=False)), fill="user.nickname='none'"
    )
    assert ("backfill", "user", "SPLIT") in found(report)
    with another_writer(on_both.url) as outcomes:
        on_both.upgrade()
    assert outcomes == ["written"]
    assert on_both.run("""SELECT id FROM "user" WHERE nickname = 'none'""") == [(7,)]

    on_both.downgrade(on_both.script.get_base() or "")
    beside = """
op.execute('ALTER TABLE "user" ADD COLUMN age INTEGER')
op.execute("UPDATE \\"user\\" SET nickname = 'none'")
"""
    for path in report.paths:
        path.unlink()
    on_both.by_hand(beside.strip())
    with another_writer(on_both.url) as outcomes:
        on_both.upgrade()
    assert outcomes == ["canceling statement due to lock timeout"]


MODEL = """
from sqlalchemy import Table, Column, Integer, String, MetaData
item = Table("item", MetaData(), Column("id", Integer, primary_key=True), Column("name", String){})
"""


def test_model_import(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the model gets a column, a revision that was applied long ago fails from empty."""
    monkeypatch.syspath_prepend(str(tmp_path))
    models = tmp_path / "accident_models.py"
    models.write_text(MODEL.format(""))
    started(project, table(Column("name", String), name="item"))
    path = project.by_hand(
        'from accident_models import item\nop.execute(item.insert().values({"name": "x"}))'
    )
    (line,) = project.verify().unanswered
    assert 'sa.table("item", sa.column("id"), sa.column("name"))' in line
    project.upgrade()

    later = MODEL.format(', Column("size", Integer, default=1)')
    models.write_text(later)
    monkeypatch.delitem(__import__("sys").modules, "accident_models")
    project.downgrade("base")
    with pytest.raises(MigratorError, match="size"):
        project.upgrade()
    said = 'op.execute(sa.table("item", sa.column("name")).insert().values({"name": "x"}))'
    path.write_text(
        path.read_text()
        .replace("from accident_models import item", "pass")
        .replace('op.execute(item.insert().values({"name": "x"}))', said)
    )
    project.upgrade()
    assert project.run("SELECT name FROM item") == [("x",)]


STOCKS_ENV = """
from alembic import context
from sqlalchemy import NullPool, create_engine
url = context.config.get_main_option("sqlalchemy.url")
with create_engine(url, poolclass=NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_chain(either: Project, tmp_path: Path) -> None:
    """Two branches meet, each with a revision: stock tells the server, at the deployment."""
    started(either, table(nickname()), rows=[ADA])
    columns = [Column("age", Integer), Column("size", Integer)]
    for column in columns:
        report = write(either, column.name, table(nickname(), column))
        for path in report.paths:
            path.rename(tmp_path / path.name)
    for path in tmp_path.glob("*.py"):
        path.rename(either.folder / "versions" / path.name)
    assert len(either.script.get_heads()) == 2

    stocks = Config(attributes={})
    (tmp_path / "stock").mkdir()
    (tmp_path / "stock" / "env.py").write_text(STOCKS_ENV)
    for option, value in (
        ("script_location", tmp_path / "stock"),
        ("version_locations", either.folder / "versions"),
        ("path_separator", "os"),
        ("sqlalchemy.url", either.url.replace("%", "%%")),
    ):
        stocks.set_main_option(option, str(value))
    with pytest.raises(CommandError, match="Multiple head revisions are present"):
        command.upgrade(stocks, "head")

    either.metadata = models()
    table(nickname(), *columns)(either.metadata)
    agreement = either.verify()  # what check and the test suite ask, before any deployment
    assert agreement.failure[0].endswith(": flask db merge heads")
    assert not agreement.agrees
    command.merge(either.config(), "heads")  # as it says
    assert either.verify().agrees
    command.upgrade(stocks, "head")
    assert either.run('SELECT nickname, age, size FROM "user"') == [("Ada", None, None)]
