"""Settings of the migrations' own connections."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.run.connection import label, private
from alembic_lossless.run.executor import PRIVATE, insist
from alembic_lossless.settings import Limits, Settings
from tests.servers.run.shop import Shop


def test_the_limits_are_numbers_of_seconds() -> None:
    assert Settings.read({}).limits == Limits(300, 2, 3600)
    assert Settings.read(
        {"MIGRATION_LOCK_WAIT": "0.5", "MIGRATION_LOCK_TIMEOUT": -1}
    ).limits == Limits(0.5, 0)
    with pytest.raises(
        MigrationError, match="MIGRATION_STATEMENT_TIMEOUT is 'an hour': give a num"
    ):
        Settings.read({"MIGRATION_STATEMENT_TIMEOUT": "an hour"})


def test_a_password_in_the_query_is_not_shown() -> None:
    url = sa.make_url("postgresql://ann:secret@host/db?password=secret&sslpassword=secret&x=1")
    assert "secret" not in label(url)
    assert "ann:***@host/db" in label(url)


def test_limits_are_the_sessions_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []

    def connect(*_: object, **parameters: Any) -> None:
        told.append(parameters)
        raise psycopg.OperationalError("no server")

    monkeypatch.setattr(psycopg, "connect", connect)
    url = sa.make_url("postgresql+psycopg://host/db?options=-c%20search_path%3Dshop")
    with pytest.raises(sa.exc.OperationalError):
        private(url, Limits(1, 0.5, 60)).connect()
    assert told[0]["options"] == (
        "-c search_path=shop -c lock_timeout=500 -c statement_timeout=60000"
        " -c alembic_lossless.session=on"
    )


@pytest.mark.parametrize("kind", PRIVATE)
def test_a_private_part_that_alembic_lost_is_named(kind: str) -> None:
    owner = type(kind, (), dict.fromkeys(PRIVATE[kind][1:]))()
    with pytest.raises(MigrationError, match=rf"has no {kind}\.{PRIVATE[kind][0]}, .* pin Alembic"):
        insist(owner)


def test_nothing_is_done_without_a_private_part(tmp_path: Path) -> None:
    """Also where the part goes missing of an object that is made during the run."""
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    env = shop.package / "migrations" / "env.py"
    lost = (
        "from alembic.runtime.migration import RevisionStep\n"
        "_made = RevisionStep.__init__\n"
        "def _without(self, *arguments):\n"
        "    _made(self, *arguments)\n"
        "    del self.migration_fn\n"
        "RevisionStep.__init__ = _without\n"
    )
    env.write_text(lost + env.read_text())
    said = shop.flask("db", "upgrade", code=1)
    assert "has no RevisionStep.migration_fn" in said
    assert shop.tables() == set()


def test_a_revision_that_cannot_be_written_as_sql_ends_in_a_sentence(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    file = shop.revision("a1", 'print(op.get_bind().execute(sa.text("SELECT 1")).scalar())')
    output = shop.flask("db", "upgrade", "--sql", code=1)
    line = file.read_text().split("op.get_bind")[0].count("\n") + 1
    assert f"exit 1: {file}, line {line}, failed: AttributeError: " in output


def test_nothing_is_done_by_a_context_of_stock_alembic(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    env = shop.package / "migrations" / "env.py"
    migrate = "\n        with context.begin_transaction():\n"
    stock = (
        "\n"
        "        from alembic.ddl.sqlite import SQLiteImpl\n"
        "        context.get_context().impl.__class__ = SQLiteImpl\n"
    )
    assert migrate in env.read_text()
    env.write_text(env.read_text().replace(migrate, stock + migrate))
    said = shop.flask("db", "upgrade", code=1)
    assert "SQLite would be migrated by stock Alembic" in said
    assert "Traceback" not in said
    assert shop.tables() <= {"alembic_lossless_log"}
