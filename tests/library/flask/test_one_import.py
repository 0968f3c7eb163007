"""A stock Flask-Migrate project changes one import, and back."""

import re
from collections.abc import Callable
from pathlib import Path

import flask_migrate
import pytest

from tests.library.flask.conftest import VERSIONS
from tests.library.flask.project import OURS, STOCK, StockProject

TEMPLATE = Path(flask_migrate.__file__).parent / "templates" / "flask"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    databases: Callable[[], str] = request.getfixturevalue(request.param)
    return databases()


NOTE = "    note: Mapped[str | None] = mapped_column(String(50))\n"
CHANGES = (
    (
        "    name: Mapped[str] = mapped_column(String(50))",
        "    full_name: Mapped[str] = mapped_column(String(50))\n    age: Mapped[int]",
    ),
    ("    note: Mapped[str | None] = mapped_column(String(50))\n", ""),
    ('    paid = "paid"', '    paid = "paid"\n    sent = "sent"'),
)


def test_project_with_ten_revisions_gets_every_command_and_can_leave(
    url: str, tmp_path: Path
) -> None:
    project = StockProject(tmp_path / "project", url, TEMPLATE)
    project.write_chain()
    project.flask("upgrade", "0005")
    project.change_import()

    assert "Applied 5 revisions: at 0010." in project.flask("upgrade")
    assert "models and migrations agree" in project.flask("check")
    for old, new in CHANGES:
        project.edit("models.py", old, new)
    refused = project.flask("migrate", "-m", "names", code=1)
    assert "customer.name" in refused
    written = project.flask(
        "migrate", "-m", "names", "--rename", "customer.name:full_name", "--fill",
        "customer.age=30", "--accept", "drop-column customer.note: unused",
    )  # fmt: skip
    assert "rehearsed on" in written
    assert "Next: flask db upgrade" in written
    # What is reviewed on is the kind of database in use, and no other.
    assert ("SQLite" in written) == url.startswith("sqlite")
    assert "pending; next: flask db upgrade" in project.flask("plan")
    assert "rehearsed on" in project.flask("rehearse")
    project.flask("check")
    assert "Applied" in project.flask("upgrade")
    assert project.rows("SELECT id, full_name, age FROM customer ORDER BY id") == [
        (1, "Ada", 30),
        (2, "Grace", 30),
    ]
    project.flask("downgrade", "0010", "--force")
    assert project.rows("SELECT id, name FROM customer ORDER BY id") == [(1, "Ada"), (2, "Grace")]

    project.change_import(OURS, STOCK)
    project.flask("upgrade")
    before = project.files()
    project.flask("migrate", "-m", "log")
    # The one thing that stock does not know is the log, which whoever leaves drops by this.
    (log,) = project.files() - before
    upgrade = (project.migrations / "versions" / log).read_text().partition("def downgrade")[0]
    assert re.findall(r"op\.\w+\(.*", upgrade) == ["op.drop_table('alembic_lossless_log')"]
    project.flask("upgrade")
    before = project.files()
    project.flask("migrate", "-m", "nothing")
    assert project.files() == before
    # What migrate wrote runs under stock, both ways.
    project.flask("downgrade", "0010")
    assert project.rows("SELECT id, name FROM customer ORDER BY id") == [(1, "Ada"), (2, "Grace")]
    project.flask("upgrade")
    assert project.rows("SELECT id, full_name, age FROM customer ORDER BY id") == [
        (1, "Ada", 30),
        (2, "Grace", 30),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_env_of_each_version_is_reached(
    version: str, templates: dict[str, Path], tmp_path: Path
) -> None:
    project = StockProject(
        tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", templates[version]
    )
    project.write_chain()
    project.change_import()
    assert "Applied 10 revisions: at 0010." in project.flask("upgrade")
    assert project.rows("SELECT count(*) FROM alembic_lossless_log") == [(10,)]
    project.edit("models.py", NOTE, NOTE.replace("note", "mail"))
    written = project.flask("migrate", "-m", "mail", "--rename", "customer.note:mail")
    assert "rehearsed on SQLite" in written
    assert "Backed up to" in project.flask("downgrade", "--force")
    assert "CREATE TABLE customer" in project.flask("upgrade", "0002", "--sql")


UPGRADE = """
import sys
from flask_migrate import upgrade
from app import create_app, db
import sqlalchemy as sa

app = create_app()
with app.app_context():
    upgrade()
    print(sa.inspect(db.engine).get_table_names())
    with db.engine.connect() as connection:
        print("foreign keys", connection.exec_driver_sql("PRAGMA foreign_keys").scalar())
"""


@pytest.mark.parametrize("version", [v for v in VERSIONS if v not in ("2.0.4", "2.5.3")])
def test_upgrade_called_by_the_application_in_memory(
    version: str, templates: dict[str, Path], tmp_path: Path
) -> None:
    """The oldest two build an engine of their own, whose memory nobody else sees."""
    project = StockProject(tmp_path / "project", "sqlite://", templates[version])
    project.write_chain()
    project.change_import()
    (project.folder / "run.py").write_text(UPGRADE)
    assert "'customer', 'purchase'" in project.run("run")


def test_env_that_is_not_reached_stops_and_nothing_is_run(tmp_path: Path) -> None:
    project = StockProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", TEMPLATE)
    project.write_chain()
    project.change_import()
    env = project.migrations / "env.py"
    env.write_text(
        "from alembic import context\nimport sqlalchemy as sa\nimport app\n"
        "url = app.create_app().config['SQLALCHEMY_DATABASE_URI']\n"
        "with sa.create_engine(url).connect() as c:\n"
        "    context.configure(connection=c, target_metadata=app.db.metadata)\n"
        "    with context.begin_transaction():\n        context.run_migrations()\n"
    )
    refused = project.flask("upgrade", code=1)
    assert "is not safeguarded" in refused
    assert "safeguard(context)" in refused
    assert project.rows("SELECT name FROM sqlite_master") == []


def test_another_directory_and_a_factory_with_arguments(tmp_path: Path) -> None:
    project = StockProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", TEMPLATE)
    project.write_chain()
    project.change_import()
    project.migrations.rename(project.folder / "other")
    environment = {"FLASK_APP": "app:create_app('store')"}
    assert "at 0010" in project.flask("upgrade", "-d", "other", **environment)
    assert "applied  0010" in project.run("flask", "db", "-d", "other", "history", **environment)
