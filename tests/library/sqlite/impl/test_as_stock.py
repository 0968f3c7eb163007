"""What old chains hold and stock Alembic's batch mode runs: it comes out the same here."""

from pathlib import Path

import pytest

from tests.support.handwritten import Handwritten

FIRST = """
op.execute("CREATE TABLE p (id INTEGER PRIMARY KEY, code VARCHAR(9) UNIQUE)")
op.execute(
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b VARCHAR(9), p_id INTEGER,"
    " CONSTRAINT u UNIQUE (a), CONSTRAINT f FOREIGN KEY (p_id) REFERENCES p (id),"
    " CONSTRAINT c CHECK (a > 0))"
)
op.execute("CREATE TABLE s (id VARCHAR(9) PRIMARY KEY, a INTEGER)")
op.execute("INSERT INTO p VALUES (1, 'one')")
op.execute("INSERT INTO t VALUES (7, 9, 'x', 1)")
op.execute("INSERT INTO s VALUES ('k', 3)")
"""


@pytest.fixture
def chain(tmp_path: Path) -> Handwritten:
    chain = Handwritten(tmp_path / "migrations", f"sqlite:///{tmp_path}/shop.sqlite")
    chain.add("first", FIRST)
    return chain


def create_table(chain: Handwritten, table: str) -> str:
    return str(chain.ask(f"SELECT sql FROM sqlite_master WHERE name = '{table}'")[0][0])


@pytest.mark.parametrize(
    ("operation", "replaced", "new"),
    [
        (
            'create_unique_constraint("u", ["a", "b"])',
            "CONSTRAINT u UNIQUE (a)",
            "CONSTRAINT u UNIQUE (a, b)",
        ),
        (
            'create_foreign_key("f", "p", ["p_id"], ["id"], ondelete="CASCADE")',
            "REFERENCES p (id)",
            "REFERENCES p (id) ON DELETE CASCADE",
        ),
        (
            'create_check_constraint("c", "a > 5")',
            "CONSTRAINT c CHECK (a > 0)",
            "CONSTRAINT c CHECK (a > 5)",
        ),
        (
            'create_unique_constraint("c", ["b"])',
            "CONSTRAINT c CHECK (a > 0)",
            "CONSTRAINT c UNIQUE (b)",
        ),
    ],
)
def test_a_batch_replaces_the_constraint_of_a_name(
    chain: Handwritten, operation: str, replaced: str, new: str
) -> None:
    chain.add("second", f'with op.batch_alter_table("t") as batch_op:\n    batch_op.{operation}')
    chain.upgrade("first")
    before = create_table(chain, "t")
    chain.upgrade()
    after = " ".join(create_table(chain, "t").replace("FOREIGN KEY(", "FOREIGN KEY (").split())
    assert replaced in before
    assert new in after
    assert after.count("CONSTRAINT ") == 3
    assert chain.ask("SELECT * FROM t") == [(7, 9, "x", 1)]


def test_a_constraint_that_rows_break_replaces_nothing(chain: Handwritten) -> None:
    chain.add(
        "second",
        'with op.batch_alter_table("t") as batch_op:\n'
        '    batch_op.create_check_constraint("c", "a > 50")',
    )
    chain.upgrade("first")
    before = create_table(chain, "t")
    assert "CHECK (a > 50) is not true" in str(chain.failure())
    assert create_table(chain, "t") == before


def test_autoincrement_of_a_table_without_a_number_is_passed_over(chain: Handwritten) -> None:
    chain.add(
        "second",
        'with op.batch_alter_table("s", table_kwargs={"sqlite_autoincrement": True}) as batch_op:\n'
        '    batch_op.alter_column("a", existing_type=sa.Integer(), type_=sa.BigInteger())',
    )
    chain.upgrade()
    assert "AUTOINCREMENT" not in create_table(chain, "s")
    assert chain.ask("SELECT * FROM s") == [("k", 3)]


@pytest.mark.parametrize("batch", [True, False], ids=["in a batch", "alone"])
def test_alter_column_with_nothing_to_change_changes_nothing(
    chain: Handwritten, batch: bool
) -> None:
    alter = 'op.alter_column("t", sa.Column("a", sa.Integer))'
    if batch:
        alter = (
            'with op.batch_alter_table("t") as batch_op:\n'
            '    batch_op.alter_column(sa.Column("a", sa.Integer))'
        )
    chain.add("second", alter)
    chain.upgrade("first")
    before = create_table(chain, "t")
    chain.upgrade()
    assert create_table(chain, "t") == before


CASTS = [
    ("'001'::character varying", "'001'", "001"),
    ("('it''s'::text)", "'it''s'", "it's"),
    ("'{}'::json", "'{}'", "{}"),
    ("0::numeric(8, 2)", "0", 0),
    ("'a::b'", "'a::b'", "a::b"),
]


@pytest.mark.parametrize(("default", "plain", "value"), CASTS)
def test_the_cast_of_a_literal_in_a_default_is_left_out(
    chain: Handwritten, default: str, plain: str, value: object
) -> None:
    typed = f"server_default=sa.text({default!r})"
    chain.add(
        "second",
        f'op.create_table("n", sa.Column("id", sa.Integer, primary_key=True),'
        f' sa.Column("d", sa.Text, {typed}))\n'
        f'op.add_column("t", sa.Column("d", sa.Text, {typed}))\n'
        f'op.alter_column("s", "a", {typed})\n'
        'with op.batch_alter_table("p") as batch_op:\n'
        f'    batch_op.alter_column("code", {typed})\n'
        f'    batch_op.add_column(sa.Column("d", sa.Text, {typed}))',
    )
    chain.upgrade()
    chain.ask("INSERT INTO n (id) VALUES (1)")
    for table in ("n", "t", "s", "p"):
        assert f"DEFAULT {plain}" in create_table(chain, table)
    text = str(value)
    assert chain.ask("SELECT d FROM n") == [(text,)]
    assert chain.ask("SELECT d FROM t") == [(text,)]
    assert chain.ask("SELECT d FROM p") == [(text,)]


def test_another_cast_in_a_default_is_named(chain: Handwritten) -> None:
    default = 'sa.Column("d", sa.Text, server_default=sa.text("now()::text"))'
    chain.add("second", f'op.add_column("t", {default})')
    message = str(chain.failure())
    assert 'The default of column "d" of table "t" is now()::text' in message
    assert "CREATE TABLE" not in message
