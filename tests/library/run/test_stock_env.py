"""What one env.py does to an application under stock Flask-Migrate, and does not with ours."""

import shutil
from pathlib import Path

import alembic
import pytest

from tests.servers.run.shop import TABLE, Shop

APPLICATION = "from shop import create_app\nfrom shop.extensions import migrate\n"
GENERIC = Path(alembic.__file__).parent / "templates" / "generic"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    shop.revision("a1", TABLE, 'op.drop_table("t")')
    return shop


def stock(shop: Shop) -> Shop:
    """Give the same application to stock Flask-Migrate."""
    shop.leave()
    return shop


def with_own_engine(shop: Shop) -> Path:
    """Give it the env.py of ``alembic init``, which connects by itself; return that file."""
    migrations = shop.package / "migrations"
    shutil.copy(GENERIC / "env.py", migrations)
    ini = migrations / "alembic.ini"
    url = shop.url.replace("%", "%%")
    text = ini.read_text(encoding="utf-8")
    text = text.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {url}\n")
    ini.write_text(text, encoding="utf-8")
    return migrations / "env.py"


LOGGER = """
import logging
from flask_migrate import upgrade

before = logging.getLogger("shop.orders")
with create_app().app_context():
    upgrade()
print(before.disabled)
"""


def test_a_logger_of_the_application_still_speaks(shop: Shop) -> None:
    assert shop.python_run(APPLICATION + LOGGER).splitlines()[-1] == "False"
    assert stock(shop).python_run(APPLICATION + LOGGER).splitlines()[-1] == "True"


GIVEN = """
import sqlalchemy as sa
import alembic.command

with create_app().app_context():
    with sa.create_engine("sqlite://", poolclass=sa.StaticPool).connect() as connection:
        config = migrate.get_config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "heads")
        print("t" in sa.inspect(connection).get_table_names())
"""


def test_a_given_connection_is_taken(shop: Shop) -> None:
    """Stock migrates the development database in its place."""
    assert shop.python_run(APPLICATION + GIVEN) == "True\n"
    assert shop.tables() == set()
    assert stock(shop).python_run(APPLICATION + GIVEN) == "False\n"
    assert shop.tables() == {"t"}


IN_MEMORY = """
import sqlalchemy as sa
from flask_migrate import upgrade
from shop.extensions import db

with create_app().app_context():
    upgrade()
    print(sa.inspect(db.engine).get_table_names())
"""


def test_a_database_in_memory_is_the_applications_own(tmp_path: Path) -> None:
    """With an engine of its own, as Alembic's template has, stock migrates what nobody sees."""
    shop = Shop(tmp_path / "shop", "sqlite://")
    shop.revision("a1", TABLE + 'print("migrated")')
    seen = "migrated\n['alembic_version', 't']\n"
    assert shop.python_run(APPLICATION + IN_MEMORY) == seen
    env = with_own_engine(shop)
    text = env.read_text(encoding="utf-8")
    guarded = (
        "config = context.config\nfrom alembic_lossless import safeguard\nsafeguard(context)\n"
    )
    env.write_text(text.replace("config = context.config\n", guarded), encoding="utf-8")
    assert "A SQLite database in memory would be gone" in shop.flask("db", "upgrade", code=1)
    env.write_text(text, encoding="utf-8")
    assert stock(shop).python_run(APPLICATION + IN_MEMORY) == "migrated\n[]\n"


PRAGMAS = """
import sqlalchemy as sa
from flask_migrate import upgrade
from shop.extensions import db


def state():
    with db.engine.connect() as connection:
        dbapi_connection = connection.connection.dbapi_connection
        return connection.exec_driver_sql("PRAGMA foreign_keys").scalar(), dbapi_connection


with create_app().app_context():
    sa.event.listen(db.engine, "connect", lambda c, _: c.execute("PRAGMA foreign_keys = ON"))
    before = state()
    begins = before[1].isolation_level
    upgrade()
    assert state() == before == (1, before[1])
    assert before[1].isolation_level == begins
    print(sa.inspect(db.engine).has_table("t"))
"""


def test_a_database_in_memory_keeps_the_applications_pragmas(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", "sqlite://")
    shop.revision("a1", TABLE)
    assert shop.python_run(APPLICATION + PRAGMAS) == "True\n"


def test_nothing_changed_writes_nothing(shop: Shop) -> None:
    """A hook of the application takes the place of stock's guard against empty revisions."""
    extensions = shop.package / "extensions.py"
    hook = "Migrate(process_revision_directives=lambda *_: None, "
    extensions.write_text(extensions.read_text().replace("Migrate(", hook))
    models = shop.package / "models.py"
    models.write_text(
        "from .extensions import db\n"
        'db.Table("t", db.Column("id", db.Integer, primary_key=True), db.Column("n", db.Integer))\n'
    )
    package = shop.package / "__init__.py"
    package.write_text(package.read_text() + "\n\nfrom . import models as models\n")
    before = set(shop.versions.glob("*.py"))
    shop.flask("db", "upgrade")
    shop.flask("db", "migrate", "-m", "nothing")
    assert set(shop.versions.glob("*.py")) == before
    shop.ask("DROP TABLE alembic_lossless_log")
    stock(shop).flask("db", "migrate", "-m", "nothing")
    (empty,) = set(shop.versions.glob("*.py")) - before
    assert "pass" in empty.read_text()
