"""Which database is reached: the servers are asked, whatever the URLs are called."""

import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from alembic_lossless.errors import MigrationError
from alembic_lossless.reset import reset
from alembic_lossless.run import identity
from alembic_lossless.run.connection import Target
from alembic_lossless.settings import Settings
from tests.conftest import Databases
from tests.servers.run.shop import TABLE, Shop
from tests.support.handwritten import Handwritten

servers = pytest.mark.parametrize("kind", ["postgresql", "mariadb"])


@pytest.fixture
def databases(kind: str, request: pytest.FixtureRequest) -> Databases:
    asked: Databases = request.getfixturevalue(kind)
    return asked


def target(application: str | sa.URL, url: str | sa.URL, **settings: Any) -> Target:
    """Return a project's target, which migrates as another role than its application's."""
    engine = sa.create_engine(application, poolclass=sa.NullPool)
    return Target.of(engine, Settings(url=sa.make_url(url), **settings))


class Tunnel(socketserver.ThreadingTCPServer):
    """Forwards a port of this machine to a server's socket, as a tunnel does from elsewhere."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(("127.0.0.1", 0), Forwarded)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class Forwarded(socketserver.BaseRequestHandler):
    """One connection through a tunnel."""

    server: Tunnel

    def handle(self) -> None:
        with socket.socket(socket.AF_UNIX) as far:
            far.connect(self.server.path)
            while True:
                for end in select.select([self.request, far], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    (far if end is self.request else self.request).sendall(data)


@pytest.fixture
def tunnel() -> Iterator[Callable[[str], sa.URL]]:
    """Return a URL of the same database through a tunnel."""
    with ExitStack() as stack:

        def through_tunnel(text: str) -> sa.URL:
            url = sa.make_url(text)
            if url.get_backend_name() == "postgresql":
                path = f"{url.query['host']}/.s.PGSQL.5432"
            else:
                path = str(url.query["unix_socket"])
            opened = stack.enter_context(Tunnel(path))
            stack.callback(opened.shutdown)
            return url.set(host="127.0.0.1", port=opened.server_address[1], query={})

        yield through_tunnel


@servers
def test_another_database_than_the_applications_is_refused(databases: Databases) -> None:
    application, staging = databases(), databases()
    with pytest.raises(MigrationError, match="another database") as refused:
        identity.require_same_database(target(application, staging))
    assert refused.value.exit_code == 2
    identity.require_same_database(target(application, staging, same_database=True))


def test_an_upgrade_of_another_database_than_the_applications_changes_neither(
    postgresql: Databases, tmp_path: Path
) -> None:
    application, staging = postgresql(), postgresql()
    shop = Shop(tmp_path / "shop", application)
    shop.revision("a1", TABLE)
    output = shop.flask("db", "upgrade", code=2, SQLALCHEMY_ALEMBIC_URI=staging)
    names = [sa.make_url(url).database for url in (application, staging)]
    assert output.startswith("exit 2: The application uses ")
    assert all(f"/{name}" in output for name in names)
    assert "MIGRATION_SAME_DATABASE" in output
    for url in (application, staging):
        assert not sa.inspect(sa.create_engine(url, poolclass=sa.NullPool)).get_table_names()


@servers
def test_the_same_database_by_another_way_is_accepted(
    databases: Databases, tunnel: Callable[[str], sa.URL]
) -> None:
    url = databases()
    identity.require_same_database(target(tunnel(url), url))


@servers
def test_a_database_of_another_name_stops_where_one_cannot_be_asked(databases: Databases) -> None:
    url = sa.make_url(databases())
    silent = url.set(host="127.0.0.1", port=1, query={})
    identity.require_same_database(target(silent, url))
    with pytest.raises(MigrationError, match="another database"):
        identity.require_same_database(target(silent.set(database="shop"), url))
    identity.require_same_database(target(silent.set(database="shop"), url, same_database=True))


def test_another_sqlite_file_or_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.sqlite").touch()
    (tmp_path / "link.sqlite").symlink_to("shop.sqlite")
    file = f"sqlite:///{tmp_path}/shop.sqlite"
    identity.require_same_database(target(file, f"sqlite:///{tmp_path}/link.sqlite"))
    identity.require_same_database(target(file, f"sqlite:///file:{tmp_path}/shop.sqlite?uri=true"))
    for url in (f"sqlite:///{tmp_path}/shop2.sqlite", "postgresql+psycopg://a@b/c", "sqlite://"):
        with pytest.raises(MigrationError, match="another database"):
            identity.require_same_database(target(file, url))


@pytest.mark.parametrize("name", ["shop.sqlite", "file:shop.sqlite?uri=true"])
def test_a_relative_path_to_sqlite_is_inside_the_instance_folder(tmp_path: Path, name: str) -> None:
    """As Flask-SQLAlchemy reads it; the working directory has no part in it."""
    shop = Shop(tmp_path / "shop", f"sqlite:///{name}")
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade", SQLALCHEMY_ALEMBIC_URI="sqlite:///shop.sqlite")
    assert [path.parent.name for path in tmp_path.rglob("*.sqlite")] == ["instance"]
    shop.url = f"sqlite:///{tmp_path}/shop/instance/shop.sqlite"
    assert shop.at() == ["a1"]


def test_a_clone_of_a_server_is_another_database() -> None:
    """A server restored from another's disk has its identifier; both have been started."""
    started = datetime(2026, 1, 1, tzinfo=UTC)
    shop = identity.Identity("7312", "shop", started, "public")
    assert not identity.differ(shop, replace(shop, started=None))  # a replica
    assert not identity.differ(shop, replace(shop, server=None))  # it may not be asked
    assert identity.differ(shop, replace(shop, started=started + timedelta(seconds=1)))
    assert identity.differ(shop, replace(shop, server="7313"))
    assert identity.differ(shop, replace(shop, database="staging"))


def test_tables_in_another_schema_than_alembic_version_are_refused(
    postgresql: Databases, tmp_path: Path
) -> None:
    """The search path begins with a schema that is called like the role, once there is one."""
    url = sa.make_url(postgresql(user="shop", password="p"))
    shop = Shop(tmp_path / "shop", url.render_as_string(hide_password=False))
    shop.revision("a1", TABLE)
    shop.flask("db", "upgrade")
    shop.ask("CREATE SCHEMA shop")
    shop.revision("a2", 'op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))')
    output = shop.flask("db", "upgrade", code=2)
    assert "New tables would be created in schema shop, and alembic_version is in schema " in output
    fix = f"ALTER ROLE shop IN DATABASE {url.database} SET search_path = public"
    assert fix in output
    assert shop.tables() == {"t"}
    shop.ask(fix)
    shop.flask("db", "upgrade")
    assert shop.ask("SELECT to_regclass('public.u')::text") == [("u",)]


def test_schema_that_a_revision_of_the_same_run_makes_is_noticed(
    postgresql: Databases, tmp_path: Path
) -> None:
    url = sa.make_url(postgresql(user="shop", password="p"))
    chain = Handwritten(tmp_path / "migrations", url.render_as_string(hide_password=False))
    chain.add("a1", TABLE)
    chain.add("a2", 'op.execute("CREATE SCHEMA shop")')
    chain.add("a3", 'op.create_table("u", sa.Column("id", sa.Integer, primary_key=True))')
    failure = str(chain.failure())
    assert "New tables would be created in schema shop, and alembic_version is in " in failure
    assert "2 of 3 revisions were applied before it; the database is at a2" in failure
    assert chain.ask("SELECT to_regclass('shop.u')") == [(None,)]
    chain.ask(f"ALTER ROLE shop IN DATABASE {url.database} SET search_path = public")
    chain.upgrade()
    assert chain.ask("SELECT to_regclass('public.u')::text") == [("u",)]


def test_version_is_not_noted_in_another_schema(postgresql: Databases, tmp_path: Path) -> None:
    chain = Handwritten(tmp_path / "migrations", postgresql())
    chain.ask("CREATE SCHEMA tenant", "CREATE TABLE tenant.alembic_version (version_num text)")
    chain.ask("INSERT INTO tenant.alembic_version VALUES ('a1')")
    chain.add("a1", TABLE)
    chain.upgrade()
    leaves = 'op.execute("SET search_path = tenant")\nop.execute("CREATE TABLE u (n int)")'
    chain.add("a2", leaves)
    assert "it leaves a search_path by which its version would not be noted" in str(chain.failure())
    assert chain.at() == ["a1"]
    assert chain.ask("SELECT version_num, to_regclass('tenant.u') FROM tenant.alembic_version") == [
        ("a1", None)
    ]
    chain.write("a2", "a1", leaves + '\nop.execute("RESET search_path")')
    chain.upgrade()
    assert chain.at() == ["a2"]


def test_version_is_not_noted_in_another_database(mariadb: Databases, tmp_path: Path) -> None:
    other = Handwritten(tmp_path / "other", mariadb())
    chain = Handwritten(tmp_path / "migrations", mariadb())
    for each in (other, chain):
        each.add("a1", TABLE)
        each.upgrade()
    database = sa.make_url(other.url).database
    chain.add(
        "a2",
        f"""
        op.execute("INSERT INTO t (n) VALUES (2)")
        op.execute("USE {database}")
        op.execute("CREATE TABLE u (n int)")
        """,
    )
    failure = chain.failure()
    assert f"USE {database} leads to another database" in str(failure)
    assert "nothing of it is in the database" in str(failure)
    assert (other.at(), chain.at()) == (["a1"], ["a1"])
    assert list(other.dump()) == ["t"]
    assert chain.ask("SELECT n FROM t") == [(1,)]


def test_tables_in_another_schema_than_the_applications_are_refused(
    postgresql: Databases, tmp_path: Path
) -> None:
    owner = sa.make_url(postgresql(user="owner", password="p"))
    application = sa.make_url(postgresql(user="plain", password="p"))
    application = application.set(database=owner.database)
    shop = Shop(tmp_path / "shop", application.render_as_string(hide_password=False))
    shop.revision("a1", TABLE)
    as_owner = {"SQLALCHEMY_ALEMBIC_URI": owner.render_as_string(hide_password=False)}
    with sa.create_engine(owner, poolclass=sa.NullPool).begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA owner")
    output = shop.flask("db", "upgrade", code=2, **as_owner)
    assert "New tables would be created in schema owner, and the application looks in " in output
    assert shop.tables() == set()


@servers
def test_a_drop_through_a_forwarded_port_is_refused(
    databases: Databases, tunnel: Callable[[str], sa.URL]
) -> None:
    """Its URL says 127.0.0.1, and the server may be anywhere."""
    url = databases()
    models = sa.MetaData()
    sa.Table("t", models, sa.Column("id", sa.Integer, primary_key=True))
    reset(Target(sa.make_url(url)), models, ["1111"])
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (7)")
    far = tunnel(url)
    with pytest.raises(MigrationError, match="not on this machine") as refused:
        reset(Target(far), models, ["2222"])
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id FROM t").scalar() == 7
    # Which server it is may be said by a person, once.
    (pasted,) = [word for word in str(refused.value).split() if word.startswith('"')]
    reset(Target(far, settings=Settings(development_server=pasted.strip('".'))), models, ["2222"])
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0
