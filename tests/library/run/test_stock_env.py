"""What stock Flask-Migrate's env.py does to an application, and this one does not."""

import shutil
from pathlib import Path

import alembic
import flask_migrate
import pytest

from tests.servers.run.shop import TABLE, Shop

APPLICATION = "from shop import create_app\nfrom shop.extensions import migrate\n"
TEMPLATE = Path(flask_migrate.__file__).parent / "templates" / "flask"
GENERIC = Path(alembic.__file__).parent / "templates" / "generic"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.sqlite")
    shop.revision("a1", TABLE, 'op.drop_table("t")')
    return shop


def stock(shop: Shop, template: Path = TEMPLATE) -> Shop:
    """Make of it what ``flask db init`` gives: its template, and no migrator."""
    (shop.package / "migrator").unlink()
    for name in ("extensions.py", "__init__.py", "health.py"):
        file = shop.package / name
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        ours = ("migrator", "commands.init_app")
        kept = [line for line in lines if not any(word in line for word in ours)]
        file.write_text("".join(kept), encoding="utf-8")
    migrations = shop.package / "migrations"
    for name in ("env.py", "script.py.mako"):
        shutil.copy(template / name, migrations)
    ini = (TEMPLATE / "alembic.ini.mako").read_text(encoding="utf-8")
    url = shop.url.replace("%", "%%")
    text = ini.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {url}\n")
    (migrations / "alembic.ini").write_text(text, encoding="utf-8")
    return shop


LOGGER = """
import logging
from flask_migrate import upgrade

before = logging.getLogger("shop.orders")
with create_app().app_context():
    upgrade()
print(before.disabled)
"""


def test_a_logger_of_the_application_still_speaks(shop: Shop) -> None:
    assert shop.python_run(APPLICATION + LOGGER) == "False\n"
    assert stock(shop).python_run(APPLICATION + LOGGER) == "True\n"


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


def test_a_database_that_would_vanish_is_refused(tmp_path: Path) -> None:
    """With an engine of its own, as Alembic's template has, stock migrates what nobody sees."""
    shop = Shop(tmp_path / "shop", "sqlite://")
    shop.revision("a1", TABLE + 'print("migrated")')
    assert "A SQLite database in memory would be gone" in shop.flask("db", "upgrade", code=1)
    assert stock(shop, GENERIC).python_run(APPLICATION + IN_MEMORY) == "migrated\n[]\n"


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
