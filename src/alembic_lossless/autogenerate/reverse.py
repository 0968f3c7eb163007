"""Reads the way back from what a server printed: the operation that makes an object again."""

import re
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql

from ..schema.model import Key
from ..sqlite import parser
from ..sqlite.parser import scan


def as_typed(connection: Connection, key: Key) -> str | None:
    """Return the text of an index or a CHECK where the server keeps what was typed."""
    if connection.dialect.name != "sqlite" or key.kind not in ("index", "constraint"):
        return None
    query = "SELECT sql FROM sqlite_master WHERE name = ?"
    name = key.name if key.kind == "index" else key.table
    sql = str(connection.exec_driver_sql(query, (name,)).scalar_one())
    if key.kind == "index":
        unique = "UNIQUE " if scan(sql)[1].key == "UNIQUE" else ""
        return unique + sql[next(token.start for token in scan(sql) if token.key == "(") :]
    for constraint in parser.parse(sql).all_constraints():
        if constraint.name == key.name and constraint.kind == "check":
            return f"CHECK ({constraint.expression})"
    return None


def index_as_printed(key: Key, printed: str) -> ops.CreateIndexOp:
    """Return the operation that makes the index *key* again."""
    start = printed.index("(")
    columns, rest = inside(printed[start:])
    where = re.fullmatch(r"\s*WHERE\s*(.*)", rest, re.IGNORECASE)
    using = re.search(r"USING (\w+)", printed[:start])
    options: dict[str, Any] = {}
    if where:
        options["postgresql_where"] = options["sqlite_where"] = sa.text(where[1])
    if using and using[1] != "btree":
        options["postgresql_using"] = using[1]
    elements = [_element(column) for column in columns]
    unique = printed.startswith("UNIQUE")
    return ops.CreateIndexOp(key.name, key.table, elements, unique=unique, **options)


def _element(column: str) -> Any:
    plain = re.fullmatch(r"""(["`]?)([^"`()\s]+)\1""", column)
    return plain[2] if plain else sa.text(without_backticks(column))


_FOREIGN_KEY = re.compile(r"FOREIGN KEY (\(.*?\)) REFERENCES (\S+?) ?(\(.*?\))(.*)")


def constraint_as_printed(key: Key, printed: str) -> Any:
    """Return the operation that makes the constraint *key* again; None for an unknown kind."""
    text = without_backticks(printed)
    name = None if key.name == printed else key.name
    columns, (_, rest) = columns_of(text), inside(text[text.index("(") :])
    if text.startswith("CHECK ") and not rest.strip():
        condition = sa.text(text.removeprefix("CHECK (")[:-1])
        return ops.CreateCheckConstraintOp(name, key.table, condition)
    if text.startswith("UNIQUE ") and not rest.strip():
        return ops.CreateUniqueConstraintOp(name, key.table, columns)
    if text.startswith("PRIMARY KEY "):
        return ops.CreatePrimaryKeyOp(name, key.table, columns)
    foreign = _FOREIGN_KEY.fullmatch(text)
    if not foreign:
        return None
    referred = columns_of(foreign[3])
    actions = re.findall(
        r"(?i)on (delete|update) (cascade|restrict|set null|set default)", foreign[4]
    )
    options: dict[str, Any] = {f"on{event.lower()}": act.upper() for event, act in actions}
    for word in ("initially", "match"):
        if said := re.search(rf"(?i)\b{word} (\w+)", foreign[4]):
            options[word] = said[1].upper()
    if re.search(r"(?i)(?<!not )\bdeferrable", foreign[4]):
        options["deferrable"] = True
    return ops.CreateForeignKeyOp(
        name, key.table, foreign[2].strip('"`'), columns, referred, **options
    )


def columns_of(printed: str | None) -> list[str]:
    """Return the columns that a constraint or an index is about, as a server printed it."""
    start = (printed or "").find("(")
    return (
        [name.strip('"`') for name in inside(printed[start:])[0]] if printed and start + 1 else []
    )


def without_backticks(text: str) -> str:
    """Return what MySQL printed with quotes only where a name needs them."""
    quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]
    return re.sub(r"`([^`]+)`", lambda m: m[1] if quote(m[1]) == m[1] else m[0], text)


def inside(text: str) -> tuple[list[str], str]:
    """Return the parts of the parenthesis that *text* begins with, and what follows it."""
    parts, depth, quoted = [""], 0, False
    for at, character in enumerate(text):
        quoted ^= character == "'"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return [part.strip() for part in parts], text[at + 1 :]
        if depth == 1 and character == "," and not quoted:
            parts.append("")
        elif depth > 1 or character != "(":
            parts[-1] += character
    return parts, ""
