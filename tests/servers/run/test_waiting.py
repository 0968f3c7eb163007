"""Somebody else holds a lock: who it is, how long that is waited for, and how it ends."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.run import lock, server
from alembic_lossless.run.connection import private
from tests.conftest import Databases
from tests.servers.run.shop import TABLE, Shop, until

only = pytest.mark.parametrize


@contextmanager
def locked(shop: Shop) -> Iterator[sa.Connection]:
    """Hold table t in another session's transaction, until that connection is closed."""
    with shop.engine().connect() as connection:
        how = "SELECT * FROM t FOR UPDATE" if shop.url.startswith("mysql") else "LOCK TABLE t"
        connection.execute(sa.text(how)).close()
        yield connection


def finish(process: "subprocess.Popen[str]", said: str) -> str:
    """Let a process end well; return all that it *said*."""
    said += process.communicate(timeout=120)[0]
    assert process.returncode == 0, said
    return said


@only("kind", ["postgresql", "mariadb"])
def test_a_lock_that_is_held_is_waited_for_by_name(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with locked(shop) as other:
        process = shop.start("db", "upgrade", MIGRATION_LOCK_TIMEOUT=1)
        said = until(process, "Waiting for session")
        other.close()
        said = finish(process, said)
    assert "a2 did not get its lock; trying again" in said
    assert "transaction since" in said
    assert shop.at() == ["a2"]


@only("kind", ["postgresql"])
def test_a_second_attempt_takes_back_nothing_but_its_own(shop: Shop) -> None:
    """The stock env.py asks for one transaction around all migrations."""
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    shop.revision("a2", 'op.execute("CREATE TABLE u (id integer)")')
    shop.revision("a3", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with locked(shop) as other:
        process = shop.start("db", "upgrade", MIGRATION_LOCK_TIMEOUT=1)
        said = until(process, "a3 did not get its lock; trying again")
        other.close()
        finish(process, said)
    assert shop.at() == ["a3"]
    assert shop.tables() == {"t", "u"}


@only("kind", ["postgresql", "mariadb"])
def test_a_lock_that_is_never_released_ends_in_a_sentence(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with locked(shop):
        said = shop.flask("db", "upgrade", code=1, MIGRATION_LOCK_TIMEOUT=1, MIGRATION_LOCK_WAIT=2)
    assert "exit 1: Revision a2 failed" in said
    assert "nothing of it is in the database" in said
    assert shop.at() == ["a1"]


def test_a_session_that_a_role_may_not_look_at_is_named_by_its_number(
    postgresql: Databases, mariadb: Databases
) -> None:
    """Nothing that was not told is printed, such as None for a state."""
    plain = sa.make_url(postgresql(user="plain", password="p"))
    admin = postgresql.server.admin.set(database=plain.database)
    lock_it = "SELECT pg_advisory_lock(7)"
    with private(admin).connect() as holder, private(plain).connect() as waiter:
        holder.exec_driver_sql(lock_it)
        number = server.session(waiter)
        waiting = Thread(target=waiter.exec_driver_sql, args=(lock_it,))
        waiting.start()
        while not (named := server.blockers(plain, number)):
            time.sleep(0.01)
        assert named == [f"session {server.session(holder)} (postgres)"]
        holder.exec_driver_sql("SELECT pg_advisory_unlock(7)")
        waiting.join()
    for url in (plain, sa.make_url(mariadb(user="plain", password="p"))):
        databases = mariadb if url.get_backend_name() == "mysql" else postgresql
        admin = databases.server.admin.set(database=url.database)
        with private(admin).connect() as holder, lock.hold(holder, 1, print):
            number = server.session(holder)
            with (
                private(url).connect() as waiter,
                pytest.raises(MigrationError, match=rf": session {number}( \(postgres\))?\. It"),
                lock.hold(waiter, 0, print),
            ):
                pass


def test_facts_of_a_session_that_were_not_told_are_left_out() -> None:
    facts = {"{}": "idle in transaction", "since {}": None}
    assert server.describe_session(7, "ann", "10.0.0.5", facts) == (
        "session 7 (ann from 10.0.0.5, idle in transaction)"
    )
    assert server.describe_session(7, None, None, {}) == "session 7"


WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def written(shop: Shop, journal: str) -> Iterator["subprocess.Popen[str]"]:
    """Let another process hold the write lock of a SQLite file, until it is killed."""
    database = sa.make_url(shop.url).database or ""
    pragma = f"PRAGMA journal_mode = {journal}"
    process = subprocess.Popen(
        [shop.python, "-c", WRITER, database, pragma],
        stdout=subprocess.PIPE,
        text=True,
    )
    until(process, "held")
    yield process
    process.kill()
    process.communicate()


@only("kind", ["sqlite"])
@only("journal", ["wal", "delete"])
def test_whoever_writes_to_a_file_is_waited_for_by_name(shop: Shop, journal: str) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with written(shop, journal) as writer:
        process = shop.start("db", "upgrade")
        said = until(process, "Waiting for")
        writer.kill()
        said = finish(process, said)
    assert said.count("Waiting for ") == 1
    who = (
        f"process {writer.pid} ({shop.python} -c" if sys.platform == "linux" else "another process"
    )
    assert f"Waiting for {who}" in said
    assert shop.at() == ["a2"]


@only("kind", ["sqlite"])
def test_whoever_never_stops_writing_ends_in_a_sentence(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with written(shop, "wal"):
        said = shop.flask("db", "upgrade", code=1, MIGRATION_LOCK_WAIT=2)
    assert "still uses" in said
    assert "after 2 s; what was not finished was rolled back" in said
    assert shop.at() == ["a1"]
    shop.flask("db", "upgrade")


@only("kind", ["sqlite"])
def test_a_reader_that_holds_up_a_commit_is_waited_for(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    file = sa.make_url(shop.url).database or ""
    told: list[str] = []
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchall()

        def say(words: str) -> None:
            told.append(words)
            reader.execute("COMMIT")

        with private(sa.make_url(shop.url), echo=say).begin() as connection:
            connection.execute(sa.text("INSERT INTO t (n) VALUES (7)"))
    assert len(told) == 1
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (7,)]


def test_a_migrator_that_never_ends_is_named(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    with private(sa.make_url(shop.url)).connect() as connection, lock.hold(connection, 1, print):
        said = shop.flask("db", "upgrade", code=5, MIGRATION_LOCK_WAIT=1)
        assert "exit 5: Another process migrates this database: " in said
        assert "MIGRATION_LOCK_WAIT" in said
        assert ("process " if "sqlite" in shop.url else "session ") in said
        assert "Another process migrates" in shop.flask(
            "db", "upgrade", code=5, MIGRATION_LOCK_WAIT=1
        )
        assert shop.tables() == set()
    shop.flask("db", "upgrade")


@only("kind", ["postgresql", "mariadb"])
def test_a_statement_that_takes_too_long_is_ended(shop: Shop) -> None:
    sleep = "SELECT pg_sleep(60)" if "postgresql" in shop.url else "SELECT sleep(60)"
    shop.revision("a1", TABLE + f'op.execute("{sleep}")')
    code = 1 if "postgresql" in shop.url else 7
    said = shop.flask("db", "upgrade", code=code, MIGRATION_STATEMENT_TIMEOUT=1)
    assert "MIGRATION_STATEMENT_TIMEOUT" in said
