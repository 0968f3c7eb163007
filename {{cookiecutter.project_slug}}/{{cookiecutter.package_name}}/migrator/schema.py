"""A database's schema as its server prints it, and the difference of two, in words.

Whether two schemas are equal is asked of two databases of one server, so that both sides went
through the same printer: differently spelled expressions come out alike. Column order and counters
are left out. So is what models cannot express (views, triggers, functions …): :func:`kept` lists
it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, MetaData, text

from . import scratch
from .sqlite import create_table
from .sqlite.tokens import fold, scan

VERSION_TABLE = "alembic_version"
#: Where ``apply/log.py`` notes what was applied.
LOG_TABLE = "migration_log"

_OWN = {VERSION_TABLE, LOG_TABLE}


class Key(NamedTuple):
    """One object: *kind* is table, column, constraint, index, type or sequence."""

    table: str
    kind: str
    name: str

    def __str__(self) -> str:
        if self.kind == "column":
            return f"{self.table}.{self.name}"
        if self.kind == "table":
            return f"table {self.table}"
        return f"{self.kind} {self.name}" + (f" on {self.table}" if self.table else "")


#: Every object with the text that says what it is. Two of them compare with ``==``.
Schema = dict[Key, str]


@dataclass(frozen=True)
class Difference:
    """One object that *found* has otherwise than *wanted*; None where it is not there."""

    key: Key
    found: str | None
    wanted: str | None

    def __str__(self) -> str:
        if self.found is None:
            return f"{self.key}: missing, the models say {self.wanted}"
        if self.wanted is None:
            return f"{self.key}: not in the models, the migrations say {self.found}"
        return f"{self.key}: the migrations say {self.found}, the models say {self.wanted}"


def difference(found: Schema, wanted: Schema) -> list[Difference]:
    """Say what *found* (of the migrations) has otherwise than *wanted* (of the models).

    The objects of a table that one side lacks are not listed, the table is.
    """
    whole = {key.table for key in found.keys() ^ wanted.keys() if key.kind == "table"}
    return [
        Difference(key, found.get(key), wanted.get(key))
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key) and (key.kind == "table" or key.table not in whole)
    ]


def describe(connection: Connection) -> Schema:
    """Describe the schema behind *connection*, without Alembic's own table and the log.

    :raises KeyError: on a database other than SQLite, PostgreSQL, MySQL and MariaDB.
    """
    rows = _READERS[connection.dialect.name](connection)
    return {key: " ".join(value.split()) for key, value in rows if key.table not in _OWN}


def _sqlite(connection: Connection) -> Iterator[tuple[Key, str]]:
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
            yield Key(table, "index", name), f"{unique}INDEX ON {_plain(sql[start:])}"


def _sqlite_table(name: str, sql: str) -> Iterator[tuple[Key, str]]:
    """Describe one table; where a constraint is written, at its column or after, is no matter."""
    table = create_table.parse(sql)
    counter = ["AUTOINCREMENT"] if table.autoincrement else []
    yield Key(name, "table", name), " ".join(["TABLE", *sorted(table.options), *counter])
    for column in table.columns:
        yield Key(name, "column", column.name), _sqlite_column(column)
    for constraint in table.every_constraint():
        if constraint.kind in ("primary", "unique", "check", "foreignkey"):
            text = _sqlite_constraint(constraint)
            yield Key(name, "constraint", constraint.name or text), text


def _sqlite_column(column: create_table.Column) -> str:
    words = [_plain(column.type).upper()]
    if column.collate:
        words.append(f"COLLATE {column.collate}")
    if column.not_null:
        words.append("NOT NULL")
    if column.default is not None:
        words.append(f"DEFAULT {_bare(column.default)}")
    if column.generated:
        stored = column.generated.options or "virtual"
        words.append(f"AS ({_bare(column.generated.expression)}) {stored}")
    return " ".join(words)


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


def _sqlite_constraint(constraint: create_table.Constraint) -> str:
    columns = ", ".join(constraint.columns)
    options = re.sub(r"autoincrement", "", constraint.options)
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
  SELECT c.oid, c.relkind, c.reloptions, CASE WHEN n.nspname = current_schema() THEN c.relname
    ELSE n.nspname || '.' || c.relname END AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
    SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e'))
SELECT name, 'table', name, concat_ws(' ', 'TABLE', reloptions::text,
  'COMMENT ' || quote_literal(obj_description(oid, 'pg_class')))
FROM relations WHERE relkind IN ('r', 'p')
UNION ALL
SELECT r.name, 'column', a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || co.collname END,
  CASE WHEN a.attnotnull THEN 'NOT NULL' END,
  CASE a.attgenerated WHEN '' THEN NULL WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END,
  CASE a.attidentity WHEN '' THEN NULL WHEN 'a' THEN 'IDENTITY ALWAYS' ELSE 'IDENTITY' END,
  CASE WHEN a.attidentity = '' AND EXISTS (SELECT 1 FROM pg_depend d JOIN pg_class s
      ON s.oid = d.objid AND s.relkind = 'S' WHERE d.refobjid = r.oid
      AND d.refobjsubid = a.attnum AND d.deptype = 'a') THEN 'SERIAL'
    ELSE 'DEFAULT ' || pg_get_expr(ad.adbin, ad.adrelid) END,
  'COMMENT ' || quote_literal(col_description(r.oid, a.attnum)))
FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation co ON co.oid = a.attcollation
LEFT JOIN pg_attrdef ad ON ad.adrelid = r.oid AND ad.adnum = a.attnum
WHERE r.relkind IN ('r', 'p')
UNION ALL
SELECT r.name, 'constraint', k.conname, pg_get_constraintdef(k.oid)
FROM relations r JOIN pg_constraint k ON k.conrelid = r.oid WHERE k.contype <> 'n'
UNION ALL
SELECT r.name, 'index', i.name, regexp_replace(pg_get_indexdef(x.indexrelid),
  'INDEX .*? ON (ONLY )?\\S+ USING', 'INDEX USING') || CASE WHEN x.indisvalid THEN ''
  ELSE ' INVALID' END
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


def _postgresql(connection: Connection) -> Iterator[tuple[Key, str]]:
    for table, kind, name, value in connection.exec_driver_sql(_POSTGRESQL):
        yield Key(table, kind, name), value


def _mysql(connection: Connection) -> Iterator[tuple[Key, str]]:
    """Read SHOW CREATE TABLE, which prints one definition a line."""
    tables = connection.exec_driver_sql("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
    for table in [row[0] for row in tables]:
        quoted = table.replace("`", "``").replace("%", "%%")
        sql = connection.exec_driver_sql(f"SHOW CREATE TABLE `{quoted}`").one()[1]
        _, *lines, options = sql.splitlines()
        options = re.sub(r" AUTO_INCREMENT=\d+", "", options.lstrip(")"))
        yield Key(table, "table", table), f"TABLE{options}"
        for line in lines:
            yield _mysql_line(table, line.strip().rstrip(","))


_MYSQL_LINE = re.compile(r"(?P<head>[A-Z ]*)`(?P<name>(?:[^`]|``)+)`(?P<rest>.*)", re.DOTALL)


def _mysql_line(table: str, line: str) -> tuple[Key, str]:
    if line.startswith("PRIMARY KEY"):
        return Key(table, "constraint", "PRIMARY KEY"), line
    match = _MYSQL_LINE.fullmatch(line)
    assert match, line
    name = match["name"].replace("``", "`")
    kind = {"": "column", "CONSTRAINT ": "constraint"}.get(match["head"], "index")
    return Key(table, kind, name), match["head"].replace("CONSTRAINT ", "") + match["rest"]


_READERS: dict[str, Callable[[Connection], Iterable[tuple[Key, str]]]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
}

_KEPT_SQLITE = """
SELECT type || ' ' || name || CASE WHEN type = 'trigger' THEN ' on ' || tbl_name ELSE '' END
FROM sqlite_master WHERE type IN ('view', 'trigger')
"""
_KEPT_POSTGRESQL = """
SELECT CASE relkind WHEN 'v' THEN 'view ' ELSE 'materialized view ' END || relname
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('v', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
UNION ALL SELECT 'trigger ' || tgname || ' on ' || tgrelid::regclass FROM pg_trigger
WHERE NOT tgisinternal
UNION ALL SELECT 'function ' || proname FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT EXISTS (
  SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
"""
_KEPT_MYSQL = """
SELECT concat('view ', table_name) FROM information_schema.views WHERE table_schema = database()
UNION ALL SELECT concat('trigger ', trigger_name, ' on ', event_object_table)
FROM information_schema.triggers WHERE trigger_schema = database()
UNION ALL SELECT concat(lower(routine_type), ' ', routine_name)
FROM information_schema.routines WHERE routine_schema = database()
"""


def kept(connection: Connection, metadata: MetaData) -> list[str]:
    """List what a person made in the chain and models cannot express: it is never dropped."""
    name = connection.dialect.name
    query = {"sqlite": _KEPT_SQLITE, "postgresql": _KEPT_POSTGRESQL}.get(name, _KEPT_MYSQL)
    objects = set(connection.scalars(text(query)))
    known = known_names(metadata)
    for made in connection.info.get(scratch.BY_HAND, ()):
        if made not in known:
            objects.add(f"{made}, made by hand")
    return sorted(objects)


def known_names(metadata: MetaData) -> set[str]:
    """Return the names of the tables and indexes of *metadata*."""
    indexes = (index.name for table in metadata.tables.values() for index in table.indexes)
    return {table.name for table in metadata.tables.values()} | {str(name) for name in indexes}
