"""Reads the schema of a MySQL or MariaDB database, which spells expressions in its own way."""

import re

from sqlalchemy import Connection

from ..quoting import quote
from ..tokens import unquote
from .model import Definitions, Key

_TABLES = """
SELECT table_name, table_comment FROM information_schema.tables
WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY table_name
"""
_COLUMNS = """
SELECT column_name, column_type, collation_name, is_nullable, column_default, extra,
  generation_expression, column_comment
FROM information_schema.columns WHERE table_schema = database() AND table_name = %s
"""

_LINE = re.compile(r"(?P<head>[A-Z ]*)(?P<name>`(?:[^`]|``)+`)?(?P<rest>.*)", re.DOTALL)


def read(connection: Connection) -> Definitions:
    """Read SHOW CREATE TABLE, which prints one definition a line, and the columns' catalogue.

    :param connection: to the database.
    :return: every object and its definition.
    """
    for table, comment in connection.exec_driver_sql(_TABLES).all():
        quoted = quote(table, "mysql").replace("%", "%%")
        sql = connection.exec_driver_sql(f"SHOW CREATE TABLE {quoted}").one()[1]
        _, *lines, options = sql.splitlines()
        options = options.lstrip(") ").partition(" COMMENT=")[0]
        yield Key(table, "table", table), re.sub(r" AUTO_INCREMENT=\d+", "", options)
        yield Key(table, "comment", ""), comment
        checks = {}
        for line in lines:
            match = _LINE.fullmatch(line.strip().rstrip(","))
            assert match, line
            head, rest = match["head"], match["rest"]
            name = unquote(match["name"] or "PRIMARY KEY")
            if head:
                # One word for a constraint and an index: the convention's ix_ tells them apart.
                if head == "UNIQUE KEY " and not name.startswith("ix_"):
                    head = "CONSTRAINT UNIQUE "
                kind = "constraint" if head.startswith(("CONSTRAINT ", "PRIMARY ")) else "index"
                yield Key(table, kind, name), head.removeprefix("CONSTRAINT ") + rest.strip()
            elif " CHECK (" in rest:  # MariaDB's JSON
                checks[name] = rest[rest.index(" CHECK (") :]
        for row in connection.exec_driver_sql(_COLUMNS, (table,)).all():
            yield from _column(table, checks.get(row[0], ""), *row)


def _column(
    table: str,
    check: str,
    name: str,
    kind: str,
    collation: str | None,
    nullable: str,
    default: str | None,
    extra: str,
    generated: str | None,
    comment: str,
) -> Definitions:
    extra = extra.replace("DEFAULT_GENERATED", "").strip()
    no_default = default is None or (nullable == "YES" and default == "NULL")
    default = "" if no_default else default or "''"
    collate = f" COLLATE {collation}" if collation else ""
    yield Key(table, "column", name), kind + collate + check
    yield Key(table, "null", name), "NOT NULL" if nullable == "NO" else None
    yield Key(table, "generated", name), f"{generated} {extra.lower()}" if generated else None
    if not generated:
        yield Key(table, "default", name), f"{default} {extra}"
    yield Key(table, "comment", name), comment
