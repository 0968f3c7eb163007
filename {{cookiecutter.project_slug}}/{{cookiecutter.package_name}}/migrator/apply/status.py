"""Which revision a database is at, and whether that is the one the code knows."""

from collections.abc import Iterable
from functools import cache

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Connection, Engine


def why_not_ready(engine: Engine) -> str | None:
    """Tell why the database behind the application's *engine* is not the one this code needs.

    :return: ``None`` where it is at the code's head.
    """
    known = _heads(current_app.extensions["migrate"].migrate.directory)
    with engine.connect() as connection:
        return None if current(connection) == known else "migrations pending"


@cache
def _heads(directory: str) -> frozenset[str]:
    return frozenset(ScriptDirectory(directory).get_heads())


def current(connection: Connection) -> frozenset[str]:
    """Return the revisions that *connection*'s database is at; none where it has no chain yet."""
    return frozenset(MigrationContext.configure(connection).get_current_heads())


def pending(script: ScriptDirectory, at: Iterable[str]) -> list[str]:
    """Return the revisions between *at* and the heads of *script*, the next one first."""
    applied = {revision.revision for revision in script.iterate_revisions(tuple(at), "base")}
    everything = (revision.revision for revision in script.walk_revisions())
    return [revision for revision in everything if revision not in applied][::-1]
