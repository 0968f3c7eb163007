"""Resets the development database to what the models make, and recognises one after that."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from functools import partial
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, MetaData, inspect, text

from .errors import MigrationError
from .quoting import qualified
from .run import identity, losses
from .run.connection import Target, sqlite_file
from .run.permissions import why_not_writable
from .schema import diff
from .schema.dialect_support import create_all
from .schema.inclusion import Inclusion
from .schema.own_tables import version_table
from .schema.sqlite import tables
from .scratch import databases, snapshot
from .scratch.sources import Source, empty_database, find_sources


def reset(target: Target, metadata: MetaData, heads: Iterable[str]) -> None:
    """Empty the database of *target*, create the tables of *metadata*, and stamp it at *heads*.

    The caller has made sure that it is the development database. On SQLite the new database
    takes the old one's place in one transaction, under a server that has it open too.

    :param target: the development database.
    :param metadata: the models.
    :param heads: of the chain.
    :raises MigrationError: when it cannot be reached or written, or its server is not on this
        machine; it is then as it was.
    """
    if target.kind == "sqlite":
        _replace_sqlite(target.url, metadata, heads)
        return
    with target.connect() as connection:
        identity.require_this_machine(connection, target)
        with connection.begin():
            _drop_everything(connection)
            _create(connection, metadata, heads)


def lost_rows(connection: Connection) -> list[str]:
    """Return what :func:`reset` would lose: a line for each table that has rows.

    :param connection: to the database, which is only read.
    :return: the lines; none for a database that holds nothing.
    """
    if connection.dialect.name == "sqlite":
        names = sorted(tables(connection, "table", "virtual"))
    else:
        names = inspect(connection).get_table_names()
    return losses.of_tables(connection, names)


def _replace_sqlite(url: URL, metadata: MetaData, heads: Iterable[str]) -> None:
    file = sqlite_file(url)
    if file is None:
        raise MigrationError(
            "The database is in memory, and another process cannot rebuild it. Nothing was "
            "changed. Name a file in the database URL, or restart the application."
        )
    with empty_database(Source("sqlite")) as connection:
        with connection.begin():
            _create(connection, metadata, heads)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(file, timeout=30)) as target:
                connection.connection.driver_connection.backup(target)  # type: ignore[union-attr]
        except (OSError, sqlite3.Error) as error:
            advice = why_not_writable(file)
            raise MigrationError(
                f"{file} cannot be written ({error}). It was left as it was. "
                + (advice or "Stop the process that holds the file, and run again.")
            ) from None


def _create(connection: Connection, metadata: MetaData, heads: Iterable[str]) -> None:
    create_all(metadata, connection)
    context = MigrationContext.configure(connection, opts=version_table().options)
    context._ensure_version_table()
    for head in heads:
        connection.execute(context._version.insert().values(version_num=head))


#: What the models make, or a person added; not extensions, functions and grants, which the models
#: could not create again.
_OF_POSTGRESQL = """
SELECT relkind, relname FROM pg_class c
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype = 'e')
UNION ALL SELECT typtype, typname FROM pg_type t
WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('e', 'd')
AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = t.oid AND deptype = 'e')
"""
_WORDS = {"v": "VIEW", "m": "MATERIALIZED VIEW", "S": "SEQUENCE", "f": "FOREIGN TABLE"}
_WORDS |= {"r": "TABLE", "p": "TABLE", "e": "TYPE", "d": "DOMAIN"}


def _drop_everything(connection: Connection) -> None:
    run = connection.exec_driver_sql  # a name may hold a colon; the preparer doubles per cent signs
    quote = partial(qualified, connection.dialect)
    if connection.dialect.name == "postgresql":
        for kind, name in connection.execute(text(_OF_POSTGRESQL)).all():
            word = _WORDS[kind.decode() if isinstance(kind, bytes) else kind]
            run(f"DROP {word} IF EXISTS {quote(name)} CASCADE")  # an earlier one may have taken it
        return
    run("SET foreign_key_checks = 0")
    for name, kind in connection.execute(text("SHOW FULL TABLES")).all():
        run(f"DROP {'VIEW' if kind == 'VIEW' else 'TABLE'} {quote(name)}")
    run("SET foreign_key_checks = 1")


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
        here = at[0] if at else "base"
        is_equal = partial(_is_equal, connection, script, source, metadata, options or {})
        if is_equal(here) or not is_equal("heads"):
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
