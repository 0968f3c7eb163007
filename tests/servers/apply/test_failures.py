"""A failure leaves the database as it was, or says exactly how to go on."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from migrator import MigratorError
from migrator.apply import lock
from migrator.apply.connection import private

from tests.servers.apply.shop import Shop, until

only = pytest.mark.parametrize
TABLE = """
op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO t (n) VALUES (1)")
"""

#: On MariaDB statements 1 and 2 are in place when 3 fails on the two equal rows.
SEVEN = """
op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO u (n) SELECT n FROM t")
op.create_index("ix_u_n", "u", ["n"], unique=True)
op.add_column("u", sa.Column("a", sa.Integer))
op.execute("UPDATE u SET a = n + 1")
op.create_index("ix_u_a", "u", ["a"])
op.execute("INSERT INTO u (n) VALUES (9)")
"""


def half(shop: Shop) -> Path:
    """Leave a MariaDB at the third of seven statements."""
    shop.revision("a1", TABLE)
    shop.flask("db", "apply")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    file = shop.revision("a2", SEVEN)
    said = shop.flask("db", "apply", code=7)
    assert "exit 7: Revision a2 failed at statement 3 of 7" in said
    assert f"of {file}" in said
    assert "Duplicate entry" in said
    assert "statements 1 and 2 are in place" in said
    assert "goes on with statement 3" in said
    assert shop.ask("SELECT n FROM u") == [(1,), (1,)]
    assert shop.at() == ["a1"]
    return file


@only("kind", ["mariadb"])
def test_half_applied_goes_on_after_the_cause_is_mended(shop: Shop) -> None:
    half(shop)
    assert "failed at statement 3 of 7" in shop.flask("db", "upgrade", code=7)
    assert "half applied  a2" in shop.flask("db", "log")
    shop.ask("DELETE FROM u WHERE id = 2")
    shop.flask("db", "apply")
    assert shop.ask("SELECT n, a FROM u ORDER BY id") == [(1, 2), (9, None)]
    log = shop.ask("SELECT event, revision FROM migration_log ORDER BY id")
    assert log == [("upgrade", "a1"), ("upgrade", "a2")]


@only("kind", ["mariadb"])
def test_half_applied_goes_on_after_the_file_is_mended(shop: Shop) -> None:
    file = half(shop)
    file.write_text(file.read_text().replace(", unique=True", ""))
    shop.flask("db", "apply")
    assert shop.ask("SELECT n, a FROM u ORDER BY id") == [(1, 2), (1, 2), (9, None)]


@only("kind", ["mariadb"])
def test_a_changed_statement_that_is_in_place_is_refused(shop: Shop) -> None:
    file = half(shop)
    before = file.read_text()
    file.write_text(before.replace("SELECT n FROM t", "SELECT n + 1 FROM t"))
    said = shop.flask("db", "apply", code=7)
    assert "statements 1 and 2 are in place; but statement 2 of the file is another now" in said
    assert "flask db stamp a2" in said
    assert shop.ask("SELECT n FROM u") == [(1,), (1,)]
    file.write_text(before)
    shop.ask("DELETE FROM u WHERE id = 2")
    shop.flask("db", "apply")
    assert shop.ask("SELECT n, a FROM u ORDER BY id") == [(1, 2), (9, None)]


@only("kind", ["mariadb"])
def test_a_stamp_settles_what_was_finished_by_hand(shop: Shop) -> None:
    half(shop)
    shop.flask("db", "stamp", "a2")
    assert shop.ask("SELECT event FROM migration_log WHERE revision = 'a2'") == [("stamp",)]
    assert "Nothing to do" in shop.flask("db", "apply")


@only("kind", ["mariadb"])
def test_nothing_else_is_done_before_what_is_half_applied(shop: Shop) -> None:
    half(shop)
    said = shop.flask("db", "downgrade", "base", code=7)
    assert "Revision a2 is half applied, and nothing else can be done before it" in said
    assert "t" in shop.tables()


def half_undone(shop: Shop) -> Path:
    """Leave a MariaDB at the second of three statements of a downgrade."""
    shop.revision("a1", TABLE)
    file = shop.revision(
        "a2",
        'op.add_column("t", sa.Column("a", sa.Integer))',
        """
        op.drop_column("t", "a")
        op.execute("INSERT INTO nowhere VALUES (1)")
        op.create_index("ix_t_n", "t", ["n"])
        """,
    )
    shop.flask("db", "apply")
    said = shop.flask("db", "rollback", "--force", code=7)
    assert "exit 7: The downgrade of a2 failed at statement 2 of 3" in said
    assert "statement 1 is in place" in said
    assert shop.at() == ["a2"]
    return file


READY = """
from shop import create_app
print(create_app().test_client().get("/health/ready").json["status"])
"""


@only("kind", ["mariadb"])
def test_half_undone_is_seen_and_goes_on(shop: Shop) -> None:
    file = half_undone(shop)
    assert shop.python_run(READY) == "half undone: a2\n"
    for command in ("apply", "upgrade"):
        said = shop.flask("db", command, code=7)
        assert "Revision a2 is half undone" in said
        assert "flask db downgrade -1 goes on with it" in said
    assert "half undone  a2" in shop.flask("db", "log")

    file.write_text(file.read_text().replace("INSERT INTO nowhere", "INSERT INTO t (n)"))
    shop.flask("db", "rollback", "--force")
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT * FROM t ORDER BY id") == [(1, 1), (2, 1)]
    assert "a2" in shop.flask("db", "apply")
    assert shop.python_run(READY) == "ready\n"


@only("kind", ["mariadb"])
def test_a_stamp_settles_what_was_half_undone(shop: Shop) -> None:
    file = half_undone(shop)
    file.write_text(file.read_text().replace('"t", "a")', '"t", "b")'))
    said = shop.flask("db", "downgrade", code=7)
    assert "Revision a2 is half undone, statement 1 is in place; but statement 1 of the" in said
    assert "flask db stamp the revision that it is at then" in said
    shop.ask("ALTER TABLE t ADD COLUMN a INTEGER")  # by hand, back to a2
    shop.flask("db", "stamp", "a2")
    assert "Nothing to do: at a2" in shop.flask("db", "apply")
    assert shop.python_run(READY) == "ready\n"


@only("kind", ["mariadb"])
def test_newer_code_on_the_way_does_not_stop_the_old(shop: Shop) -> None:
    """During a deployment the old code serves, and its containers may start again."""
    file = half(shop)
    file.unlink()
    assert "Nothing to do: at a1" in shop.flask("db", "apply")
    shop.flask("db", "upgrade")
    assert shop.python_run(READY) == "ready\n"


@only("kind", ["mariadb"])
def test_rows_changed_after_the_last_ddl_are_rolled_back_and_done_again(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    file = shop.revision(
        "a2",
        """
        op.add_column("t", sa.Column("a", sa.Integer))
        op.execute("UPDATE t SET n = n + 1")
        op.execute("INSERT INTO nowhere VALUES (1)")
        """,
    )
    said = shop.flask("db", "apply", code=7)
    assert "failed at statement 3 of 3" in said
    assert "statement 1 is in place" in said
    assert shop.ask("SELECT n FROM t") == [(1,)]
    file.write_text(file.read_text().replace("INSERT INTO nowhere", "INSERT INTO t (n)"))
    shop.flask("db", "apply")
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(2,), (1,)]


@only("kind", ["postgresql"])
def test_what_an_autocommit_block_committed_is_journalled(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.revision(
        "a2",
        """
        op.add_column("t", sa.Column("a", sa.Integer))
        op.execute("INSERT INTO t (n) VALUES (1)")
        with op.get_context().autocommit_block():
            op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_t_n")
            op.execute("CREATE UNIQUE INDEX CONCURRENTLY ix_t_n ON t (n)")
        op.execute("INSERT INTO t (n) VALUES (3)")
        """,
    )
    said = shop.flask("db", "apply", code=7)
    assert "failed at statement 4 of 5" in said, said
    assert "statements 1 and 2 are in place" in said
    shop.ask("DELETE FROM t WHERE id = 2")
    shop.flask("db", "apply")
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (3,)]
    assert shop.ask("SELECT indisvalid FROM pg_index WHERE indrelid = 't'::regclass") == [
        (True,),
        (True,),
    ]


def test_a_migration_that_raises_leaves_nothing(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    file = shop.revision("a2", 'op.execute("INSERT INTO t (n) VALUES (2)")\n{}["nickname"]')
    line = file.read_text().splitlines().index('    {}["nickname"]') + 1
    said = shop.flask("db", "apply", code=1)
    assert f"exit 1: Revision a2 failed in line {line} of {file}: KeyError: 'nickname'" in said
    assert "nothing of it is in the database" in said
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT n FROM t") == [(1,)]
    assert "KeyError: 'nickname'" in shop.flask("db", "upgrade", code=1)
    file.write_text(file.read_text().replace('{}["nickname"]', ""))
    shop.flask("db", "apply")
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (2,)]


def test_a_statement_that_commits_is_said(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    file = shop.revision(
        "a2",
        """
        op.execute("UPDATE t SET n = 5")
        op.execute("COMMIT")
        op.execute("UPDATE t SET nope = 1")
        """,
    )
    said = shop.flask("db", "apply", code=7)
    there = (
        "1 and 2 are in place" if shop.url.startswith("mysql") else "what it committed by itself"
    )
    assert there in said, said
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT n FROM t") == [(5,)]
    file.write_text(file.read_text().replace("nope", "n"))
    shop.flask("db", "apply")
    assert shop.ask("SELECT n FROM t") == [(1,)]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_revision_that_ends_its_transaction_is_refused(shop: Shop, end: str) -> None:
    shop.revision("a1", TABLE)
    file = shop.revision(
        "a2",
        f"""
        op.execute("UPDATE t SET n = 5")
        op.get_bind().{end}()
        op.execute("UPDATE t SET n = 6")
        """,
    )
    said = shop.flask("db", "apply", code=1)
    assert "exit 1: Revision a2 ends its transaction by commit() or rollback()" in said
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT n FROM t") == [(1,)]
    file.write_text(file.read_text().replace(f"op.get_bind().{end}()", ""))
    shop.flask("db", "apply")
    assert shop.ask("SELECT n FROM t") == [(6,)]


@only("kind", ["postgresql"])
def test_an_index_that_could_not_be_built_is_named_as_left(shop: Shop) -> None:
    shop.revision("a1", TABLE + 'op.execute("INSERT INTO t (n) VALUES (1)")')
    shop.revision(
        "a2",
        """
        with op.get_context().autocommit_block():
            op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq")
            op.execute("CREATE UNIQUE INDEX CONCURRENTLY uq ON t (n)")
        """,
    )
    said = shop.flask("db", "apply", code=1)
    assert "PostgreSQL leaves the index behind as INVALID" in said
    assert shop.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq'::regclass") == [
        (False,)
    ]
    shop.ask("DELETE FROM t WHERE id = 2")
    shop.flask("db", "apply")
    assert shop.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq'::regclass") == [
        (True,)
    ]


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
    shop.flask("db", "apply")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with locked(shop) as other:
        process = shop.start("db", "apply", MIGRATION_LOCK_TIMEOUT=1)
        said = until(process, "Waiting for session")
        other.close()
        said = finish(process, said)
    assert "a2 did not get its lock; trying again" in said
    assert "transaction since" in said
    assert shop.at() == ["a2"]


@only("kind", ["postgresql"])
def test_a_second_attempt_takes_back_nothing_but_its_own(shop: Shop) -> None:
    """Also where somebody took the transaction for each migration out of env.py."""
    env = shop.package / "migrations" / "env.py"
    env.write_text(env.read_text().replace('    "transaction_per_migration": True,\n', ""))
    shop.revision("a1", TABLE)
    shop.flask("db", "apply")
    shop.revision("a2", 'op.execute("CREATE TABLE u (id integer)")')
    shop.revision("a3", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with locked(shop) as other:
        process = shop.start("db", "apply", MIGRATION_LOCK_TIMEOUT=1)
        said = until(process, "a3 did not get its lock; trying again")
        other.close()
        finish(process, said)
    assert shop.at() == ["a3"]
    assert shop.tables() == {"t", "u"}


@only("kind", ["postgresql", "mariadb"])
def test_a_lock_that_is_never_released_ends_in_a_sentence(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "apply")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with locked(shop):
        said = shop.flask("db", "apply", code=1, MIGRATION_LOCK_TIMEOUT=1, MIGRATION_LOCK_WAIT=2)
    assert "exit 1: Revision a2 failed" in said
    assert "nothing of it is in the database" in said
    assert shop.at() == ["a1"]


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
    shop.flask("db", "apply")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with written(shop, journal) as writer:
        process = shop.start("db", "apply")
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
    shop.flask("db", "apply")
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Integer))')
    with written(shop, "wal"):
        said = shop.flask("db", "apply", code=1, MIGRATION_LOCK_WAIT=2)
    assert "still uses" in said
    assert "after 2 s; what was not finished was rolled back" in said
    assert shop.at() == ["a1"]
    shop.flask("db", "apply")


@only("kind", ["sqlite"])
def test_a_reader_that_holds_up_a_commit_is_waited_for(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "apply")
    file = sa.make_url(shop.url).database or ""
    told: list[str] = []
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchall()

        def say(words: str) -> None:
            told.append(words)
            reader.execute("COMMIT")

        with private(sa.make_url(shop.url), say=say).begin() as connection:
            connection.execute(sa.text("INSERT INTO t (n) VALUES (7)"))
    assert len(told) == 1
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (7,)]


def test_a_migrator_that_never_ends_is_named(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    with private(sa.make_url(shop.url)).connect() as connection, lock.hold(connection, 1, print):
        said = shop.flask("db", "apply", code=5, MIGRATION_LOCK_WAIT=1)
        assert "exit 5: Another migrator holds this database: " in said
        assert "MIGRATION_LOCK_WAIT" in said
        assert ("process " if "sqlite" in shop.url else "session ") in said
        assert "Another migrator holds" in shop.flask(
            "db", "upgrade", code=5, MIGRATION_LOCK_WAIT=1
        )
        assert shop.tables() == set()
    shop.flask("db", "apply")


@only("kind", ["postgresql", "mariadb"])
def test_a_statement_that_takes_too_long_is_ended(shop: Shop) -> None:
    sleep = "SELECT pg_sleep(60)" if "postgresql" in shop.url else "SELECT sleep(60)"
    shop.revision("a1", TABLE + f'op.execute("{sleep}")')
    code = 1 if "postgresql" in shop.url else 7
    said = shop.flask("db", "apply", code=code, MIGRATION_STATEMENT_TIMEOUT=1)
    assert "MIGRATION_STATEMENT_TIMEOUT" in said


@only("kind", ["postgresql", "mariadb"])
def test_a_connection_that_is_cut(shop: Shop) -> None:
    postgresql = "postgresql" in shop.url
    shop.revision("a1", TABLE)
    file = shop.revision(
        "a2",
        f"""
        op.add_column("t", sa.Column("a", sa.Integer))
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.execute("{"SELECT pg_sleep(60)" if postgresql else "DO sleep(60)"}")
        """,
    )
    running = shop.start("db", "apply")
    until(running, "upgrade    a2")
    sessions = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'"
        " AND pid <> pg_backend_pid() AND datname = current_database()"
        if postgresql
        else "SELECT id FROM information_schema.processlist WHERE info = 'DO sleep(60)'"
    )
    deadline = time.monotonic() + 30
    while not (cut := shop.ask(sessions)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for (session,) in cut:
        if not postgresql:
            shop.ask(f"KILL {session}")
    said, _ = running.communicate(timeout=60)
    assert running.returncode == (1 if postgresql else 7), said
    assert "Traceback" not in said
    assert "Revision a2 failed" in said
    assert "run again" in said
    text = file.read_text()
    file.write_text(text.replace("pg_sleep(60)", "1").replace("DO sleep(60)", "DO 1"))
    shop.flask("db", "apply")
    assert shop.at() == ["a2"]
    assert shop.ask("SELECT n, a FROM t ORDER BY id") == [(1, None), (2, None)]


@only("kind", ["sqlite"])
def test_a_full_disk(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "apply")
    fill = "INSERT INTO t (n) SELECT 1 FROM t a, t b, t c, t d, t e, t f"
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Text))\n' + f'op.execute("{fill}")')
    shop.ask("INSERT INTO t (n) VALUES (2), (3), (4), (5), (6), (7), (8)")
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 400; exec {shop.python} -m flask db apply"],
        cwd=shop.root,
        env=shop.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert full.returncode == 1, full
    assert "Traceback" not in full.stderr
    assert "Revision a2 failed" in full.stderr
    assert "nothing of it is in the database" in full.stderr
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT count(*) FROM t") == [(8,)]
    assert shop.ask("PRAGMA integrity_check") == [("ok",)]
    shop.flask("db", "apply")
    assert shop.at() == ["a2"]


def test_the_lock_is_not_taken_twice_in_one_process(tmp_path: Path) -> None:
    engine = private(sa.make_url(f"sqlite:///{tmp_path}/x.sqlite"))
    told: list[str] = []
    with (
        engine.connect() as one,
        engine.connect() as two,
        lock.hold(one, 0, told.append),
        pytest.raises(MigratorError) as refused,
        lock.hold(two, 0.2, told.append),
    ):
        pass
    assert refused.value.exit_code == 5
    assert len(told) == 1
