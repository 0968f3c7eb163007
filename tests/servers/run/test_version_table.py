"""A project that names its version table: every command reads and writes that one."""

from collections.abc import Callable

from tests.servers.run.shop import TABLE, Shop


def test_named_version_table_serves_every_command(start: Callable[..., Shop], kind: str) -> None:
    schema = "meta" if kind == "postgresql" else None
    shop = start()
    extensions = shop.package / "extensions.py"
    named = f', version_table="our_versions", version_table_schema={schema!r})'
    text = extensions.read_text()
    extensions.write_text(text.replace('"migrations")))', f'"migrations")){named}'))
    if schema:
        shop.ask(f"CREATE SCHEMA {schema}")
    shop.revision("a1", TABLE, 'op.drop_table("t")')
    shop.revision(
        "a2", 'op.add_column("t", sa.Column("m", sa.Integer))', 'op.drop_column("t", "m")'
    )
    shop.flask("db", "upgrade", "a1")
    table = f"{schema}.our_versions" if schema else "our_versions"
    assert shop.ask(f"SELECT version_num FROM {table}") == [("a1",)]
    assert "alembic_version" not in shop.tables()
    output = shop.flask("db", "plan")
    assert "1 migration pending" in output
    assert "our_versions" not in output
    assert "a2" in shop.flask("db", "history")
    assert shop.python_run(READY).strip() == "503"
    shop.flask("db", "upgrade")
    assert shop.python_run(READY).strip() == "200"
    assert "Nothing to do: at a2" in shop.flask("db", "upgrade")
    assert "a2" in shop.flask("db", "stamp", "a2")
    shop.flask("db", "downgrade", "--force")
    assert shop.ask(f"SELECT version_num FROM {table}") == [("a1",)]
    assert shop.ask("SELECT n FROM t") == [(1,)]
    if kind == "sqlite":
        shop.flask("db", "undo", "--force")
        assert shop.ask(f"SELECT version_num FROM {table}") == [("a2",)]
        shop.flask("db", "reset", "--force", MIGRATION_DEVELOPMENT=1)
        assert shop.ask(f"SELECT version_num FROM {table}") == [("a2",)]


READY = """
from wsgi import app
print(app.test_client().get("/health/ready").status_code)
"""
