"""By which way a change is made, what it keeps and what it refuses."""

import logging
import re
import sqlite3

import apsw
import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from migrator import MigratorError
from migrator.sqlite.alter import ALTER, REBUILD, TEXT
from migrator.sqlite.database import Capabilities, Database, probe

from tests.engine.matrix import apsw_dbapi
from tests.engine.sqlite.support import Base, make_engine

SCRIPT = """
CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT);
CREATE TABLE t (
	id INTEGER NOT NULL,
	a INTEGER,
	b VARCHAR(10) COLLATE nocase,
	c INTEGER DEFAULT 5,
	PRIMARY KEY (id),
	CONSTRAINT ck_t_a CHECK (a > 0)
);
CREATE INDEX ix_t_b ON t (b DESC);
CREATE TABLE log (what TEXT);
CREATE TRIGGER tr AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (new.id); END;
INSERT INTO p VALUES (1, 'one');
INSERT INTO t VALUES (1, 1, 'x', 1), (2, 1, 'y', NULL);
"""


@pytest.fixture
def base(database):
    return database(SCRIPT)


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
    monkeypatch.setattr(Database, "writable_schema", lambda self: False)
    assert base.migrate(change)[0] in (ALTER, REBUILD)
    assert base.rows("PRAGMA table_xinfo(t)") == other.rows("PRAGMA table_xinfo(t)")
    assert base.values() == other.values()


def test_a_defensive_connection_is_seen(database):
    base = database(SCRIPT)
    with make_engine(base.path).connect() as connection:
        db = Database(connection)
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
        monkeypatch.setattr(Database, "writable_schema", lambda self: False)
    way = TEXT if writable else REBUILD
    change = base.migrate(lambda op: op.alter_column("t", "a", new_column_name="z"))
    assert change == [way, ALTER, way]
    assert base.text() == re.sub(r'"a"|\ba\b', '"z"', text)
    assert base.values() == [(7, "integer", "x", "text"), (9, "integer", None, "null")]


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
        monkeypatch.setattr(Database, "writable_schema", lambda self: False)
    base.migrate(change)
    assert base.values() == before
    assert base.rows("SELECT * FROM log") == []
    assert base.schema()["tr"] in SCRIPT


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
        lambda op: op.alter_column("t", "c", server_default=sa.text("'{}'::jsonb")),
        "This CREATE TABLE statement",
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
    with pytest.raises(MigratorError) as error:
        base.migrate(change)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert (base.schema(), base.values()) == before


def test_a_refusal_leaves_the_rest_of_the_transaction(base):
    with base.migrating() as op:
        op.add_column("t", sa.Column("z", sa.Integer))
        with pytest.raises(MigratorError, match="more than once"):
            op.create_unique_constraint("uq", "t", ["a"])
        with pytest.raises(MigratorError, match="is NULL"):
            op.alter_column("t", "z", nullable=False)
    assert [c[1] for c in base.rows("PRAGMA table_info(t)")] == ["id", "a", "b", "c", "z"]
    base.check()


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

    with pytest.raises(MigratorError) as error:
        base.migrate(change)
    assert sentence in str(error.value)
    assert (base.schema(), base.values()) == before


def test_a_view_that_quotes_another_tables_column_is_no_obstacle(base):
    base.execute('CREATE VIEW v AS SELECT t.a, "k"."c" FROM t JOIN (SELECT 1 AS c) AS "k"')
    base.migrate(lambda op: op.drop_column("t", "c"))
    assert base.rows("SELECT * FROM v") == [(1, 1), (1, 1)]


def test_a_view_broken_before_is_named(base):
    base.execute("CREATE VIEW v AS SELECT * FROM gone")
    with pytest.raises(MigratorError, match='The view "v" is broken already'):
        base.migrate(lambda op: op.alter_column("t", "a", new_column_name="z"))


def test_a_dropped_column_takes_its_own_with_it_and_says_so(base, caplog):
    base.execute("CREATE INDEX ix_two ON t (id, b); CREATE INDEX ix_where ON t (a) WHERE b > ''")
    caplog.set_level(logging.INFO, "migrator.sqlite")
    base.migrate(lambda op: op.drop_column("t", "b"))
    assert not base.schema().keys() & {"ix_t_b", "ix_two", "ix_where"}
    for name in ("ix_t_b", "ix_two", "ix_where"):
        assert f"index {name} went with its column" in caplog.text
    assert f"t: by {ALTER}" in caplog.text


def test_a_key_that_another_table_needs_stays(base):
    base.execute("CREATE TABLE k (t_id INTEGER REFERENCES t (id))")
    with pytest.raises(MigratorError, match='A foreign key of table "k" points at id'):
        base.migrate(lambda op: op.drop_constraint("t_pkey", "t", type_="primary"))

    def change_both(op):
        with op.batch_alter_table("t") as batch:
            batch.drop_constraint("t_pkey", type_="primary")
            batch.create_unique_constraint("uq_t_id", ["id"])

    base.migrate(change_both)
    assert "uq_t_id" in base.text()


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
        pytest.raises(MigratorError, match="PRAGMA foreign_keys on"),
        base.migrating(foreign_keys=True) as op,
    ):
        change(op)


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
        with pytest.raises(MigratorError, match="more than once"):
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
        with pytest.raises(MigratorError, match=r"a holds what the type .* does not in 1 row"):
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
    with pytest.raises(MigratorError, match="b holds something else than it would be computed"):
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


def test_a_schema_is_an_attached_database(base, tmp_path):
    other = Base(tmp_path / "other.sqlite", SCRIPT + "CREATE UNIQUE INDEX uq ON p (n)")
    before, untouched = other.schema(), (base.schema(), base.values())
    engine = make_engine(base.path)
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


def test_a_full_disk_is_said_and_undone(base):
    before = base.schema(), base.values()

    def fill(op):
        op.get_bind().exec_driver_sql("PRAGMA max_page_count = 1")
        op.get_bind().exec_driver_sql("INSERT INTO p (n) VALUES ('x')")
        op.create_unique_constraint("uq", "t", ["b"])

    with pytest.raises(MigratorError, match="database or disk is full"):
        base.migrate(fill)
    assert (base.schema(), base.values()) == before
