"""Reads the schema of a MySQL or MariaDB database, which spells expressions in its own way."""

import re

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from ..quoting import qualified, quote
from ..tokens import scan, unquote
from .model import (
    ColumnType,
    Comment,
    Counter,
    Default,
    Definitions,
    Generated,
    Index,
    Key,
    NotNull,
    Table,
)
from .printed import constraint, element, parenthesis

_TABLES = """
SELECT table_name, table_comment FROM information_schema.tables
WHERE table_schema = database() AND table_type = 'BASE TABLE' ORDER BY table_name
"""
_COLUMNS = """
SELECT column_name, column_type, collation_name, is_nullable, column_default, extra,
  generation_expression, column_comment
FROM information_schema.columns WHERE table_schema = database() AND table_name = %s
"""

#: How a column is printed that numbers the rows.
AUTO_INCREMENT = "auto_increment"

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
        yield Key(table, "table", table), _table(options.lstrip(") ").partition(" COMMENT=")[0])
        if comment:
            yield Key(table, "comment", ""), Comment(comment)
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
                text = without_backticks(rest.strip())
                if head.startswith(("CONSTRAINT ", "PRIMARY ")):
                    text = head.removeprefix("CONSTRAINT ") + text
                    yield Key(table, "constraint", name), constraint(text, "mysql")
                else:
                    yield Key(table, "index", name), _index(head, text)
            elif " CHECK (" in rest:  # MariaDB's JSON
                checks[name] = rest.partition(" CHECK (")[2].removesuffix(")")
        for row in connection.exec_driver_sql(_COLUMNS, (table,)).all():
            yield from _column(table, checks.get(row[0]), *row)


_OPTION = re.compile(r"([A-Z_]+(?: [A-Z_]+)*)=('(?:[^']|'')*'|\S+)\s*")


def _table(options: str) -> Table:
    settings = dict(_OPTION.findall(options))
    settings.pop("AUTO_INCREMENT", None)
    rest = _OPTION.sub("", options).strip()
    return Table(frozenset({rest} if rest else ()), tuple(settings.items()))


def _index(head: str, text: str) -> Index:
    """Read an index: what stands before its name, and behind it."""
    _, elements, options = parenthesis(text, "mysql")
    word = head.removesuffix("KEY ").strip()
    is_unique = word == "UNIQUE"
    return Index(
        tuple(element(text, "mysql") for text in elements),
        unique=is_unique,
        method="" if is_unique else word,
        options=options.strip(),
    )


def _column(
    table: str,
    check: str | None,
    name: str,
    type_: str,
    collation: str | None,
    nullable: str,
    default: str | None,
    extra: str,
    generated: str | None,
    comment: str,
) -> Definitions:
    extra = extra.replace("DEFAULT_GENERATED", "").strip()
    yield Key(table, "column", name), ColumnType(type_, collation, check, _values(type_))
    if nullable == "NO":
        yield Key(table, "null", name), NotNull()
    if generated:
        yield Key(table, "generated", name), Generated(generated, extra.lower())
    elif extra == AUTO_INCREMENT:
        yield Key(table, "default", name), Counter(AUTO_INCREMENT)
    else:
        has_none = default is None or (nullable == "YES" and default == "NULL")
        expression = "" if has_none else default or "''"
        if expression or extra:
            yield Key(table, "default", name), Default(expression, extra)
    if comment:
        yield Key(table, "comment", name), Comment(comment)


def _values(type_: str) -> tuple[str, ...]:
    """Return the values of an enum that is a column's own."""
    tokens = scan(type_, "mysql") if type_.startswith("enum(") else ()
    return tuple(token.name for token in tokens if token.kind == "string")


def without_backticks(text: str) -> str:
    """Return what MySQL printed with quotes only where a name needs them."""
    plain = postgresql.dialect()  # type: ignore[no-untyped-call]
    return re.sub(r"`([^`]+)`", lambda m: m[1] if qualified(plain, m[1]) == m[1] else m[0], text)
