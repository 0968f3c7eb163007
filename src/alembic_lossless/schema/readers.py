"""Reads what each server prints of its own schema: one text for an object, in one spelling.

PostgreSQL and MySQL spell an expression in their own way, whatever was typed. SQLite keeps the
text that was typed; our own reader of ``CREATE TABLE`` makes two spellings one.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection

from ..sqlite import parser
from ..sqlite.parser import fold, scan
from . import mysql, naming


class Key(NamedTuple):
    """One object, or one property of a column.

    *kind* is table, column (its type and collation), null, default, generated, comment (of the
    table where *name* is empty), constraint, index, type or sequence.
    """

    table: str
    kind: str
    name: str

    @property
    def bare(self) -> str:
        """Return the name; a table's without its schema."""
        return self.name.rpartition(".")[2] if self.kind == "table" else self.name

    def __str__(self) -> str:
        if self.kind == "column":
            return f"{self.table}.{self.name}"
        if self.kind in PROPERTIES:
            return f"{self.kind} of {self.table}.{self.name}".removesuffix(".")
        if self.kind == "table":
            return f"table {self.table}"
        return f"{self.kind} {self.name}" + (f" on {self.table}" if self.table else "")


#: The kinds that are properties of a column, or of a table where no column is named.
PROPERTIES = ("null", "default", "generated", "comment")

Rows = Iterator[tuple[Key, str | None]]


def _sqlite(connection: Connection) -> Rows:
    ordinary = {
        name
        for _, name, kind, *_ in connection.exec_driver_sql("PRAGMA table_list")
        if kind == "table" and not name.startswith("sqlite_")
    }
    rows = connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master")
    for kind, name, table, sql in rows.all():
        if kind == "table" and name in ordinary:
            yield from _sqlite_table(name, sql)
        elif kind == "index" and sql and table in ordinary:
            unique = "UNIQUE " if scan(sql)[1].key == "UNIQUE" else ""
            start = next(token.end for token in scan(sql) if token.key == "ON")
            yield Key(table, "index", name), f"{unique}INDEX ON {_index(_plain(sql[start:]))}"


def _sqlite_table(name: str, sql: str) -> Rows:
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
        text = sqlite_constraint(constraint)
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


def sqlite_constraint(constraint: parser.ParsedConstraint) -> str:
    """Spell one constraint of SQLite's, without its name."""
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


_POSTGRESQL = """
WITH relations AS (
  SELECT c.oid, c.relkind, c.reloptions, c.relname,
    CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname || '.' END || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
    SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'))
SELECT name, 'table', name, 'TABLE ' || coalesce(reloptions::text, '')
FROM relations WHERE relkind IN ('r', 'p')
UNION ALL
SELECT name, 'comment', '', obj_description(oid, 'pg_class')
FROM relations WHERE relkind IN ('r', 'p')
UNION ALL
SELECT r.name, v.kind, a.attname, v.value
FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_attrdef ad ON ad.adrelid = r.oid AND ad.adnum = a.attnum,
LATERAL (SELECT pg_get_expr(ad.adbin, ad.adrelid) AS text, EXISTS (
  SELECT 1 FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  WHERE d.refobjid = r.oid AND d.refobjsubid = a.attnum AND d.deptype = 'a') AS serial) e,
LATERAL (VALUES
  ('column', concat_ws(' COLLATE ', format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN co.collname END)),
  ('null', CASE WHEN a.attnotnull THEN 'NOT NULL' END),
  ('default', CASE WHEN a.attidentity = 'a' THEN 'IDENTITY ALWAYS' WHEN a.attidentity = 'd'
    THEN 'IDENTITY' WHEN e.serial THEN 'SERIAL' WHEN a.attgenerated = '' THEN e.text END),
  ('generated', CASE a.attgenerated WHEN 's' THEN e.text || ' stored'
    WHEN 'v' THEN e.text || ' virtual' END),
  ('comment', col_description(r.oid, a.attnum))) v (kind, value)
WHERE r.relkind IN ('r', 'p')
UNION ALL
SELECT r.name, 'constraint', k.conname, pg_get_constraintdef(k.oid)
FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid WHERE k.contype <> 'n'
UNION ALL
SELECT r.name, 'index', i.relname, regexp_replace(pg_get_indexdef(x.indexrelid),
  '^CREATE (UNIQUE )?INDEX .*? ON (ONLY )?\\S+ USING', '\\1INDEX USING')
  || CASE WHEN x.indisvalid THEN '' ELSE ' INVALID' END
FROM pg_index x JOIN relations r ON r.oid = x.indrelid JOIN relations i ON i.oid = x.indexrelid
WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid
  AND k.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT '', 'type', t.typname, 'ENUM ' || (SELECT string_agg(quote_literal(enumlabel), ', '
  ORDER BY enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)
FROM pg_type t WHERE t.typtype = 'e'
UNION ALL
SELECT '', 'sequence', r.name, concat_ws(' ', format_type(s.seqtypid, NULL), seqstart,
  seqincrement, seqmin, seqmax, seqcycle)
FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid WHERE NOT EXISTS (
  SELECT 1 FROM pg_depend d WHERE d.objid = r.oid AND d.deptype IN ('a', 'i'))
"""


def _postgresql(connection: Connection) -> Rows:
    for table, kind, name, value in connection.exec_driver_sql(_POSTGRESQL):
        if kind in ("constraint", "index"):
            value = without_casts(value)
        yield Key(table, kind, name), value


def without_casts(text: str) -> str:
    """Return what PostgreSQL printed without its casts to text.

    They come out otherwise where an expression was parsed again: by a change of the column's type,
    or from a dump.
    """
    text = re.sub(r"::(?:character varying|text|bpchar)(?:\[\])?", "", text)
    text = re.sub(r"\(('(?:[^']|'')*')\)", r"\1", text)
    return re.sub(r"\(\((ARRAY\[[^\[\]]*\])\)\)", r"(\1)", text)


def _mysql(connection: Connection) -> Rows:
    for table, kind, name, value in mysql.rows(connection):
        yield Key(table, kind, name), value


#: A reader for each dialect: yields every object, an empty value where it is not there.
READERS: dict[str, Callable[[Connection], Rows]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
}
