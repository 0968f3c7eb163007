"""A chain written for PostgreSQL, without batch mode, run on SQLite and on a real PostgreSQL.

After each revision, up and down, the two databases have the same tables, columns, nullability,
primary keys, foreign keys, UNIQUE, CHECK, indexes and rows.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)
from tests.support.sqlite import private_engine

CHAIN = Path(__file__).parent / "chain"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(CHAIN))
    return config


def _revisions() -> list[str]:
    walked = ScriptDirectory.from_config(_config()).walk_revisions()
    return [script.revision for script in walked][::-1]


@contextmanager
def _opened(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def described(connection: sa.Connection) -> dict[str, dict[str, Any]]:
    """Return what the migrations have made, as SQLAlchemy sees it on either database."""
    inspector = sa.inspect(connection)
    found = {}
    for table in inspector.get_table_names():
        columns = inspector.get_columns(table)
        names = ", ".join(f'"{name}"' for name in sorted(column["name"] for column in columns))
        held = connection.exec_driver_sql(f"SELECT {names} FROM {table}").fetchall()
        found[table] = {
            "columns": sorted((column["name"], column["nullable"]) for column in columns),
            "primary key": set(inspector.get_pk_constraint(table)["constrained_columns"]),
            "foreign keys": sorted(map(_foreign_key, inspector.get_foreign_keys(table))),
            "uniques": sorted(
                sorted(unique["column_names"]) for unique in inspector.get_unique_constraints(table)
            ),
            "checks": sorted(map(_check, inspector.get_check_constraints(table))),
            "indexes": sorted(
                (index["name"], tuple(index["column_names"]), bool(index["unique"]))
                for index in inspector.get_indexes(table)
                if "duplicates_constraint" not in index
            ),
            "rows": sorted(map(repr, held)),
        }
    connection.rollback()
    return found


def _foreign_key(key: Any) -> tuple[object, ...]:
    return (
        key["constrained_columns"],
        key["referred_table"],
        key["referred_columns"],
        key["options"].get("ondelete"),
    )


def _check(check: Any) -> str:
    """Return the condition without the casts and parentheses that PostgreSQL puts in."""
    return re.sub(r"::[a-z ]+|[()\s]", "", check["sqltext"].lower())


def _step(connection: sa.Connection, target: str, *, up: bool) -> None:
    config = _config()
    config.attributes["connection"] = connection
    (command.upgrade if up else command.downgrade)(config, target)


def test_same_schema_and_rows_as_postgresql(tmp_path: Path, postgresql: Any) -> None:
    """Up to the head and down to nothing, SQLite and PostgreSQL agree at every revision."""
    revisions = _revisions()
    assert len(revisions) >= 35
    way = [(revision, True) for revision in revisions]
    way += [(revision, False) for revision in ["base", *revisions[:-1]][::-1]]
    server = sa.create_engine(postgresql())
    with (
        _opened(server) as there,
        _opened(private_engine(tmp_path / "chain.sqlite")) as here,
    ):
        for revision, up in way:
            direction = "up" if up else "down"
            _step(there, revision, up=up)
            _step(here, revision, up=up)
            wanted, found = described(there), described(here)
            assert found.keys() == wanted.keys(), f"{direction} to {revision}"
            for table in wanted:
                assert found[table] == wanted[table], f"{direction} to {revision}: {table}"
        assert wanted.keys() == {"alembic_version"}
        (whole,) = here.exec_driver_sql("PRAGMA integrity_check").one()
        assert whole == "ok"
