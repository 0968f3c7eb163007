"""What ``upgrade --sql`` prints for SQLite, and where it stops."""

import io

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_lossless.errors import MigrationError


def offline(change):
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="sqlite", opts={"as_sql": True, "output_buffer": buffer}
    )
    change(Operations(context))
    return [line for line in buffer.getvalue().splitlines() if line]


def in_batch(tell):
    def change(op):
        with op.batch_alter_table("t") as batch:
            tell(batch)

    return change


PRINTED = [
    (
        lambda op: op.add_column("t", sa.Column("n", sa.Integer)),
        "ALTER TABLE t ADD COLUMN n INTEGER;",
    ),
    (
        lambda op: op.alter_column("t", "a", new_column_name="z", existing_nullable=False),
        "ALTER TABLE t RENAME COLUMN a TO z;",
    ),
    (lambda op: op.drop_column("t", "a"), "ALTER TABLE t DROP COLUMN a;"),
    (lambda op: op.rename_table("t", "u"), "ALTER TABLE t RENAME TO u;"),
    (lambda op: op.drop_table("t"), "DROP TABLE t;"),
    (lambda op: op.create_index("ix", "t", ["a"]), "CREATE INDEX ix ON t (a);"),
    (lambda op: op.drop_index("ix", "t"), "DROP INDEX ix;"),
    (lambda op: op.drop_index("ix"), "DROP INDEX ix;"),
    (
        in_batch(lambda batch: batch.add_column(sa.Column("n", sa.Text, server_default="x"))),
        "ALTER TABLE t ADD COLUMN n TEXT DEFAULT 'x';",
    ),
]


@pytest.mark.parametrize(("change", "line"), PRINTED)
def test_offline_prints_what_sqlite_can_do(change, line):
    assert offline(change) == [line]


STOPPED = [
    lambda op: op.alter_column("t", "a", nullable=False),
    lambda op: op.alter_column("t", "a", new_column_name="z", nullable=True),
    lambda op: op.alter_column("t", "a", server_default=None),
    lambda op: op.alter_column("t", "a", type_=sa.Text()),
    lambda op: op.create_unique_constraint("uq", "t", ["a"]),
    lambda op: op.create_foreign_key("fk", "t", "p", ["a"], ["id"]),
    lambda op: op.drop_constraint("ck", "t", type_="check"),
    lambda op: op.add_column("t", sa.Column("n", sa.Integer, nullable=False)),
    lambda op: op.add_column("t", sa.Column("n", sa.DateTime, server_default=sa.func.now())),
    lambda op: op.add_column("t", sa.Column("n", sa.Integer, sa.Computed("a", persisted=True))),
    in_batch(lambda batch: batch.add_column(sa.Column("n", sa.Integer), insert_after="a")),
    in_batch(lambda batch: batch.alter_column("a", nullable=False)),
]


@pytest.mark.parametrize("change", STOPPED)
def test_offline_stops_at_anything_else(change):
    with pytest.raises(MigrationError) as error:
        offline(change)
    assert "alembic-lossless plan shows" in str(error.value)
    assert "\n" not in str(error.value)
