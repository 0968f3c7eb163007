"""Killed at a random moment: nothing is lost, nothing doubled, and running again finishes."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.servers.run.shop import Shop, until

TABLE = """
op.create_table("t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
time.sleep(0.02)
op.execute("INSERT INTO t (n) VALUES (1)")
op.execute("INSERT INTO t (n) VALUES (2)")
time.sleep(0.02)
"""
COLUMNS = """
op.add_column("t", sa.Column("a", sa.Integer))
time.sleep(0.02)
op.execute("UPDATE t SET a = n * 10")
time.sleep(0.02)
op.add_column("t", sa.Column("b", sa.Integer))
op.execute("INSERT INTO t (n, a) VALUES (3, 30)")
time.sleep(0.02)
op.execute("UPDATE t SET a = a + 1")
"""
COPY = """
op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), sa.Column("a", sa.Integer))
op.execute("INSERT INTO u (a) SELECT a FROM t ORDER BY id")
time.sleep(0.02)
op.create_index("ix_u_a", "u", ["a"])
op.drop_column("t", "b")
time.sleep(0.02)
op.execute("INSERT INTO u (a) VALUES (99)")
"""
INDEX = """
op.execute("INSERT INTO u (a) VALUES (100)")
with op.get_context().autocommit_block():
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_t_n")
    op.create_index("ix_t_n", "t", ["n"], postgresql_concurrently=True)
    time.sleep(0.02)
op.execute("INSERT INTO u (a) VALUES (101)")
"""
INDEX_ELSEWHERE = """
op.execute("INSERT INTO u (a) VALUES (100)")
op.create_index("ix_t_n", "t", ["n"])
time.sleep(0.02)
op.execute("INSERT INTO u (a) VALUES (101)")
"""


def chain(shop: Shop, kind: str) -> None:
    for revision, upgrade in zip(
        ("k1", "k2", "k3", "k4"),
        (TABLE, COLUMNS, COPY, INDEX if kind == "postgresql" else INDEX_ELSEWHERE),
        strict=True,
    ):
        shop.revision(revision, upgrade)


def kill(shop: Shop, after: float) -> bool:
    """Start migrating, and kill that *after* seconds from its first words; tell if it ran still."""
    process = shop.start("db", "upgrade")
    until(process, "pending")
    time.sleep(after)
    process.kill()
    process.communicate()
    return process.returncode == -9


def whole(shop: Shop, kind: str) -> None:
    assert shop.at() == ["k4"]
    assert "ix_t_n" in {index["name"] for index in sa.inspect(shop.engine()).get_indexes("t")}
    if kind == "postgresql":
        assert shop.ask("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert shop.ask("SELECT n, a FROM t ORDER BY n") == [(1, 11), (2, 21), (3, 31)]
    assert sorted(shop.ask("SELECT a FROM u")) == [(11,), (21,), (31,), (99,), (100,), (101,)]
    log = shop.ask("SELECT event, revision FROM alembic_lossless_log ORDER BY id")
    assert log == [("upgrade", revision) for revision in ("k1", "k2", "k3", "k4")]


def trials(start: Callable[..., Shop], kind: str, kills: int) -> str:
    """Kill as often as asked, run to the end, look at the rows; say what was met."""
    dice = random.Random(20260101)
    done = databases = half = 0
    while done < kills:
        shop = start()
        chain(shop, kind)
        databases += 1
        while done < kills and kill(shop, dice.uniform(0, 0.3)):
            done += 1
            at = shop.at()
            if at == ["k4"]:
                break
            half += bool(
                at and shop.ask("SELECT 1 FROM alembic_lossless_log WHERE event = 'journal'")
            )
        shop.flask("db", "upgrade")
        whole(shop, kind)
    return f"{kind}: {done} kills over {databases} databases, all whole after; {half} half applied"


def test_nothing_lost_and_nothing_doubled(start: Callable[..., Shop], kind: str) -> None:
    trials(start, kind, 6)


@pytest.mark.trial
def test_a_hundred_times(
    start: Callable[..., Shop], kind: str, figure: Callable[[str], None]
) -> None:
    figure(trials(start, kind, 100))


def test_a_killed_holder_frees_the_lock(shop: Shop, tmp_path: Path) -> None:
    hurry = tmp_path / "hurry"
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    shop.revision("a2", f"import os\ntime.sleep(0 if os.path.exists({str(hurry)!r}) else 60)")
    holder = shop.start("db", "upgrade")
    until(holder, "upgrade    a2")
    waiting = shop.start("db", "upgrade")
    until(waiting, "Waiting for another process that migrates")
    hurry.touch()
    holder.kill()
    holder.communicate()
    said, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, said
    assert "Applied 1 revision: at a2" in said
