"""Accidents that stock Flask-Migrate has on a database with rows, and this project has not.

Those of one kind of database are in ``test_accidents_sqlite.py`` and ``test_accidents_servers.py``;
those of the other rules beside what these write instead: ``test_rows.py``, ``test_locks.py``,
``test_values.py``.
"""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    UniqueConstraint,
)
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.project import Project, models
from tests.library.checklist.stage import (
    ADA,
    ROWS,
    nickname,
    plain_alembic,
    started,
    stock,
    table,
    write,
)


def test_drop_table(either: Project) -> None:
    """A model that is not imported looks like a table that goes; stock drops it with its rows."""
    team = table(name="team")
    started(either, team, table(nickname()), rows=[ADA])
    with pytest.raises(MigrationError, match="--accept "):
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
    assert "The release that still runs breaks" in str(finding)
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
    (line,) = project.verify().remarks
    assert "It is named uq_user_id_nickname. (unnamed-constraint)" in line


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
    with pytest.raises(MigrationError, match="size"):
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
    assert agreement.failure[0].endswith('alembic-lossless merge -m "…" heads')
    assert not agreement.agrees
    command.merge(either.config(), "heads")  # as it says
    assert either.verify().agrees
    command.upgrade(stocks, "head")
    assert either.run('SELECT nickname, age, size FROM "user"') == [("Ada", None, None)]
