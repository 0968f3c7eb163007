"""What ``batch_alter_table`` can be told."""

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.sqlite.alter import ALTER, REBUILD


def test_all_operations_of_a_batch_are_one_edit(base):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("n", sa.String(5), nullable=False, server_default="q"))
            batch.alter_column("a", new_column_name="z", nullable=False)
            batch.create_unique_constraint("uq", ["z", "b"])
            batch.create_foreign_key("fk", "p", ["a"], ["id"])
            batch.create_index("ix", ["z"])
            batch.drop_column("f")

    assert base.migrate(change) == [ALTER, REBUILD]
    assert base.columns() == ["id", "z", "b", "n"]
    assert "UNIQUE (z, b)" in base.text()
    assert base.rows("SELECT z, b, n FROM t") == [(1, "x", "q"), (1, "y", "q")]
    assert base.schema()["ix"] == "CREATE INDEX ix ON t (z)"
    assert base.rows("SELECT \"from\" FROM pragma_foreign_key_list('t')") == [("z",)]


def test_a_default_given_and_dropped_in_one_batch_stays_in_the_rows(base):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("n", sa.Integer, nullable=False, server_default="7"))
            batch.alter_column("n", server_default=None)

    base.migrate(change)
    assert base.rows("SELECT n FROM t") == [(7,), (7,)]
    assert base.rows("SELECT dflt_value FROM pragma_table_info('t') WHERE name = 'n'") == [(None,)]


@pytest.mark.parametrize(
    ("where", "order"),
    [
        ({"insert_before": "a"}, ["id", "n", "a", "b", "f"]),
        ({"insert_after": "a"}, ["id", "a", "n", "b", "f"]),
        ({"insert_after": "f"}, ["id", "a", "b", "f", "n"]),
        ({}, ["id", "a", "b", "f", "n"]),
    ],
)
def test_columns_are_put_where_they_are_asked_for(base, where, order):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("n", sa.Integer), **where)

    base.migrate(change)
    assert base.columns() == order
    assert base.rows("SELECT a, n, b FROM t") == [(1, None, "x"), (1, None, "y")]


def test_partial_reordering(base):
    def change(op):
        with op.batch_alter_table(
            "t", recreate="always", partial_reordering=[("f", "a"), ("b", "id")]
        ):
            pass

    assert base.migrate(change) == [REBUILD]
    assert base.columns() == ["b", "id", "f", "a"]
    assert base.rows("SELECT id, a, b, f FROM t") == [(1, 1, "x", 1), (2, 1, "y", 0)]

    def circle(op):
        with op.batch_alter_table("t", partial_reordering=[("a", "b"), ("b", "a")]):
            op.alter_column("t", "a", nullable=False)

    def circle_in_batch(op):
        with op.batch_alter_table("t", partial_reordering=[("a", "b"), ("b", "a")]) as batch:
            batch.alter_column("a", nullable=False)

    with pytest.raises(MigrationError, match="round in a circle"):
        base.migrate(circle_in_batch)


def test_copy_from_names_what_stands_without_a_name(base):
    base.execute(
        "DROP TABLE t; CREATE TABLE t (a INTEGER UNIQUE CHECK (a > 0), b INTEGER -- kept\n)"
    )
    copied = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("a", sa.Integer),
        sa.UniqueConstraint("a", name="only_one"),
        sa.CheckConstraint("a > 0", name="positive"),
    )

    def change(op):
        with op.batch_alter_table("t", copy_from=copied) as batch:
            batch.drop_constraint("only_one", type_="unique")
            batch.drop_constraint("positive", type_="check")

    base.migrate(change)
    assert base.text() == "CREATE TABLE t (a INTEGER, b INTEGER -- kept\n)"


def test_table_args_are_added_once(base):
    def change(op):
        with op.batch_alter_table(
            "t",
            table_args=(sa.CheckConstraint("a > 0", name="ck"), sa.CheckConstraint("f IN (0, 1)")),
        ) as batch:
            batch.alter_column("b", nullable=False)

    base.migrate(change)
    base.migrate(change)
    assert base.text().count("CHECK") == 2
    assert base.text().count("CONSTRAINT ck CHECK (a > 0)") == 1


def test_table_kwargs(base):
    def change(op):
        with op.batch_alter_table("t", table_kwargs={"sqlite_autoincrement": True}) as batch:
            batch.alter_column("b", nullable=False)

    base.migrate(change)
    assert "PRIMARY KEY AUTOINCREMENT" in base.text()
    base.execute("CREATE TABLE w (k TEXT PRIMARY KEY NOT NULL, v INTEGER)")

    def options(op):
        with op.batch_alter_table(
            "w",
            recreate="always",
            table_kwargs={"sqlite_with_rowid": False, "sqlite_strict": True},
        ):
            pass

    base.migrate(options)
    assert base.text("w").endswith((") WITHOUT ROWID, STRICT", ") STRICT, WITHOUT ROWID"))


def test_reflect_args_and_a_naming_convention_are_names(base):
    def change(op):
        with op.batch_alter_table(
            "t",
            reflect_args=[sa.CheckConstraint("f IN (0, 1)", name="is_bool")],
            naming_convention={"pk": "key_of_%(table_name)s"},
        ) as batch:
            batch.drop_constraint("is_bool", type_="check")
            batch.drop_constraint("key_of_t", type_="primary")

    base.migrate(change)
    assert "CHECK" not in base.text()
    assert "PRIMARY" not in base.text()


def test_a_new_key_column_in_a_batch_numbers_the_rows(database):
    base = database("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x'), ('y')")

    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("id", sa.Integer, primary_key=True), insert_before="a")

    base.migrate(change)
    assert base.rows("SELECT * FROM t") == [(1, "x"), (2, "y")]
    assert base.rows("SELECT pk FROM pragma_table_info('t') WHERE name = 'id'") == [(1,)]


def test_what_went_with_its_column_is_named_in_one_sentence(base):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.alter_column("a", new_column_name="z")
            batch.drop_column("f")
            batch.drop_constraint("t_f_check", type_="check")

    with pytest.raises(MigrationError, match=r'Table "t" has no "t_f_check"\. It has: PRIMARY KEY'):
        base.migrate(change)
