"""The developer's own rows are counted, whatever the driver makes of them."""

from contextlib import contextmanager

import sqlalchemy as sa

from alembic_lossless.checklist.development import DevelopmentRows


def test_values_that_cannot_be_counted_are_left_out(postgresql) -> None:
    """The driver reads JSON as objects."""
    engine = sa.create_engine(postgresql(), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a JSONB, b INTEGER)")
        connection.exec_driver_sql("""INSERT INTO t VALUES ('{"a": 1}', 1), ('[]', 1)""")

    @contextmanager
    def look():
        with engine.connect() as connection:
            yield connection

    rows = DevelopmentRows(look)
    assert rows.values("t", "a") == {}
    assert rows.values("t", "b") == {1: 2}
