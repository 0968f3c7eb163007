"""An Alembic project adds one line to its env.py, and takes it out again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.library.alembic.project import GUARD, REVISION, AlembicProject

ID = '    sa.Column("id"'
AGE = '    sa.Column("age", sa.Integer, nullable=False),\n'


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.db"
    databases: Callable[[], str] = request.getfixturevalue(request.param)
    return databases()


def test_template_for_several_databases_is_refused(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", "multidb")
    project.run("alembic", "revision", "-m", "first")
    project.add_line()
    for command in ("alembic", "alembic-lossless"):
        output = project.run(command, "upgrade", "head", code=2)
        assert "Alembic's own multidb template is not supported. No migration was run" in output


def follow(project: AlembicProject) -> None:
    """Write a first migration with stock, then go on with the one line, and leave again."""
    project.run("alembic", "revision", "--autogenerate", "-m", "first", "--rev-id", "0001")
    project.run("alembic", "upgrade", "head")
    project.rows(
        "INSERT INTO customer (id, name, status) VALUES (1, 'Ada', 'open'), (2, 'Grace', 'paid')"
    )
    project.add_line()
    assert "applied" in project.lossless("history")
    assert "models and migrations agree" in project.lossless("check")
    project.edit("models.py", '"name", sa.String(50)', '"full_name", sa.String(50)')
    project.edit("models.py", '    sa.Column("note", sa.String(50)),\n', "")
    project.edit("models.py", '"open", "paid"', '"open", "paid", "sent"')
    project.edit("models.py", ID, AGE + ID)
    refused = project.lossless("migrate", "-m", "names", code=1)
    assert '--rename "customer.name:full_name"' in refused
    written = project.lossless(
        "migrate", "-m", "names", "--rename", "customer.name:full_name", "--fill",
        "customer.age=30", "--accept", "drop-column customer.note: unused",
    )  # fmt: skip
    assert "rehearsed on" in written
    assert "Next: alembic-lossless upgrade" in written
    # Nothing of it was tried on the project's own database.
    assert project.rows("SELECT id, name FROM customer ORDER BY id") == [(1, "Ada"), (2, "Grace")]
    assert project.rows("SELECT version_num FROM alembic_version") == [("0001",)]
    assert "pending; next: alembic-lossless upgrade" in project.lossless("plan")
    assert "Applied" in project.lossless("upgrade")
    rows = project.rows("SELECT id, full_name, age FROM customer ORDER BY id")
    assert rows == [(1, "Ada", 30), (2, "Grace", 30)]
    assert "rehearsed on" in project.lossless("rehearse")
    refused = project.lossless("downgrade", "0001", code=1)
    assert "lose  column customer.age (2 values)" in refused
    assert "Nothing was changed: it needs your consent" in refused
    assert "at 0001." in project.lossless("downgrade", "0001", "--force")
    assert project.rows("SELECT id, name FROM customer ORDER BY id") == [(1, "Ada"), (2, "Grace")]
    project.run("alembic", "upgrade", "head")
    rows = project.rows("SELECT id, full_name, age FROM customer ORDER BY id")
    assert rows == [(1, "Ada", 30), (2, "Grace", 30)]
    assert "CREATE TABLE customer" in project.run("alembic", "upgrade", "0001", "--sql")


@pytest.mark.parametrize("template", ["generic", "async"])
def test_project_with_the_line_gets_every_command(url: str, template: str, tmp_path: Path) -> None:
    follow(AlembicProject(tmp_path / "project", url, template))


def test_project_that_is_configured_in_pyproject_gets_every_command(tmp_path: Path) -> None:
    follow(AlembicProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", "pyproject"))


def test_project_without_the_line_is_refused_by_our_commands(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", "generic")
    assert "safeguard(context)" in project.lossless("upgrade", code=1)
    assert not (tmp_path / "shop.db").exists() or not project.rows("SELECT * FROM sqlite_master")


def test_downgrade_to_a_revision_that_is_not_applied_names_the_way_up(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", "generic")
    project.write_chain()
    project.add_line()
    project.lossless("upgrade", "0004")
    sentence = "Nothing was undone: 0007 is not applied to this database, which is at 0004. "
    sentence += "To apply it: alembic-lossless upgrade 0007"
    assert sentence in project.lossless("downgrade", "0007", "--force", code=1)
    assert sentence in project.run("alembic", "downgrade", "0007", code=1)
    assert "at 0003." in project.lossless("downgrade", "-1", "--force")
    output = project.run("alembic", "downgrade", "0001")
    assert "Running downgrade 0002 -> 0001" in output
    assert "Generating static SQL" not in output  # nothing is, where the downgrades are looked at


def test_env_that_fails_ends_in_a_sentence(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path / "shop", "sqlite:///shop.sqlite", "generic")
    project.add_line()
    project.edit("alembic.ini", "sqlite:///shop.sqlite", "postgresql://a:b@localhost:port/shop")
    output = project.lossless("upgrade", code=1)
    assert "env.py, line " in output
    assert "failed: ValueError: " in output
    assert "'port'. Correct it, or the setting that it reads, and run again." in output
    project.edit("migrations/env.py", "config = context.config", "config = (")
    assert "env.py, line " in project.lossless("upgrade", code=1)


def test_project_that_takes_the_line_out_is_stock(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", "generic")
    project.add_line()
    project.lossless("migrate", "-m", "first")
    project.edit("migrations/env.py", GUARD, "config = context.config\n")
    project.run("alembic", "upgrade", "head")
    assert project.rows("SELECT name FROM sqlite_master WHERE name LIKE 'alembic_lossless%'") == []
    assert project.rows("SELECT count(*) FROM customer") == [(0,)]


TENANT = """    with connectable.connect() as connection:
        connection.exec_driver_sql("SET search_path TO tenant")
        connection.commit()
"""


def test_schema_that_env_chooses_is_the_one_that_is_migrated(
    postgresql: Callable[[], str], tmp_path: Path
) -> None:
    """Alembic's cookbook sets the search path on env.py's own connection."""
    project = AlembicProject(tmp_path / "project", postgresql(), "generic")
    project.rows("CREATE SCHEMA tenant")
    project.run("alembic", "revision", "--autogenerate", "-m", "first", "--rev-id", "0001")
    project.add_line()
    project.edit("migrations/env.py", "    with connectable.connect() as connection:\n", TENANT)
    project.run("alembic", "upgrade", "head")
    project.rows("DROP SCHEMA tenant CASCADE", "CREATE SCHEMA tenant")
    # The usual schema is at the head, and that is no answer.
    project.rows("INSERT INTO public.alembic_version VALUES ('0001')")
    assert "Applied 1 revision" in project.lossless("upgrade")
    assert project.rows("SELECT count(*) FROM tenant.customer") == [(0,)]
    assert project.rows("SELECT version_num FROM tenant.alembic_version") == [("0001",)]
    assert "Nothing to do" in project.lossless("upgrade")


def test_log_is_beside_the_version_table_where_the_role_may_create_tables(
    postgresql: Callable[..., str], tmp_path: Path
) -> None:
    project = AlembicProject(
        tmp_path / "project", postgresql(user="clerk", password="p"), "generic"
    )
    project.rows("CREATE SCHEMA app", "REVOKE CREATE ON SCHEMA public FROM pg_database_owner")
    options = 'target_metadata=target_metadata, version_table_schema="app"'
    for ending in (",\n", "\n"):  # offline, online
        project.edit(
            "migrations/env.py", f"target_metadata=target_metadata{ending}", options + ending
        )
    execute = 'op.execute("{} TABLE app.customer {}")'
    upgrade, downgrade = execute.format("CREATE", "(id int)"), execute.format("DROP", "")
    revision = {"revision": "0001", "down": None, "upgrade": upgrade, "downgrade": downgrade}
    (project.migrations / "versions" / "0001_.py").write_text(REVISION.format(**revision))
    project.add_line()
    assert "Applied 1 revision" in project.lossless("upgrade")
    assert " by " in project.lossless("history")
    query = "SELECT table_schema FROM information_schema.tables WHERE table_name = '{}'"
    for table in ("alembic_version", "alembic_lossless_log"):
        assert project.rows(query.format(table)) == [("app",)]
    project.lossless("downgrade", "base", "--force")
    assert "pending  0001" in project.lossless("history")
