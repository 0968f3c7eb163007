"""What a rollback would lose is told, and nothing else."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from alembic_lossless.run import losses
from alembic_lossless.run.connection import private
from alembic_lossless.statements import read
from tests.library.autogenerate.project import Project

KINDS = {"sqlite": "sqlite", "postgresql": "postgresql", "mariadb": "mysql"}
FIRST = """op.create_table("t", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("n", sa.Integer), sa.Column("empty", sa.Integer), sa.Column("s", sa.String(9)))
op.create_table("bare", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("filled", sa.Column("id", sa.Integer, primary_key=True))
op.create_index("ix_t_n", "t", ["n"])"""
BACK = """op.drop_index("ix_t_n", "t")
with op.batch_alter_table("t") as batch_op:
    batch_op.alter_column("s", existing_type=sa.String(9), comment=None, existing_comment="x")
    batch_op.drop_column("n")
    batch_op.drop_column("empty")
op.drop_table("bare")
op.drop_table("filled")
op.execute("DROP VIEW IF EXISTS nothing")
op.execute("DELETE FROM t WHERE id > 1")
op.execute(sa.table("t", sa.column("s")).update().values(s=""))"""


@pytest.mark.parametrize("kind", KINDS)
def test_what_holds_something_is_listed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = None if kind == "sqlite" else request.getfixturevalue(kind)()
    project = Project(tmp_path, url=url, kinds=(KINDS[kind],))
    project.by_hand(FIRST)
    project.upgrade()
    project.run("INSERT INTO t (id, n) VALUES (1, 7), (2, 8)", "INSERT INTO filled VALUES (1)")
    project.by_hand("pass", BACK)
    with private(make_url(project.url)).connect() as connection:
        assert losses.find(project.script, connection, ["hand2"]) == [
            "column t.n (2 values)",
            "table filled (1 row)",
            "what this changes: DELETE FROM t WHERE id > 1",
            "what this changes: UPDATE t SET s=:s",
        ]


GENERATED = """op.create_table("g", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("n", sa.Integer), sa.Column("twice", sa.Integer, sa.Computed("n * 2")))"""


@pytest.mark.parametrize("kind", KINDS)
def test_generated_column_is_no_loss(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = None if kind == "sqlite" else request.getfixturevalue(kind)()
    project = Project(tmp_path, url=url, kinds=(KINDS[kind],))
    project.by_hand(GENERATED)
    project.upgrade()
    project.run("INSERT INTO g (id, n) VALUES (1, 7)")
    project.by_hand("pass", 'op.drop_column("g", "twice")\nop.drop_column("g", "n")')
    with private(make_url(project.url)).connect() as connection:
        assert losses.find(project.script, connection, ["hand2"]) == ["column g.n (1 value)"]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_tables_of_one_name_are_counted_in_each_schema(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    databases = request.getfixturevalue(kind)
    project = Project(tmp_path, url=databases(), kinds=(KINDS[kind],))
    schemas = ["north", "south"]
    if kind == "postgresql":
        project.run("CREATE SCHEMA north", "CREATE SCHEMA south")
    else:
        schemas = [str(make_url(databases()).database) for _ in schemas]
    tables = [f"{schema}.t" for schema in schemas]
    project.run(*(f"CREATE TABLE {name} (id INTEGER, n INTEGER)" for name in ["t", *tables]))
    project.run(
        "INSERT INTO t VALUES (1, 1)",
        f"INSERT INTO {tables[0]} VALUES (1, 1), (2, 2)",
        f"INSERT INTO {tables[1]} VALUES (1, NULL), (2, 2), (3, 3)",
    )
    drops = "\n".join(f'op.drop_table("t", schema="{schema}")' for schema in schemas)
    project.by_hand(
        "pass", f'op.drop_column("t", "n", schema="{schemas[1]}")\nop.drop_table("t")\n{drops}'
    )
    with private(make_url(project.url)).connect() as connection:
        assert losses.find(project.script, connection, ["hand1"]) == [
            f"column {tables[1]}.n (2 values)",
            "table t (1 row)",
            f"table {tables[0]} (2 rows)",
            f"table {tables[1]} (3 rows)",
        ]


RAW = """op.execute("ALTER TABLE t DROP COLUMN n")
op.execute("ALTER TABLE t DROP COLUMN empty")
op.execute("DELETE FROM filled")
op.execute("DROP TABLE IF EXISTS filled")
op.execute("DROP TABLE bare;")
op.execute("ALTER TABLE t DROP COLUMN s, DROP COLUMN id")"""


def test_plain_sql_is_counted_too(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(FIRST)
    project.upgrade()
    project.run("INSERT INTO t (id, n) VALUES (1, 7), (2, 8)", "INSERT INTO filled VALUES (1)")
    project.by_hand("pass", RAW)
    with private(make_url(project.url)).connect() as connection:
        assert losses.find(project.script, connection, ["hand2"]) == [
            "column t.n (2 values)",
            "all of table filled (1 row)",
            "table filled (1 row)",
            "what this changes: ALTER TABLE t DROP COLUMN s, DROP COLUMN id",
        ]


CHANGING = {
    "sqlite": [
        "WITH x AS (SELECT 1) DELETE FROM t WHERE id IN x",
        "INSERT INTO t (id, n) VALUES (1, 9) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
        "REPLACE INTO t (id, n) VALUES (1, 9)",
        "INSERT OR REPLACE INTO t (id, n) VALUES (1, 9)",
        "/* pasted */ UPDATE t SET n = 1",
    ],
    "postgresql": [
        "MERGE INTO t USING filled f ON t.id = f.id WHEN MATCHED THEN DELETE",
        "DO $$ BEGIN PERFORM 1; DELETE FROM t; END $$",
        "DO $$ BEGIN EXECUTE 'whatever'; END $$",
        "WITH x AS (DELETE FROM t RETURNING *) INSERT INTO filled SELECT id FROM x",
        "CALL clear()",
        "ALTER TABLE t DROP n, DROP s",
        "DROP SCHEMA app CASCADE",
    ],
    "mysql": [
        "# pasted\nDELETE t FROM t JOIN filled ON t.id = filled.id",
        "INSERT INTO t (id) VALUES (1) ON DUPLICATE KEY UPDATE n = 2",
        "ALTER TABLE t DROP PARTITION p",
        "BEGIN NOT ATOMIC DELETE FROM t; END",
        "/*!50100 DELETE FROM t WHERE n */",
    ],
}
COUNTED = ["-- pasted\nDELETE FROM t", "SELECT 1; TRUNCATE filled;", "ALTER TABLE t DROP `n`"]
KEEPING = {
    "sqlite": [
        "INSERT INTO t (s) VALUES ('; DELETE FROM t')",
        "CREATE TABLE child (id INTEGER REFERENCES t (id) ON DELETE CASCADE)",
        "CREATE TRIGGER x AFTER UPDATE ON t BEGIN DELETE FROM t; END",
    ],
    "postgresql": [
        "ALTER TABLE t DROP CONSTRAINT x",
        "ALTER TABLE t ALTER n DROP NOT NULL",
        "GRANT DELETE ON t TO x",
        "DO $$ BEGIN PERFORM 1; END $$",
        "CREATE FUNCTION f() RETURNS int AS $f$ DELETE FROM t; $f$ LANGUAGE sql",
    ],
    "mysql": ["ALTER TABLE t DROP FOREIGN KEY k", "/* DELETE FROM t; */ SELECT 1"],
}


def test_statements_that_may_delete_or_overwrite_rows_are_listed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(FIRST)
    project.upgrade()
    project.run("INSERT INTO t (id, n) VALUES (1, 7), (2, 8)", "INSERT INTO filled VALUES (1)")
    statements = [*KEEPING["sqlite"], *CHANGING["sqlite"], *COUNTED]
    project.by_hand("pass", "\n".join(f"op.execute({words!r})" for words in statements))
    with private(make_url(project.url)).connect() as connection:
        assert losses.find(project.script, connection, ["hand2"]) == [
            *(f"what this changes: {words.split('*/ ')[-1]}" for words in CHANGING["sqlite"]),
            "all of table t (2 rows)",
            "all of table filled (1 row)",
            "column t.n (2 values)",
        ]


@pytest.mark.parametrize("kind", CHANGING)
def test_statement_of_each_database_may_lose_rows(kind: str) -> None:
    statements = {sql: read(sql, kind) for sql in (*CHANGING[kind], *KEEPING[kind])}
    losing = [sql for sql, each in statements.items() if any(map(losses.may_lose_rows, each))]
    assert losing == CHANGING[kind]
