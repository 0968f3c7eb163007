"""What rows hold after a change: what they held, or it is refused."""

import sqlite3

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.sqlite.alter import REBUILD
from alembic_lossless.sqlite.database import SQLiteDatabase
from tests.library.sqlite.support import SCRIPT

OLDER = (
    SCRIPT + "ALTER TABLE t ADD COLUMN d INTEGER NOT NULL DEFAULT 7; ALTER TABLE t ADD COLUMN e;"
)


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda op: op.alter_column("t", "d", server_default="8"),
        lambda op: op.alter_column("t", "d", server_default=None),
        lambda op: op.alter_column("t", "e", server_default="9"),
        lambda op: op.alter_column("t", "d", server_default=sa.text("(1 + 1)")),
    ],
)
def test_rows_older_than_their_column_keep_what_they_read(database, monkeypatch, change, writable):
    """They hold no value: SQLite takes it from the default in the text."""
    base = database(OLDER)
    before = base.values()
    assert before[0][-4:] == (7, "integer", None, "null")
    if not writable:
        monkeypatch.setattr(SQLiteDatabase, "writable_schema", lambda self: False)
    base.migrate(change)
    assert base.values() == before
    assert base.rows("SELECT * FROM log") == []
    assert base.schema()["tr"] in SCRIPT


def test_a_rebuild_keeps_rowids_counters_statistics_and_order(database):
    base = database(
        "CREATE TABLE n (x TEXT); INSERT INTO n (rowid, x) VALUES (7, 'a'), (3, 'b');"
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT);"
        "INSERT INTO t VALUES (40, 'a'); DELETE FROM t; INSERT INTO t VALUES (9, 'b');"
        "CREATE INDEX ix ON t (x); ANALYZE"
    )
    statistics = base.rows("SELECT * FROM sqlite_stat1 ORDER BY 1, 2")
    ways = base.migrate(
        lambda op: op.create_unique_constraint("uq", "t", ["x"]),
        lambda op: op.create_unique_constraint("uq", "n", ["x"]),
    )
    assert ways == [REBUILD, REBUILD]
    assert base.rows("SELECT rowid, x FROM n") == [(3, "b"), (7, "a")]
    assert base.rows("SELECT * FROM sqlite_sequence") == [("t", 40)]
    assert base.rows("SELECT * FROM sqlite_stat1 ORDER BY 1, 2") == statistics


def test_an_on_conflict_leaves_no_row_out(database):
    base = database("CREATE TABLE t (a INTEGER, b INTEGER); INSERT INTO t VALUES (1, 1), (1, 2)")
    for clause in ("IGNORE", "REPLACE"):
        with pytest.raises(MigrationError, match="more than once"):
            base.migrate(
                lambda op, clause=clause: op.create_unique_constraint(
                    "uq", "t", ["a"], sqlite_on_conflict=clause
                )
            )
    assert base.rows("SELECT count(*) FROM t") == [(2,)]


VALUES = [
    ("VARCHAR(10)", sa.Integer(), ["12", None], [(12, "integer"), (None, "null")]),
    ("VARCHAR(10)", sa.Integer(), ["012"], None),
    ("VARCHAR(10)", sa.Integer(), ["x9"], None),
    ("VARCHAR(10)", sa.Integer(), [""], None),
    ("INTEGER", sa.String(3), [12, 123], [("12", "text"), ("123", "text")]),
    ("INTEGER", sa.String(2), [123], None),
    ("VARCHAR(10)", sa.String(3), ["abcd"], None),
    ("VARCHAR(10)", sa.String(3), ["abc", "é"], [("abc", "text"), ("é", "text")]),
    ("TEXT", sa.DateTime(), ["2024-05-01 07:08:09.5"], [("2024-05-01 07:08:09.5", "text")]),
    ("TEXT", sa.DateTime(), ["2024"], None),
    ("TEXT", sa.DateTime(), ["yesterday"], None),
    ("DATETIME", sa.Date(), ["2024-05-01 07:08:00"], None),
    ("DATETIME", sa.Date(), ["2024-05-01"], [("2024-05-01", "text")]),
    ("TEXT", sa.Time(), ["07:08:09"], [("07:08:09", "text")]),
    ("INTEGER", sa.Boolean(), [0, 1, None], [(0, "integer"), (1, "integer"), (None, "null")]),
    ("INTEGER", sa.Boolean(), [2], None),
    ("FLOAT", sa.Integer(), [5.0], [(5, "integer")]),
    ("FLOAT", sa.Integer(), [5.5], None),
    ("FLOAT", sa.Text(), [1.5], [("1.5", "text")]),
    ("FLOAT", sa.Text(), [0.1 + 0.2], None),
    ("TEXT", sa.Numeric(5, 2), ["1.5"], [(1.5, "real")]),
    ("TEXT", sa.Numeric(5, 2), ["1000"], None),
    ("TEXT", sa.Float(), ["1e3"], None),
    ("TEXT", sa.LargeBinary(), ["x"], None),
    ("BLOB", sa.Text(), [b"x"], None),
    ("TEXT", sa.JSON(), ['{"a": 1}'], [('{"a": 1}', "text")]),
    ("TEXT", sa.JSON(), ["{a"], None),
    ("INTEGER", sa.Float(), [2**53, -5, None], [(2.0**53, "real"), (-5.0, "real"), (None, "null")]),
    ("INTEGER", sa.Float(), [2**53 + 1], None),
    ("INTEGER", sa.Float(), [2**63 - 1], None),
    ("TEXT", sa.Float(), [str(2**53 + 1)], None),
    ("TEXT", sa.Float(), ["12"], [(12.0, "real")]),
    ("TEXT", sa.JSON(), ["12", '"12"'], [(12, "integer"), ('"12"', "text")]),
    ("TEXT", sa.JSON(), ["12345678901234567890"], None),
    ("TEXT", sa.JSON(), ["1.0"], None),
    ("TEXT", sa.JSON(), ["1e2\n"], None),
    ("TEXT", sa.Date(), ["2024-02-29"], [("2024-02-29", "text")]),
    ("TEXT", sa.Date(), ["2024-02-31"], None),
    ("TEXT", sa.Date(), ["2023-02-29"], None),
    ("TEXT", sa.DateTime(), ["2024-04-31 10:00:00"], None),
    ("TEXT", sa.DateTime(), ["2024-04-30 24:00:00"], None),
    ("TEXT", sa.DateTime(), ["2024-04-30T10:00:00+02:00"], [("2024-04-30T10:00:00+02:00", "text")]),
    ("TEXT", sa.Time(), ["24:00"], None),
]


@pytest.mark.parametrize(("old", "new", "values", "expected"), VALUES)
def test_a_new_type_holds_the_values_or_is_refused(database, old, new, values, expected):
    base = database(f"CREATE TABLE t (a {old})")
    connection = sqlite3.connect(base.path)
    connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    connection.commit()
    connection.close()
    before = base.values()
    if expected is None:
        with pytest.raises(MigrationError, match=r"a holds what the type .* does not in 1 row"):
            base.migrate(lambda op: op.alter_column("t", "a", type_=new))
        assert base.values() == before
    else:
        base.migrate(lambda op: op.alter_column("t", "a", type_=new))
        assert base.values() == expected


def test_computed_columns_come_and_go(database):
    base = database("CREATE TABLE t (a INTEGER, b INTEGER); INSERT INTO t VALUES (1, 2), (2, 4)")
    base.migrate(lambda op: op.alter_column("t", "b", server_default=sa.Computed("a * 2")))
    assert base.rows("SELECT hidden FROM pragma_table_xinfo('t') WHERE name = 'b'") != [(0,)]
    base.migrate(lambda op: op.alter_column("t", "b", server_default=None))
    assert base.rows("SELECT a, b FROM t") == [(1, 2), (2, 4)]
    with pytest.raises(MigrationError, match="b holds something else than it would be computed"):
        base.migrate(lambda op: op.alter_column("t", "b", server_default=sa.Computed("a * 3")))
    base.migrate(
        lambda op: op.add_column("t", sa.Column("v", sa.Integer, sa.Computed("a + 1"))),
        lambda op: op.add_column("t", sa.Column("s", sa.Integer, sa.Computed("v", persisted=True))),
    )
    assert base.rows("SELECT v, s FROM t") == [(2, 2), (3, 3)]


def test_strict_tables_take_their_own_types(database):
    base = database("CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES (1)")
    base.migrate(
        lambda op: op.add_column("t", sa.Column("b", sa.String(5))),
        lambda op: op.alter_column("t", "a", type_=sa.Text()),
    )
    assert [row[1:3] for row in base.rows("PRAGMA table_info(t)")] == [("a", "TEXT"), ("b", "TEXT")]
    assert base.values() == [("1", "text", None, "null")]
