"""What the upper rooms lend to a run of env.py, loaded only when it is needed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from . import compat, hints
from .errors import MigrationError
from .run import env
from .run.connection import Target
from .run.env import Environment, Host
from .settings import Settings


def safeguard(context: Any, connectable: Any = None, settings: Settings | None = None) -> Any:
    """Put the safeguards around this run of env.py.

    :param context: Alembic's ``context`` module, as env.py imports it.
    :param connectable: env.py's engine, where a missing database is to be created.
    :param settings: of the project; else those of its pyproject.toml and the environment.
    :return: what takes the place of *connectable*; None where it was not given.
    :raises MigrationError: where this version of Alembic lacks what is needed.
    """
    environment = compat.live_environment()
    if environment is None:
        raise MigrationError("safeguard(context) works inside of env.py alone, while it runs.")
    env.attach(
        environment,
        make_host(lambda folder: settings or Settings.read(folder=folder)),
    )
    return None if connectable is None else env.lazy(connectable)


def make_host(
    settings: Callable[[Path], Settings],
    engine: Callable[[], Engine | None] = lambda: None,
    command_line: str = hints.ALEMBIC,
    engines: Callable[[], Mapping[str, Engine]] = dict,
) -> Host:
    """Return what env.py is lent: backups, and the scratch database for a new revision.

    :param settings: reads the project's settings, given the folder of its migrations.
    :param engine: returns the project's own engine, where env.py is not the one to tell.
    :param command_line: what hints are worded for where no command of ours runs.
    :param engines: returns the project's engines by their binds, where it may have several.
    """
    return Host(settings, engine, _back_up, _scratch_connection, command_line, engines)


def _back_up(target: Target, at: Iterable[str], is_half_applied: bool) -> Path | None:
    from .backup import store

    settings = target.settings
    return store.back_up(
        target.url, settings.backup, at, settings.development, target.echo, is_half_applied
    )


@contextmanager
def _scratch_connection(environment: Environment) -> Iterator[Connection]:
    # An upgrade on a server loads none of this.
    from .autogenerate import migrate

    with migrate.scratch_connection(environment) as connection:
        yield connection
