"""Reads the way back from what a server printed: the operation that makes an object again."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import conv

from ..quoting import qualified
from ..schema.diff import Difference
from ..schema.model import Key, Schema
from ..schema.sqlite import spell_constraint
from ..sqlite import names, parser
from ..tokens import scan
from .comparison import Lookup


def recreate(key: Key, printed: str, lookup: Lookup) -> Any:
    """Return what makes an index or a constraint again; None for an unknown kind of constraint.

    :param key: its name, and its table's.
    :param printed: what the server prints of it; what the chain declares comes first.
    """
    op = lookup.declared.objects.get((key.table, key.name))
    is_index = isinstance(op, ops.CreateIndexOp)
    if op is None or is_index != (key.kind == "index"):
        text = as_typed(lookup.connection, key) or printed
        op = (index_as_printed if key.kind == "index" else constraint_as_printed)(key, text)
    if isinstance(op, ops.CreateCheckConstraintOp) and op.constraint_name:
        op.constraint_name = conv(key.name)  # also where the table has another name by then
    lookup.separate_schema(op)
    return op


def unnamed_on_sqlite(connection: Connection, key: Key, printed: str) -> tuple[conv, str] | None:
    """Name a constraint that has no name on SQLite, as a revision that drops it does.

    :param key: as the reader gives it, with the text for the name.
    :param printed: the text.
    :return: the name by which it is found (sqlite/names.py), and a CHECK's condition as it was
        typed; None where it has a name, or no convention can give one.
    """
    if key.name != printed or connection.dialect.name != "sqlite":
        return None
    query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
    table = parser.parse(str(connection.exec_driver_sql(query, (key.table,)).scalar_one()))
    for constraint in table.constraints_of(*parser.NAMED_KINDS):
        if constraint.name is None and spell_constraint(constraint) == printed:
            name = names.by_convention(table, constraint)
            return (conv(name), constraint.expression) if name else None
    return None


def unchanged_foreign_keys(
    items: Mapping[Key, Difference], wanted: Schema
) -> Iterator[tuple[Key, Any]]:
    """Yield the foreign keys of *wanted* that are not among *items*, with what adds each.

    :param items: what differs.
    :param wanted: the schema of the models.
    """
    for key, text in wanted.items():
        if text.startswith("FOREIGN KEY") and key not in items:
            yield key, constraint_as_printed(key, text)


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
    plain = postgresql.dialect()  # type: ignore[no-untyped-call]
    return re.sub(r"`([^`]+)`", lambda m: m[1] if qualified(plain, m[1]) == m[1] else m[0], text)


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
