"""Rolling back and doing again: what is announced is what goes, and the way back is named."""

import pytest

from tests.servers.run.shop import Shop


def test_redo_does_nothing_where_nothing_was_edited(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    assert "Nothing to redo: no applied file was edited" in shop.flask(
        "db", "redo", MIGRATION_DEVELOPMENT=1
    )
    assert shop.ask("SELECT n FROM t") == [(1,)]


def test_redo_says_what_it_loses_copies_once_and_names_the_way_back(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1), (NULL), (3)")
    edited = shop.versions / "20260101_0000_a2_a2.py"
    edited.write_text(edited.read_text().replace("sa.Integer", "sa.BigInteger"))
    said = shop.flask("db", "redo", MIGRATION_DEVELOPMENT=1)
    assert "lose  column t.n (2 values)" in said
    assert said.count("Backed up to") == 1
    assert "To restore the database as it was before: flask db undo" in said
    assert shop.ask("SELECT n FROM t") == [(None,)] * 3
    assert "back  " not in shop.flask("db", "undo", "--force")
    assert shop.ask("SELECT n FROM t ORDER BY id") == [(1,), (None,), (3,)]


def test_redo_of_a_way_back_that_does_not_fit_says_how_to_go_on(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    edited = shop.versions / "20260101_0000_a2_a2.py"
    edited.write_text(edited.read_text().replace('"n"', '"m"'))
    said = shop.flask("db", "redo", code=1, MIGRATION_DEVELOPMENT=1)
    assert "put the file back as it was, make rollback, edit it, make migrate" in said
    assert shop.at() == ["a2"]


def test_rollback_names_the_copy_and_undo_brings_it_back(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    said = shop.flask("db", "downgrade", MIGRATION_DEVELOPMENT=1)
    assert "To restore the database as it was before: flask db undo" in said
    said = shop.flask("db", "undo")
    assert "back  t.n: the column" in said
    assert "Restored: at a2.\n" in said
    assert shop.ask("SELECT n FROM t") == [(1,)]


def test_what_holds_nothing_is_no_loss(shop: Shop) -> None:
    shop.revision(
        "a3",
        'op.create_index("ix_t_n", "t", ["n"])',
        'op.drop_index("ix_t_n", "t")',
    )
    shop.flask("db", "upgrade")
    assert "lose" not in shop.flask("db", "downgrade", "base", "--force")


def test_a_way_back_that_reads_rows_is_known_in_part(shop: Shop) -> None:
    shop.revision(
        "a3",
        "pass",
        'op.execute("DELETE FROM t"); op.get_bind().execute(sa.text("SELECT 1")).scalar()',
    )
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (n) VALUES (1)")
    said = shop.flask("db", "downgrade", code=1)
    assert "lose  what this changes: DELETE FROM t" in said
    assert "lose  what else a3 changes" in said


def branches(shop: Shop) -> None:
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


def test_of_two_heads_none_is_chosen(shop: Shop) -> None:
    branches(shop)
    said = shop.flask("db", "downgrade", "--force", code=1)
    assert "make rollback to=b1@-1 or to=c1@-1" in said
    assert set(shop.at()) == {"b1", "c1"}
    said = shop.flask("db", "downgrade", "--force", "c1@-1")
    assert "undo  c1" in said
    assert "undo  b1" not in said
    assert "lose  column t.c1 (1 value)" in said
    assert shop.at() == ["b1"]
    assert shop.ask("SELECT b1 FROM t") == [(1,)]


def test_behind_two_heads_both_are_announced(shop: Shop) -> None:
    branches(shop)
    said = shop.flask("db", "downgrade", "--force", "a2")
    assert "undo  b1" in said
    assert "undo  c1" in said
    assert shop.at() == ["a2"]


def test_at_a_merge_both_ways_are_named(shop: Shop) -> None:
    branches(shop)
    shop.flask("db", "merge", "heads", "-m", "merge")
    shop.flask("db", "upgrade", "heads")
    (merge,) = shop.at()
    said = shop.flask("db", "downgrade", "--force", code=1)
    assert f"Revision {merge} is where two branches meet" in said
    assert "make rollback to=b1 or to=c1" in said
    shop.flask("db", "downgrade", "--force", "b1")
    assert set(shop.at()) == {"b1", "c1"}


@pytest.mark.parametrize("command", ["rollback", "redo", "plan", "apply", "upgrade", "log"])
@pytest.mark.parametrize("logged", [True, False])
def test_a_revision_whose_file_is_gone_is_one_sentence(
    shop: Shop, command: str, logged: bool
) -> None:
    """Without the log nobody knows where that revision came from; with it, it came last."""
    shop.flask("db", "upgrade")
    (shop.versions / "20260101_0000_a2_a2.py").unlink()
    if not logged:
        shop.ask("DELETE FROM alembic_lossless_log")
    if command == "log" or (logged and command not in ("rollback", "redo")):
        said = shop.flask("db", command, MIGRATION_DEVELOPMENT=1)
        assert ("a2  (not in this code)" in said) == (logged and command == "log")
    else:
        said = shop.flask("db", command, code=1, MIGRATION_DEVELOPMENT=1)
        assert "at revision a2, which is not among these migrations" in said
        assert "make db" in said


def test_bad_words_are_one_sentence(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    said = shop.flask("db", "downgrade", "nonsense", code=1)
    assert "nonsense" in said
    assert "make history lists them" in said
    assert "Traceback" not in said
    assert "Nothing to roll back: at a2" in shop.flask("db", "downgrade", "head")


def test_a_stamp_that_would_lie_is_refused_with_the_way(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    said = shop.flask("db", "stamp", "a1", code=4)
    assert "it is at a2, and make migrate and make rollback change that" in said
    assert shop.at() == ["a2"]
    shop.ask("DELETE FROM alembic_version")
    said = shop.flask("db", "stamp", "a1", code=4)
    assert "make adopt writes what closes the difference" in said
    assert "Stamped: at a2" in shop.flask("db", "stamp", "a2")
