"""The migrations' own connection, beside the project's engine."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from alembic_lossless.errors import MigrationError
from alembic_lossless.run.connection import Target, private
from alembic_lossless.settings import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "shop.sqlite"


def test_connect_listeners_are_taken_over_and_ours_come_last(file: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{file}")

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.create_function("shout", 1, str.upper)
        connection.execute("PRAGMA foreign_keys = ON")

    with private(engine).begin() as connection:
        assert connection.exec_driver_sql("SELECT shout('a')").scalar() == "A"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 0


def test_begin_commit_and_cursor_listeners_stay_with_the_project(file: Path) -> None:
    """SQLAlchemy's own recipe for SQLite begins each transaction by a listener."""
    engine = sa.create_engine(f"sqlite:///{file}")
    heard: list[str] = []
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    event.listen(engine, "commit", lambda connection: heard.append("commit"))
    event.listen(engine, "do_execute", lambda *_: heard.append("execute"))
    with private(engine).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    assert heard == []
    assert sa.inspect(engine).has_table("t")


def test_a_creator_is_taken_over(file: Path) -> None:
    engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(file))
    with private(engine).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id INTEGER)")
    with sqlite3.connect(file) as own:
        assert own.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]


def test_connect_arguments_and_what_connects_are_taken_over(postgresql: Callable[[], str]) -> None:
    engine = sa.create_engine(
        postgresql(), connect_args={"application_name": "shop", "options": "-c search_path=pg_temp"}
    )
    with private(engine).connect() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in ("application_name", "search_path", "lock_timeout")
        ]
    assert shown == ["shop", "pg_temp", "2s"]


@pytest.mark.parametrize(
    ("application", "url", "driver"),
    [
        ("mysql+pymysql://a@b/c", "mysql://m@b/c", "mysql+pymysql"),
        ("mysql+pymysql://a@b/c", "mariadb://m@b/c", "mysql+pymysql"),
        ("postgresql+psycopg://a@b/c", "postgres://m@b/c", "postgresql+psycopg"),
        ("postgresql+psycopg://a@b/c", "postgresql+asyncpg://m@b/c", "postgresql+asyncpg"),
        ("sqlite:///c", "mysql://m@b/c", "mysql"),
    ],
)
def test_a_url_without_a_driver_takes_the_applications(
    application: str, url: str, driver: str
) -> None:
    engine = sa.create_engine(application)
    assert Target.of(engine, Settings(url=sa.make_url(url))).url.drivername == driver


@pytest.mark.parametrize("url", ["mysql+mysqldb://a:secret@b/c", "nosuch://a:secret@b/c"])
def test_a_driver_that_is_not_installed_is_named(url: str) -> None:
    with pytest.raises(
        MigrationError, match=r"Nothing can connect to \w+.*Install that driver"
    ) as (refused):
        private(sa.make_url(url))
    assert "secret" not in str(refused.value)


def test_a_creator_of_postgresql_gets_the_limits_too(postgresql: Callable[[], str]) -> None:
    url = sa.make_url(postgresql())
    arguments = url.get_dialect()().create_connect_args(url)[1]
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(**arguments))
    with private(engine).connect() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "2s"
