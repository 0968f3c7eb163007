"""Reads the schema of a SQLite database.

SQLite keeps the text that was typed; our own parser of ``CREATE TABLE`` makes two spellings one.
"""

from sqlalchemy import Connection

from .. import naming
from ..sqlite import parser
from ..sqlite.parser import fold
from ..tokens import scan
from .model import (
    Check,
    ColumnType,
    Constraint,
    Default,
    Definitions,
    Generated,
    Index,
    Key,
    NotNull,
    PrimaryKey,
    Table,
    Unique,
)
from .printed import foreign_key, parenthesis


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
            yield Key(table, "index", name), _index(sql)


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
    counter = {"AUTOINCREMENT"} if table.autoincrement else set()
    yield Key(name, "table", name), Table(frozenset(table.options | counter))
    for column in table.columns:
        usual = fold(column.collate or "binary") == "binary"
        type_ = ColumnType(_plain(column.type).upper(), None if usual else column.collate)
        yield Key(name, "column", column.name), type_
        if column.not_null:
            yield Key(name, "null", column.name), NotNull()
        if default := _bare(column.default or ""):
            yield Key(name, "default", column.name), Default(default)
        if column.generated:
            expression = f"({_bare(column.generated.expression)})"
            stored = column.generated.options or "virtual"
            yield Key(name, "generated", column.name), Generated(expression, stored)
    for constraint in table.constraints_of(*parser.NAMED_KINDS):
        definition = definition_of(constraint)
        # AUTOINCREMENT leaves SQLAlchemy no place for the primary key's name.
        is_primary = isinstance(definition, PrimaryKey)
        usual_name = naming.primary_key(name) if is_primary else str(definition)
        yield Key(name, "constraint", constraint.name or usual_name), definition


def definition_of(constraint: parser.ParsedConstraint) -> Constraint:
    """Return the definition of a constraint.

    :param constraint: as it was parsed from the text of its table.
    :return: an equal one for every spelling that means the same.
    """
    options = constraint.options.replace("autoincrement", "").strip()
    if constraint.kind == "check":
        return Check(_bare(constraint.expression), options, constraint.expression)
    if constraint.kind == "foreignkey":
        referred = constraint.referred_table, constraint.referred_columns
        return foreign_key(constraint.columns, *referred, options)
    kind = PrimaryKey if constraint.kind == "primary" else Unique
    return kind(constraint.columns, options)


def _index(sql: str) -> Index:
    """Read a CREATE INDEX, without parentheses around the whole of one of its expressions."""
    head, typed, rest = parenthesis(sql, "sqlite")
    where = scan(rest)[1:]  # after the word
    condition = rest[where[0].start : where[-1].end] if where else ""
    return Index(
        tuple(map(_bare, typed)),
        unique=scan(head)[1].key == "UNIQUE",
        condition=_bare(condition),
        typed=tuple(typed),
        typed_condition=condition,
    )


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


def _whole(text: str) -> bool:
    depth = 0
    for at, token in enumerate(tokens := scan(text)):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return at == len(tokens) - 1
    return False
