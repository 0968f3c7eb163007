"""A project that configures much in env.py and alembic.ini, from stock to ours and back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.library.alembic.project import GUARD, AlembicProject

#: What a stock env.py gives ``context.configure``, beside the connection and the models.
OPTIONS = """
def include_object(item, name, kind, reflected, compare_to):
    return name not in ("legacy", "alembic_lossless_log")


def include_name(name, kind, parents):
    return kind != "schema" or name in (None, "app")


def number(context, revision, directives):
    if directives[0].upgrade_ops.is_empty():
        if getattr(context.config.cmd_opts, "autogenerate", False):
            directives[:] = []
        return
    head = context.script.get_current_head()
    directives[0].rev_id = f"{int(head or 0) + 1:04}"


OPTIONS = {
    "include_object": include_object,
    "include_name": include_name,
    "include_schemas": True,
    "process_revision_directives": number,
    "version_table": "versions",
    "version_table_pk": False,
    "compare_server_default": False,
    "user_module_prefix": "models.",
}
"""

INI = """script_location = %(here)s/migrations
version_locations = %(here)s/migrations/versions:%(here)s/more
file_template = %%(year)d_%%(month).2d_%%(day).2d_%%(rev)s_%%(slug)s
timezone = UTC
"""

HOOKS = """
[post_write_hooks]
hooks = note
note.type = exec
note.executable = touch
note.options = REVISION_SCRIPT_FILENAME.formatted
"""

CUSTOMER = """op.create_table("customer", sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(50), nullable=False, server_default="nobody"),
        sa.Column("note", sa.String(50)),
        sa.Column("status", sa.Enum("open", "paid", name="status"), nullable=False))"""
LEGACY = 'op.create_table("legacy", sa.Column("id", sa.Integer(), primary_key=True))'


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> AlembicProject:
    """The project at its tenth revision by stock, with rows."""
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param != "sqlite":
        databases: Callable[[], str] = request.getfixturevalue(request.param)
        url = databases()
    project = AlembicProject(tmp_path / "project", url, "generic")
    project.edit("alembic.ini", "script_location = %(here)s/migrations\n", INI)
    ini = project.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("[post_write_hooks]", HOOKS))
    project.edit("migrations/env.py", "def run_migrations_offline", OPTIONS + "\n\ndef offline")
    env = project.migrations / "env.py"
    text = env.read_text().replace("def offline", "def run_migrations_offline")
    text = text.replace(
        "target_metadata=target_metadata", "target_metadata=target_metadata, **OPTIONS"
    )
    env.write_text(text)
    project.edit(
        "migrations/script.py.mako",
        "import sqlalchemy as sa",
        "import models\nimport sqlalchemy as sa",
    )
    project.write_chain(
        [(CUSTOMER, 'op.drop_table("customer")'), (LEGACY, 'op.drop_table("legacy")')],
        [project.migrations / "versions", project.folder / "more"],
    )
    if request.param == "postgresql":
        project.rows(
            "CREATE SCHEMA app", "CREATE SCHEMA audit", "CREATE TABLE audit.log (id INTEGER)"
        )
    project.run("alembic", "upgrade", "head")
    project.rows(
        "INSERT INTO customer (id, name, status) VALUES (1, 'Ada', 'open'), (2, 'Grace', 'paid')",
        "INSERT INTO legacy VALUES (7)",
    )
    project.run("alembic", "check")
    return project


MONEY = """

class Money(sa.TypeDecorator):
    impl = sa.Numeric(10, 2)
    cache_ok = True


sa.Table("invoice", metadata, sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("total", Money()), schema=SCHEMA)
"""
NOTE = '    sa.Column("note", sa.String(50)),\n'


def test_configured_project_from_stock_to_ours_and_back(project: AlembicProject) -> None:
    is_server = project.url.startswith("postgresql")
    sql = "upgrade", "0002:0004", "--sql"
    stock_sql = project.run("alembic", *sql) if is_server else ""
    project.add_line()
    if is_server:
        assert _statements(project.lossless(*sql)) == _statements(stock_sql)
    assert "models and migrations agree\n" in project.lossless("check")
    project.edit("models.py", NOTE, "")
    models = project.folder / "models.py"
    models.write_text(
        models.read_text() + MONEY.replace("SCHEMA", repr("app") if is_server else "None")
    )
    written = project.lossless(
        "migrate", "-m", "invoices", "--accept", "drop-column customer.note: unused",
        "--version-path", "more",
    )  # fmt: skip
    assert "rehearsed on" in written
    files = sorted((project.folder / "more").glob("2*_0011_*.py"))
    files += sorted((project.folder / "more").glob("2*_0012_*.py"))
    assert [file.name[11:] for file in files] == ["0011_invoices.py", "0012_invoices_contract.py"]
    text = "".join(file.read_text() for file in files)
    assert "models.Money(" in text
    for left_out in ("legacy", "audit", "nobody", "alembic_lossless_log"):
        assert left_out not in text
    for file in files:
        assert file.with_name(f"{file.name}.formatted").exists()
    assert "rehearsed on" in project.lossless("rehearse")
    assert "2 migrations pending" in project.lossless("plan")
    assert "at 0012" in project.lossless("upgrade")
    assert project.rows("SELECT version_num FROM versions") == [("0012",)]
    assert project.rows("SELECT id, name FROM customer ORDER BY id") == [(1, "Ada"), (2, "Grace")]
    assert project.rows("SELECT id FROM legacy") == [(7,)]
    assert "models and migrations agree\n" in project.lossless("check")
    assert "Nothing to do" in project.lossless("stamp", "head")
    assert "at 0010" in project.lossless("downgrade", "0010", "--force")

    project.edit("migrations/env.py", GUARD, "config = context.config\n")
    project.run("alembic", "upgrade", "head")
    project.run("alembic", "check")
    project.run("alembic", "downgrade", "0002")
    project.run("alembic", "upgrade", "head")
    assert project.rows("SELECT id, name FROM customer ORDER BY id") == [(1, "Ada"), (2, "Grace")]
    assert project.rows("SELECT id FROM legacy") == [(7,)]


def _statements(printed: str) -> list[str]:
    """The lines of SQL, without what Alembic logs."""
    return [line for line in printed.splitlines() if line and not line.startswith("INFO")]
