"""Scratch databases: built by the chain up to a revision, or from the models."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from .. import compat, sqlite
from ..errors import MigrationError, reason
from ..hints import command
from ..naming import name_constraints
from ..run import binds
from ..run.recorder import alone, invoked, quiet, watched
from ..schema.dialect_support import create_all, create_prerequisites, kind_of
from ..schema.own_tables import VERSION_TABLE
from . import snapshot
from .cache import ChainCache
from .hints import instead, place
from .sources import Source, empty_database


@contextmanager
def from_chain(
    script: ScriptDirectory,
    source: Source,
    revision: str = "heads",
    metadata: MetaData | None = None,
) -> Iterator[Connection]:
    """Give a connection, in no transaction, to a scratch database at *revision* of the chain.

    :param script: the chain.
    :param source: where the database can be created.
    :param revision: as ``alembic upgrade`` takes it.
    :param metadata: the models, for their naming convention; None where names are all written out.
    :raises MigrationError: where a revision fails.
    """
    cache = ChainCache(script, revision, metadata, source)
    with empty_database(source) as connection:
        cache.restore(connection)
        upgrade(script, connection, revision, metadata)
        cache.store(connection)
        yield connection


def upgrade(
    script: ScriptDirectory,
    connection: Connection,
    revision: str = "heads",
    metadata: MetaData | None = None,
) -> MigrationContext:
    """Run the chain up to *revision* on *connection*, which is a scratch database's.

    An empty one starts from the project's snapshot, where there is one.

    ``alembic.command`` cannot be called inside env.py, where this runs: it takes the outer
    context away. Hence a context of our own, which is returned.

    :param script: the chain.
    :param connection: to the scratch database.
    :param revision: as ``alembic upgrade`` takes it.
    :param metadata: the models, for their naming convention.
    :return: the context.
    :raises MigrationError: where a revision fails, or is older than the snapshot.
    """
    _start(script, connection, revision)
    at, done = "", invoked(connection)

    def steps(heads: Any, _: MigrationContext) -> Iterator[Any]:
        nonlocal at
        for step in script._upgrade_revs(revision, heads):
            at = str(step.info.up_revision_id)
            yield step

    context = configure(connection, {"fn": steps, "script": script, "target_metadata": metadata})
    try:
        with (
            quiet(),
            watched(context, lambda operation: done.append((at, operation))),
            alone(connection, lambda: at),
        ):
            context.run_migrations(**binds.arguments())
    except MigrationError as error:
        raise MigrationError(f"{error} {_start_later()}", error.exit_code) from error
    except Exception as error:
        dialect, file = connection.dialect.name, str(script.get_revision(at).path)
        otherwise = instead(error, file, dialect)
        advice = f"Fix that revision first{otherwise or '.'}"
        # The lines to write instead come last, to be pasted as they are.
        advice = f"{_start_later()}\n{advice}" if otherwise else f"{advice} {_start_later()}"
        raise MigrationError(
            f"Revision {at}{place(error, file)} does not run on an empty {dialect} "
            f"database, so there is nothing to compare the models with: {reason(error)}. {advice}"
        ) from error
    connection.commit()
    return context


def _start(script: ScriptDirectory, connection: Connection, revision: Any) -> None:
    """Load the snapshot into an empty database, where there is one."""
    first = snapshot.start(script, kind_of(connection.engine.url), revision)
    if first is not None:
        is_empty = not connection.dialect.has_table(connection, VERSION_TABLE)
        connection.rollback()
        if is_empty:
            first.load(connection)


def _start_later() -> str:
    return (
        "Where a database has it already, scratch databases can start from that one's schema: "
        f"{command('baseline', '', **{'from-database': True})}"
    )


def configure(connection: Connection, options: dict[str, Any]) -> MigrationContext:
    """Return a context on *connection* that has a transaction for each revision.

    :param connection: to a scratch database.
    :param options: Alembic's, for ``MigrationContext.configure``.
    :raises MigrationError: where SQLite would be migrated by stock Alembic.
    """
    if connection.dialect.name == "sqlite":
        sqlite.require()
    defaults = {"transactional_ddl": connection.dialect.name != "mysql" or None}
    defaults["transaction_per_migration"] = True
    with quiet():
        return MigrationContext.configure(
            connection,
            # Revisions read op.get_context().config.
            environment_context=compat.live_environment(),
            opts={**defaults, **options},
        )


@contextmanager
def from_models(
    metadata: MetaData, source: Source, like: Connection | None = None
) -> Iterator[Connection]:
    """Give a connection to a scratch database that ``create_all`` made from *metadata*.

    :param metadata: the models.
    :param source: where the database can be created.
    :param like: a database whose extensions and functions the models may need; they are created
        first. A migration that somebody wrote by hand created them there.
    """
    name_constraints(metadata)
    with empty_database(source) as connection:
        if like is not None and connection.dialect.name == "postgresql":
            create_prerequisites(like, connection)
        create_all(metadata, connection)
        connection.commit()
        yield connection
