"""The migrations' own connection, beside the project's engine."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import event

from alembic_lossless.run.connection import private


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


def test_a_creator_of_postgresql_gets_the_limits_too(postgresql: Callable[[], str]) -> None:
    url = sa.make_url(postgresql())
    arguments = url.get_dialect()().create_connect_args(url)[1]
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(**arguments))
    with private(engine).connect() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "2s"
