"""By which way a change is made, on each SQLite, and that all come to the same."""

import re
import sqlite3

import apsw
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_lossless.sqlite.alter import ALTER, REBUILD, TEXT
from alembic_lossless.sqlite.database import Capabilities, SQLiteDatabase, probe
from tests.library.matrix import apsw_dbapi
from tests.library.sqlite.support import SCRIPT, Base
from tests.support.sqlite import private_engine

WAYS = {
    "rename": (ALTER, lambda op: op.alter_column("t", "a", new_column_name="z")),
    "add": (ALTER, lambda op: op.add_column("t", sa.Column("z", sa.Integer))),
    "drop": (ALTER, lambda op: op.drop_column("t", "c")),
    "not null": (TEXT, lambda op: op.alter_column("t", "a", nullable=False)),
    "check": (TEXT, lambda op: op.create_check_constraint("ck", "t", "c > 0")),
    "foreign key": (TEXT, lambda op: op.create_foreign_key("fk", "t", "p", ["a"], ["id"])),
    "drop check": (TEXT, lambda op: op.drop_constraint("ck_t_a", "t", type_="check")),
    "drop a column in a check": (TEXT, lambda op: op.drop_column("t", "a")),
    "same affinity": (TEXT, lambda op: op.alter_column("t", "b", type_=sa.Text())),
    "default": (TEXT, lambda op: op.alter_column("t", "c", server_default="6")),
    "other affinity": (REBUILD, lambda op: op.alter_column("t", "a", type_=sa.String(5))),
    "unique": (REBUILD, lambda op: op.create_unique_constraint("uq", "t", ["b"])),
    "key's type": (REBUILD, lambda op: op.alter_column("t", "id", type_=sa.BigInteger())),
    "drop key": (REBUILD, lambda op: op.drop_constraint("t_pkey", "t", type_="primary")),
    "now": (
        REBUILD,
        lambda op: op.add_column("t", sa.Column("z", sa.DateTime, server_default=sa.func.now())),
    ),
}


@pytest.mark.parametrize(("way", "change"), WAYS.values(), ids=WAYS)
def test_the_cheapest_way_is_taken(base, way, change):
    rest = {k: v for k, v in base.schema().items() if k != "t"}
    rows = base.values()
    assert base.migrate(change) == [way]
    assert {k: v for k, v in base.schema().items() if k != "t"} == rest
    assert len(base.values()) == len(rows)
    assert base.rows("SELECT * FROM log") == []


@pytest.mark.parametrize("change", [c for way, c in WAYS.values() if way != REBUILD])
def test_where_the_schema_may_not_be_written_it_is_rebuilt(base, change, monkeypatch, tmp_path):
    other = Base(tmp_path / "other.sqlite", SCRIPT)
    other.migrate(change)
    monkeypatch.setattr(SQLiteDatabase, "writable_schema", lambda self: False)
    assert base.migrate(change)[0] in (ALTER, REBUILD)
    assert base.rows("PRAGMA table_xinfo(t)") == other.rows("PRAGMA table_xinfo(t)")
    assert base.values() == other.values()


def test_a_defensive_connection_is_seen(database):
    base = database(SCRIPT)
    with private_engine(base.path).connect() as connection:
        db = SQLiteDatabase(connection)
        assert db.writable_schema()
        if hasattr(db.driver, "setconfig"):  # Python 3.12
            db.driver.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
            assert not db.writable_schema()
        assert connection.exec_driver_sql("PRAGMA writable_schema").scalar() == 0


KEY_AFTER_UNIQUE = """CREATE TABLE t (a INTEGER, "b c",
	UNIQUE ("b c", a), -- both
	CHECK (a > 0) PRIMARY KEY ("a" {})
)"""


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("option", ["", "AUTOINCREMENT"])
def test_a_primary_key_after_a_unique_of_its_column(database, monkeypatch, writable, option):
    """SQLite's own RENAME COLUMN fails on such a table."""
    text = KEY_AFTER_UNIQUE.format(option)
    base = database(f"{text}; INSERT INTO t VALUES (7, 'x'), (9, NULL)")
    if not writable:
        monkeypatch.setattr(SQLiteDatabase, "writable_schema", lambda self: False)
    way = TEXT if writable else REBUILD
    change = base.migrate(lambda op: op.alter_column("t", "a", new_column_name="z"))
    assert change == [way, ALTER, way]
    text = re.sub(r'"a"|\ba\b', '"z"', text)
    for word, name in (("UNIQUE", "t_b c_a_key"), ("CHECK", "t_a_check")):
        text = text.replace(word, f'CONSTRAINT "{name}" {word}')
    assert base.text() == text
    assert base.values() == [(7, "integer", "x", "text"), (9, "integer", None, "null")]


@pytest.mark.parametrize(("way", "change"), WAYS.values(), ids=WAYS)
def test_the_same_ways_on_sqlite_3_51(database, way, change):
    pysqlite3 = pytest.importorskip("pysqlite3")
    assert database(SCRIPT, module=pysqlite3).migrate(change) == [way]


NEWER = {
    **{name: (way, change) for name, (way, change) in WAYS.items() if name != "check"},
    "not null": (ALTER, WAYS["not null"][1]),
    "check": (ALTER, lambda op: op.create_check_constraint("ck", "t", "a < 9")),
    "check that is null": (ALTER, WAYS["check"][1]),
    "drop check": (ALTER, WAYS["drop check"][1]),
    "drop foreign key": (ALTER, lambda op: op.drop_constraint("fk_old", "t", type_="foreignkey")),
    "several": (ALTER, lambda op: _several(op)),
}


def _several(op):
    with op.batch_alter_table("t") as batch:
        batch.add_column(sa.Column("z", sa.Integer, nullable=False, server_default="1"))
        batch.alter_column("z", nullable=True)
        batch.alter_column("a", nullable=False)
        batch.drop_column("c")


@pytest.mark.parametrize(("way", "change"), NEWER.values(), ids=NEWER)
def test_newer_forms_of_alter_are_used_where_they_are(tmp_path, way, change):
    """On SQLite 3.54, and the schema comes out as it does without them."""
    script = SCRIPT.replace("(a > 0)", "(a > 0), CONSTRAINT fk_old FOREIGN KEY (a) REFERENCES p")
    newer = Base(tmp_path / "newer.sqlite", script, driver=apsw_dbapi)
    older = Base(tmp_path / "older.sqlite", script)
    assert newer.migrate(change)[-1] == way
    older.migrate(change)
    for pragma in ("table_xinfo", "foreign_key_list", "index_list"):
        assert newer.rows(f"PRAGMA {pragma}(t)") == older.rows(f"PRAGMA {pragma}(t)")
    assert newer.text().count("CHECK") == older.text().count("CHECK")
    assert [row[:4] for row in newer.values()] == [row[:4] for row in older.values()]


def test_what_a_library_can_do_is_tried(memory):
    assert probe(memory.execute) == Capabilities()
    newest = probe(apsw.Connection(":memory:").execute)
    assert newest == Capabilities(True, True, True, True, stores_nulls=True)
    trimming = probe(apsw.Connection(":memory:").execute, ["ENABLE_NULL_TRIM"])
    assert not trimming.stores_nulls


def test_a_schema_is_an_attached_database(base, tmp_path):
    other = Base(tmp_path / "other.sqlite", SCRIPT + "CREATE UNIQUE INDEX uq ON p (n)")
    before, untouched = other.schema(), (base.schema(), base.values())
    engine = private_engine(base.path)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ATTACH '{other.path}' AS aux").close()
        connection.rollback()
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            op = Operations(context)
            op.alter_column("t", "a", nullable=False, schema="aux")
            op.create_unique_constraint("uq_b", "t", ["b"], schema="aux")
            op.drop_column("t", "c", schema="aux")
            op.create_index("ix_a", "t", ["a"], schema="aux")
            op.drop_index("ix_a", "t", schema="aux")
            op.alter_column("t", "b", new_column_name="z", schema="aux")
            op.drop_constraint("ck_t_a", "t", type_="check", schema="aux")
    other.check()
    assert (base.schema(), base.values()) == untouched
    assert [row[1] for row in other.rows("PRAGMA table_info(t)")] == ["id", "a", "z"]
    after = other.schema()
    assert after["tr"] == before["tr"]
    assert after["ix_t_b"] == 'CREATE INDEX ix_t_b ON t ("z" DESC)'
    assert "UNIQUE" in after["t"]
