"""The development database, made anew; and recognised after it was."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, MetaData, text

from .. import MigratorError, schema, scratch
from .connection import connect, private


def rebuild(
    settings: Mapping[str, Any], url: URL, metadata: MetaData, heads: Iterable[str]
) -> None:
    """Empty the database at *url*, make the tables of *metadata*, and stamp it at *heads*.

    The caller has made sure that it is the development database. On SQLite the new database
    takes the old one's place in one transaction, under a server that has it open too.

    :raises MigratorError: when it cannot be reached or written; it is then as it was.
    """
    if url.get_backend_name() == "sqlite":
        _replace_sqlite(url, metadata, heads)
        return
    with connect(settings, url) as connection, connection.begin():
        _drop_everything(connection)
        _make(connection, metadata, heads)


def _replace_sqlite(url: URL, metadata: MetaData, heads: Iterable[str]) -> None:
    file = Path(str(url.database))
    with scratch.empty(scratch.Source("sqlite")) as connection:
        with connection.begin():
            _make(connection, metadata, heads)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(file, timeout=30)) as target:
                connection.connection.driver_connection.backup(target)  # type: ignore[union-attr]
        except (OSError, sqlite3.Error) as error:
            raise MigratorError(
                f"{file} cannot be written ({error}), and is as it was: let this account write in "
                "its folder, end what holds it, and run again."
            ) from None


def _make(connection: Connection, metadata: MetaData, heads: Iterable[str]) -> None:
    scratch.create_all(metadata, connection)
    context = MigrationContext.configure(connection)
    context._ensure_version_table()
    for head in heads:
        connection.execute(context._version.insert().values(version_num=head))


def _drop_everything(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        return
    connection.execute(text("SET foreign_key_checks = 0"))
    for name, kind in connection.execute(text("SHOW FULL TABLES")).all():
        what = "VIEW" if kind == "VIEW" else "TABLE"
        quoted = connection.dialect.identifier_preparer.quote(name)
        connection.execute(text(f"DROP {what} {quoted}"))
    connection.execute(text("SET foreign_key_checks = 1"))


def adopt_rebuilt(url: URL, metadata: MetaData, script: ScriptDirectory) -> bool:
    """Stamp a development database that already has the schema of the heads.

    ``rebuild`` made it from models that a migration has caught up with since; running that
    migration would add a second time what is there. A database whose schema is that of its own
    revision is not such a one: its pending migrations may change rows alone.

    :return: whether it was so, and the database is now stamped.
    """
    kind = scratch.kind_of(url)
    source = next((one for one in scratch.sources([kind], url)[0] if one.kind == kind), None)
    if source is None:
        return False
    with private(url).connect() as connection:
        context = MigrationContext.configure(connection)
        is_there = schema.describe(connection)
        at = context.get_current_heads()
        if len(at) > 1:
            return False
        if not schema.difference(
            is_there, _of_chain(script, source, metadata, at[0] if at else "base")
        ):
            return False
        if schema.difference(is_there, _of_chain(script, source, metadata, "heads")):
            return False
        context._ensure_version_table()
        context.stamp(script, "heads")
        connection.commit()
    return True


def _of_chain(
    script: ScriptDirectory,
    source: scratch.Source,
    metadata: MetaData,
    revision: str,
) -> schema.Schema:
    with scratch.from_chain(script, source, revision, metadata=metadata) as connection:
        return schema.describe(connection)
