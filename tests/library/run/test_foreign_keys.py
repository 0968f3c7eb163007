"""A revision leaves no foreign key behind that points to nothing, on SQLite."""

import pytest

from tests.servers.run.shop import Shop

CHILD = """op.create_table("child", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("t_id", sa.Integer, sa.ForeignKey("t.id")))"""


@pytest.mark.parametrize("row", [None, "INSERT INTO child (t_id) VALUES (NULL)"])
def test_dropped_table_that_a_foreign_key_points_to_is_refused(shop: Shop, row: str | None) -> None:
    shop.revision("a3", CHILD, 'op.drop_table("child")')
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    if row:
        shop.ask(row)
    shop.revision("a4", 'op.drop_table("t")')
    output = shop.flask("db", "upgrade", code=1)
    assert 'Revision a4 drops table "t", which the foreign key t_id of "child" points to' in output
    assert shop.at() == ["a3"]
    assert shop.ask("SELECT n FROM t") == [(1,)]
    shop.ask("INSERT INTO child (t_id) VALUES (1)")


def test_table_dropped_and_made_anew_keeps_its_foreign_keys(shop: Shop) -> None:
    shop.revision("a3", CHILD, 'op.drop_table("child")')
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (id, n) VALUES (1, 1)")
    shop.ask("INSERT INTO child (t_id) VALUES (1)")
    shop.revision(
        "a4",
        """
        op.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, n INTEGER)")
        op.execute("INSERT INTO other SELECT id, n FROM t")
        op.drop_table("t")
        op.rename_table("other", "t")
        """,
    )
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT t.n FROM child JOIN t ON t.id = t_id") == [(1,)]


def test_foreign_key_to_a_table_of_a_later_revision_is_no_fault(shop: Shop) -> None:
    """SQLite takes it, and so do chains that stock wrote."""
    early = CHILD.replace("child", "early").replace("t_id", "late_id").replace("t.id", "late.id")
    shop.revision("a3", early, 'op.drop_table("early")')
    shop.revision(
        "a4",
        'op.create_table("late", sa.Column("id", sa.Integer, primary_key=True))',
        'op.drop_table("late")',
    )
    shop.flask("db", "upgrade")
    assert {"early", "late"} <= shop.tables()
    shop.flask("db", "downgrade")
    assert "late" not in shop.tables()


def test_table_renamed_and_dropped_that_a_foreign_key_points_to_is_refused(shop: Shop) -> None:
    shop.revision("a3", CHILD, 'op.drop_table("child")')
    shop.flask("db", "upgrade")
    shop.revision("a4", 'op.rename_table("t", "gone")\nop.drop_table("gone")')
    output = shop.flask("db", "upgrade", code=1)
    assert 'Revision a4 drops table "gone", which the foreign key t_id of "child" points' in output
    assert {"child", "t"} <= shop.tables()


def test_column_that_a_foreign_key_points_to_stays_unique(shop: Shop) -> None:
    """Where it never was, SQLite writes only without foreign keys, and revisions run."""
    shop.revision("a3", CHILD, 'op.drop_table("child")')
    shop.flask("db", "upgrade")
    for statement in (
        "CREATE TABLE old (n INTEGER REFERENCES t (n))",
        "INSERT INTO t (id, n) VALUES (1, 1)",
        "INSERT INTO child (t_id) VALUES (1)",
    ):
        shop.ask(statement)
    shop.revision(
        "a4",
        """
        op.execute("CREATE TABLE other AS SELECT id, n FROM t")
        op.drop_table("t")
        op.rename_table("other", "t")
        """,
    )
    output = shop.flask("db", "upgrade", code=1)
    assert (
        'Revision a4 takes the uniqueness from the columns of "t" which the foreign key t_id of '
        '"child" points to: every write to "child" would fail; it was rolled back.' in output
    )
    shop.revision("a4", 'op.execute("DELETE FROM t")', down="a3")
    output = shop.flask("db", "upgrade", code=1)
    assert "Revision a4 would leave 1 row without the row pointed to, first child" in output
    shop.revision("a4", 'op.execute("DELETE FROM child")', down="a3")
    shop.flask("db", "upgrade")
    assert shop.at() == ["a4"]
