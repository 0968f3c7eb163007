"""A failure leaves the database as it was, or says exactly how to go on."""

import subprocess
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.run import lock
from alembic_lossless.run.connection import private
from tests.servers.run.shop import TABLE, Shop, until

only = pytest.mark.parametrize


def test_a_migration_that_raises_leaves_nothing(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    file = shop.revision("a2", 'op.execute("INSERT INTO t (n) VALUES (2)")\n{}["nickname"]')
    line = file.read_text().splitlines().index('    {}["nickname"]') + 1
    said = shop.flask("db", "upgrade", code=1)
    assert f"exit 1: Revision a2 failed in line {line} of {file}: KeyError: 'nickname'" in said
    assert "nothing of it is in the database" in said
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT n FROM t") == [(1,)]
    assert "KeyError: 'nickname'" in shop.flask("db", "upgrade", code=1)
    file.write_text(file.read_text().replace('{}["nickname"]', ""))
    shop.flask("db", "upgrade")
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
    is_sqlite = shop.url.startswith("sqlite")
    said = shop.flask("db", "upgrade", code=1 if is_sqlite else 7)
    if is_sqlite:
        assert "exit 1: Revision a2 ends its transaction by COMMIT in line" in said
    else:
        assert "statements 1 and 2 are in place" in said
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT n FROM t") == [(1 if is_sqlite else 5,)]
    text = file.read_text().replace("nope", "n")
    file.write_text(text.replace('op.execute("COMMIT")', "") if is_sqlite else text)
    shop.flask("db", "upgrade")
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
    said = shop.flask("db", "upgrade", code=1)
    assert "exit 1: Revision a2 ends its transaction by commit() or rollback()" in said
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT n FROM t") == [(1,)]
    file.write_text(file.read_text().replace(f"op.get_bind().{end}()", ""))
    shop.flask("db", "upgrade")
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
    said = shop.flask("db", "upgrade", code=1)
    assert "uq is left behind as an INVALID index, nothing else of it is in the database" in said
    assert "Fix the cause or the file, and run again. Drop uq first, unless the file does." in said
    assert shop.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq'::regclass") == [
        (False,)
    ]
    shop.ask("DELETE FROM t WHERE id = 2")
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT indisvalid FROM pg_index WHERE indexrelid = 'uq'::regclass") == [
        (True,)
    ]


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
    running = shop.start("db", "upgrade")
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
    shop.flask("db", "upgrade")
    assert shop.at() == ["a2"]
    assert shop.ask("SELECT n, a FROM t ORDER BY id") == [(1, None), (2, None)]


@only("kind", ["sqlite"])
def test_a_full_disk(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    fill = "INSERT INTO t (n) SELECT 1 FROM t a, t b, t c, t d, t e, t f"
    shop.revision("a2", 'op.add_column("t", sa.Column("a", sa.Text))\n' + f'op.execute("{fill}")')
    shop.ask("INSERT INTO t (n) VALUES (2), (3), (4), (5), (6), (7), (8)")
    full = subprocess.run(
        ["bash", "-c", f"ulimit -f 400; exec {shop.python} -m flask db upgrade"],
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
    shop.flask("db", "upgrade")
    assert shop.at() == ["a2"]


def test_the_lock_is_not_taken_twice_in_one_process(tmp_path: Path) -> None:
    engine = private(sa.make_url(f"sqlite:///{tmp_path}/x.sqlite"))
    told: list[str] = []
    with (
        engine.connect() as one,
        engine.connect() as two,
        lock.hold(one, 0, told.append),
        pytest.raises(MigrationError) as refused,
        lock.hold(two, 0.2, told.append),
    ):
        pass
    assert refused.value.exit_code == 5
    assert len(told) == 1
