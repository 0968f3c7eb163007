"""Reads the schema of a PostgreSQL database, which spells every expression in its own way."""

import json
import re

from sqlalchemy import Connection

from .model import (
    ColumnType,
    Comment,
    Counter,
    Default,
    Definition,
    Definitions,
    EnumType,
    Generated,
    Index,
    Key,
    NotNull,
    Sequence,
    Table,
)
from .printed import constraint, element, parenthesis, unquote

_QUERY = """
WITH relations AS (
  SELECT c.oid, c.relkind, c.reloptions, c.relname,
    CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname || '.' END || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
    SELECT 1 FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
SELECT name, 'table', name, coalesce(array_to_json(reloptions)::text, '[]')
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
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
    AND d.refobjsubid = a.attnum AND d.deptype = 'a') AS serial) e,
LATERAL (VALUES
  ('column', json_build_array(format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN co.collname END)::text),
  ('null', CASE WHEN a.attnotnull THEN '' END),
  ('counter', CASE WHEN a.attidentity = 'a' THEN 'IDENTITY ALWAYS' WHEN a.attidentity = 'd'
    THEN 'IDENTITY' WHEN e.serial THEN 'SERIAL' END),
  ('default', CASE WHEN a.attidentity = '' AND NOT e.serial AND a.attgenerated = ''
    THEN e.text END),
  ('generated', CASE WHEN a.attgenerated <> '' THEN json_build_array(e.text,
    CASE a.attgenerated WHEN 's' THEN 'stored' ELSE 'virtual' END)::text END),
  ('comment', col_description(r.oid, a.attnum))) v (kind, value)
WHERE r.relkind IN ('r', 'p')
UNION ALL
SELECT r.name, 'constraint', k.conname, pg_get_constraintdef(k.oid)
FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid WHERE k.contype <> 'n'
UNION ALL
SELECT r.name, 'index', i.relname, json_build_array(x.indisunique, x.indisvalid,
  regexp_replace(pg_get_indexdef(x.indexrelid), '^CREATE .*? ON (ONLY )?\\S+ USING ', ''))::text
FROM pg_index x JOIN relations r ON r.oid = x.indrelid JOIN relations i ON i.oid = x.indexrelid
WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid
  AND k.contype IN ('p', 'u', 'x'))
UNION ALL
SELECT '', 'type', t.typname, (SELECT json_agg(enumlabel ORDER BY enumsortorder)::text
  FROM pg_enum e WHERE e.enumtypid = t.oid)
FROM pg_type t WHERE t.typtype = 'e'
UNION ALL
SELECT '', 'sequence', r.name, json_build_array(format_type(s.seqtypid, NULL), seqstart,
  seqincrement, seqmin, seqmax, seqcycle)::text
FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid WHERE NOT EXISTS (
  SELECT 1 FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i'))
"""


def read(connection: Connection) -> Definitions:
    """Read the schema of a PostgreSQL database, of all its schemas but the server's own.

    :param connection: to the database.
    :return: every object and its definition.
    """
    for table, kind, name, value in connection.exec_driver_sql(_QUERY):
        if value is not None:
            place = "default" if kind == "counter" else kind
            yield Key(table, place, name), _definition(kind, value)


def _definition(kind: str, value: str) -> Definition:
    match kind:
        case "table":
            pairs = (option.partition("=")[::2] for option in json.loads(value))
            return Table(settings=tuple(sorted((name, value) for name, value in pairs)))
        case "column":
            return ColumnType(*json.loads(value))
        case "null":
            return NotNull()
        case "counter":
            return Counter(value)
        case "default":
            return Default(value)
        case "generated":
            return Generated(*json.loads(value))
        case "comment":
            return Comment(value)
        case "constraint":
            return constraint(without_casts(value), "postgresql")
        case "index":
            return _index(*json.loads(value))
        case "type":
            return EnumType(tuple(json.loads(value) or ()))
        case _:
            return Sequence(*json.loads(value))


def _index(unique: bool, is_valid: bool, text: str) -> Index:
    """Read an index.

    :param text: what PostgreSQL prints after USING: ``btree (a, b) INCLUDE (c) WHERE (d > 0)``.
    """
    method, elements, rest = parenthesis(without_casts(text), "postgresql")
    options, _, condition = rest.strip().partition("WHERE ")
    included: list[str] = []
    if options.startswith("INCLUDE "):
        _, included, options = parenthesis(options, "postgresql")
    options = options.strip()
    return Index(
        tuple(element(text, "postgresql") for text in elements),
        unique=unique,
        method=method.strip(),
        condition=condition,
        included=tuple(unquote(name, "postgresql") for name in included),
        options=options if is_valid else f"{options} INVALID".strip(),
    )


def without_casts(text: str) -> str:
    """Return what PostgreSQL printed without its casts to text.

    They come out otherwise where an expression was parsed again: by a change of the column's type,
    or from a dump.

    :param text: a definition, or a whole dump.
    :return: the same without ``::text``, ``::bpchar`` and ``::character varying``.
    """
    text = re.sub(r"::(?:character varying|text|bpchar)(?:\[\])?", "", text)
    text = re.sub(r"\(('(?:[^']|'')*')\)", r"\1", text)
    return re.sub(r"\(\((ARRAY\[[^\[\]]*\])\)\)", r"(\1)", text)
