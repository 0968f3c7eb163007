"""The text of CREATE TABLE, read and edited: by example, and against SQLite itself."""

import pytest

from alembic_lossless.quoting import quote
from alembic_lossless.sqlite import edit
from alembic_lossless.sqlite.parser import CreateTableError, fold, names_in, normal, parse
from alembic_lossless.tokens import unquote

ODD = """CREATE TABLE "a ""b" ( -- c, )
 id INTEGER NOT NULL CONSTRAINT x PRIMARY KEY ASC ON CONFLICT FAIL AUTOINCREMENT,
 [b)] "my type" (3 , 4) DEFAULT -1 COLLATE nocase /* , ( */ CHECK ("b)" > ',(' OR "b)" IS NULL),
 c, `d``` AS (id+2) STORED NOT NULL, e GENERATED ALWAYS AS (max(1,2)),
 f unsigned big int DEFAULT (1+(2)) references q deferrable initially deferred unique,
 'g' text default x'ab', h default current_timestamp null, i default 'it''s',
 constraint ck check (id>0) on conflict abort check(c) unique(id collate nocase desc, c)
 on conflict replace, foreign key(id,c) references "Z" (x,y) on delete set null
 on update no action match full not deferrable, constraint lonely)"""


def test_odd_text_is_read_as_sqlite_reads_it(memory):
    memory.execute(ODD)
    table = parse(ODD)
    stored = memory.execute("PRAGMA table_xinfo('a \"b')").fetchall()
    assert [c.name for c in table.columns] == [row[1] for row in stored]
    assert [c.not_null for c in table.columns] == [bool(row[3]) for row in stored]
    assert [c.default for c in table.columns if not c.generated] == [
        f"({row[4]})" if row[1] == "f" else row[4] for row in stored if row[6] == 0
    ]
    assert [bool(c.generated) for c in table.columns] == [row[6] > 1 for row in stored]
    keys = memory.execute("PRAGMA foreign_key_list('a \"b')").fetchall()
    read = [c for c in table.all_constraints() if c.kind == "foreignkey"]
    assert {(k.referred_table, k.columns, k.referred_columns) for k in read} == {
        ("q", ("f",), ()),
        ("Z", ("id", "c"), ("x", "y")),
    }
    assert len({row[0] for row in keys}) == len(read)
    assert (table.name, table.primary_key, table.autoincrement) == ('a "b', ("id",), True)
    assert table.rowid_alias == "id"
    named = {c.name: c.kind for c in table.all_constraints() if c.name}
    assert named == {"x": "primary", "ck": "check"}
    assert table.column("F").type == "unsigned big int"
    assert table.column("b)").collate == "nocase"


@pytest.mark.parametrize(
    ("text", "alias"),
    [
        ("CREATE TABLE t (a INTEGER PRIMARY KEY)", "a"),
        ("CREATE TABLE t (a INTEGER, PRIMARY KEY (a))", "a"),
        ("CREATE TABLE t (a INTEGER, PRIMARY KEY (a DESC))", "a"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY DESC)", None),
        ("CREATE TABLE t (a INT PRIMARY KEY)", None),
        ('CREATE TABLE t (a "INTEGER" PRIMARY KEY)', "a"),
        ("CREATE TABLE t (a INTEGER PRIMARY KEY) WITHOUT ROWID", None),
        ("CREATE TABLE t (a INTEGER, b, PRIMARY KEY (a, b))", None),
    ],
)
def test_rowid_alias_is_what_sqlite_makes_it(memory, text, alias):
    memory.execute(text)
    if "WITHOUT" not in text:
        memory.execute("INSERT INTO t (a) VALUES (NULL)" if alias else "SELECT 1")
        if alias:
            assert memory.execute("SELECT a FROM t").fetchall() == [(1,)]
        else:
            memory.execute("INSERT INTO t (a) VALUES (77)")
            assert memory.execute("SELECT rowid FROM t").fetchall() == [(1,)]
    assert parse(text).rowid_alias == alias


@pytest.mark.parametrize(
    "text",
    [
        "CREATE VIRTUAL TABLE t USING fts5(a)",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t (a",
        "CREATE TABLE t ()",
        "CREATE TABLE t (a INTEGER 'x)",
        "CREATE TABLE t (a INTEGER) WITH",
        "CREATE TABLE t (a INTEGER); DROP TABLE t",
        "CREATE TABLE t (a CHECK (1)",
        "CREATE TABLE t (a, FOREIGN KEY (a))",
        "CREATE INDEX i ON t (a)",
        "",
        "CREATE TABLE t (a INTEGER REFERENCES)",
        "CREATE TABLE t (1)",
    ],
)
def test_what_cannot_be_read_is_refused_with_the_text(text):
    with pytest.raises(CreateTableError) as error:
        parse(text)
    assert " ".join(text.split()) in str(error.value)
    assert "\n" not in str(error.value)


TABLE = """CREATE TABLE t (
  id INTEGER NOT NULL, -- the key, (
  a  INTEGER DEFAULT 1, /* , */
  b VARCHAR(10) COLLATE nocase NOT NULL UNIQUE,
  PRIMARY KEY (id),
  CONSTRAINT ck CHECK (a > 0), CHECK (b <> ')') -- last
)"""


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (lambda t: edit.set_not_null(t, "A", True), "DEFAULT 1,", "DEFAULT 1 NOT NULL,"),
        (lambda t: edit.set_not_null(t, "b", False), " NOT NULL UNIQUE", " UNIQUE"),
        (lambda t: edit.set_not_null(t, "id", True), "", ""),
        (lambda t: edit.set_type(t, "a", "BIGINT"), "a  INTEGER", "a  BIGINT"),
        (lambda t: edit.set_type(t, "b", "TEXT"), "VARCHAR(10)", "TEXT"),
        (lambda t: edit.set_default(t, "a", "(1 + 2)"), "DEFAULT 1", "DEFAULT (1 + 2)"),
        (lambda t: edit.set_default(t, "a", None), " DEFAULT 1", ""),
        (lambda t: edit.set_default(t, "b", "'x'"), "(10) C", "(10) DEFAULT 'x' C"),
        (lambda t: edit.set_collation(t, "b", "rtrim"), "COLLATE nocase", "COLLATE rtrim"),
        (lambda t: edit.set_collation(t, "b", None), " COLLATE nocase", ""),
        (lambda t: edit.drop_column(t, "a"), "a  INTEGER DEFAULT 1,", ""),
        (lambda t: edit.drop_column(t, "id"), "\n  id INTEGER NOT NULL,", ""),
        (lambda t: edit.add_column(t, "c"), "UNIQUE,", "UNIQUE, c,"),
        (lambda t: edit.add_column(t, "c", before="id"), "id INT", "c, id INT"),
        (lambda t: edit.add_column(t, "c", after="id"), "L, -- the", "L, c, -- the"),
        (lambda t: edit.add_constraint(t, "CHECK (1)"), "')') --", "')'), CHECK (1) --"),
        (lambda t: edit.drop_constraint(t, t.constraints[0]), "\n  PRIMARY KEY (id),", ""),
        (
            lambda t: edit.drop_constraint(t, t.constraints[1]),
            ",\n  CONSTRAINT ck CHECK (a > 0)",
            "",
        ),
        (lambda t: edit.drop_constraint(t, t.constraints[2]), ", CHECK (b <> ')')", ""),
        (lambda t: edit.drop_constraint(t, t.columns[2].first("unique")), " UNIQUE", ""),
        (lambda t: edit.set_generated(t, "a", "AS (id)"), "DEFAULT 1", "DEFAULT 1 AS (id)"),
        (lambda t: edit.set_options(t, ["STRICT"]), "\n)", "\n) STRICT"),
        (
            lambda t: edit.reorder(t, ["a", "id", "b"]),
            "id INTEGER NOT NULL, -- the key, (\n  a  INTEGER DEFAULT 1,",
            "a  INTEGER DEFAULT 1, -- the key, (\n  id INTEGER NOT NULL,",
        ),
    ],
)
def test_an_edit_keeps_every_other_byte(change, old, new):
    assert old in TABLE
    assert change(parse(TABLE)).text == TABLE.replace(old, new, 1)


def test_constraints_without_commas_between_them():
    text = "CREATE TABLE t (a, b, CHECK (a) CONSTRAINT u UNIQUE (b) CHECK (b))"
    table = parse(text)
    assert [c.kind for c in table.constraints] == ["check", "unique", "check"]
    assert edit.drop_constraint(table, table.constraints[1]).text == (
        "CREATE TABLE t (a, b, CHECK (a) CHECK (b))"
    )
    assert edit.drop_constraint(table, table.constraints[0]).text == (
        "CREATE TABLE t (a, b, CONSTRAINT u UNIQUE (b) CHECK (b))"
    )


def test_autoincrement_moves_the_key_into_its_column():
    table = parse("CREATE TABLE t (id INTEGER NOT NULL, a, CONSTRAINT pk PRIMARY KEY (id))")
    assert edit.set_autoincrement(table).text == (
        "CREATE TABLE t (id INTEGER NOT NULL CONSTRAINT pk PRIMARY KEY AUTOINCREMENT, a)"
    )
    with pytest.raises(CreateTableError, match="no INTEGER PRIMARY KEY"):
        edit.set_autoincrement(parse("CREATE TABLE t (id TEXT PRIMARY KEY)"))


def test_edits_that_make_no_sense_are_refused():
    with pytest.raises(CreateTableError, match='no column "zz", only: id, a, b'):
        edit.set_type(parse(TABLE), "zz", "INT")
    with pytest.raises(CreateTableError, match="is the only one"):
        edit.drop_column(parse("CREATE TABLE t (a)"), "a")
    with pytest.raises(CreateTableError, match="leaves some out"):
        edit.reorder(parse(TABLE), ["id", "id", "a"])


def test_words():
    assert [unquote(q) for q in ('"a""b"', "[a]", "`a``b`", "'it''s'", "a")] == [
        'a"b',
        "a",
        "a`b",
        "it's",
        "a",
    ]
    assert unquote(quote('a"b')) == 'a"b'
    assert fold("ÄbC") == "Äbc"  # SQLite folds ASCII alone
    assert names_in("lower(a) > 'b' AND \"C d\" COLLATE e IN (t.f) -- g") >= {"a", "c d", "t", "f"}
    assert not names_in("lower(a) > 'b' AND c COLLATE e -- g") & {"lower", "b", "e", "g"}
    assert normal("a  >0 -- x") == normal("A > 0") == normal("/**/a>0")
    assert normal("a > 'X'") != normal("a > 'x'")
