"""Whether the application may serve with the database that it has."""

from functools import cache

from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import Engine

from . import status


def why_not_ready(engine: Engine) -> str | None:
    """Tell why the database behind the application's *engine* is not the one this code needs.

    A database that has gone on, as the log tells, is ready: during a deployment the old code
    serves beside the new. So is one that waits with what it takes away (``--phase expand``). What
    the code knows is read once.

    :return: ``None`` where it is ready.
    """
    migrate = current_app.extensions["migrate"].migrate
    chain = _kept(migrate.directory)
    with engine.connect() as connection:
        at = status.current(connection)
        if half := status.half_undone(connection, chain):
            return f"half undone: {half}"
        if at == chain.heads or status.is_ahead(connection, at, chain):
            return None
    if at and at <= chain.known and _holds_all(migrate.directory, at):
        return None
    return "migrations pending" if at <= chain.known else "the database is at an unknown revision"


@cache
def _holds_all(directory: str, at: frozenset[str]) -> bool:
    """Tell whether nothing is pending but what takes away: the code has all that it needs."""
    from . import expand_contract

    return expand_contract.only_drops_pending(ScriptDirectory(directory), at)


@cache
def _kept(directory: str) -> status.Chain:
    return status.chain(directory)
