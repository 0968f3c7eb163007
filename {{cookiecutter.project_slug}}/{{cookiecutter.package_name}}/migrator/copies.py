"""A database as statements that make it again: MySQL and MariaDB have no copy of their own."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, text

from . import schema

#: Where ``SHOW CREATE …`` has the statement.
_PLACES = {"view": 1, "trigger": 2, "procedure": 2, "function": 2}


def tables(connection: Connection) -> list[str]:
    """Return what makes the tables of *connection*'s database again."""
    return [_shown(connection, "table", name, 1) for name in inspect(connection).get_table_names()]


def statements(connection: Connection) -> list[str] | None:
    """Return what makes the database of *connection* again; None where it has a sequence."""
    kinds = connection.execute(text("SHOW FULL TABLES WHERE table_type = 'SEQUENCE'"))
    if kinds.all():
        return None
    rows = [
        row for name in inspect(connection).get_table_names() for row in _rows(connection, name)
    ]
    return [*tables(connection), *rows, *_others(connection)]


def carry_out(connection: Connection, made: Sequence[str]) -> None:
    """Run what :func:`tables` or :func:`statements` returned, in an empty database."""
    raw: Any = connection.connection.driver_connection
    with raw.cursor() as cursor:  # past SQLAlchemy, which takes a per cent sign for a parameter
        cursor.execute("SET @mode = @@sql_mode, foreign_key_checks = 0")
        cursor.execute("SET sql_mode = concat(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')")
        for statement in made:
            cursor.execute(statement)
        cursor.execute("SET foreign_key_checks = 1, sql_mode = @mode")
    raw.commit()


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _shown(connection: Connection, kind: str, name: str, place: int) -> str:
    shown = f"SHOW CREATE {kind} {_quoted(name)}"
    options = {"no_parameters": True}  # a per cent sign stands for itself
    return str(connection.exec_driver_sql(shown, execution_options=options).one()[place])


def _rows(connection: Connection, table: str) -> Iterator[str]:
    raw: Any = connection.connection.driver_connection
    listed = text(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = database()"
        " AND table_name = :name AND coalesce(generation_expression, '') = ''"
    )
    names = ", ".join(map(_quoted, connection.scalars(listed, {"name": table})))
    with raw.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {_quoted(table)}")
        rows = cursor.fetchall()
        marks = ", ".join(["%s"] * len(cursor.description))
        into = f"INSERT INTO {_quoted(table)} ({names})".replace("%", "%%")
        for row in rows:
            yield cursor.mogrify(f"{into} VALUES ({marks})", row)


def _others(connection: Connection) -> Iterator[str]:
    """Yield the functions, procedures, triggers and views: one that names another comes later."""
    waiting: dict[str, str] = {}
    for item in schema.kept(connection, MetaData()):
        kind, name, *_ = item.split()
        if kind in _PLACES:
            waiting[f"`{name}`"] = _shown(connection, kind, name, _PLACES[kind])
    while waiting:
        for name, made in waiting.items():
            if not any(other in made for other in waiting if other != name):
                break
        yield waiting.pop(name)
