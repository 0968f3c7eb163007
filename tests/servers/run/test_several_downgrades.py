"""Several downgrades, one of which fails: before the first where that can be known, or else it is
said which are undone."""

import pytest

from tests.support.handwritten import Handwritten

only = pytest.mark.parametrize

FIRST = """
op.create_table("p", sa.Column("id", sa.Integer, primary_key=True))
op.create_table(
    "t",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("n", sa.Integer),
    sa.Column("p_id", sa.Integer),
)
op.execute("INSERT INTO t (id, n) VALUES (1, 5), (2, 5)")
"""

#: Downgrades that the rows of t refuse, or that refuse by themselves; and why.
REFUSED = {
    "null": (
        'op.alter_column("t", "p_id", existing_type=sa.Integer, nullable=False)',
        "t.p_id becomes NOT NULL, and is NULL in 2 rows",
    ),
    "batch": (
        'with op.batch_alter_table("t") as batch:\n'
        '    batch.alter_column("p_id", existing_type=sa.Integer, nullable=False)',
        "t.p_id becomes NOT NULL, and is NULL in 2 rows",
    ),
    "twice": (
        'op.create_unique_constraint("uq_t_n", "t", ["n"])',
        "t.n becomes unique, and 5 stands there more than once",
    ),
    "index": (
        'op.create_index("ix_t_n", "t", ["n"], unique=True)',
        "t.n becomes unique, and 5 stands there more than once",
    ),
    "orphan": (
        'op.create_foreign_key("fk_t_n_p", "t", "p", ["n"], ["id"])',
        "t gets a foreign key to p, and 2 rows have no parent there",
    ),
    "raise": ('raise NotImplementedError("no way back")', "NotImplementedError: no way back (line"),
}


@pytest.fixture
def chain(empty_chain: Handwritten) -> Handwritten:
    empty_chain.add("a1", FIRST)
    return empty_chain


def four(chain: Handwritten, downgrade: str, first: str = "pass") -> None:
    """Apply three more revisions, the second of which has *downgrade*."""
    chain.add("a2", "")
    chain.add("a3", "", downgrade)
    chain.add(
        "a4", 'op.create_index("ix_a4", "t", ["id"])', f'op.drop_index("ix_a4", "t")\n{first}'
    )
    chain.upgrade()


@only("case", REFUSED)
def test_downgrade_known_to_fail_is_refused_before_the_first(chain: Handwritten, case: str) -> None:
    downgrade, why = REFUSED[case]
    four(chain, downgrade)
    before = chain.dump()
    failure = chain.failure("downgrade", "a1")
    assert "Nothing was undone: the downgrade of a3, number 2 of 3, would fail" in str(failure)
    assert why in str(failure)
    assert "alembic-lossless downgrade a3" in str(failure)
    assert chain.at() == ["a4"]
    assert chain.dump() == before


@only("kind", ["sqlite"])
def test_downgrade_whose_rows_an_earlier_one_changes_is_let_run(chain: Handwritten) -> None:
    four(chain, REFUSED["null"][0], first='op.execute("UPDATE t SET p_id = 1")')
    chain.downgrade("a1")
    assert chain.at() == ["a1"]


@only("kind", ["sqlite"])
def test_downgrade_that_may_raise_for_rows_is_let_run(chain: Handwritten) -> None:
    text = 'if not op.get_bind().scalar(sa.text("SELECT count(*) FROM t")):\n    raise ValueError'
    four(chain, text)
    chain.downgrade("a1")
    assert chain.at() == ["a1"]


def test_downgrades_before_one_that_failed_are_said(chain: Handwritten) -> None:
    four(chain, 'op.execute("UPDATE nowhere SET n = 1")')
    failure = chain.failure("downgrade", "a1")
    assert "The downgrade of a3 failed in line" in str(failure)
    assert "nothing of it is in the database" in str(failure)
    assert "1 of 3 downgrades was applied before it; the database is at a3." in str(failure)
    assert "Nothing was" not in str(failure)
    assert chain.at() == ["a3"]


def test_revisions_before_one_that_failed_are_said(chain: Handwritten) -> None:
    chain.add("a2", "")
    chain.add("a3", 'op.execute("UPDATE nowhere SET n = 1")')
    failure = chain.failure()
    assert "2 of 3 revisions were applied before it; the database is at a2." in str(failure)
    assert chain.at() == ["a2"]
    assert "applied before it" not in str(chain.failure())


@only("kind", ["postgresql"])
def test_revision_whose_commit_fails_does_not_count_as_applied(chain: Handwritten) -> None:
    deferred = "UNIQUE DEFERRABLE INITIALLY DEFERRED"
    chain.add("a2", f'op.execute("CREATE TABLE d (i int {deferred})")')
    chain.add("a3", 'op.execute("INSERT INTO d VALUES (1), (1)")')
    failure = chain.failure()
    assert "2 of 3 revisions were applied before it; the database is at a2." in str(failure)
    assert chain.at() == ["a2"]


@only("kind", ["sqlite"])
def test_rows_that_refuse_a_change_are_said_with_what_is_in_the_database(
    chain: Handwritten,
) -> None:
    chain.add("a2", 'op.alter_column("t", "p_id", existing_type=sa.Integer, nullable=False)')
    failure = chain.failure()
    assert "Revision a2 failed in line" in str(failure)
    assert "nothing of it is in the database" in str(failure)
    assert "Nothing was changed" not in str(failure)
    assert "1 of 2 revisions was applied before it; the database is at a1." in str(failure)
