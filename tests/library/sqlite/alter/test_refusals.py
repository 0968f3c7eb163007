"""What is refused: it names what is wrong and changes nothing."""

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError

REFUSED = {
    "null": (
        lambda op: op.alter_column("t", "c", nullable=False),
        "c is NULL in 1 row (id = 2)",
    ),
    "check": (
        lambda op: op.create_check_constraint("ck", "t", "id < 2"),
        "CHECK (id < 2) is not true in 1 row (id = 2)",
    ),
    "quoted name in a check": (
        lambda op: op.create_check_constraint("ck", "t", '"Order" > 0'),
        'has no column "Order"',
    ),
    "orphans": (
        lambda op: op.create_foreign_key("fk", "t", "p", ["id"], ["id"]),
        'id has no parent row in "p" in 1 row (id = 2)',
    ),
    "no such parent": (
        lambda op: op.create_foreign_key("fk", "t", "nope", ["id"], ["id"]),
        'no table "nope"',
    ),
    "parent without a key": (
        lambda op: op.create_foreign_key("fk", "t", "p", ["a"], ["n"]),
        '"p" has no PRIMARY KEY or UNIQUE of exactly n',
    ),
    "duplicates": (
        lambda op: op.create_unique_constraint("uq", "t", ["a"]),
        "1 value stands more than once in a (1)",
    ),
    "primary key twice": (
        lambda op: op.create_primary_key("pk", "t", ["a"]),
        "1 value stands more than once in a (1)",
    ),
    "unfit": (
        lambda op: op.alter_column("t", "b", type_=sa.Integer()),
        'b holds what the type "INTEGER" does not in 2 rows (id = 1, 2)',
    ),
    "no value": (
        lambda op: op.add_column("t", sa.Column("z", sa.Integer, nullable=False)),
        "z, NOT NULL, would have no value in 2 rows",
    ),
    "no such column": (lambda op: op.drop_column("t", "zz"), 'no column "zz", only: id, a, b, c'),
    "no such table": (lambda op: op.drop_column("zz", "a"), 'no table "zz" in this database'),
    "there already": (
        lambda op: op.add_column("t", sa.Column("A", sa.Integer)),
        'has a column "A" already',
    ),
    "name taken": (
        lambda op: op.create_check_constraint("ck_t_a", "t", "a < 9"),
        'has a constraint "ck_t_a" already',
    ),
    "trigger": (lambda op: op.drop_column("t", "id"), 'The trigger "tr" still uses'),
    "no such function": (
        lambda op: op.create_check_constraint("ck", "t", "nope(a)"),
        "SQLite refuses the change of table",
    ),
    "bad default": (
        lambda op: op.alter_column("t", "c", server_default=sa.text("now()::date")),
        'The default of column "c" of table "t" is now()::date: SQLite has no such cast.',
    ),
    "no such index": (lambda op: op.drop_index("ix_nope", "t"), 'no index "ix_nope" on "t"'),
    "no such index at all": (lambda op: op.drop_index("ix_nope"), 'no index "ix_nope" in'),
    "index of no column": (
        lambda op: op.create_index("ix", "t", ["zzTop"]),
        'Table "t" has no column "zzTop", only: id, a, b, c.',
    ),
    "index of a name that is taken": (
        lambda op: op.create_index("ix_t_b", "t", ["a"]),
        'SQLite refuses the index "ix_t_b"',
    ),
    "index of no column, without quotes": (
        lambda op: op.create_index("ix", "t", ["zz", sa.text("a + 1")]),
        'Table "t" has no column "zz", only: id, a, b, c.',
    ),
    "a new name that is taken": (
        lambda op: op.alter_column("t", "a", new_column_name="B"),
        'Table "t" has a column "B" already.',
    ),
    "no such column to rename": (
        lambda op: op.alter_column("t", "zz", new_column_name="yy"),
        'Table "t" has no column "zz", only: id, a, b, c.',
    ),
    "constraint SQLite has not": (
        lambda op: op.create_exclude_constraint("ex", "t", ("a", "=")),
        'SQLite cannot hold what is asked of table "t": it has no ExcludeConstraint.',
    ),
    "schema": (
        lambda op: op.drop_column("t", "a", schema="public"),
        'no database "public" is attached',
    ),
    "type SQLite has not": (
        lambda op: op.add_column("t", sa.Column("z", sa.ARRAY(sa.Integer))),
        'SQLite cannot hold what is asked of table "t"',
    ),
}


@pytest.mark.parametrize(("change", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_names_what_is_wrong_and_changes_nothing(base, change, sentence):
    before = base.schema(), base.values()
    with pytest.raises(MigrationError) as error:
        base.migrate(change)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert (base.schema(), base.values()) == before


def test_a_refusal_leaves_the_rest_of_the_transaction(base):
    with base.migrating() as op:
        op.add_column("t", sa.Column("z", sa.Integer))
        with pytest.raises(MigrationError, match="more than once"):
            op.create_unique_constraint("uq", "t", ["a"])
        with pytest.raises(MigrationError, match="is NULL"):
            op.alter_column("t", "z", nullable=False)
    assert [c[1] for c in base.rows("PRAGMA table_info(t)")] == ["id", "a", "b", "c", "z"]
    base.check()


@pytest.mark.parametrize(
    "change",
    [
        lambda op: op.create_unique_constraint("uq", "t", ["b"]),
        lambda op: op.drop_column("t", "c"),
        lambda op: op.drop_table("p"),
    ],
)
def test_with_foreign_keys_on_nothing_is_dropped_or_rebuilt(base, change):
    with (
        pytest.raises(MigrationError, match="PRAGMA foreign_keys on"),
        base.migrating(foreign_keys=True) as op,
    ):
        change(op)


def test_full_disk_is_reported_and_rolled_back(base):
    before = base.schema(), base.values()

    def fill(op):
        op.get_bind().exec_driver_sql("PRAGMA max_page_count = 1")
        op.get_bind().exec_driver_sql("INSERT INTO p (n) VALUES ('x')")
        op.create_unique_constraint("uq", "t", ["b"])

    with pytest.raises(MigrationError, match="database or disk is full"):
        base.migrate(fill)
    assert (base.schema(), base.values()) == before
