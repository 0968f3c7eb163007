"""Which revisions take something away, and what waits behind them."""

import subprocess
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql, postgresql, sqlite

from alembic_lossless.errors import MigrationError
from alembic_lossless.run import expand_contract, recorder

SQLITE: Any = sqlite.dialect()
DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),
    "mysql": mysql.dialect(),
}


def taken_away(upgrade: Callable[[], Any], kind: str) -> list[str]:
    revision: Any = SimpleNamespace(revision="r", module=SimpleNamespace(upgrade=upgrade))
    ((operations, _),) = recorder.followed([revision], DIALECTS[kind])
    return expand_contract.taken_away(operations, kind)


@pytest.mark.parametrize("kind", DIALECTS)
@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        (lambda: op.drop_column("book", "year"), ["drop book.year"]),
        (lambda: op.drop_table("book", schema="app"), ["drop app.book"]),
        (
            lambda: op.alter_column("book", "year", new_column_name="published"),
            ["rename book.year"],
        ),
        (lambda: op.rename_table("book", "work"), ["rename book"]),
        (lambda: op.execute("-- old\nDROP TABLE book"), ["drop book"]),
        (lambda: op.execute(sa.text("ALTER TABLE book\n DROP COLUMN year")), ["drop book.year"]),
        (lambda: op.execute('ALTER TABLE app."book" DROP "year"'), ["drop app.book.year"]),
        (lambda: op.execute("SELECT 1; ALTER TABLE book RENAME TO work"), ["rename book"]),
        (lambda: op.add_column("book", sa.Column("year", sa.Integer())), []),
        (lambda: op.drop_index("ix", table_name="book"), []),
        (lambda: op.drop_constraint("uq", "book", type_="unique"), []),
        (lambda: op.execute("ALTER TABLE book DROP CONSTRAINT uq"), []),
        (lambda: op.execute("ALTER TABLE book ALTER COLUMN year DROP NOT NULL"), []),
        (lambda: op.execute("UPDATE book SET title = 'DROP TABLE book; DROP TABLE a'"), []),
        (lambda: op.execute("/* DROP TABLE book; */ SELECT 1"), []),
        (lambda: (op.create_table("a", sa.Column("id", sa.Integer)), op.drop_table("a")), []),
        (
            lambda: (op.add_column("a", sa.Column("b", sa.Text)), op.drop_column("a", "b")),
            [],
        ),
    ],
)
def test_what_operations_take_away(
    kind: str, upgrade: Callable[[], Any], expected: list[str]
) -> None:
    assert taken_away(upgrade, kind) == expected


def test_what_is_pending_is_parted_at_the_first_contract(chain):
    chain.add("1111")
    chain.add("2222", 'op.add_column("book", sa.Column("pages", sa.Integer()))')
    chain.add("3333", 'op.drop_column("book", "year")', phase="contract")
    chain.add("4444", 'op.add_column("book", sa.Column("shelf", sa.Integer()))')
    script = chain.script
    waiting = {"3333": ["drop book.year"], "4444": []}
    assert expand_contract.expanding(script, (), SQLITE) == (["1111", "2222"], waiting)
    assert expand_contract.expanding(script, ["2222"], SQLITE) == ([], waiting)
    assert expand_contract.expanding(script, ["3333"], SQLITE) == (["4444"], {})
    assert expand_contract.expanding(script, ["4444"], SQLITE) == ([], {})
    assert not expand_contract.only_drops_pending(script, ["2222"], SQLITE)


def test_revision_that_takes_away_without_saying_so_is_refused(chain):
    chain.add("1111")
    chain.add("2222", 'op.drop_column("book", "year")')
    with pytest.raises(MigrationError) as refused:
        expand_contract.expanding(chain.script, (), SQLITE)
    assert "2222.py takes something away (drop book.year) and does not say" in str(refused.value)
    assert str(refused.value).endswith('below down_revision: phase = "contract"')
    assert refused.value.exit_code == 4


def test_revision_that_cannot_be_followed_has_to_say_its_phase(chain):
    reads = 'op.get_bind().execute(sa.text("SELECT 1")).all()'
    chain.add("1111", reads)
    with pytest.raises(MigrationError, match='phase = "expand" where it takes nothing away'):
        expand_contract.expanding(chain.script, (), SQLITE)


def test_revision_that_says_expand_is_not_followed(chain):
    chain.add("1111", 'op.get_bind().execute(sa.text("SELECT 1")).all()', phase="expand")
    assert expand_contract.expanding(chain.script, (), SQLITE) == (["1111"], {})


def test_what_is_behind_a_contract_need_not_say_its_phase(chain):
    chain.add("1111", 'op.drop_table("book")', phase="contract")
    chain.add("2222", 'op.drop_table("shelf")')
    assert expand_contract.expanding(chain.script, (), SQLITE)[0] == []


@pytest.mark.parametrize(
    ("operations", "enough"),
    [
        (['op.drop_column("book", "year")'], True),
        (['op.drop_index("ix", table_name="book")', 'op.drop_table("book")'], True),
        (['op.alter_column("book", "year", new_column_name="published")'], False),
        (
            [
                'op.drop_column("book", "year")',
                'op.add_column("book", sa.Column("n", sa.Integer))',
            ],
            False,
        ),
        (['op.execute("ALTER TABLE book DROP year; DROP TABLE shelf")'], True),
        (['op.drop_column("book", "year")', 'op.execute("UPDATE book SET x = 1")'], False),
        (["pass"], True),
    ],
)
def test_before_a_drop_the_database_has_all_that_the_code_needs(chain, operations, enough):
    chain.add("1111")
    chain.add("2222", *operations)
    assert expand_contract.only_drops_pending(chain.script, ["1111"], SQLITE) is enough


class TestStacking:
    @pytest.fixture
    def stacked(self, chain):
        chain.add("1111")
        chain.add("2222", 'op.drop_column("book", "year")', phase="contract")
        chain.add("3333", 'op.add_column("book", sa.Column("shelf", sa.Integer()))')
        return chain

    def test_without_a_release_nothing_waits_for_one(self, stacked):
        assert expand_contract.stacked_on(stacked.script, "3333") == []

    def test_a_tag_tells_what_is_released(self, stacked):
        def git(*arguments):
            identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
            subprocess.run(["git", *identity, *arguments], cwd=stacked.folder, check=True)

        git("init", "-q")
        git("add", "versions/1111.py")
        git("commit", "-qm", "one")
        git("tag", "v1")
        stacked.add("4444", 'op.add_column("book", sa.Column("row", sa.Integer()))')
        assert expand_contract.stacked_on(stacked.script, "4444") == ["2222"]
        stacked.add("6666", 'op.drop_table("book")', phase="contract")
        assert expand_contract.stacked_on(stacked.script, "6666") == []
        git("add", "versions")
        git("commit", "-qm", "two")
        git("tag", "v2")
        stacked.add("5555", 'op.add_column("book", sa.Column("x", sa.Integer()))')
        assert expand_contract.stacked_on(stacked.script, "5555") == []

    @pytest.mark.parametrize("branch", ["main", "master"])
    def test_without_tags_the_main_branch_of_the_remote_tells(self, stacked, branch):
        def git(*arguments):
            identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
            subprocess.run(["git", *identity, *arguments], cwd=stacked.folder, check=True)

        git("init", "-q", "-b", branch)
        git("add", "versions/1111.py")
        git("commit", "-qm", "one")
        assert expand_contract.stacked_on(stacked.script, "3333") == []
        git("init", "-q", "--bare", "remote")
        git("remote", "add", "origin", "remote")
        git("push", "-q", "origin", branch)
        assert expand_contract.stacked_on(stacked.script, "3333") == ["2222"]
        git("add", "versions")
        git("commit", "-qm", "two")
        git("push", "-q", "origin", branch)
        assert expand_contract.stacked_on(stacked.script, "3333") == []
