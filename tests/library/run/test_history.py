"""What was applied is noted, an edit is named, and nobody is disturbed by it."""

import json
import re

import sqlalchemy as sa

from tests.servers.run.shop import Shop


def test_history_tells_when_and_by_whom(shop: Shop) -> None:
    shop.flask("db", "upgrade", "a1")
    said = shop.flask("db", "history")
    assert re.search(r"pending  a2  the a2 revision\n", said)
    assert re.search(
        r"applied  a1  the a1 revision  20\d\d-\d\d-\d\d \d\d:\d\d by \w+@\S+ in", said
    )
    (row,) = shop.ask("SELECT event, revision, came_from, seconds >= 0 FROM alembic_lossless_log")
    assert row == ("upgrade", "a1", "", 1)
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT came_from FROM alembic_lossless_log WHERE revision = 'a2'") == [("a1",)]


def edit(shop: Shop, revision: str = "a2") -> None:
    file = shop.versions / f"20260101_0000_{revision}_{revision}.py"
    file.write_text(file.read_text().replace('"n"', '"m"'))


def test_an_edited_file_is_named(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    file = shop.versions / "20260101_0000_a2_a2.py"
    file.write_text("# a comment\n" + file.read_text().replace("the a2 revision", "said better"))
    assert "Nothing is pending" in shop.flask("db", "plan")
    edit(shop)
    for command in ("plan", "check"):
        said = shop.flask("db", command, code=6)
        assert "exit 6: 20260101_0000_a2_a2.py was edited after it was applied (20" in said
        assert "put the files back as they were" in said
    assert "flask db redo applies them again" in shop.flask(
        "db", "plan", code=6, MIGRATION_DEVELOPMENT=1
    )
    assert "edited since" in shop.flask("db", "history")


def test_a_revision_that_was_undone_may_be_edited(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    shop.flask("db", "downgrade")
    edit(shop)
    assert "a2" in shop.flask("db", "plan")


def test_a_clock_that_was_wrong_changes_nothing(shop: Shop) -> None:
    """What came last is told by the order of the entries, not by their time."""
    shop.flask("db", "upgrade")
    shop.ask("UPDATE alembic_lossless_log SET applied_at = '2999-01-01 00:00:00'")
    shop.flask("db", "downgrade")
    assert "pending  a2" in shop.flask("db", "history")
    edit(shop)
    shop.flask("db", "upgrade")
    assert "Nothing is pending" in shop.flask("db", "plan")
    said = shop.flask("db", "history")
    assert re.search("applied  a1 .* 2999-01-01", said)
    assert re.search("applied  a2 .* 20[0-9]{2}-", said)
    assert "edited since" not in said


def columns(shop: Shop, table: str) -> set[str]:
    return {column["name"] for column in sa.inspect(shop.engine()).get_columns(table)}


def test_redo_applies_the_edited_file_and_what_came_after_anew(shop: Shop) -> None:
    file = shop.revision("a3", 'op.execute("INSERT OR IGNORE INTO t (id) VALUES (1)")')
    shop.flask("db", "upgrade")
    shop.ask("DELETE FROM t")
    edited = shop.versions / "20260101_0000_a2_a2.py"
    text = edited.read_text().replace(
        'op.add_column("t", sa.Column("n"', 'op.add_column("t", sa.Column("m"'
    )
    edited.write_text(text.replace('op.drop_column("t", "n")', "pass"))
    said = shop.flask("db", "redo", MIGRATION_DEVELOPMENT=1)
    assert "Undid 2 and applied 2 revisions: at a3" in said
    assert columns(shop, "t") == {"id", "n", "m"}
    assert shop.ask("SELECT id FROM t") == [(1,)]
    assert file.exists()
    assert "works on a development database only" in shop.flask("db", "redo", code=1)


GIVEN = """
import sqlalchemy as sa
from flask_migrate import upgrade, downgrade
from shop import create_app
from shop.extensions import migrate
import alembic.command

with create_app().app_context():
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    with engine.connect() as connection:
        config = migrate.get_config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "heads")
        print(sorted(sa.inspect(connection).get_table_names()))
        connection.rollback()
        alembic.command.downgrade(config, "base")
        print(sorted(sa.inspect(connection).get_table_names()))
        connection.rollback()
"""


def test_a_given_connection_holds_no_log(shop: Shop) -> None:
    said = shop.python_run(GIVEN)
    assert said.splitlines() == ["['alembic_version', 't']", "['alembic_version']"]
    assert not (shop.root.parent / "shop.sqlite").exists()


def test_stock_flask_migrate_works_after_the_import_is_changed_back(shop: Shop) -> None:
    shop.flask("db", "upgrade", "a1")
    shop.leave()
    model = "\n\nclass T(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    with (shop.package / "extensions.py").open("a") as extensions:
        extensions.write(model + "    n = db.Column(db.Integer)\n")
    shop.flask("db", "upgrade")
    assert "remove_table', Table('alembic_lossless_log'" in shop.flask("db", "check", code=1)
    shop.ask("DROP TABLE alembic_lossless_log")
    assert "No new upgrade operations detected" in shop.flask("db", "check")
    shop.flask("db", "downgrade", "base")
    assert shop.tables() == set()


def test_a_hostile_name_of_database_and_file(tmp_path) -> None:
    database = tmp_path / 'it\'s "a" %41 $(x);é#.sqlite'
    shop = Shop(tmp_path / "shop", f"sqlite:///{database}")
    file = shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer))\n{}["x"]')
    file = file.rename(file.with_name('a1 it\'s "a" $(x);é#%.py'))
    said = shop.flask("db", "upgrade", code=1)
    assert f"of {file}: KeyError: 'x'" in said
    file.write_text(file.read_text().replace('{}["x"]', ""))
    shop.flask("db", "upgrade")
    assert shop.tables() == {"t"}
    assert json.dumps(shop.at()) == '["a1"]'
