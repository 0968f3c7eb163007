"""Where scratch databases can be made."""

from threading import Timer

import pytest
import sqlalchemy as sa

from alembic_lossless.scratch import reaper, sources
from alembic_lossless.scratch.sources import Source, empty_database, find_sources


def test_a_role_that_may_make_no_scratch_database_is_told_what_lets_it(mariadb):
    url = sa.make_url(mariadb(user="humble", password="p"))
    _, (missing,) = find_sources(["mysql"], url)
    said, grant = missing.reason.split("; an administrator allows it: ")
    assert said.startswith("Access denied for user 'humble'@")
    mariadb.server.run(grant)
    (source,), none = find_sources(["mysql"], url)
    assert source.kind == "mysql"
    assert none == []


def test_a_server_elsewhere_is_used_only_where_that_is_asked_for():
    """127.0.0.2 is this host too, by a name that nobody takes for it."""
    away = sa.make_url("mysql+pymysql://nobody@127.0.0.2:1/shop")
    _, (missing,) = find_sources(["mysql"], away)
    assert missing.reason == "its server is not on this host, or no URL names it"
    _, (missing,) = find_sources(["mysql"], away, anywhere=True)
    assert "127.0.0.2" in missing.reason


@pytest.mark.parametrize(
    ("query", "environment"),
    [
        ("?service=production", {}),
        ("?hostaddr=10.0.0.5", {}),
        ("?host=db.example.org", {}),
        ("?host=localhost:5432&host=db.example.org:5432", {}),
        ("", {"PGHOST": "db.example.org"}),
        ("", {"PGHOSTADDR": "10.0.0.5"}),
        ("", {"PGSERVICE": "production"}),
    ],
)
def test_a_server_that_a_url_does_not_show_is_not_on_this_host(monkeypatch, query, environment):
    """No scratch database is created where only libpq knows the place."""
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    connected = []
    administrator = sources._administrator

    def noted(url):
        connected.append(url.username)
        return administrator(url)

    monkeypatch.setattr(sources, "_administrator", noted)
    (source,), _ = find_sources(["postgresql"], f"postgresql+psycopg://nobody@/shop{query}")
    assert "nobody" not in connected
    if "PGSERVICE" not in environment:  # libpq insists on finding it
        with empty_database(source) as connection:
            assert connection.exec_driver_sql("SELECT inet_server_addr()").scalar() is None


def test_a_configuration_file_of_mysql_may_lead_elsewhere():
    url = "mysql+pymysql://nobody@localhost/shop?read_default_file=/etc/production.cnf"
    _, (missing,) = find_sources(["mysql"], url)
    assert missing.reason == "its server is not on this host, or no URL names it"


def test_what_the_server_itself_does_there_is_waited_for(postgresql):
    """A plain role may not end it, as an autovacuum that runs there: DROP … FORCE is refused."""
    url = sa.make_url(postgresql(user="plain", password="p"))
    postgresql.server.run("ALTER ROLE plain CREATEDB")
    with empty_database(Source("postgresql", url)) as connection:
        name = connection.engine.url.database
        theirs = sa.create_engine(postgresql.server.admin.set(database=name), poolclass=sa.NullPool)
        other = theirs.raw_connection()
        leaving = Timer(1, other.close)
        leaving.start()
    leaving.join()
    assert not postgresql.server.run(f"SELECT 1 FROM pg_database WHERE datname = '{name}'")


@pytest.mark.parametrize(("kind", "driver"), [("postgresql", "asyncpg"), ("mariadb", "asyncmy")])
def test_reaper_drops_a_database_through_an_asynchronous_driver(request, kind, driver):
    databases = request.getfixturevalue(kind)
    url = sa.make_url(databases())
    name = "alembic_lossless_scratch_1_00000000"
    databases.server.run(f"CREATE DATABASE {name}")
    url = url.set(drivername=f"{url.get_backend_name()}+{driver}")
    options = url.get_dialect()().create_connect_args(url)[1]
    given = {key: value for key, value in options.items() if isinstance(value, str | int | dict)}
    reaper._drop(name, driver, given)
    engine = sa.create_engine(databases.server.admin, poolclass=sa.NullPool)
    listed = {
        "postgresql": "SELECT datname FROM pg_database",
        "mariadb": "SELECT schema_name FROM information_schema.schemata",
    }
    with engine.connect() as connection:
        assert name not in connection.scalars(sa.text(listed[kind])).all()
