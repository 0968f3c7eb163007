"""The database that a command is about, seen from inside of env.py."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from .. import compat
from ..errors import MigrationError
from ..hints import development_setting
from ..run import lock, status
from ..run.chain import Chain
from ..run.connection import label
from ..run.env import Environment
from .console import echo

if TYPE_CHECKING:
    from ..backup.store import BackupStore


def name_database(environment: Environment) -> None:
    """Print which database it is, without its password."""
    echo(environment.heading)


def name_of_several(environment: Environment) -> None:
    """Print which database it is, where env.py has several."""
    if environment.bind is not None:
        name_database(environment)


def require_one(environment: Environment, command: str) -> None:
    """Refuse a *command* that is for one database alone.

    :raises MigrationError: with exit code 2, where env.py has several.
    """
    if environment.bind is not None:
        raise MigrationError(
            f"{command} works on one database, and env.py migrates several (SQLALCHEMY_BINDS), so "
            "nothing was changed: do this for each by hand.",
            exit_code=2,
        )


def is_development(environment: Environment) -> bool:
    """Tell whether the database may be dropped and rebuilt at will."""
    return bool(environment.settings.development)


def only_development(environment: Environment, what: str) -> None:
    """Refuse *what* on any other database.

    :raises MigrationError: where it is not one for development.
    """
    if not is_development(environment):
        raise MigrationError(
            f"{what} works on a development database only, and nobody has said that "
            f"{label(environment.target.url)} is one. Where it is: {development_setting()}."
        )


def backups(environment: Environment) -> "BackupStore | None":
    """Return the backups of the database; None where none are made of it."""
    from ..backup.store import BackupStore

    settings = environment.settings
    return BackupStore.of(environment.target.url, settings.backup, settings.development)


def reading(environment: Environment) -> Connection:
    """Connect to the database in order to look."""
    return environment.target.connect(read_only=True)


@contextmanager
def looking(environment: Environment) -> Iterator[Connection]:
    """Connect in order to look: as the application, whose password is at hand, where it may."""
    with status.look(environment.target) as connection:
        if connection is not None and status.is_readable(connection):
            yield connection
            return
    with reading(environment) as connection:
        yield connection


def current(environment: Environment, *, create: bool = False) -> frozenset[str]:
    """Return the revisions that the database is at.

    :param create: whether a server's database is created where it is missing.
    """
    target = environment.target
    read_only = not create or target.kind == "sqlite"  # whose file comes with the first revision
    with target.connect(read_only=read_only) as connection:
        return status.current(connection)


def probe(environment: Environment) -> tuple[Chain, status.Probe | None]:
    """Return the revisions that the code knows, and where the database is, as far as one sees."""
    chain = environment.chain
    return chain, status.probe(environment.target, chain)


def applied(environment: Environment) -> set[str]:
    """Return the revisions of the chain that the database has, as far as one sees."""
    _, seen = probe(environment)
    return status.applied(environment.script, seen.at if seen else ())


@contextmanager
def locked(environment: Environment) -> Iterator[Connection]:
    """Hold the migration lock of the database, on a connection to it."""
    limits, target = environment.settings.limits, environment.target
    if not compat.can_await() and target.url.get_dialect().is_async:  # env.py's event loop is over
        target = replace(target, url=target.url.set(drivername=target.kind), engine=None)
    with target.connect(limits) as connection, lock.hold(connection, limits.wait, echo):
        yield connection
