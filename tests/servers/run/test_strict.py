"""MySQL and MariaDB whose sessions are not strict: a migration refuses what it would cut."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import DBAPIError

from alembic_lossless.run.connection import Target, borrowed
from tests.conftest import Databases
from tests.servers.run.shop import TABLE, Shop
from tests.support.handwritten import Handwritten

#: What an old installation's server, or the project's own engine, may say to each session.
LAX = "SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'"

ROWS = "SELECT id, name, length(note), born FROM t ORDER BY id"


def lax(url: str) -> sa.Engine:
    """Return the engine of a project whose table holds what a strict session cannot write."""
    arguments = {"init_command": LAX}
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100), note LONGTEXT,"
            " born DATETIME)",
            "INSERT INTO t (name, note) VALUES ('a long name', repeat('x', 70000)), (NULL, 'y')",
            "INSERT INTO t (born) VALUES ('0000-00-00')",
        ):
            connection.exec_driver_sql(statement)
    return engine


@pytest.mark.parametrize(
    "change",
    [
        {"column_name": "name", "existing_type": sa.String(100), "type_": sa.String(4)},
        {"column_name": "note", "existing_type": mysql.LONGTEXT(), "type_": mysql.TEXT()},
        {"column_name": "name", "existing_type": sa.String(100), "nullable": False},
    ],
    ids=["a shorter text", "LONGTEXT to TEXT", "NOT NULL"],
)
def test_alter_column_refuses_values_that_do_not_fit(
    mariadb: Databases, change: dict[str, Any]
) -> None:
    engine = lax(mariadb())
    with engine.connect() as connection:
        before = connection.exec_driver_sql(ROWS).all()
    with Target(engine.url, engine).connect() as connection:
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(DBAPIError):
            op.alter_column("t", **change)
        # No other mode comes with it: the table holds a zero date.
        op.alter_column("t", "name", existing_type=sa.String(100), type_=sa.Text())
    with engine.connect() as connection:
        assert connection.exec_driver_sql(ROWS).all() == before


def test_a_connection_that_a_caller_gave_is_strict_meanwhile(mariadb: Databases) -> None:
    mode = "SELECT @@SESSION.sql_mode"
    with lax(mariadb()).connect() as connection:
        with borrowed(connection):
            within = connection.exec_driver_sql(mode).scalar_one()
        assert set(within.split(",")) == {"NO_ENGINE_SUBSTITUTION", "STRICT_TRANS_TABLES"}
        assert connection.exec_driver_sql(mode).scalar_one() == "NO_ENGINE_SUBSTITUTION"


def test_an_upgrade_that_would_cut_values_fails(mariadb: Databases, tmp_path: Any) -> None:
    engine = lax(mariadb())
    url = engine.url.update_query_dict({"init_command": LAX})
    shop = Shop(tmp_path / "shop", url.render_as_string(hide_password=False))
    shop.revision("a1", 'op.execute("ALTER TABLE t MODIFY name VARCHAR(4)")')
    output = shop.flask("db", "upgrade", code=1)
    assert "Data too long for column 'name'" in output
    assert "nothing of it is in the database" in output
    assert shop.ask("SELECT max(length(name)) FROM t") == [(11,)]


def test_revision_after_one_that_sets_another_mode_is_strict(
    mariadb: Databases, tmp_path: Path
) -> None:
    """Dumps begin with such a statement."""
    chain = Handwritten(tmp_path / "migrations", mariadb())
    chain.add("a1", "op.execute(\"SET SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO'\")\n" + TABLE)
    chain.add("a2", 'op.execute("ALTER TABLE t ADD COLUMN name VARCHAR(3)")')
    chain.add("a3", "op.execute(\"UPDATE t SET name = 'abcdef'\")")
    assert "Data too long for column 'name'" in str(chain.failure())
    assert chain.ask("SELECT name FROM t") == [(None,)]
