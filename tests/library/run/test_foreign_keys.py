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
