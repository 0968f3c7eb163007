"""The development database reset to what the models make, whatever it holds."""

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.reset import reset
from alembic_lossless.run.connection import Target
from alembic_lossless.schema.own_tables import named_by


def models() -> sa.MetaData:
    """Two tables that point at each other, an enum, and a sequence."""
    metadata = sa.MetaData()
    sa.Table(
        "team",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("mood", sa.Enum("sad", "glad", name="mood")),
        sa.Column("head", sa.ForeignKey("player.id", name="fk_head", use_alter=True)),
    )
    sa.Table(
        "player",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("team", sa.ForeignKey("team.id", name="fk_team")),
    )
    return metadata


ROWS = [
    "INSERT INTO team (id, mood) VALUES (1, 'glad')",
    "INSERT INTO player (id, team) VALUES (1, 1)",
    "UPDATE team SET head = 1",
    "CREATE VIEW happy AS SELECT id FROM team WHERE mood = 'glad'",
]


#: A name that hurts.
LATER = {
    "sqlite": 'CREATE TABLE "100% d\'or: x" (id INTEGER)',
    "postgresql": 'CREATE TABLE "100%% d\'or: x" (id INTEGER)',
    "mysql": "CREATE TABLE `100%% d'or: x` (id INTEGER)",
}


def names(url: sa.URL) -> set[str]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        return {*inspector.get_table_names(), *inspector.get_view_names()}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request, tmp_path) -> sa.URL:
    if request.param == "sqlite":
        return sa.URL.create("sqlite", database=str(tmp_path / "dev.sqlite"))
    return sa.make_url(request.getfixturevalue(request.param)(user="anew", password="p"))


def test_what_was_there_is_gone_and_the_models_tables_are_empty(url, run):
    reset(Target(url), models(), ["1111"])
    run(url, *ROWS, "CREATE TABLE left_over (id INTEGER)", LATER[url.get_backend_name()])
    reset(Target(url), models(), ["2222"])
    assert names(url) == {"team", "player", "alembic_version"}
    assert run(url, "SELECT count(*) FROM team") == [(0,)]
    assert run(url, "SELECT version_num FROM alembic_version") == [("2222",)]


def test_what_fails_leaves_postgresql_as_it_was(postgresql, run):
    url = sa.make_url(postgresql())
    reset(Target(url), models(), ["1111"])
    run(url, *ROWS)
    broken = models()
    sa.Table("broken", broken, sa.Column("at", sa.Integer, server_default=sa.text("nothing()")))
    with pytest.raises(MigrationError, match=r"nothing\(\) does not exist"):
        reset(Target(url), broken, ["2222"])
    assert run(url, "SELECT id FROM happy") == [(1,)]


def test_extensions_functions_and_grants_on_postgresql_stay(postgresql, run):
    """The models cannot make them again."""
    url = sa.make_url(postgresql())
    reset(Target(url), models(), ["1111"])
    run(
        url,
        *ROWS,
        "CREATE EXTENSION vector",
        "CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE reader",
        "GRANT USAGE ON SCHEMA public TO reader",
    )
    reset(Target(url), models(), ["1111"])
    assert run(url, "SELECT one(), '[1]'::vector::text") == [(1, "[1]")]
    assert run(url, "SELECT has_schema_privilege('reader', 'public', 'USAGE')") == [(True,)]
    postgresql.drop(url.render_as_string(hide_password=False))
    postgresql.server.run("DROP ROLE reader")


def test_only_the_schema_that_is_used_is_emptied(postgresql, run):
    url = sa.make_url(postgresql())
    run(url, "CREATE SCHEMA other", "CREATE TABLE other.kept (id INTEGER)")
    reset(Target(url), models(), ["1111"])
    assert run(url, "SELECT count(*) FROM other.kept") == [(0,)]


LEGACY = {
    "sqlite": "CREATE TABLE legacy (id INTEGER PRIMARY KEY, twice INTEGER AS (id * 2))",
    "postgresql": "CREATE TABLE legacy (id serial PRIMARY KEY, mood mood, twice int)",
    "mysql": "CREATE TABLE legacy (id INTEGER PRIMARY KEY AUTO_INCREMENT, twice INTEGER)",
}


def test_table_that_env_leaves_out_stays_with_its_rows(url, run):
    options = {"include_object": lambda item, name, kind, *_: name != "legacy"}
    reset(Target(url), models(), ["1111"], options)
    run(url, *ROWS, LEGACY[url.get_backend_name()], "CREATE INDEX ix_twice ON legacy (twice)")
    run(url, "INSERT INTO legacy (id) VALUES (7)", "CREATE TABLE left_over (id INTEGER)")
    reset(Target(url), models(), ["2222"], options)
    assert names(url) == {"team", "player", "alembic_version", "legacy"}
    assert run(url, "SELECT id FROM legacy") == [(7,)]
    assert run(url, "SELECT count(*) FROM team") == [(0,)]
    if url.get_backend_name() == "postgresql":
        assert run(url, "INSERT INTO legacy (mood) VALUES ('sad') RETURNING id") == [(1,)]


def test_models_tables_in_other_schemas_are_made_anew(postgresql, run):
    url = sa.make_url(postgresql())
    metadata = sa.MetaData(schema="shop")
    column = sa.Column("mood", sa.Enum("sad", name="mood"))
    sa.Table("team", metadata, sa.Column("id", sa.Integer, primary_key=True), column)
    run(url, "CREATE SCHEMA shop", "CREATE TABLE shop.team (id INTEGER)")
    run(url, "INSERT INTO shop.team VALUES (1)", "CREATE TABLE shop.kept (id INTEGER)")
    with named_by({"version_table_schema": "shop"}):
        reset(Target(url), metadata, ["1111"])
        reset(Target(url), metadata, ["2222"])
    assert run(url, "SELECT mood FROM shop.team") == []
    assert run(url, "SELECT count(*) FROM shop.kept") == [(0,)]
    assert run(url, "SELECT version_num FROM shop.alembic_version") == [("2222",)]
