"""``create_all`` ran before the migrations did: what is there is named, and taken in."""

import pytest

from tests.servers.run.shop import Shop

AHEAD = (
    'op.create_table("v", sa.Column("id", sa.Integer, primary_key=True))',
    'op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))',
)
MODELS = """
import sqlalchemy as sa

T = sa.Table("t", db.metadata, sa.Column("id", sa.Integer, primary_key=True))
U = sa.Table("u", db.metadata, sa.Column("id", sa.Integer, primary_key=True))
V = sa.Table("v", db.metadata, sa.Column("id", sa.Integer, primary_key=True))
"""
CREATE_ALL = """
from shop import create_app, extensions

with create_app().app_context():
    extensions.db.create_all()
"""


def test_tables_of_create_all_are_named_and_adopted_with_their_rows(shop: Shop, kind: str) -> None:
    extensions = shop.package / "extensions.py"
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    shop.flask("db", "upgrade")
    with extensions.open("a") as file:
        file.write(MODELS)
    shop.revision("a2", "\n".join(AHEAD))
    shop.python_run(CREATE_ALL)
    shop.ask("INSERT INTO u VALUES (7)")
    refused = shop.flask("db", "upgrade", code=1)
    assert "nothing of it is in the database" not in refused
    assert "What this revision creates was in the database before: table v, table u." in refused
    assert "flask db adopt; or rebuild a development database: flask db reset" in refused
    output = shop.flask("db", "adopt")
    assert "The schema is not that of a1, where the database is" in output
    assert "  skip  a2  the a2 revision\n" in output
    assert "Stamped: at a2; no table was touched." in output
    assert "Nothing to do: at a2" in shop.flask("db", "upgrade")
    assert "Nothing to adopt: at a2" in shop.flask("db", "adopt")
    assert shop.ask("SELECT id FROM u") == [(7,)]


@pytest.mark.parametrize("kind", ["sqlite"])
def test_pending_revision_of_rows_alone_is_not_stamped_over(shop: Shop) -> None:
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    shop.flask("db", "upgrade")
    shop.revision("a2", 'op.execute("INSERT INTO t VALUES (7)")')
    assert "Nothing to adopt: at a1" in shop.flask("db", "adopt")
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT id FROM t") == [(7,)]


def test_column_that_is_there_already_is_named(shop: Shop) -> None:
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    shop.flask("db", "upgrade")
    shop.ask("ALTER TABLE t ADD COLUMN n INTEGER")
    shop.revision("a2", 'op.add_column("t", sa.Column("n", sa.Integer))')
    assert "was in the database before: column t.n." in shop.flask("db", "upgrade", code=1)


PARTLY = MODELS.replace(
    'V = sa.Table("v", db.metadata, sa.Column("id", sa.Integer, primary_key=True))',
    'T.append_column(sa.Column("n", sa.Integer))',
)


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_what_create_all_left_out_is_added_by_the_revision_that_adopt_writes(shop: Shop) -> None:
    """It creates tables, and adds no column to those that are there."""
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t (id) VALUES (5)")
    with (shop.package / "extensions.py").open("a") as file:
        file.write(PARTLY)
    shop.revision("a2", f'{AHEAD[1]}\nop.add_column("t", sa.Column("n", sa.Integer))')
    shop.python_run(CREATE_ALL)
    shop.ask("INSERT INTO u VALUES (7)")
    assert "before: table u." in shop.flask("db", "upgrade", code=1)
    output = shop.flask("db", "adopt")
    assert "t.n: the database has none" in output
    assert "  skip  a2  the a2 revision\n" in output
    assert "Stamped: at a2; no table was touched." in output
    assert "Applied 1 revision" in shop.flask("db", "upgrade")
    assert shop.ask("SELECT id, n FROM t") == [(5, None)]
    assert shop.ask("SELECT id FROM u") == [(7,)]
    assert "models and migrations agree" in shop.flask("db", "check")


@pytest.mark.parametrize("kind", ["postgresql"])
@pytest.mark.parametrize(
    "create",
    [
        "op.execute(\"CREATE TYPE mood AS ENUM ('sad', 'glad')\")\n"
        'op.add_column("t", sa.Column("m", sa.Enum("sad", "glad", name="mood")))',
        'op.create_table("u", sa.Column("m", sa.Enum("sad", "glad", name="mood")))',
    ],
    ids=["by a statement", "with a table"],
)
def test_enum_type_of_create_all_is_named_and_can_be_dropped(shop: Shop, create: str) -> None:
    shop.revision("a1", 'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    shop.flask("db", "upgrade")
    shop.ask("INSERT INTO t VALUES (5)")
    shop.ask("CREATE TYPE mood AS ENUM ('sad', 'glad')")
    shop.revision("a2", create)
    refused = shop.flask("db", "upgrade", code=1)
    assert "What this revision creates was in the database before: type mood." in refused
    assert "Where no table uses it yet, drop it (DROP TYPE mood), and run again; " in refused
    assert "or rebuild a development database: flask db reset." in refused
    shop.ask("DROP TYPE mood")
    shop.flask("db", "upgrade")
    assert shop.at() == ["a2"]
    assert shop.ask("SELECT id FROM t") == [(5,)]
