"""Statements as people write them on three databases: what each does to tables, columns, rows."""

import pytest

from alembic_lossless.statements import UNKNOWN, Name, Statement, read

SQLITE, POSTGRESQL, MYSQL = "sqlite", "postgresql", "mysql"
ALL = (SQLITE, POSTGRESQL, MYSQL)


def only(sql: str, kind: str) -> Statement:
    (statement,) = read(sql, kind)
    return statement


def writes(sql: str, kind: str) -> list[str]:
    """What each statement writes, as in ``UPDATE book(title)``; without columns where unknown."""
    return [
        f"{write.verb} {write.table}"
        + (f"({', '.join(sorted(write.columns))})" if write.columns is not None else "")
        for statement in read(sql, kind)
        for write in statement.writes
    ]


def taken_away(sql: str, kind: str) -> list[str]:
    return [
        f"{action.verb} {action.object} {action.table} {action.name} {action.new_name}".strip()
        for statement in read(sql, kind)
        for action in statement.takes_away
    ]


@pytest.mark.parametrize(
    ("kinds", "sql", "expected"),
    [
        (ALL, "INSERT INTO book (id, title) VALUES (1, 'a;b')", ["INSERT book(id, title)"]),
        (ALL, "insert into book values (1)", ["INSERT book"]),
        (ALL, 'INSERT INTO app."Book" (id) SELECT 1', ["INSERT app.Book(id)"]),
        ((SQLITE, MYSQL), "INSERT INTO `app`.`a``b` (id) SELECT 1", ["INSERT app.a`b(id)"]),
        ((SQLITE,), "INSERT INTO [my book] ([the id]) VALUES (1)", ["INSERT my book(the id)"]),
        ((SQLITE,), "INSERT OR REPLACE INTO book (id) VALUES (1)", ["REPLACE book(id)"]),
        ((SQLITE,), "INSERT OR IGNORE INTO book (id) VALUES (1)", ["INSERT book(id)"]),
        ((MYSQL,), "INSERT IGNORE book (id) VALUES (1)", ["INSERT book(id)"]),
        ((MYSQL,), "INSERT INTO book SET id = 1, title = 'x'", ["INSERT book(id, title)"]),
        ((SQLITE, MYSQL), "REPLACE INTO book (id) VALUES (1)", ["REPLACE book(id)"]),
        (
            (SQLITE, POSTGRESQL),
            "INSERT INTO book (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
            ["INSERT book(id)", "UPDATE book(n)"],
        ),
        (ALL[:2], "INSERT INTO b (id) VALUES (1) ON CONFLICT DO NOTHING", ["INSERT b(id)"]),
        (
            (MYSQL,),
            "INSERT INTO book (id) VALUES (1) ON DUPLICATE KEY UPDATE n = n + 1",
            ["INSERT book(id)", "UPDATE book(n)"],
        ),
        (ALL, "UPDATE book SET title = 'x' WHERE id = 1", ["UPDATE book(title)"]),
        (
            ALL,
            "UPDATE book SET a = (SELECT b FROM c WHERE d = 1), e = f(1, 2)",
            ["UPDATE book(a, e)"],
        ),
        ((SQLITE, POSTGRESQL), "UPDATE book SET (a, b) = (1, 2)", ["UPDATE book(a, b)"]),
        (ALL, "UPDATE app.book AS b SET title = 'SET x = 1'", ["UPDATE app.book(title)"]),
        ((POSTGRESQL,), 'UPDATE ONLY "book" SET "Title" = 1 FROM x', ["UPDATE book(title)"]),
        ((MYSQL,), "UPDATE a JOIN b ON a.i = b.i SET a.x = b.y", ["UPDATE a(x)"]),
        ((MYSQL,), "UPDATE book AS a, b SET a.x = 1, b.y = 2", ["UPDATE book(x)", "UPDATE b(y)"]),
        ((MYSQL,), "UPDATE a, b SET x = 1", ["UPDATE a", "UPDATE b"]),
        ((SQLITE,), "UPDATE OR ABORT book SET a = 1", ["UPDATE book(a)"]),
        (ALL, "DELETE FROM book WHERE id = 1", ["DELETE book"]),
        ((MYSQL,), "DELETE x FROM book AS x JOIN y ON x.i = y.i", ["DELETE book"]),
        ((MYSQL,), "DELETE FROM a, b USING a JOIN b ON a.i = b.i", ["DELETE a", "DELETE b"]),
        ((POSTGRESQL,), "DELETE FROM book USING author WHERE true", ["DELETE book"]),
        ((POSTGRESQL,), "TRUNCATE TABLE ONLY a, b CASCADE", ["TRUNCATE a", "TRUNCATE b"]),
        (
            (POSTGRESQL,),
            "MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN UPDATE SET x = 1",
            ["MERGE a"],
        ),
        ((POSTGRESQL,), "COPY book (id, title) FROM stdin", ["INSERT book(id, title)"]),
        ((POSTGRESQL,), "COPY book TO stdout", []),
        ((MYSQL,), "LOAD DATA INFILE 'x' REPLACE INTO TABLE book", ["REPLACE book"]),
        (ALL, "WITH x AS (SELECT 1) SELECT * FROM x", []),
        (ALL, "WITH x AS (SELECT 1) UPDATE book SET a = 1", ["UPDATE book(a)"]),
        (
            (POSTGRESQL,),
            "WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone",
            ["DELETE a", "INSERT b"],
        ),
        (ALL, "INSERT INTO t (n) WITH x AS (SELECT 7 AS n) SELECT n FROM x", ["INSERT t(n)"]),
        (ALL, "SELECT * FROM book FOR UPDATE", []),
        (ALL, "SELECT 'DELETE FROM book', \"UPDATE book SET a = 1\"", []),
        (
            ALL,
            "-- DELETE FROM book;\n/* UPDATE a SET b = 1 */ INSERT INTO t VALUES (1)",
            ["INSERT t"],
        ),
        ((MYSQL,), "# DELETE FROM book\nINSERT INTO t VALUES (1)", ["INSERT t"]),
        (
            (POSTGRESQL,),
            "/* a /* nested */ DELETE FROM x; */ INSERT INTO t VALUES (1)",
            ["INSERT t"],
        ),
        ((MYSQL,), "/*!50100 DELETE FROM book */", ["DELETE book"]),
        ((MYSQL,), "/*M!100100 UPDATE book SET a = 1 */", ["UPDATE book(a)"]),
        ((MYSQL,), r"INSERT INTO t VALUES ('it\'s; DELETE FROM x')", ["INSERT t"]),
        ((POSTGRESQL,), r"INSERT INTO t VALUES (E'it\'s; DELETE FROM x')", ["INSERT t"]),
        ((POSTGRESQL,), "INSERT INTO t VALUES ($a$ '; DELETE FROM x $a$)", ["INSERT t"]),
        (
            (POSTGRESQL,),
            "DO $$ BEGIN UPDATE a SET b = CASE WHEN c IN (1) THEN 2 ELSE 3 END, d = 4; END $$",
            ["UPDATE a(b, d)"],
        ),
        ((POSTGRESQL,), "DO LANGUAGE plpgsql 'BEGIN DELETE FROM a; END'", ["DELETE a"]),
        (
            (POSTGRESQL,),
            "DO $$ BEGIN IF true THEN UPDATE a SET b = 1; ELSE DELETE FROM c; END IF; END $$",
            ["UPDATE a(b)", "DELETE c"],
        ),
        (
            (MYSQL,),
            "BEGIN NOT ATOMIC DELETE FROM a; INSERT INTO b VALUES (1); END",
            ["DELETE a", "INSERT b"],
        ),
        ((MYSQL,), "SET STATEMENT max_statement_time = 9 FOR DELETE FROM a", ["DELETE a"]),
        ((POSTGRESQL,), "EXPLAIN (ANALYZE) DELETE FROM a", ["DELETE a"]),
        ((POSTGRESQL,), "EXPLAIN DELETE FROM a", []),
        (ALL, "UPDATE a SET x = 1; DELETE FROM b;", ["UPDATE a(x)", "DELETE b"]),
        (
            (SQLITE,),
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; END; INSERT INTO c VALUES (1)",
            ["INSERT c"],
        ),
        (
            (MYSQL,),
            "CREATE PROCEDURE p() BEGIN IF 1 THEN DELETE FROM b; END IF; END; DELETE FROM c",
            ["DELETE c"],
        ),
        ((POSTGRESQL,), "CREATE FUNCTION f() RETURNS int AS $$ DELETE FROM b; $$ LANGUAGE sql", []),
    ],
)
def test_writes_of_statement(kinds: tuple[str, ...], sql: str, expected: list[str]) -> None:
    assert {kind: writes(sql, kind) for kind in kinds} == dict.fromkeys(kinds, expected)


@pytest.mark.parametrize(
    ("kinds", "sql", "expected"),
    [
        (ALL, "DROP TABLE book", ["DROP TABLE book"]),
        (ALL, "DROP TABLE IF EXISTS a, app.b CASCADE", ["DROP TABLE a", "DROP TABLE app.b"]),
        (ALL, "ALTER TABLE book DROP COLUMN year", ["DROP COLUMN book year"]),
        (ALL, "ALTER TABLE book DROP year", ["DROP COLUMN book year"]),
        (
            ALL[1:],
            "ALTER TABLE a DROP COLUMN b, ADD c int, DROP d",
            ["DROP COLUMN a b", "DROP COLUMN a d"],
        ),
        (ALL, "ALTER TABLE app.book RENAME COLUMN a TO b", ["RENAME COLUMN app.book a b"]),
        (ALL, "ALTER TABLE book RENAME TO work", ["RENAME TABLE book book work"]),
        (ALL[:2], "ALTER TABLE book RENAME a TO b", ["RENAME COLUMN book a b"]),
        ((MYSQL,), "ALTER TABLE book RENAME work", ["RENAME TABLE book book work"]),
        ((MYSQL,), "ALTER TABLE book CHANGE COLUMN a b INT", ["CHANGE COLUMN book a b"]),
        ((MYSQL,), "ALTER TABLE book CHANGE a a BIGINT", []),
        ((MYSQL,), "RENAME TABLE a TO b, c TO d", ["RENAME TABLE a a b", "RENAME TABLE c c d"]),
        ((MYSQL,), "ALTER TABLE a DROP KEY k", []),
        ((MYSQL,), "ALTER TABLE a RENAME INDEX k TO l", []),
        ((POSTGRESQL,), "ALTER TABLE a DROP key", ["DROP COLUMN a key"]),
        ((POSTGRESQL,), "ALTER TABLE a RENAME CONSTRAINT k TO l", []),
        (
            (POSTGRESQL,),
            'ALTER TABLE IF EXISTS ONLY a DROP IF EXISTS "b c"',
            ["DROP COLUMN a b c"],
        ),
        (ALL, "-- DROP TABLE a\nALTER TABLE b ADD COLUMN c INTEGER", []),
        (ALL, "ALTER TABLE a DROP CONSTRAINT k", []),
        (ALL, "ALTER TABLE a ALTER COLUMN b DROP NOT NULL", []),
        (ALL, "ALTER TABLE a ALTER b DROP DEFAULT", []),
        (ALL, "DROP INDEX ix_a", []),
        (ALL, "UPDATE a SET b = 'DROP TABLE c'", []),
        (ALL, "ALTER TABLE a ADD COLUMN b INTEGER; DROP TABLE c", ["DROP TABLE c"]),
        ((POSTGRESQL,), "DO $$ BEGIN ALTER TABLE a DROP b; END $$", ["DROP COLUMN a b"]),
    ],
)
def test_tables_and_columns_that_statement_takes_away(
    kinds: tuple[str, ...], sql: str, expected: list[str]
) -> None:
    assert {kind: taken_away(sql, kind) for kind in kinds} == dict.fromkeys(kinds, expected)


@pytest.mark.parametrize(
    ("kind", "sql", "object_", "name", "on"),
    [
        (SQLITE, "CREATE TABLE IF NOT EXISTS [a b] (id INTEGER)", "TABLE", Name("a b"), None),
        (POSTGRESQL, 'CREATE TABLE "App"."a.b" (id int)', "TABLE", Name("a.b", "App"), None),
        (
            POSTGRESQL,
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON ONLY app.t (lower(a))",
            *("INDEX", Name("ix"), Name("t", "app")),
        ),
        (POSTGRESQL, "CREATE INDEX ON t (a)", "INDEX", None, Name("t")),
        (MYSQL, "CREATE FULLTEXT INDEX ix ON t (a)", "INDEX", Name("ix"), Name("t")),
        (POSTGRESQL, "CREATE TYPE app.mood AS ENUM ('a')", "TYPE", Name("mood", "app"), None),
        (POSTGRESQL, "CREATE OR REPLACE VIEW v AS SELECT 1", "VIEW", Name("v"), None),
        (POSTGRESQL, "CREATE MATERIALIZED VIEW v AS SELECT 1", "VIEW", Name("v"), None),
        (SQLITE, "CREATE VIRTUAL TABLE v USING fts5(a)", "TABLE", Name("v"), None),
        (
            MYSQL,
            "CREATE DEFINER=`a`@`b` TRIGGER tr AFTER INSERT ON t FOR EACH ROW SET @x = 1",
            *("TRIGGER", Name("tr"), Name("t")),
        ),
    ],
)
def test_object_that_statement_creates(
    kind: str, sql: str, object_: str, name: Name | None, on: Name | None
) -> None:
    statement = only(sql, kind)
    assert (statement.object, statement.creates, statement.on) == (object_, name, on)


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        *((kind, "SELECT 1") for kind in ALL),
        *((kind, "-- DELETE\nVALUES (1)") for kind in ALL),
        (POSTGRESQL, "SELECT a, b FROM t WHERE d = 'x' FOR UPDATE"),
        (POSTGRESQL, "SET search_path = app"),
        (POSTGRESQL, "RESET search_path"),
        (POSTGRESQL, "WITH x AS (SELECT 'DELETE') SELECT * FROM x"),
        (MYSQL, "DO SLEEP(1)"),
        (MYSQL, "SET STATEMENT max_statement_time = 9 FOR SELECT 1"),
        (MYSQL, "SELECT a INTO @x FROM t"),
        (SQLITE, "EXPLAIN QUERY PLAN DELETE FROM t"),
    ],
)
def test_statement_that_reads(kind: str, sql: str) -> None:
    assert only(sql, kind).reads


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        (POSTGRESQL, "WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x"),
        (POSTGRESQL, "SELECT a INTO made FROM t"),
        (POSTGRESQL, "DO 'BEGIN PERFORM f(); END'"),
        (POSTGRESQL, "EXPLAIN ANALYZE UPDATE t SET a = 1"),
        (POSTGRESQL, "CALL p()"),
        (MYSQL, "SET STATEMENT max_statement_time = 9 FOR DELETE FROM t"),
        (MYSQL, "/*! DELETE FROM t */"),
        (MYSQL, "XYZ"),
    ],
)
def test_statement_that_does_more_than_read(kind: str, sql: str) -> None:
    assert not only(sql, kind).reads


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        (SQLITE, "INSERT INTO t VALUES ('not closed)"),
        (POSTGRESQL, "CREATE"),
        (POSTGRESQL, "UPDATE 1 SET a = 2"),
        (MYSQL, "ALTER TABLE t DROP COLUMN"),
        (MYSQL, "DELIMITER //"),
        ("oracle", "SELECT 1 FROM dual"),
    ],
)
def test_what_cannot_be_read_is_unknown(kind: str, sql: str) -> None:
    statement = only(sql, kind)
    assert (statement.verb, statement.is_opaque) == (UNKNOWN, True)


@pytest.mark.parametrize(
    ("kind", "sql", "begins", "ends"),
    [
        (POSTGRESQL, "BEGIN", True, False),
        (MYSQL, "START TRANSACTION", True, False),
        (POSTGRESQL, "/* here */ COMMIT AND CHAIN", False, True),
        (POSTGRESQL, "END", False, True),
        (POSTGRESQL, "ABORT", False, True),
        (POSTGRESQL, "PREPARE TRANSACTION 'x'", False, True),
        (POSTGRESQL, "ROLLBACK TO SAVEPOINT s", False, False),
        (MYSQL, "ROLLBACK WORK TO s", False, False),
        (MYSQL, "BEGIN NOT ATOMIC SELECT 1; END", False, False),
        (POSTGRESQL, "SELECT CASE WHEN a THEN 1 END", False, False),
    ],
)
def test_transaction_that_statement_begins_or_ends(
    kind: str, sql: str, begins: bool, ends: bool
) -> None:
    statement = only(sql, kind)
    assert (statement.begins, statement.ends) == (begins, ends)


@pytest.mark.parametrize(
    ("sql", "is_opaque"),
    [
        ("DO $$ BEGIN DELETE FROM a; END $$", False),
        ("DO $$ BEGIN EXECUTE 'DELETE FROM a'; END $$", True),
        ("DO $$ DELETE FROM a $$ LANGUAGE plpython3u", True),
        ("CALL p()", True),
        ("EXECUTE prepared", True),
        ("DELETE FROM a", False),
    ],
)
def test_statement_that_runs_what_does_not_stand_in_it(sql: str, is_opaque: bool) -> None:
    assert only(sql, POSTGRESQL).is_opaque is is_opaque


@pytest.mark.parametrize("kind", ALL)
def test_text_that_is_cut_off_anywhere_is_read(kind: str) -> None:
    """An upgrade reads each statement before it is sent: what no reader expects may not stop it."""
    texts = [
        "WITH a AS (SELECT 1) UPDATE b AS c SET (d, e) = (1, 2), f = 3 WHERE g",
        "INSERT OR REPLACE INTO a (b) VALUES (1) ON CONFLICT DO UPDATE SET c = 1",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a ON ONLY b.c (d)",
        "ALTER TABLE IF EXISTS a RENAME COLUMN b TO c, ADD CONSTRAINT d CHECK (e), DROP f",
        "SET STATEMENT a = 9 FOR DELETE FROM b USING c; EXPLAIN ANALYZE VERBOSE SELECT 1",
        "DO LANGUAGE plpgsql $$ BEGIN DELETE FROM a; END $$; COMMENT ON COLUMN a.b.c IS 'd'",
        "BEGIN NOT ATOMIC IF a THEN COPY (SELECT 1) TO b; END IF; END; RENAME TABLE a TO b",
    ]
    for text in texts:
        words = text.split(" ")
        for cut in range(len(words)):
            for part in (" ".join(words[:cut]), " ".join(words[:cut] + words[cut + 1 :])):
                assert all(part[each.start :].startswith(each.text) for each in read(part, kind))


def test_comments_alone_are_no_statement() -> None:
    assert [read("-- a;\n/* b; */ ;", kind) for kind in ALL] == [[], [], []]


def test_delete_without_condition_changes_every_row() -> None:
    (first,) = only("DELETE FROM a", SQLITE).writes
    (second,) = only("DELETE FROM a WHERE b IN (SELECT 1)", SQLITE).writes
    assert (first.is_whole, second.is_whole) == (True, False)
