"""Downgrade, redo and undo: what is announced is what goes, and the next command is named."""

import pytest

from tests.servers.run.shop import Shop


def test_redo_does_nothing_where_nothing_was_edited(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    assert "Nothing to redo: no applied file was edited" in shop.flask(
        "db", "redo", MIGRATION_DEVELOPMENT=1
    )
    assert shop.ask("SELECT n FROM t") == [(1,)]


def test_redo_lists_what_it_loses_backs_up_once_and_names_undo(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1), (NULL), (3)")
    edited = shop.versions / "20260101_0000_a2_a2.py"
    edited.write_text(edited.read_text().replace("sa.Integer", "sa.BigInteger"))
    said = shop.flask("db", "redo", code=1, MIGRATION_DEVELOPMENT=1)
    assert "a2.py was edited after it was applied" in said
    assert "lose  column t.n (2 values)" in said
    assert "flask db redo --force gives it" in said
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (None,), (3,)]
    said = shop.flask("db", "redo", "--force", MIGRATION_DEVELOPMENT=1)
    assert "lose  column t.n (2 values)" in said
    assert said.count("Backed up to") == 1
    assert "To restore the database as it was before: flask db undo" in said
    assert shop.ask("SELECT n FROM t") == [(None,)] * 3
    assert "back  " not in shop.flask("db", "undo", "--force")
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (None,), (3,)]


def test_redo_of_a_downgrade_that_does_not_fit_says_how_to_go_on(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    edited = shop.versions / "20260101_0000_a2_a2.py"
    edited.write_text(edited.read_text().replace('"n"', '"m"'))
    said = shop.flask("db", "redo", "--force", code=1, MIGRATION_DEVELOPMENT=1)
    assert "put the file back as it was, flask db downgrade, edit it, flask db upgrade" in said
    assert shop.at() == ["a2"]


def test_downgrade_names_undo_which_restores_the_backup(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    said = shop.flask("db", "downgrade", code=1, MIGRATION_DEVELOPMENT=1)
    assert "lose  column t.n (1 value)" in said
    assert "flask db downgrade --force gives it" in said
    assert shop.ask("SELECT n FROM t") == [(1,)]
    said = shop.flask("db", "downgrade", "--force", MIGRATION_DEVELOPMENT=1)
    assert "To restore the database as it was before: flask db undo" in said
    said = shop.flask("db", "undo")
    assert "back  t.n: the column" in said
    assert "Restored: at a2.\n" in said
    assert shop.ask("SELECT n FROM t") == [(1,)]


def test_downgrade_of_an_index_lists_no_loss(shop: Shop) -> None:
    shop.revision(
        "a3",
        'op.create_index("ix_t_n", "t", ["n"])',
        'op.drop_index("ix_t_n", "t")',
    )
    shop.flask("db", "upgrade")
    assert "lose" not in shop.flask("db", "downgrade", "base", "--force")


def test_downgrade_that_reads_rows_lists_losses_in_part(shop: Shop) -> None:
    shop.revision(
        "a3",
        "pass",
        'op.execute("DELETE FROM t"); op.get_bind().execute(sa.text("SELECT 1")).scalar()',
    )
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    said = shop.flask("db", "downgrade", code=1)
    assert "lose  all of table t (1 row)" in said
    assert "lose  what else a3 changes" in said


def add_branches(shop: Shop) -> None:
    """Let two revisions stand behind a2."""
    for name in ("b1", "c1"):
        shop.revision(
            name,
            f'op.add_column("t", sa.Column("{name}", sa.Integer))',
            f'op.drop_column("t", "{name}")',
            down="a2",
        )
    shop.flask("db", "upgrade", "heads")
    shop.ask("INSERT INTO t (b1, c1) VALUES (1, 2)")


def test_downgrade_at_two_heads_is_refused(shop: Shop) -> None:
    add_branches(shop)
    said = shop.flask("db", "downgrade", "--force", code=1)
    assert "flask db downgrade b1@-1 or flask db downgrade c1@-1" in said
    assert set(shop.at()) == {"b1", "c1"}
    said = shop.flask("db", "downgrade", "--force", "c1@-1")
    assert "undo  c1" in said
    assert "undo  b1" not in said
    assert "lose  column t.c1 (1 value)" in said
    assert shop.at() == ["b1"]
    assert shop.ask("SELECT b1 FROM t") == [(1,)]


def test_downgrade_behind_two_heads_lists_both(shop: Shop) -> None:
    add_branches(shop)
    said = shop.flask("db", "downgrade", "--force", "a2")
    assert "undo  b1" in said
    assert "undo  c1" in said
    assert shop.at() == ["a2"]


def test_downgrade_at_a_merge_is_refused_and_names_both_parents(shop: Shop) -> None:
    add_branches(shop)
    shop.flask("db", "merge", "heads", "-m", "merge")
    shop.flask("db", "upgrade", "heads")
    (merge,) = shop.at()
    said = shop.flask("db", "downgrade", "--force", code=1)
    assert f"Revision {merge} merges two branches" in said
    assert "flask db downgrade b1 or flask db downgrade c1" in said
    shop.flask("db", "downgrade", "--force", "b1")
    assert set(shop.at()) == {"b1", "c1"}


@pytest.mark.parametrize("command", ["downgrade", "redo", "plan", "upgrade", "history"])
@pytest.mark.parametrize("logged", [True, False])
def test_a_revision_whose_file_is_gone_is_one_sentence(
    shop: Shop, command: str, logged: bool
) -> None:
    """Without the log nobody knows where that revision came from; with it, it came last."""
    shop.flask("db", "upgrade")
    (shop.versions / "20260101_0000_a2_a2.py").unlink()
    if not logged:
        shop.ask("DELETE FROM alembic_lossless_log")
    if command == "history" or (logged and command not in ("downgrade", "redo")):
        said = shop.flask("db", command, MIGRATION_DEVELOPMENT=1)
        assert ("a2  (not in this code)" in said) == (logged and command == "history")
    else:
        said = shop.flask("db", command, code=1, MIGRATION_DEVELOPMENT=1)
        assert "at revision a2, which is not among these migrations" in said
        assert "flask db reset rebuilds the database" in said
        assert "flask db adopt" in said


CALLED = """
import alembic.command
from alembic.util import CommandError
from shop import create_app
from shop.extensions import migrate

with create_app().app_context():
    try:
        alembic.command.upgrade(migrate.get_config(), "head")
    except CommandError as error:
        print(error)
"""


def test_hint_of_an_upgrade_that_the_application_calls_is_for_flask(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    (shop.versions / "20260101_0000_a2_a2.py").unlink()
    shop.ask("DELETE FROM alembic_lossless_log")
    assert "in development flask db reset rebuilds the database" in shop.python_run(CALLED)


def test_downgrade_to_an_unknown_revision_is_one_sentence(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    said = shop.flask("db", "downgrade", "nonsense", code=1)
    assert "nonsense" in said
    assert "flask db history lists them" in said
    assert "Traceback" not in said
    assert "Nothing to downgrade: at a2" in shop.flask("db", "downgrade", "head")


def test_stamp_with_another_schema_is_refused_and_names_commands(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    said = shop.flask("db", "stamp", "a1", code=4)
    assert "it is at a2, and flask db upgrade and flask db downgrade change that" in said
    assert shop.at() == ["a2"]
    shop.ask("DELETE FROM alembic_version")
    said = shop.flask("db", "stamp", "a1", code=4)
    assert "flask db adopt writes a revision that closes the difference" in said
    assert "Stamped: at a2" in shop.flask("db", "stamp", "a2")
