"""A database that the server does not have yet is created by each command that fills it."""

import pytest
import sqlalchemy as sa

from tests.servers.run.shop import TABLE, Shop

COMMANDS = {
    "upgrade": ["upgrade"],
    "expand": ["upgrade", "--phase", "expand"],
    "reset": ["reset"],
}


@pytest.mark.parametrize(
    ("command", "development"),
    [("upgrade", "0"), ("upgrade", "1"), ("expand", "0"), ("expand", "1"), ("reset", "1")],
)
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_missing_database_is_created(
    shop: Shop, kind: str, command: str, development: str, request: pytest.FixtureRequest
) -> None:
    shop.revision("a1", TABLE)
    url = sa.make_url(shop.url)
    databases = request.getfixturevalue(kind)
    databases.drop(shop.url)
    missing = url.set(database=f"{url.database}_{command}_dev")
    shop.url = missing.render_as_string(hide_password=False)
    shop.settings["SQLALCHEMY_DATABASE_URI"] = shop.url
    if command == "expand":
        refused = shop.flask("db", "plan", code=1)
        assert "create the database: flask db upgrade\n" in refused
    output = shop.flask("db", *COMMANDS[command], MIGRATION_DEVELOPMENT=development)
    assert "Created the database" in output
    assert shop.at() == ["a1"]
    databases.server.drop(shop.url)
