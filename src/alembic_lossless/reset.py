"""Resets the development database to what the models make, and recognises one after that."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Enum, MetaData, String, Table, bindparam, inspect, text

from .errors import MigrationError
from .quoting import qualified, quote
from .run import identity, losses
from .run.connection import Target, sqlite_file
from .run.permissions import why_not_writable
from .schema import diff
from .schema.dialect_support import create_all
from .schema.inclusion import Inclusion
from .schema.model import Key
from .schema.own_tables import LOG_TABLE, version_table, without_own
from .schema.sqlite import tables
from .scratch import databases, snapshot
from .scratch.sources import Source, empty_database, find_sources


def reset(
    target: Target,
    metadata: MetaData,
    heads: Iterable[str],
    options: Mapping[str, Any] | None = None,
) -> None:
    """Empty the database of *target*, create the tables of *metadata*, and stamp it at *heads*.

    The caller has made sure that it is the development database. On SQLite the new database
    takes the old one's place in one transaction, under a server that has it open too.

    :param target: the development database.
    :param metadata: the models.
    :param heads: of the chain.
    :param options: what env.py gave to ``configure``; the tables that it leaves out stay.
    :raises MigrationError: when it cannot be reached or written, or its server is not on this
        machine; it is then as it was.
    """
    if target.kind == "sqlite":
        _replace_sqlite(target, metadata, heads, options or {})
        return
    with target.connect() as connection:
        identity.require_this_machine(connection, target)
        with connection.begin():
            _drop_everything(connection, metadata, left_out(connection, metadata, options or {}))
            _create(connection, metadata, heads)


def left_out(connection: Connection, metadata: MetaData, options: Mapping[str, Any]) -> set[str]:
    """Return the tables that :func:`reset` leaves alone, because env.py leaves them out.

    :param connection: to the database, which is only read.
    :param metadata: the models.
    :param options: what env.py gave to ``configure``.
    """
    inclusion = Inclusion(options, metadata, connection)
    names = without_own(_table_names(connection))
    return {name for name in names if not inclusion.includes(Key(name, "table", name))}


def lost_rows(connection: Connection, metadata: MetaData, left: Collection[str]) -> list[str]:
    """Return what :func:`reset` would lose: a line for each table that has rows.

    :param connection: to the database, which is only read.
    :param metadata: the models.
    :param left: the tables that stay, from :func:`left_out`.
    :return: the lines; none for a database that holds nothing.
    """
    lines = losses.of_tables(connection, _table_names(connection) - set(left))
    for table in _in_other_schemas(connection, metadata):
        if inspect(connection).has_table(table.name, schema=table.schema):
            lines += losses.of_tables(connection, [table.name], table.schema)
    return lines


def _table_names(connection: Connection) -> set[str]:
    if connection.dialect.name == "sqlite":
        return tables(connection, "table", "virtual")
    return set(inspect(connection).get_table_names())


def _in_other_schemas(connection: Connection, metadata: MetaData) -> list[Table]:
    """Return the models' tables in PostgreSQL's schemas, but for the usual one."""
    if connection.dialect.name != "postgresql":
        return []
    usual = {None, connection.dialect.default_schema_name}
    return [table for table in metadata.tables.values() if table.schema not in usual]


def _replace_sqlite(
    target: Target, metadata: MetaData, heads: Iterable[str], options: Mapping[str, Any]
) -> None:
    file = sqlite_file(target.url)
    if file is None:
        raise MigrationError(
            "The database is in memory, and another process cannot rebuild it. Nothing was "
            "changed. Name a file in the database URL, or restart the application."
        )
    left: set[str] = set()
    if file.is_file():
        with target.connect(read_only=True) as live:
            left = left_out(live, metadata, options)
    with empty_database(Source("sqlite")) as connection:
        with _attached(connection, file if left else None), connection.begin():
            _copy_attached(connection, left)
            _create(connection, metadata, heads)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(file, timeout=30)) as old:
                connection.connection.driver_connection.backup(old)  # type: ignore[union-attr]
        except (OSError, sqlite3.Error) as error:
            advice = why_not_writable(file)
            raise MigrationError(
                f"{file} cannot be written ({error}). It was left as it was. "
                + (advice or "Stop the process that holds the file, and run again.")
            ) from None


@contextmanager
def _attached(connection: Connection, file: Path | None) -> Iterator[None]:
    """Let *file*, where there is one, be a second database of SQLite's, ``live``."""
    driver: Any = connection.connection.driver_connection
    if file:
        driver.execute("ATTACH ? AS live", (str(file),))
    yield
    if file:
        driver.execute("DETACH live")


def _copy_attached(connection: Connection, names: Iterable[str]) -> None:
    """Copy tables from the attached database, with their rows, indexes and triggers."""
    run = connection.exec_driver_sql
    for name in sorted(names):
        statements = run(
            "SELECT sql FROM live.sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL "
            "ORDER BY type <> 'table'",
            (name,),
        ).scalars()
        create, *rest = statements.all()
        run(create)
        columns = run(f"PRAGMA live.table_info({quote(name)})").all()
        listed = ", ".join(quote(column[1]) for column in columns)
        run(f"INSERT INTO {quote(name)} ({listed}) SELECT {listed} FROM live.{quote(name)}")
        for statement in rest:
            run(statement)


def _create(connection: Connection, metadata: MetaData, heads: Iterable[str]) -> None:
    create_all(metadata, connection)
    context = MigrationContext.configure(connection, opts=version_table().options)
    context._ensure_version_table()
    connection.execute(context._version.delete())  # it may be in a schema that is not emptied
    for head in heads:
        connection.execute(context._version.insert().values(version_num=head))


#: What the models make, or a person added; not extensions, functions and grants, which the models
#: could not create again; nor tables that stay, with the sequences and types that they use.
_OF_POSTGRESQL = """
WITH left_out AS (
  SELECT oid FROM pg_class
  WHERE relnamespace = current_schema()::regnamespace AND relname IN :left_out
), kept AS (
  SELECT oid FROM left_out
  UNION ALL SELECT objid FROM pg_depend JOIN left_out ON refobjid = oid WHERE deptype IN ('a', 'i')
  UNION ALL SELECT refobjid FROM pg_depend JOIN pg_attrdef d ON objid = d.oid
    JOIN left_out l ON adrelid = l.oid
  UNION ALL SELECT t.oid FROM pg_attribute JOIN left_out l ON attrelid = l.oid
    JOIN pg_type t ON atttypid IN (t.oid, t.typarray)
)
SELECT relkind, relname FROM pg_class c
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
AND oid NOT IN (SELECT oid FROM kept)
UNION ALL SELECT typtype, typname FROM pg_type t
WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('e', 'd')
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = t.oid AND deptype = 'e')
AND oid NOT IN (SELECT oid FROM kept)
"""
_WORDS = {"v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE", "f": "FOREIGN TABLE"}
_WORDS |= {"r": "TABLE", "p": "TABLE", "e": "TYPE", "d": "DOMAIN"}


def _drop_everything(connection: Connection, metadata: MetaData, left: Collection[str]) -> None:
    run = connection.exec_driver_sql  # a name may hold a colon; the preparer doubles per cent signs
    named = partial(qualified, connection.dialect)
    if connection.dialect.name == "postgresql":
        query = text(_OF_POSTGRESQL).bindparams(bindparam("left_out", type_=String, expanding=True))
        for kind, name in connection.execute(query, {"left_out": sorted(left)}).all():
            word = _WORDS[kind.decode() if isinstance(kind, bytes) else kind]
            run(f"DROP {word} IF EXISTS {named(name)} CASCADE")  # an earlier one may have taken it
        if schema := version_table().schema:
            run(f"DROP TABLE IF EXISTS {named(LOG_TABLE, schema)}")
        for table in _in_other_schemas(connection, metadata):
            run(f"DROP TABLE IF EXISTS {named(table.name, table.schema)} CASCADE")
            for enum in filter(None, map(_enum_name, table.columns)):
                run(f"DROP TYPE IF EXISTS {named(enum, table.schema)} CASCADE")
        return
    run("SET foreign_key_checks = 0")
    for name, kind in connection.execute(text("SHOW FULL TABLES")).all():
        if name not in left:
            run(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {named(name)}")
    run("SET foreign_key_checks = 1")


def _enum_name(column: Column[Any]) -> str | None:
    type_ = getattr(column.type, "item_type", column.type)
    return type_.name if isinstance(type_, Enum) else None


def stamp_if_reset(
    target: Target,
    metadata: MetaData,
    script: ScriptDirectory,
    options: Mapping[str, Any] | None = None,
) -> bool:
    """Stamp a development database that already has the schema of the heads.

    :func:`reset` made it from models that a migration has caught up with since; running that
    migration would add a second time what the database has already. A database whose schema is that
    of its own revision is not such a one: its pending migrations may change rows alone.

    :param target: the development database.
    :param metadata: the models, for their naming convention.
    :param script: the chain.
    :param options: what env.py gave to ``configure``; it may leave objects out.
    :return: whether it was so, and the database is now stamped.
    :raises MigrationError: where the chain does not run.
    """
    kind = target.kind
    sources, _ = find_sources([kind], target.url)
    if not sources:
        return False
    (source,) = sources
    with target.connect() as connection:
        context = MigrationContext.configure(connection, opts=version_table().options)
        at = context.get_current_heads()
        if len(at) > 1 or {*at} & snapshot.older(script, kind):
            return False
        revision = at[0] if at else "base"
        is_equal = partial(_is_equal, connection, script, source, metadata, options or {})
        if is_equal(revision) or not is_equal("heads"):
            return False
        context._ensure_version_table()
        context.stamp(script, "heads")
        connection.commit()
    return True


def _is_equal(
    live: Connection,
    script: ScriptDirectory,
    source: Source,
    metadata: MetaData,
    options: Mapping[str, Any],
    revision: str,
) -> bool:
    """Tell whether the database of *live* has the schema of *revision*."""
    with databases.from_chain(script, source, revision, metadata=metadata) as chain:
        inclusion = Inclusion(options, metadata, live, chain)
        schemas = [inclusion.included(diff.describe(database)) for database in (live, chain)]
        return not diff.differences(*schemas)
