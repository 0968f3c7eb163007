"""Half a migration is in place, or half undone: the next run goes on with it, or says why not."""

from pathlib import Path

import pytest

from tests.servers.run.shop import TABLE, Shop

only = pytest.mark.parametrize


#: On MariaDB statements 1 and 2 are in place when 3 fails on the two equal rows.
SEVEN = """
op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
op.execute("INSERT INTO u (n) SELECT n FROM t")
op.create_index("ix_u_n", "u", ["n"], unique=True)
op.add_column("u", sa.Column("a", sa.Integer))
op.execute("UPDATE u SET a = n + 1")
op.create_index("ix_u_a", "u", ["a"])
op.execute("INSERT INTO u (n) VALUES (9)")
"""


def half(shop: Shop) -> Path:
    """Leave a MariaDB at the third of seven statements."""
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    file = shop.revision("a2", SEVEN)
    said = shop.flask("db", "upgrade", code=7)
    assert "exit 7: Revision a2 failed at statement 3 of 7" in said
    assert f"of {file}" in said
    assert "Duplicate entry" in said
    assert "statements 1 and 2 are in place" in said
    assert "goes on with statement 3" in said
    assert shop.ask("SELECT n FROM u") == [(1,), (1,)]
    assert shop.at() == ["a1"]
    return file


@only("kind", ["mariadb"])
def test_half_applied_goes_on_after_the_cause_is_fixed(shop: Shop) -> None:
    half(shop)
    assert "failed at statement 3 of 7" in shop.flask("db", "upgrade", code=7)
    assert "half applied  a2" in shop.flask("db", "history")
    shop.ask("DELETE FROM u WHERE id = 2")
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT n, a FROM u ORDER BY id") == [(1, 2), (9, None)]
    log = shop.ask("SELECT event, revision FROM alembic_lossless_log ORDER BY id")
    assert log == [("upgrade", "a1"), ("upgrade", "a2")]


@only("kind", ["mariadb"])
def test_half_applied_goes_on_after_the_file_is_fixed(shop: Shop) -> None:
    file = half(shop)
    file.write_text(file.read_text().replace(", unique=True", ""))
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT n, a FROM u ORDER BY id") == [(1, 2), (1, 2), (9, None)]


@only("kind", ["mariadb"])
def test_a_changed_statement_that_is_in_place_is_refused(shop: Shop) -> None:
    file = half(shop)
    before = file.read_text()
    file.write_text(before.replace("SELECT n FROM t", "SELECT n + 1 FROM t"))
    said = shop.flask("db", "upgrade", code=7)
    assert "statements 1 and 2 are in place; but statement 2 of the file is another now" in said
    assert "flask db stamp a2" in said
    assert shop.ask("SELECT n FROM u") == [(1,), (1,)]
    file.write_text(before)
    shop.ask("DELETE FROM u WHERE id = 2")
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT n, a FROM u ORDER BY id") == [(1, 2), (9, None)]


@only("kind", ["mariadb"])
def test_a_stamp_settles_what_was_finished_by_hand(shop: Shop) -> None:
    half(shop)
    assert "The schema does not match revision a2" in shop.flask("db", "stamp", "a2", code=4)
    for statement in (
        "DELETE FROM u WHERE id = 2",
        "CREATE UNIQUE INDEX ix_u_n ON u (n)",
        "ALTER TABLE u ADD COLUMN a INTEGER",
        "CREATE INDEX ix_u_a ON u (a)",
    ):
        shop.ask(statement)
    assert "Stamped: at a2" in shop.flask("db", "stamp", "a2")
    assert shop.ask("SELECT event FROM alembic_lossless_log WHERE revision = 'a2'") == [("stamp",)]
    assert "Nothing to do" in shop.flask("db", "upgrade")


@only("kind", ["mariadb"])
def test_nothing_else_is_done_before_what_is_half_applied(shop: Shop) -> None:
    file = half(shop)
    said = shop.flask("db", "downgrade", "base", code=7)
    assert "Revision a2 is half applied, and nothing else can be done before it" in said
    assert "flask db upgrade goes on with it" in said
    assert "undo  " not in said
    assert "--force" not in said
    said = shop.flask("db", "plan")
    assert "-- half applied: statements 1 and 2 are in place; the rest is to come" in said
    assert "-- in place  INSERT INTO u (n) SELECT n FROM t;" in said
    assert "\n  CREATE UNIQUE INDEX ix_u_n ON u (n);" in said
    file.unlink()
    said = shop.flask("db", "downgrade", "base", "--force", code=7)
    assert "its file is not among these migrations: take the release or the branch" in said
    assert "t" in shop.tables()


@only("kind", ["mariadb"])
def test_undo_offers_the_backup_from_before_what_is_half_applied(
    shop: Shop, tmp_path: Path
) -> None:
    (tmp_path / "dumps").mkdir()
    shop.settings["MIGRATION_BACKUP"] = tmp_path / "dumps"
    half(shop)
    (before,) = (tmp_path / "dumps").iterdir()
    shop.flask("db", "upgrade", code=7)
    (after,) = set((tmp_path / "dumps").iterdir()) - {before}
    assert "CREATE TABLE `u`" not in before.read_text(encoding="utf-8")
    assert "CREATE TABLE `u`" in after.read_text(encoding="utf-8")
    shown = shop.flask("db", "undo", code=1)
    assert f"Backup: {before}, made" in shown
    assert "at revision a1\n" in shown
    shown = shop.flask("db", "undo", "--backup", after.name, code=1)
    assert "at revision a1, with more that was half applied\n" in shown
    before.unlink()
    shown = shop.flask("db", "undo", code=1)
    assert f"There is no backup to restore in {tmp_path}/dumps. Restore another one: " in shown
    assert after.name in shown


def half_undone(shop: Shop) -> Path:
    """Leave a MariaDB at the second of three statements of a downgrade."""
    shop.revision("a1", TABLE)
    file = shop.revision(
        "a2",
        'op.add_column("t", sa.Column("a", sa.Integer))',
        """
        op.drop_column("t", "a")
        op.execute("INSERT INTO nowhere VALUES (1)")
        op.create_index("ix_t_n", "t", ["n"])
        """,
    )
    shop.flask("db", "upgrade")
    said = shop.flask("db", "downgrade", "--force", code=7)
    assert "exit 7: The downgrade of a2 failed at statement 2 of 3" in said
    assert "statement 1 is in place" in said
    assert shop.at() == ["a2"]
    return file


READY = """
from shop import create_app
print(create_app().test_client().get("/health/ready").json["status"])
"""


@only("kind", ["mariadb"])
def test_half_undone_is_seen_and_goes_on(shop: Shop) -> None:
    file = half_undone(shop)
    assert shop.python_run(READY) == "half undone: a2\n"
    said = shop.flask("db", "upgrade", code=7)
    assert "Revision a2 is half undone" in said
    assert "flask db downgrade goes on with it" in said
    assert "half undone  a2" in shop.flask("db", "history")

    file.write_text(file.read_text().replace("INSERT INTO nowhere", "INSERT INTO t (n)"))
    shop.flask("db", "downgrade", "--force")
    assert shop.at() == ["a1"]
    assert shop.ask("SELECT * FROM t ORDER BY id") == [(1, 1), (2, 1)]
    assert "a2" in shop.flask("db", "upgrade")
    assert shop.python_run(READY) == "ready\n"


@only("kind", ["mariadb"])
def test_a_stamp_settles_what_was_half_undone(shop: Shop) -> None:
    file = half_undone(shop)
    file.write_text(file.read_text().replace('"t", "a")', '"t", "b")'))
    said = shop.flask("db", "downgrade", "--force", code=7)
    assert "Revision a2 is half undone, statement 1 is in place; but statement 1 of the" in said
    assert "then flask db stamp REVISION, naming where it is then" in said
    shop.ask("ALTER TABLE t ADD COLUMN a INTEGER")  # by hand, back to a2
    assert "Stamped: at a2" in shop.flask("db", "stamp", "a2")
    assert "Nothing to do: at a2" in shop.flask("db", "upgrade")
    assert shop.python_run(READY) == "ready\n"


@only("kind", ["mariadb"])
def test_newer_code_on_the_way_does_not_stop_the_old(shop: Shop) -> None:
    """During a deployment the old code serves, and its containers may start again."""
    file = half(shop)
    file.unlink()
    assert "Nothing to do: at a1" in shop.flask("db", "upgrade")
    shop.flask("db", "upgrade")
    assert shop.python_run(READY) == "ready\n"


@only("kind", ["mariadb"])
def test_rows_changed_after_the_last_ddl_are_rolled_back_and_done_again(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    file = shop.revision(
        "a2",
        """
        op.add_column("t", sa.Column("a", sa.Integer))
        op.execute("UPDATE t SET n = n + 1")
        op.execute("INSERT INTO nowhere VALUES (1)")
        """,
    )
    said = shop.flask("db", "upgrade", code=7)
    assert "failed at statement 3 of 3" in said
    assert "statement 1 is in place" in said
    assert shop.ask("SELECT n FROM t") == [(1,)]
    file.write_text(file.read_text().replace("INSERT INTO nowhere", "INSERT INTO t (n)"))
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(2,), (1,)]


@only("kind", ["postgresql"])
def test_what_an_autocommit_block_committed_is_journalled(shop: Shop) -> None:
    shop.revision("a1", TABLE)
    shop.revision(
        "a2",
        """
        op.add_column("t", sa.Column("a", sa.Integer))
        op.execute("INSERT INTO t (n) VALUES (1)")
        with op.get_context().autocommit_block():
            op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_t_n")
            op.execute("CREATE UNIQUE INDEX CONCURRENTLY ix_t_n ON t (n)")
        op.execute("INSERT INTO t (n) VALUES (3)")
        """,
    )
    said = shop.flask("db", "upgrade", code=7)
    assert "failed at statement 4 of 5" in said, said
    assert "statements 1 and 2 are in place" in said
    shop.ask("DELETE FROM t WHERE id = 2")
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (3,)]
    assert shop.ask("SELECT indisvalid FROM pg_index WHERE indrelid = 't'::regclass") == [
        (True,),
        (True,),
    ]
