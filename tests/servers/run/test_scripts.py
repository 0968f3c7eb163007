"""The SQL that ``plan`` and ``upgrade --sql`` print does by itself what the migration does."""

import sqlalchemy as sa

from tests.servers.run.shop import Shop, ask

PERCENT = """
op.create_table(
    "t",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("rate", sa.String(20), server_default="5 %"),
    sa.CheckConstraint("rate LIKE '% %'", name="ck_t_rate"),
)
op.execute("INSERT INTO t (id, rate) VALUES (1, '100 %')")
"""


def test_percent_signs_are_printed_as_the_database_gets_them(shop: Shop, kind: str) -> None:
    shop.revision("percent", PERCENT, 'op.drop_table("t")')
    plan, script = shop.flask("db", "plan"), shop.flask("db", "upgrade", "--sql")
    for printed in (plan, script):
        assert "LIKE '% %'" in printed
        assert "100 %'" in printed
        assert "%%" not in printed

    shop.flask("db", "upgrade")
    migrated = schema(shop.url), ask(shop.url, "SELECT rate FROM t ORDER BY id")
    for table in ("t", "alembic_version", "alembic_lossless_log"):
        shop.ask(f"DROP TABLE {table}")
    lines = [line for line in script.splitlines() if not line.startswith(("INFO", "--"))]
    # As a shell does, which knows of no parameters.
    options = {"isolation_level": "AUTOCOMMIT", "no_parameters": True}
    engine = sa.create_engine(shop.url, poolclass=sa.NullPool, execution_options=options)
    with engine.connect() as connection:
        for statement in "\n".join(lines).split(";\n"):
            if statement.strip() not in ("", "BEGIN", "COMMIT", "COMMIT;"):
                connection.exec_driver_sql(statement)
    assert (schema(shop.url), ask(shop.url, "SELECT rate FROM t ORDER BY id")) == migrated


def schema(url: str) -> list[object]:
    """What the database says about the default and the CHECK."""
    inspector = sa.inspect(sa.create_engine(url, poolclass=sa.NullPool))
    columns = [(column["name"], column["default"]) for column in inspector.get_columns("t")]
    return [*columns, *(check["sqltext"] for check in inspector.get_check_constraints("t"))]
