"""Reads the schema of a PostgreSQL database, which spells every expression in its own way."""

import re

from sqlalchemy import Connection

from .model import Definitions, Key

_QUERY = """
WITH relations AS (
  SELECT c.oid, c.relkind, c.reloptions, c.relname,
    CASE WHEN n.nspname = current_schema() THEN '' ELSE n.nspname || '.' END || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
    SELECT 1 FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
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
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
    AND d.refobjsubid = a.attnum AND d.deptype = 'a') AS serial) e,
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
  SELECT 1 FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i'))
"""


def read(connection: Connection) -> Definitions:
    """Read the schema of a PostgreSQL database, of all its schemas but the server's own.

    :param connection: to the database.
    :return: every object and its definition.
    """
    for table, kind, name, value in connection.exec_driver_sql(_QUERY):
        if kind in ("constraint", "index"):
            value = without_casts(value)
        yield Key(table, kind, name), value


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
