"""Single operations as Alembic gives them, in batch mode and out of it."""

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.sqlite.alter import ALTER, REBUILD, TEXT
from alembic_lossless.sqlite.database import SQLiteDatabase


@pytest.mark.parametrize("key", [{"primary_key": True}, {"nullable": False}])
def test_a_new_column_that_counts_numbers_the_rows(database, key):
    """As PostgreSQL does, which makes it SERIAL; the key comes by an operation of its own."""
    base = database("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x'), ('y')")
    arguments = [] if "primary_key" in key else [sa.Identity()]
    ways = base.migrate(
        lambda op: op.add_column("t", sa.Column("id", sa.Integer, *arguments, **key)),
        lambda op: op.create_primary_key("t_pkey", "t", ["id"]),
    )
    assert ways == [REBUILD, REBUILD]
    assert base.rows("SELECT a, id FROM t") == [("x", 1), ("y", 2)]
    base.execute("DELETE FROM t; INSERT INTO t (a) VALUES ('z')")
    assert base.rows("SELECT * FROM t") == [("z", 1)]


def test_foreign_key_mismatch_names_the_wrong_key(database, monkeypatch):
    """And where the others need not be looked at, it is in nobody's way."""
    base = database(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE t "
        "(id INTEGER PRIMARY KEY, p_id INTEGER, other INTEGER REFERENCES p (name))"
    )
    with monkeypatch.context() as patch, base.migrating() as op:
        patch.setattr(SQLiteDatabase, "writable_schema", lambda self: False)
        with pytest.raises(
            MigrationError, match=r'"p" has no .* name, .* foreign key other of "t"'
        ):
            op.create_foreign_key("fk", "t", "p", ["p_id"], ["id"])
    with base.migrating() as op:
        op.create_foreign_key("fk", "t", "p", ["p_id"], ["id"])
    parents = 'SELECT "from", "to" FROM pragma_foreign_key_list(\'t\')'
    assert sorted(base.rows(parents)) == [("other", "name"), ("p_id", "id")]


def test_if_exists_and_if_not_exists(base):
    def change(op):
        op.drop_column("t", "zz", if_exists=True)
        op.add_column("t", sa.Column("a", sa.Text), if_not_exists=True)
        op.drop_constraint("zz", "t", type_="check", if_exists=True)
        op.drop_index("zz", "t", if_exists=True)
        op.drop_index("zz", if_exists=True)
        op.drop_table("zz", if_exists=True)
        op.create_index("ix", "t", ["a"], if_not_exists=True)
        op.create_index("ix", "t", ["a"], if_not_exists=True)
        with op.batch_alter_table("t") as batch:
            batch.drop_column("zz", if_exists=True)

    before = base.text()
    assert base.migrate(change) == []
    assert base.text() == before


def test_comments_are_no_obstacle(base):
    def change(op):
        op.create_table_comment("t", "all of them")
        op.drop_table_comment("t")
        op.alter_column("t", "a", comment="a number")
        op.add_column("t", sa.Column("n", sa.Integer, comment="another"))
        with op.batch_alter_table("t") as batch:
            batch.create_table_comment("all of them")
            batch.alter_column("a", comment="a number")

    assert base.migrate(change) == [ALTER]


def test_checks_of_a_type_come_and_go_with_it(base):
    old = sa.Enum("x", "y", name="kind", create_constraint=True)
    new = sa.Enum("x", "y", "z", name="kind", create_constraint=True)
    base.migrate(
        lambda op: op.add_column("t", sa.Column("k", old)),
        lambda op: op.alter_column("t", "k", existing_type=old, type_=new),
        # Made by a SQLAlchemy before 1.4, which the migration does not tell.
        lambda op: op.alter_column("t", "f", existing_type=sa.Boolean(), type_=sa.Integer()),
    )
    assert base.text().count("CHECK") == 1
    assert "CONSTRAINT kind CHECK (k IN ('x', 'y', 'z'))" in base.text()


@pytest.mark.parametrize("condition", ["a > 1", sa.text("a > 1")])
def test_indexes_of_a_server(base, condition):
    def change(op):
        op.create_index("ix", "t", ["b"], unique=True, postgresql_where=condition)
        op.create_index("gin", "t", [sa.text("lower(b)")], postgresql_using="gin")
        op.drop_index("gin")

    base.migrate(change)
    assert base.schema()["ix"] == "CREATE UNIQUE INDEX ix ON t (b) WHERE a > 1"
    assert "gin" not in base.schema()


def test_a_renaming_to_other_capitals(base):
    base.migrate(lambda op: op.alter_column("t", "a", new_column_name="A"))
    assert base.columns() == ["id", "A", "b", "f"]


def test_an_autocommit_block_stays_in_the_transaction(base):
    before = base.schema()

    def change(op):
        op.add_column("t", sa.Column("n", sa.Integer))
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX ix ON t (n)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        base.migrate(change)
    assert base.schema() == before


def test_ways_are_told(base):
    with base.migrating() as op:
        op.alter_column("t", "a", nullable=False)
        op.create_unique_constraint("uq", "t", ["b"])
    applied = op.get_context().impl.applied
    assert [(change.table, change.way) for change in applied] == [("t", TEXT), ("t", REBUILD)]
    assert any(s.startswith("INSERT OR ABORT") for s in applied[1].statements)
