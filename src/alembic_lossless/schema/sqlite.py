"""Reads the schema of a SQLite database.

SQLite keeps the text that was typed; our own parser of ``CREATE TABLE`` makes two spellings one.
"""

import re

from sqlalchemy import Connection

from .. import naming
from ..sqlite import parser
from ..sqlite.parser import fold
from ..tokens import scan
from .model import Definitions, Key


def read(connection: Connection) -> Definitions:
    """Read the schema of a SQLite database.

    :param connection: to the database; attached ones are not looked at.
    :return: every object and its definition.
    """
    ordinary = tables(connection, "table")
    rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master")
    for kind, name, table, sql in rows.all():
        if kind == "table" and name in ordinary:
            yield from _table(name, sql)
        elif kind == "index" and sql and table in ordinary:
            unique = "UNIQUE " if scan(sql)[1].key == "UNIQUE" else ""
            start = next(token.end for token in scan(sql) if token.key == "ON")
            yield Key(table, "index", name), f"{unique}INDEX ON {_index(_plain(sql[start:]))}"


def tables(connection: Connection, *kinds: str) -> set[str]:
    """Return the tables of a SQLite database, without SQLite's own.

    :param connection: to the database; attached ones are not looked at.
    :param kinds: those of https://www.sqlite.org/pragma.html#pragma_table_list: ``table``,
        ``virtual``, and ``shadow``, in which a virtual table keeps what it holds.
    """
    return {
        name
        for schema, name, kind, *_ in connection.exec_driver_sql("PRAGMA table_list")
        if schema == "main" and kind in kinds and not name.startswith("sqlite_")
    }


def virtual_tables(connection: Connection) -> set[str]:
    """Return what models cannot express: virtual tables, and the tables that they keep.

    :param connection: to a database of any kind; others than SQLite have none.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    return tables(connection, "virtual", "shadow") if is_sqlite else set()


def _table(name: str, sql: str) -> Definitions:
    """Describe one table; where a constraint is written, at its column or after, is no matter."""
    table = parser.parse(sql)
    counter = ["AUTOINCREMENT"] if table.autoincrement else []
    yield Key(name, "table", name), " ".join(["TABLE", *sorted(table.options), *counter])
    for column in table.columns:
        usual = fold(column.collate or "binary") == "binary"
        collation = "" if usual else f" COLLATE {column.collate}"
        yield Key(name, "column", column.name), _plain(column.type).upper() + collation
        yield Key(name, "null", column.name), "NOT NULL" if column.not_null else None
        yield Key(name, "default", column.name), _bare(column.default or "")
        if column.generated:
            expression = f"({_bare(column.generated.expression)})"
            stored = column.generated.options or "virtual"
            yield Key(name, "generated", column.name), f"{expression} {stored}"
    for constraint in table.constraints_of(*parser.NAMED_KINDS):
        text = spell_constraint(constraint)
        # AUTOINCREMENT leaves SQLAlchemy no place for the primary key's name.
        own = naming.primary_key(name) if constraint.kind == "primary" else text
        yield Key(name, "constraint", constraint.name or own), text


def _plain(text: str) -> str:
    """Spell *text* one way: names without quotes, as ``RENAME COLUMN`` puts them in."""
    tokens = scan(text)
    return " ".join(fold(t.name) if t.kind in ("word", "quoted") else t.text for t in tokens)


def _bare(text: str) -> str:
    """Spell an expression one way, without parentheses around the whole of it."""
    plain = _plain(text)
    while plain.startswith("( ") and plain.endswith(" )") and _whole(plain):
        plain = plain[2:-2]
    return plain


def _index(plain: str) -> str:
    """Spell an index one way, without parentheses around the whole of one of its expressions."""
    parts, depth = [""], 0
    for token in scan(plain):
        depth -= token.text == ")"
        if (depth == 1 and token.text == ",") or (depth == 0 and token.text == ")"):
            parts += [token.text, ""]
        else:
            parts[-1] += f"{token.text} "
        depth += token.text == "("
        if depth == 1 and token.text == "(":
            parts.append("")
    return " ".join(_bare(part.strip()) for part in parts)


def _whole(text: str) -> bool:
    depth = 0
    for at, token in enumerate(tokens := scan(text)):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return at == len(tokens) - 1
    return False


def spell_constraint(constraint: parser.ParsedConstraint) -> str:
    """Spell one constraint in one way, without its name.

    :param constraint: as it was parsed from the text of its table.
    :return: the same text for every spelling that means the same.
    """
    columns = ", ".join(constraint.columns)
    options = constraint.options.replace("autoincrement", "")
    options = " ".join(sorted(part.strip() for part in re.split(r"(?=\bon\b)", options)))
    if constraint.kind == "check":
        return f"CHECK ({_bare(constraint.expression)}) {options}".strip()
    if constraint.kind == "foreignkey":
        referred = f"{constraint.referred_table} ({', '.join(constraint.referred_columns)})"
        return f"FOREIGN KEY ({columns}) REFERENCES {referred} {options}".strip()
    kind = {"primary": "PRIMARY KEY", "unique": "UNIQUE"}[constraint.kind]
    return f"{kind} ({columns}) {options}".strip()
