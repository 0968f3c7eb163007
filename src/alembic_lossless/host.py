"""What the upper rooms lend to a run of env.py, loaded only when it is needed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from .run.connection import Target
from .run.env import Environment, Host
from .settings import Settings


def make_host(
    settings: Callable[[Path], Settings], engine: Callable[[], Engine | None] = lambda: None
) -> Host:
    """Return what env.py is lent: backups, and the scratch database for a new revision.

    :param settings: reads the project's settings, given the folder of its migrations.
    :param engine: returns the project's own engine, where env.py is not the one to tell.
    """
    return Host(settings, engine, _back_up, _scratch_connection)


def _back_up(target: Target, at: Iterable[str]) -> Path | None:
    from .backup import store

    return store.back_up(target.url, target.settings.backup, at)


@contextmanager
def _scratch_connection(environment: Environment) -> Iterator[Connection]:
    # An upgrade on a server loads none of this.
    from .autogenerate import migrate

    with migrate.scratch_connection(environment) as connection:
        yield connection
