"""What uses a column or a key that is dropped, and what goes with it."""

import logging

import pytest

from alembic_lossless.errors import MigrationError
from alembic_lossless.sqlite.alter import ALTER

USED = {
    "view": ("CREATE VIEW v AS SELECT c FROM t", 'The view "v"'),
    "quoted in a view": ('CREATE VIEW v AS SELECT "c" FROM t', 'The view "v"'),
    "trigger that sets it": (
        "CREATE TRIGGER x AFTER INSERT ON p BEGIN UPDATE t SET c = 1; END",
        'The trigger "x"',
    ),
    "trigger that reads it": (
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM p WHERE id = new.c; END",
        'The trigger "x"',
    ),
    "update of": (
        "CREATE TRIGGER x AFTER UPDATE OF c ON t BEGIN SELECT 1; END",
        'The trigger "x"',
    ),
    "generated": (
        "ALTER TABLE t ADD COLUMN g INTEGER AS (c + 1)",
        'The generated column "g"',
    ),
    "foreign key": (
        "CREATE UNIQUE INDEX uq ON t (c); CREATE TABLE k (c REFERENCES t (c))",
        'A foreign key of table "k"',
    ),
}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(("script", "sentence"), USED.values(), ids=USED)
def test_a_column_in_use_is_not_dropped(base, script, sentence, force):
    base.execute(script)
    before = base.schema(), base.values()

    def change(op):
        with op.batch_alter_table("t", recreate="always" if force else "auto") as batch:
            batch.drop_column("c")

    with pytest.raises(MigrationError) as error:
        base.migrate(change)
    assert sentence in str(error.value)
    assert (base.schema(), base.values()) == before


def test_a_view_that_quotes_another_tables_column_is_no_obstacle(base):
    base.execute('CREATE VIEW v AS SELECT t.a, "k"."c" FROM t JOIN (SELECT 1 AS c) AS "k"')
    base.migrate(lambda op: op.drop_column("t", "c"))
    assert base.rows("SELECT * FROM v") == [(1, 1), (1, 1)]


def test_a_view_broken_before_is_named(base):
    base.execute("CREATE VIEW v AS SELECT * FROM gone")
    with pytest.raises(MigrationError, match='The view "v" is broken already'):
        base.migrate(lambda op: op.alter_column("t", "a", new_column_name="z"))


def test_a_dropped_column_takes_its_own_with_it_and_says_so(base, caplog):
    base.execute("CREATE INDEX ix_two ON t (id, b); CREATE INDEX ix_where ON t (a) WHERE b > ''")
    caplog.set_level(logging.INFO, "alembic_lossless.sqlite")
    base.migrate(lambda op: op.drop_column("t", "b"))
    assert not base.schema().keys() & {"ix_t_b", "ix_two", "ix_where"}
    for name in ("ix_t_b", "ix_two", "ix_where"):
        assert f"index {name} went with its column" in caplog.text
    assert f"t: by {ALTER}" in caplog.text


def test_a_key_that_another_table_needs_stays(base):
    base.execute("CREATE TABLE k (t_id INTEGER REFERENCES t (id))")
    with pytest.raises(MigrationError, match='A foreign key of table "k" points at id'):
        base.migrate(lambda op: op.drop_constraint("t_pkey", "t", type_="primary"))

    def change_both(op):
        with op.batch_alter_table("t") as batch:
            batch.drop_constraint("t_pkey", type_="primary")
            batch.create_unique_constraint("uq_t_id", ["id"])

    base.migrate(change_both)
    assert "uq_t_id" in base.text()
