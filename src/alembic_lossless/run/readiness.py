"""Whether the application may serve with the database that it has."""

from functools import cache

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Dialect, Engine

from ..errors import MigrationError
from . import expand_contract, status
from .chain import Chain, read_chain


def why_not_ready(engine: Engine, config: Config) -> str | None:
    """Tell why the database behind the application's *engine* is not the one this code needs.

    A database that has gone on, as the log tells, is ready: during a deployment the old code
    serves beside the new. So is one that waits with what it takes away (``--phase expand``). What
    the code knows is read once.

    :param config: Alembic's, of the project.
    :return: ``None`` where it is ready.
    """
    directory = str(config.get_main_option("script_location"))
    try:
        chain = _read(directory, config)[1]
    except MigrationError:
        return "the chain of migrations is broken"
    with engine.connect() as connection:
        at = status.current(connection)
        if half := status.half_undone(connection, chain):
            return f"half undone: {half}"
        if at == chain.heads or status.is_ahead(connection, at, chain):
            return None
    if at and at <= chain.known and _holds_all(directory, at, engine.dialect):
        return None
    return "migrations pending" if at <= chain.known else "the database is at an unknown revision"


#: What the code knows, by the folder of the migrations.
_CHAINS: dict[str, tuple[ScriptDirectory, Chain]] = {}


def _read(directory: str, config: Config) -> tuple[ScriptDirectory, Chain]:
    if directory not in _CHAINS:
        script = ScriptDirectory.from_config(config)
        _CHAINS[directory] = script, read_chain(script)
    return _CHAINS[directory]


@cache
def _holds_all(directory: str, at: frozenset[str], dialect: Dialect) -> bool:
    """Tell whether nothing is pending but what takes away: the code has all that it needs."""
    return expand_contract.only_drops_pending(_CHAINS[directory][0], at, dialect)
