"""What a revision that ends its transaction has left is asked of the database, and said."""

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from alembic_lossless import plan
from alembic_lossless.errors import MigrationError
from alembic_lossless.run import transactions
from tests.servers.run.shop import TABLE
from tests.support.handwritten import Handwritten

only = pytest.mark.parametrize

NOTHING = "nothing of it is in the database"


@pytest.fixture
def chain(empty_chain: Handwritten) -> Handwritten:
    """A chain whose first revision is applied: a table t with a row."""
    empty_chain.add("a1", TABLE)
    empty_chain.upgrade()
    return empty_chain


ENDS = {
    "commit": 'op.execute("COMMIT")',
    "end": 'op.execute("END")',
    "commented": 'op.execute("-- pasted\\n/* here */ COMMIT")',
    "rollback": 'op.execute("ROLLBACK")',
    "begin": 'op.execute("BEGIN")',
    "script": """
driver = op.get_bind().connection.driver_connection
driver.executescript("INSERT INTO t (n) VALUES (8); COMMIT; SELECT nope()")
""",
    "driver": "op.get_bind().connection.dbapi_connection.commit()",
    "caught": 'try:\n    op.execute("ROLLBACK")\nexcept Exception:\n    pass',
    "session": """
from sqlalchemy.orm import Session
session = Session(op.get_bind())
session.execute(sa.text("SELECT 1"))
session.rollback()
""",
}


@only("kind", ["sqlite"])
@only("end", ENDS)
def test_end_of_transaction_on_sqlite_is_refused_with_nothing_lost(
    chain: Handwritten, end: str
) -> None:
    before = chain.dump()
    upgrade = 'op.execute("UPDATE t SET n = 5")\n{}\nop.execute("UPDATE t SET n = n + 1")'
    chain.add("a2", upgrade.format(ENDS[end]))
    failure = chain.failure()
    verb = "begins a transaction" if end == "begin" else "ends its transaction"
    assert f"Revision a2 {verb}" in str(failure)
    assert "in line " in str(failure)
    assert NOTHING in str(failure)
    assert failure.exit_code == 1
    assert chain.dump() == before
    assert chain.at() == ["a1"]
    chain.write("a2", "a1", upgrade.format(""))
    chain.upgrade()
    assert chain.ask("SELECT n FROM t") == [(6,)]


@only("kind", ["sqlite"])
@only("execute", ["op.execute", "op.get_bind().connection.driver_connection.executescript"])
def test_transaction_that_sqlite_rolled_back_itself_is_noticed(
    chain: Handwritten, execute: str
) -> None:
    chain.add(
        "a2",
        f"""
        op.execute("INSERT INTO t (id, n) VALUES (2, 2)")
        try:
            op.execute("INSERT OR ROLLBACK INTO t (id) VALUES (1)")
        except Exception:
            pass
        {execute}("INSERT INTO t (id, n) VALUES (3, 3)")
        """,
    )
    failure = chain.failure()
    assert "went on after an error at which SQLite rolled all of it back" in str(failure)
    assert NOTHING in str(failure)
    assert chain.ask("SELECT id FROM t") == [(1,)]


@only("kind", ["sqlite"])
def test_savepoints_and_autocommit_blocks_on_sqlite_are_let_be(chain: Handwritten) -> None:
    chain.add(
        "a2",
        """
        with op.get_bind().begin_nested():
            op.execute("UPDATE t SET n = 5")
        with op.get_context().autocommit_block():
            op.create_index("ix_t_n", "t", ["n"])
        """,
    )
    chain.upgrade()
    assert chain.ask("SELECT n FROM t") == [(5,)]


@only("kind", ["postgresql", "mariadb"])
@only("words", ["ROLLBACK", "-- pasted\\nROLLBACK", "ROLLBACK AND CHAIN"])
def test_rollback_on_a_server_is_refused_before_anything_is_lost(
    chain: Handwritten, words: str
) -> None:
    before = chain.dump()
    chain.add(
        "a2",
        f"""
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.execute("{words}")
        op.execute("INSERT INTO t (n) VALUES (3)")
        """,
    )
    failure = chain.failure()
    assert "Revision a2 rolls back its transaction by ROLLBACK" in str(failure)
    assert "in line " in str(failure)
    assert NOTHING in str(failure)
    assert failure.exit_code == 1
    assert chain.dump() == before
    assert chain.at() == ["a1"]


@only("kind", ["postgresql", "mariadb"])
def test_rollback_that_is_caught_is_refused_all_the_same(chain: Handwritten) -> None:
    before = chain.dump()
    chain.add(
        "a2",
        """
        op.execute("INSERT INTO t (n) VALUES (2)")
        try:
            op.execute("ROLLBACK")
        except Exception:
            pass
        """,
    )
    assert "rolls back its transaction" in str(chain.failure())
    assert chain.dump() == before


@only("kind", ["postgresql", "mariadb"])
def test_commit_on_a_server_is_journalled_and_the_next_run_goes_on(chain: Handwritten) -> None:
    file = chain.add(
        "a2",
        """
        op.execute("UPDATE t SET n = n + 1")
        op.execute("-- pasted\\nCOMMIT")
        op.execute("UPDATE t SET n = n + 10")
        op.execute("UPDATE t SET nope = 1")
        """,
    )
    failure = chain.failure()
    assert "failed at statement 4 of 4" in str(failure)
    assert "statements 1 and 2 are in place" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM t") == [(2,)]
    file.write_text(file.read_text().replace("nope = 1", "n = n + 100"))
    chain.upgrade()
    assert chain.ask("SELECT n FROM t") == [(112,)]
    assert chain.at() == ["a2"]


@only("kind", ["postgresql", "mariadb"])
def test_commit_that_harms_nothing_is_let_be(chain: Handwritten) -> None:
    chain.add("a2", 'op.execute("UPDATE t SET n = 5"); op.execute("COMMIT"); op.execute("COMMIT")')
    chain.add("a3", 'op.execute("UPDATE t SET n = n + 1")')
    chain.upgrade()
    assert chain.ask("SELECT n FROM t") == [(6,)]
    assert chain.at() == ["a3"]
    assert chain.ask("SELECT count(*) FROM alembic_lossless_log WHERE event = 'journal'") == [(0,)]


@only("kind", ["postgresql"])
@only(
    ("script", "tables"),
    {
        "BEGIN; CREATE TABLE p (id int); COMMIT; SELECT 1/0;": ["p", "t"],
        "COMMIT; BEGIN; CREATE TABLE p (id int); SELECT 1/0": ["t"],
        "CREATE TABLE p (id int); END; SELECT 1/0": ["p", "t"],
    }.items(),
)
def test_script_that_commits_and_fails_is_in_place_in_part(
    chain: Handwritten, script: str, tables: list[str]
) -> None:
    chain.add(
        "a2",
        f"""
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.execute("-- pasted\\n{script}")
        """,
    )
    failure = chain.failure()
    assert "statement 1 is in place, and statement 2 may be, in whole or in part" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM t ORDER BY id") == [(1,), (2,)]
    assert sorted(chain.dump()) == tables
    chain.ask("DROP TABLE IF EXISTS p")
    chain.write(
        "a2",
        "a1",
        'op.execute("INSERT INTO t (n) VALUES (2)"); op.execute("CREATE TABLE p (i int)")',
    )
    chain.upgrade()
    assert chain.ask("SELECT n FROM t ORDER BY id") == [(1,), (2,)]


@only("kind", ["postgresql"])
@only(
    "script",
    ["ROLLBACK; CREATE TABLE p (id int); SELECT 1/0", "ROLLBACK; CREATE TABLE p (id int); COMMIT"],
)
def test_script_that_rolls_back_and_goes_on_may_be_in_the_database(
    chain: Handwritten, script: str
) -> None:
    chain.add("a2", f'op.execute("INSERT INTO t (n) VALUES (2)")\nop.execute("{script}")')
    failure = chain.failure()
    assert "may be in the database" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM t") == [(1,)]


@only("kind", ["postgresql"])
def test_case_end_and_blocks_that_commit_nothing_are_in_the_transaction(
    chain: Handwritten,
) -> None:
    before = chain.dump()
    chain.add(
        "a2",
        """
        op.execute("UPDATE t SET n = CASE WHEN n = 1 THEN 5 END")
        op.execute("DO $$ BEGIN CREATE TABLE p (id int); END $$")
        op.execute("SAVEPOINT own; INSERT INTO t (n) VALUES (3); ROLLBACK TO own")
        op.execute("UPDATE t SET n = CASE WHEN 1/0 = 1 THEN 5 END")
        """,
    )
    failure = chain.failure()
    assert NOTHING in str(failure)
    assert failure.exit_code == 1
    assert chain.dump() == before


@only("kind", ["postgresql", "mariadb"])
@only("way", ["commit", "rollback"])
def test_end_by_the_driver_is_noticed(chain: Handwritten, way: str) -> None:
    chain.add(
        "a2",
        f"""
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.get_bind().connection.dbapi_connection.{way}()
        op.execute("INSERT INTO t (n) VALUES (3)")
        """,
    )
    failure = chain.failure()
    assert "ends its transaction by the driver's own commit or rollback" in str(failure)
    assert "may be in the database" in str(failure)
    assert failure.exit_code == 7
    assert chain.at() == ["a1"]
    assert (3,) not in chain.ask("SELECT n FROM t")


@only("way", ["commit()", "get_transaction().commit()", "get_transaction().rollback()"])
def test_end_by_sqlalchemy_is_refused(chain: Handwritten, way: str) -> None:
    before = chain.dump()
    chain.add("a2", f'op.execute("INSERT INTO t (n) VALUES (2)")\nop.get_bind().{way}')
    failure = chain.failure()
    assert "ends its transaction by co" in str(failure).replace("COMMIT", "co").replace(
        "ROLLBACK", "co"
    )
    assert NOTHING in str(failure)
    assert chain.dump() == before


@only("kind", ["postgresql"])
def test_revision_may_set_the_isolation_level(chain: Handwritten) -> None:
    chain.add(
        "a2",
        """
        op.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        level = op.get_bind().exec_driver_sql("SHOW transaction_isolation").scalar()
        op.execute(f"CREATE TABLE p AS SELECT '{level}' AS level")
        """,
    )
    chain.add(
        "a3",
        """
        op.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.execute("ROLLBACK")
        """,
    )
    failure = chain.failure()
    assert "Revision a3 rolls back its transaction" in str(failure)
    assert chain.ask("SELECT level FROM p") == [("serializable",)]
    assert chain.ask("SELECT n FROM t") == [(1,)]


OTHERS = {
    "another engine": "sa.create_engine(op.get_bind().engine.url, poolclass=sa.NullPool)",
    "the same engine": "op.get_bind().engine",
}
WRITES = {
    "with": "WITH x AS (SELECT 7 AS n) INSERT INTO t (n) SELECT n FROM x",
    "comment": "-- pasted\nINSERT INTO t (n) VALUES (7)",
}


@only("other", OTHERS)
@only("statement", WRITES)
def test_write_past_the_revision_is_refused(
    chain: Handwritten, kind: str, other: str, statement: str
) -> None:
    words = WRITES[statement]
    if kind == "mariadb" and statement == "with":
        words = "INSERT INTO t (n) WITH x AS (SELECT 7 AS n) SELECT n FROM x"
    before = chain.dump()
    chain.add("a2", f"with {OTHERS[other]}.begin() as other:\n    other.exec_driver_sql({words!r})")
    failure = chain.failure()
    assert "writes through a connection of its own" in str(failure)
    assert NOTHING in str(failure)
    assert chain.dump() == before


@only("kind", ["postgresql"])
@only("other", OTHERS)
def test_commit_of_a_function_that_writes_past_the_revision_is_refused(
    chain: Handwritten, other: str
) -> None:
    body = "BEGIN INSERT INTO t (n) VALUES (7); RETURN 1; END"
    chain.ask(f"CREATE FUNCTION put() RETURNS int AS $$ {body} $$ LANGUAGE plpgsql")
    before = chain.dump()
    text = "with {}.begin() as other:\n    other.exec_driver_sql('SELECT {}')"
    chain.add("a2", text.format(OTHERS[other], "1"))
    chain.add("a3", text.format(OTHERS[other], "put()"))
    failure = chain.failure()
    assert "Revision a3 failed in line" in str(failure)
    assert "writes through a connection of its own" in str(failure)
    assert chain.dump() == before


PROCEDURE = """CREATE PROCEDURE p() BEGIN
INSERT INTO t (n) VALUES (2); CREATE TABLE u (id int); INSERT INTO t (n) VALUES (3); {} END"""


@only("kind", ["mariadb"])
@only("call", ["CALL p()", "BEGIN NOT ATOMIC CALL p(); END", "EXECUTE IMMEDIATE 'CALL p()'"])
def test_procedure_with_ddl_that_succeeds_is_in_place_whole(chain: Handwritten, call: str) -> None:
    chain.ask(PROCEDURE.format(""))
    file = chain.add(
        "a2",
        f"""
        op.execute("UPDATE t SET n = 5")
        op.execute("{call}")
        op.execute("UPDATE t SET n = n + 1")
        op.execute("UPDATE nowhere SET n = 1")
        """,
    )
    failure = chain.failure()
    assert "statements 1 and 2 are in place" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM t ORDER BY id") == [(5,), (2,), (3,)]
    file.write_text(file.read_text().replace("nowhere", "t"))
    chain.upgrade()
    assert chain.ask("SELECT n FROM t") == [(1,)] * 3


@only("kind", ["mariadb"])
def test_procedure_with_ddl_that_fails_may_be_in_place_in_part(chain: Handwritten) -> None:
    chain.ask(PROCEDURE.format("INSERT INTO nowhere VALUES (1);"))
    chain.add("a2", 'op.execute("UPDATE t SET n = 5")\nop.execute("CALL p()")')
    failure = chain.failure()
    assert "statement 1 is in place, and statement 2 may be, in whole or in part" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM t ORDER BY id") == [(5,), (2,)]


@only("kind", ["mariadb"])
def test_procedure_without_ddl_that_fails_is_rolled_back(chain: Handwritten) -> None:
    chain.ask("CREATE PROCEDURE p() BEGIN DELETE FROM t; INSERT INTO nowhere VALUES (1); END")
    before = chain.dump()
    chain.add("a2", 'op.execute("UPDATE t SET n = 5")\nop.execute("CALL p()")')
    failure = chain.failure()
    assert NOTHING in str(failure)
    assert chain.dump() == before


@only("kind", ["mariadb"])
def test_drop_of_several_tables_that_fails_may_be_in_place_in_part(chain: Handwritten) -> None:
    chain.add("a2", 'op.execute("DROP TABLE t, nowhere")')
    failure = chain.failure()
    assert "statement 1 may be, in whole or in part" in str(failure)
    assert failure.exit_code == 7
    assert chain.dump() == {}


@only("kind", ["mariadb"])
def test_autocommit_that_a_revision_sets_is_refused(chain: Handwritten) -> None:
    file = chain.add(
        "a2",
        """
        op.execute("UPDATE t SET n = n + 1")
        op.execute("SET autocommit=1")
        op.execute("UPDATE t SET n = n + 10")
        """,
    )
    failure = chain.failure()
    assert "ends its transaction by SET autocommit=1 in line" in str(failure)
    assert "statement 1 is in place" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM t") == [(2,)]
    file.write_text(file.read_text().replace('op.execute("SET autocommit=1")', ""))
    chain.upgrade()
    assert chain.ask("SELECT n FROM t") == [(12,)]


@only("kind", ["mariadb"])
def test_edited_values_of_a_statement_in_place_are_noticed(chain: Handwritten) -> None:
    chain.add("a2", "")
    text = """
        t = sa.table("t", sa.column("n", sa.Integer))
        op.bulk_insert(t, [{{"n": {}}}, {{"n": 3}}])
        op.create_index("ix_t_n", "t", ["n"])
        op.execute({!r})
        """
    chain.write("a2", "a1", text.format(2, "UPDATE nowhere SET n = 1"))
    assert "statements 1 and 2 are in place" in str(chain.failure())
    chain.write("a2", "a1", text.format(4, "UPDATE t SET n = n + 10"))
    failure = chain.failure()
    assert "statement 1 of the file is another now" in str(failure)
    assert failure.exit_code == 7
    chain.write("a2", "a1", text.format(2, "UPDATE t SET n = n + 10"))
    chain.upgrade()
    assert chain.ask("SELECT n FROM t ORDER BY id") == [(11,), (12,), (13,)]


@only("kind", ["mariadb"])
def test_values_that_are_made_as_it_runs_are_no_edit(chain: Handwritten) -> None:
    chain.add(
        "a2",
        """
        import time
        t = sa.table("t", sa.column("n", sa.Integer))
        op.bulk_insert(t, [{"n": time.monotonic_ns() % 1000000007}])
        op.create_index("ix_t_n", "t", ["n"])
        op.execute("UPDATE later SET n = 1")
        """,
    )
    assert "statements 1 and 2 are in place" in str(chain.failure())
    chain.ask("CREATE TABLE later (n int)")
    chain.upgrade()
    assert chain.ask("SELECT count(*) FROM t") == [(2,)]


@only("ending", ["sys.exit(0)", "raise KeyboardInterrupt"])
def test_exit_within_a_revision_is_a_failure(chain: Handwritten, ending: str) -> None:
    before = chain.dump()
    chain.add("a2", f'op.execute("UPDATE t SET n = 5")\n{ending}')
    failure = chain.failure()
    assert "Revision a2 failed in line" in str(failure)
    assert NOTHING in str(failure)
    assert failure.exit_code == 1
    assert chain.dump() == before


@only("kind", ["postgresql"])
def test_connection_ended_in_an_autocommit_block_is_told_in_the_servers_words(
    chain: Handwritten,
) -> None:
    chain.add(
        "a2",
        """
        op.execute("UPDATE t SET n = 5")
        with op.get_context().autocommit_block():
            op.execute("UPDATE t SET n = 6")
            op.execute("DO $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); END $$")
        """,
    )
    failure = chain.failure()
    assert "terminating connection due to administrator command" in str(failure)
    assert "statements 1 and 2 are in place, and statement 3 may be" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM t") == [(6,)]


@only("kind", ["mariadb"])
def test_statements_in_place_are_counted_among_those_written_as_sql(chain: Handwritten) -> None:
    chain.add(
        "a2",
        """
        t = sa.table("t", sa.column("n", sa.Integer))
        op.bulk_insert(t, [{"n": 2}, {"n": 3}])
        op.execute("SET @x = 1")
        op.create_index("ix_t_n", "t", ["n"])
        op.execute(t.insert().values(n=4))
        op.execute("ALTER TABLE t ADD COLUMN m int")
        op.execute("INSERT INTO nowhere VALUES (1)")
        """,
    )
    assert "statements 1 to 4 are in place" in str(chain.failure())
    with sa.create_engine(chain.url).connect() as connection:
        script = ScriptDirectory.from_config(chain.config())
        (planned,), _ = plan.pending(script, connection, sa.MetaData())
    assert planned.statements[planned.in_place :] == ["INSERT INTO nowhere VALUES (1)"]
    assert "half applied: statements 1 to 4 are in place; the rest is to come" in planned.ways


@only("kind", ["mariadb"])
def test_savepoints_of_a_revision_on_mariadb_stand(chain: Handwritten) -> None:
    chain.ask("CREATE PROCEDURE p() INSERT INTO t (n) VALUES (9)")
    chain.add(
        "a2",
        """
        op.add_column("t", sa.Column("m", sa.Integer))
        nested = op.get_bind().begin_nested()
        op.execute("INSERT INTO t (n) VALUES (7)")
        op.execute("CALL p()")
        nested.rollback()
        with op.get_bind().begin_nested():
            op.execute("INSERT INTO t (n) VALUES (2)")
            op.execute("CALL p()")
        """,
    )
    chain.upgrade()
    assert chain.ask("SELECT n FROM t ORDER BY id") == [(1,), (2,), (9,)]


@only("kind", ["postgresql", "mariadb"])
@only("way", ["rollback", "commit"])
def test_end_by_the_driver_is_noticed_before_a_statement_that_commits(
    chain: Handwritten, way: str
) -> None:
    chain.add(
        "a2",
        f"""
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.get_bind().connection.dbapi_connection.{way}()
        try:
            op.execute("COMMIT")
        except Exception:
            pass
        op.create_table("never", sa.Column("n", sa.Integer))
        op.execute("COMMIT")
        """,
    )
    failure = chain.failure()
    assert "ends its transaction by the driver's own commit or rollback" in str(failure)
    assert "in place" not in str(failure)
    assert failure.exit_code == 7
    assert list(chain.dump()) == ["t"]


@only("kind", ["sqlite"])
@only("end", ["commit", "rollback", "script", "driver"])
def test_end_of_transaction_on_a_given_connection_is_refused(chain: Handwritten, end: str) -> None:
    before = chain.dump()
    chain.add("a2", f'op.execute("UPDATE t SET n = 5")\n{ENDS[end]}')
    config = chain.config()
    with sa.create_engine(chain.url).connect() as connection:
        config.attributes["connection"] = connection
        with pytest.raises(MigrationError, match=r"Revision a2 ends its transaction.*nothing of"):
            command.upgrade(config, "heads")
        connection.exec_driver_sql("BEGIN")  # it may again
    assert chain.dump() == before


@only("kind", ["sqlite"])
@only("rest", ["pass", 'op.execute("SELECT nope()")'])
def test_commit_through_a_driver_without_an_authorizer_may_be_in_the_database(
    chain: Handwritten, rest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "_authorize", lambda *_: False)
    chain.add(
        "a2",
        f"""
        op.execute("UPDATE t SET n = 5")
        op.execute("COMMIT")
        op.get_bind().connection.dbapi_connection.execute("BEGIN")
        {rest}
        """,
    )
    failure = chain.failure()
    assert "may be in the database" in str(failure)
    assert failure.exit_code == 7
    chain.write(
        "a2", "a1", 'op.execute("UPDATE t SET n = 6")\nop.execute("UPDATE nowhere SET n = 1")'
    )
    assert NOTHING in str(chain.failure())


@only("kind", ["postgresql"])
@only(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY ix ON nowhere (n)",
        "DROP INDEX CONCURRENTLY nowhere",
    ],
)
def test_index_that_was_never_begun_is_not_said_to_be_left(
    chain: Handwritten, statement: str
) -> None:
    chain.add("a2", f"with op.get_context().autocommit_block():\n    op.execute({statement!r})")
    failure = chain.failure()
    assert "INVALID" not in str(failure)
    assert NOTHING in str(failure)


@only("kind", ["postgresql"])
def test_index_left_as_invalid_is_named_beside_what_is_in_place(chain: Handwritten) -> None:
    chain.add(
        "a2",
        """
        op.execute("INSERT INTO t (n) VALUES (1)")
        with op.get_context().autocommit_block():
            op.create_index("uq_t_n", "t", ["n"], unique=True, postgresql_concurrently=True)
        """,
    )
    failure = chain.failure()
    assert "uq_t_n is left behind as an INVALID index, statement 1 is in place" in str(failure)
    assert "goes on with statement 2. Drop uq_t_n first, unless the file does." in str(failure)
    assert failure.exit_code == 7


@only("kind", ["postgresql", "mariadb"])
def test_transaction_of_an_autocommit_block_that_is_rolled_back_is_not_in_place(
    chain: Handwritten,
) -> None:
    file = chain.add(
        "a2",
        """
        op.execute("INSERT INTO t (id, n) VALUES (2, 2)")
        with op.get_context().autocommit_block():
            op.execute("BEGIN")
            op.execute("INSERT INTO t (id, n) VALUES (3, 3)")
            op.execute("INSERT INTO nowhere VALUES (1)")
        """,
    )
    failure = chain.failure()
    assert failure.exit_code == 7
    is_committed = (3,) in chain.ask("SELECT id FROM t")  # MariaDB's errors roll nothing back
    assert ("statements 1 to 3 are in place" in str(failure)) == is_committed
    assert ("statement 1 is in place" in str(failure)) != is_committed
    file.write_text(file.read_text().replace("nowhere VALUES (1)", "t (id, n) VALUES (4, 4)"))
    chain.upgrade()
    assert chain.ask("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,), (4,)]


def test_closing_the_connection_is_refused(chain: Handwritten) -> None:
    before = chain.dump()
    chain.add("a2", "with op.get_bind() as bind:\n    bind.execute(sa.text('DELETE FROM t'))")
    failure = chain.failure()
    assert "ends its transaction by close() of its connection, as at the end of" in str(failure)
    assert NOTHING in str(failure)
    assert chain.dump() == before


@only("kind", ["mariadb"])
@only("lock", ["LOCK TABLES t WRITE", "FLUSH TABLES WITH READ LOCK"])
def test_lock_that_keeps_the_log_from_being_written_is_refused(
    chain: Handwritten, lock: str
) -> None:
    before = chain.dump()
    chain.add("a2", f'op.execute("INSERT INTO t (n) VALUES (2)")\nop.execute("{lock}")')
    failure = chain.failure()
    assert f"{lock} keeps migrations from noting how far they came" in str(failure)
    assert NOTHING in str(failure)
    assert chain.dump() == before


@only("kind", ["mariadb"])
def test_rows_of_a_table_without_transactions_stay_and_are_said(chain: Handwritten) -> None:
    chain.ask("CREATE TABLE m (n int) ENGINE = MyISAM")
    upgrade = 'op.execute("INSERT INTO {} VALUES (1)")\nop.execute("UPDATE {} SET n = 5")'
    chain.add("a2", upgrade.format("m", "nowhere"))
    failure = chain.failure()
    assert "rows that it wrote to tables without transactions (ENGINE = MyISAM" in str(failure)
    assert failure.exit_code == 7
    assert chain.ask("SELECT n FROM m") == [(1,)]
    chain.write("a2", "a1", 'op.execute("UPDATE t SET n = 5")')
    chain.upgrade()
    assert chain.ask("SELECT n FROM t") == [(5,)]


CUT_OFF = {
    "postgresql": ("COMMIT; SELECT pg_sleep(9)", "SELECT pg_terminate_backend(%s)"),
    "mariadb": ("CREATE TABLE slow AS SELECT SLEEP(9)", "KILL %s"),
}


@only("kind", CUT_OFF)
def test_what_a_cut_statement_had_committed_is_in_place(chain: Handwritten, kind: str) -> None:
    words, kill = CUT_OFF[kind]
    chain.add(
        "a2",
        f"""
        import threading
        number = op.get_bind().connection.dbapi_connection
        number = number.thread_id() if hasattr(number, "thread_id") else number.info.backend_pid
        engine = sa.create_engine(op.get_bind().engine.url, poolclass=sa.NullPool)
        statement = {kill!r} % number
        threading.Timer(0.5, lambda: engine.connect().exec_driver_sql(statement)).start()
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.execute("{words}")
        """,
    )
    failure = chain.failure()
    assert "statement 1 is in place, and statement 2 may be, in whole or in part" in str(failure)
    assert "it goes on with statement 2" in str(failure)
    assert chain.ask("SELECT n FROM t ORDER BY id") == [(1,), (2,)]
