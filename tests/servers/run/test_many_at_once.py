"""However many machines ask at once: one applies, the others wait, see the head and exit 0."""

from collections.abc import Callable

import pytest

from tests.servers.run.shop import Shop

MACHINES = 8

#: Outside a transaction on PostgreSQL, as a big table needs it.
INDEX = """
with op.get_context().autocommit_block():
    op.drop_index("ix_t_n", "t", if_exists=True, postgresql_concurrently=True)
    op.create_index("ix_t_n", "t", ["n"], postgresql_concurrently=True)
"""
INDEX_ELSEWHERE = 'op.create_index("ix_t_n", "t", ["n"])'


def chain(shop: Shop, kind: str) -> None:
    shop.revision(
        "a1",
        """
        op.create_table("t", sa.Column("id", sa.Integer, primary_key=True),
                        sa.Column("n", sa.Integer))
        op.execute("INSERT INTO t (n) VALUES (1)")
        """,
    )
    shop.revision("a2", 'time.sleep(0.2)\nop.add_column("t", sa.Column("m", sa.Integer))')
    shop.revision("a3", INDEX if kind == "postgresql" else INDEX_ELSEWHERE)
    shop.revision("a4", 'op.execute("INSERT INTO t (n) VALUES (2)")')


def together(shop: Shop) -> int:
    """Start the machines at once; return how many of them applied something."""
    running = [shop.start("db", "upgrade") for _ in range(MACHINES)]
    said = [process.communicate(timeout=300)[0] for process in running]
    for process, words in zip(running, said, strict=True):
        assert process.returncode == 0, words
        assert "Traceback" not in words
    return sum("Applied" in words for words in said)


def trial(shop: Shop, kind: str, empty: bool) -> None:
    chain(shop, kind)
    if not empty:
        shop.flask("db", "upgrade", "a1")
    assert together(shop) == 1
    assert shop.at() == ["a4"]
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (2,)]
    log = shop.ask("SELECT event, revision FROM alembic_lossless_log ORDER BY id")
    assert log == [("upgrade", revision) for revision in ("a1", "a2", "a3", "a4")]


@pytest.mark.parametrize("empty", [True, False], ids=["empty", "pending"])
def test_one_applies_and_the_others_see_the_head(
    start: Callable[..., Shop], kind: str, empty: bool
) -> None:
    trial(start(), kind, empty)


@pytest.mark.trial
@pytest.mark.parametrize("empty", [True, False], ids=["empty", "pending"])
def test_twenty_times(
    start: Callable[..., Shop], kind: str, empty: bool, figure: Callable[[str], None]
) -> None:
    for _ in range(20):
        trial(start(), kind, empty)
    state = "an empty database" if empty else "pending revisions"
    figure(f"{kind}, {state}: 20 of 20 trials with {MACHINES} processes clean")
