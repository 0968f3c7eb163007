"""Which revisions take something away, and what waits behind them."""

import subprocess
from textwrap import dedent, indent

import pytest

from alembic_lossless.run import expand_contract


def source(body: str, rest: str = "") -> str:
    return f"def upgrade():\n{indent(dedent(body), '    ')}\n{dedent(rest)}"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('op.drop_column("book", "year")', ["drop book.year"]),
        ('op.drop_column(table_name="book", column_name="year")', ["drop book.year"]),
        ('op.drop_table("book")', ["drop book"]),
        (
            'with op.batch_alter_table("book") as batch_op:\n    batch_op.drop_column("year")',
            ["drop book.year"],
        ),
        ('op.alter_column("book", "year", new_column_name="published")', ["rename book.year"]),
        ('op.rename_table("book", "work")', ["rename book"]),
        ('op.execute("DROP TABLE book")', ["run DROP TABLE book"]),
        (
            'op.execute(sa.text("ALTER TABLE book\\n DROP COLUMN year"))',
            ["run ALTER TABLE book DROP COLUMN year"],
        ),
        ('op.execute("ALTER TABLE book DROP year")', ["run ALTER TABLE book DROP year"]),
        ('if bind.dialect.name == "sqlite":\n    op.drop_table("book")', ["drop book"]),
        ("helper()", ["drop book"]),
    ],
)
def test_contracts(body, said):
    helper = 'def helper():\n    op.drop_table("book")\n'
    assert expand_contract.takes_away(source(body, helper)) == said


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        'op.add_column("book", sa.Column("year", sa.Integer()))',
        'op.drop_index("ix", table_name="book")',
        'op.drop_constraint("uq", "book")',
        'op.alter_column("book", "year", nullable=False)',
        'op.execute("ALTER TABLE book DROP CONSTRAINT uq")',
        'op.execute("ALTER TABLE book ALTER COLUMN year DROP NOT NULL")',
        'op.execute("ALTER TABLE book ALTER COLUMN year DROP DEFAULT")',
        "op.execute(\"UPDATE book SET title = 'drop it'\")",
        'op.create_table("copy", sa.Column("id", sa.Integer()))\nop.drop_table("copy")',
        'op.add_column("book", sa.Column("tmp", sa.Text()))\nop.drop_column("book", "tmp")',
    ],
)
def test_no_contracts(body):
    helper = 'def downgrade():\n    op.drop_table("book")\n'
    assert expand_contract.takes_away(source(body, helper)) == []


def test_what_is_pending_is_parted_at_the_first_contract(chain):
    chain.add("1111")
    chain.add("2222", 'op.add_column("book", sa.Column("pages", sa.Integer()))')
    chain.add("3333", 'op.drop_column("book", "year")')
    chain.add("4444", 'op.add_column("book", sa.Column("shelf", sa.Integer()))')
    script = chain.script
    assert expand_contract.expanding(script, ()) == (["1111", "2222"], ["3333", "4444"])
    assert expand_contract.expanding(script, ["2222"]) == ([], ["3333", "4444"])
    assert expand_contract.expanding(script, ["3333"]) == (["4444"], [])
    assert expand_contract.expanding(script, ["4444"]) == ([], [])
    assert not expand_contract.only_drops_pending(script, ["2222"])


@pytest.mark.parametrize(
    ("operations", "enough"),
    [
        (['op.drop_column("book", "year")'], True),
        (['op.drop_index("ix", table_name="book")', 'op.drop_table("book")'], True),
        (['op.alter_column("book", "year", new_column_name="published")'], False),
        (['op.drop_column("book", "year")', 'op.add_column("book", column)'], False),
        (['op.drop_column("book", "year")', 'op.execute("UPDATE book SET x = 1")'], False),
        (["pass"], True),
    ],
)
def test_before_a_drop_the_database_has_all_that_the_code_needs(chain, operations, enough):
    chain.add("1111")
    chain.add("2222", *operations)
    assert expand_contract.only_drops_pending(chain.script, ["1111"]) is enough


class TestStacking:
    @pytest.fixture
    def stacked(self, chain):
        chain.add("1111")
        chain.add("2222", 'op.drop_column("book", "year")')
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
        stacked.add("6666", 'op.drop_table("book")')
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
