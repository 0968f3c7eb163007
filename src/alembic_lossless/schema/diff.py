"""A database's schema as its server prints it, and the difference of two, in words.

Whether two schemas are equal is asked of two databases of one server, so that both sides went
through the same printer: differently spelled expressions come out alike. Column order and counters
are left out. So is what models cannot express (views, triggers, functions …): :func:`kept` lists
it.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, text

from ..run.recorder import by_hand
from .readers import PROPERTIES, READERS
from .readers import Key as Key
from .readers import without_casts as without_casts

VERSION_TABLE = "alembic_version"
#: Where ``apply/log.py`` notes what was applied.
LOG_TABLE = "alembic_lossless_log"

_OWN = {VERSION_TABLE, LOG_TABLE}


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

    The objects of a table that one side lacks are not listed, the table is; likewise a column.
    """
    lacking = {key for key in found.keys() ^ wanted.keys() if key.kind in ("table", "column")}
    tables = {key.table for key in lacking if key.kind == "table"}
    columns = {(key.table, key.name) for key in lacking if key.kind == "column"}

    def listed(key: Key) -> bool:
        if key.kind == "table":
            return True
        whole = key.kind in PROPERTIES and (key.table, key.name) in columns
        return key.table not in tables and not whole

    return [
        Difference(key, found.get(key), wanted.get(key))
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key) and listed(key)
    ]


def describe(connection: Connection) -> Schema:
    """Describe the schema behind *connection*, without Alembic's own table and the log.

    :raises KeyError: on a database other than SQLite, PostgreSQL, MySQL and MariaDB.
    """
    rows = READERS[connection.dialect.name](connection)
    return {key: value.strip() for key, value in rows if value and key.table not in _OWN}


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
    for made in by_hand(connection):
        if made not in known:
            objects.add(f"{made}, made by hand")
    return sorted(objects)


def known_names(metadata: MetaData) -> set[str]:
    """Return the names of the tables and indexes of *metadata*."""
    indexes = (index.name for table in metadata.tables.values() for index in table.indexes)
    return {table.name for table in metadata.tables.values()} | {str(name) for name in indexes}
