"""The schema of a database, and how two of them differ.

Whether two schemas are equal is asked of two databases of one server, so that both sides went
through the same reader: differently spelled expressions come out alike. Column order and counters
are left out. So is what models cannot express (views, triggers, functions …):
:func:`unmanaged_objects` lists it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, MetaData, text

from ..naming import names_given
from . import mysql, postgresql, sqlite
from .model import PROPERTIES, Definition, Definitions, ForeignKey, Key, NotNull, Schema, Table
from .own_tables import is_own

_READERS: dict[str, Callable[[Connection], Definitions]] = {
    "sqlite": sqlite.read,
    "postgresql": postgresql.read,
    "mysql": mysql.read,
    "mariadb": mysql.read,
}


def describe(connection: Connection) -> Schema:
    """Describe the schema of a database, without Alembic's tables and our own.

    :param connection: to the database.
    :return: every object and its definition.
    :raises KeyError: on a database other than SQLite, PostgreSQL, MySQL and MariaDB.
    """
    definitions = _READERS[connection.dialect.name](connection)
    return {key: definition for key, definition in definitions if not is_own(key.table)}


@dataclass(frozen=True)
class Change:
    """What makes of an object the expected one; None on the side that lacks the object."""

    key: Key
    actual: Definition | None
    expected: Definition | None

    @property
    def is_alteration(self) -> bool:
        """Whether the object is on both sides."""
        return self.actual is not None and self.expected is not None

    def __str__(self) -> str:
        definition = self.actual or self.expected
        if isinstance(definition, NotNull):
            sides = ("migrations", "models") if self.actual else ("models", "migrations")
            column = f"{self.key.table}.{self.key.name}"
            return f"{column}: NOT NULL in the {sides[0]}, may be NULL in the {sides[1]}"
        is_plain = definition == Table()
        if self.actual is None:
            has_it = "have it" if is_plain else f"say {self.expected}"
            return f"{self.key}: missing, the models {has_it}"
        if self.expected is None:
            has_it = "have it" if is_plain else f"say {self.actual}"
            return f"{self.key}: not in the models, the migrations {has_it}"
        return f"{self.key}: the migrations say {self.actual}, the models say {self.expected}"


def differences(actual: Schema, expected: Schema) -> list[Change]:
    """Compare two schemas.

    :param actual: usually of the migrations.
    :param expected: usually of the models.
    :return: what differs, sorted by key. The objects of a table that one side lacks are not
        listed, the table is; likewise a column.
    """
    lacking = {key for key in actual.keys() ^ expected.keys() if key.kind in ("table", "column")}
    tables = {key.table for key in lacking if key.kind == "table"}
    columns = {(key.table, key.name) for key in lacking if key.kind == "column"}

    def listed(key: Key) -> bool:
        if key.kind == "table":
            return True
        of_lacking_column = key.kind in PROPERTIES and (key.table, key.name) in columns
        return key.table not in tables and not of_lacking_column

    return [
        Change(key, actual.get(key), expected.get(key))
        for key in sorted(actual.keys() | expected.keys())
        if actual.get(key) != expected.get(key) and listed(key)
    ]


def differences_from_models(
    actual: Schema,
    expected: Schema,
    metadata: MetaData,
    by_convention: Iterable[tuple[str, str]] = (),
) -> list[Change]:
    """Compare the schema of the migrations with that of the models, as :func:`differences` does.

    What nobody named is compared without its name.

    :param actual: of the migrations.
    :param expected: of the models.
    :param metadata: the models.
    :param by_convention: the tables and names of what a later naming convention alone has named.
    """
    unnamed = names_given(metadata) | {*by_convention}
    named = _named_as(actual, expected, lambda key: (key.table, key.name) in unnamed)
    return differences(actual, named)


def differences_from_before(actual: Schema, before: Schema) -> list[Change]:
    """Compare a schema with what it was before, as :func:`differences` does.

    What had no name may have one: on SQLite a rename writes down the name that PostgreSQL gave.

    :param actual: as it is now.
    :param before: as it was.
    """
    named = _named_as(actual, before, lambda key: is_unnamed(key, before[key]))
    return differences(actual, named)


def is_unnamed(key: Key, definition: Definition | None) -> bool:
    """Tell whether a constraint has no name, so that it goes by its definition."""
    return key.kind == "constraint" and key.name == str(definition)


def _named_as(actual: Schema, expected: Schema, has_no_name: Callable[[Key], bool]) -> Schema:
    """Give what nobody named in *expected* the name that *actual* has for the same."""
    # MySQL gives the index of a foreign key the key's name.
    spare = {
        (key.table, key.kind, definition): key
        for key, definition in actual.items()
        if key.kind in ("constraint", "index") and key not in expected
    }
    named = {}
    for key, definition in expected.items():
        of_server = spare.get((key.table, key.kind, definition))
        if has_no_name(key) and key not in actual and of_server is not None:
            named[of_server] = definition
            del spare[key.table, key.kind, definition]
        else:
            named[key] = definition
    return named


def unchanged_foreign_keys(
    changes: Collection[Key], schema: Schema
) -> Iterator[tuple[Key, ForeignKey]]:
    """Yield the foreign keys of *schema* that are not among *changes*.

    :param changes: the keys of what differs.
    :param schema: usually of the models.
    """
    for key, definition in schema.items():
        if isinstance(definition, ForeignKey) and key not in changes:
            yield key, definition


def called_otherwise(actual: Schema, expected: Schema) -> dict[Key, str]:
    """Find the constraints and indexes that are the same in both schemas but for their names.

    :param actual: usually of a database that was made at another time.
    :param expected: usually of the migrations.
    :return: by the key in *expected* the name in *actual*; nothing of two that nothing but their
        names tells apart.
    """
    spare = _by_definition(actual, expected)
    return {
        keys[0]: spare[definition][0].name
        for definition, keys in _by_definition(expected, actual).items()
        if len(keys) == len(spare.get(definition, ())) == 1
    }


def _by_definition(
    schema: Schema, opposite: Schema
) -> dict[tuple[str, str, Definition], list[Key]]:
    """Return the constraints and indexes that *opposite* lacks, by table, kind and definition."""
    keys: dict[tuple[str, str, Definition], list[Key]] = {}
    for key, definition in schema.items():
        if key.kind in ("constraint", "index") and opposite.get(key) != definition:
            keys.setdefault((key.table, key.kind, definition), []).append(key)
    return keys


def made_by_raw_sql(connection: Connection) -> set[str]:
    """Return the names of the tables, indexes and types that raw SQL of the migrations made.

    :param connection: the one that the migrations ran on.
    :return: a set that belongs to the connection, for whoever watches the migrations to fill.
    """
    names: set[str] = connection.info.setdefault("alembic_lossless_made_by_raw_sql", set())
    return names


_UNMANAGED_SQLITE = """
SELECT type || ' ' || name || CASE WHEN type = 'trigger' THEN ' on ' || tbl_name ELSE '' END
FROM sqlite_master WHERE type IN ('view', 'trigger') UNION ALL
SELECT 'virtual table ' || name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'
"""
_UNMANAGED_POSTGRESQL = """
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
_UNMANAGED_MYSQL = """
SELECT concat('view ', table_name) FROM information_schema.views WHERE table_schema = database()
UNION ALL SELECT concat('trigger ', trigger_name, ' on ', event_object_table)
FROM information_schema.triggers WHERE trigger_schema = database()
UNION ALL SELECT concat(lower(routine_type), ' ', routine_name)
FROM information_schema.routines WHERE routine_schema = database()
"""


def catalogued_objects(connection: Connection) -> set[str]:
    """Ask the database's catalogue for what models cannot express.

    :param connection: to the database.
    :return: views, triggers, virtual tables, functions and extensions, each as its kind and name.
    """
    query = {"sqlite": _UNMANAGED_SQLITE, "postgresql": _UNMANAGED_POSTGRESQL}
    return set(connection.scalars(text(query.get(connection.dialect.name, _UNMANAGED_MYSQL))))


def unmanaged_objects(connection: Connection, metadata: MetaData) -> list[str]:
    """List what a person made in the migrations and models do not express: it is never dropped.

    :param connection: the one that the migrations ran on.
    :param metadata: the models.
    :return: sorted, each as its kind and name, or as its name and "made by raw SQL".
    """
    raw = made_by_raw_sql(connection) - known_names(metadata) - sqlite.virtual_tables(connection)
    return sorted(catalogued_objects(connection) | {f"{name}, made by raw SQL" for name in raw})


def known_names(metadata: MetaData) -> set[str]:
    """Return the names of the tables and indexes of models.

    :param metadata: the models.
    :return: tables without their schemas.
    """
    indexes = (index.name for table in metadata.tables.values() for index in table.indexes)
    return {table.name for table in metadata.tables.values()} | {str(name) for name in indexes}
