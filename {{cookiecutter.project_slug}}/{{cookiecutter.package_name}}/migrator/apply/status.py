"""Which revision a database is at, and whether that is the one the code knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError


@dataclass(frozen=True)
class Readiness:
    """Whether requests may come, and the word for it."""

    ready: bool
    word: str


def readiness(engine: Engine) -> Readiness:
    """Tell whether the database behind the application's *engine* is at the code's head."""
    known = _heads(current_app.extensions["migrate"].migrate.directory)
    try:
        with engine.connect() as connection:
            at = current(connection)
    except SQLAlchemyError:
        return Readiness(False, "database unreachable")
    return Readiness(True, "ready") if at == known else Readiness(False, "migrations pending")


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
