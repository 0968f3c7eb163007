"""The project that a command runs in: its configuration, and work done in its env.py."""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from .. import hints
from ..errors import MigrationError
from ..run import lock, status
from ..run.connection import label
from ..run.env import Environment, Run, in_environment
from ..settings import Settings
from .console import echo

Result = TypeVar("Result")


class Project(ABC):
    """A project with migrations, from the one or the other command line."""

    #: How a person types a command here.
    command_line: str

    @abstractmethod
    def make_config(self) -> Config:
        """Return Alembic's configuration, each time a new one."""

    @abstractmethod
    def settings(self) -> Settings:
        """Return the project's settings, as far as they are known without env.py."""

    def seed(self) -> Callable[[], None] | None:
        """Return what fills a new development database with rows; None where nothing does."""
        return None

    @property
    def root(self) -> Path:
        """Return the folder that the project's own code is in."""
        return Path.cwd()

    def config(self, **options: Any) -> Config:
        """Return Alembic's configuration, with a :class:`Run` of these *options* in it."""
        config = self.make_config()
        run = Run.of(config)
        run.echo, run.is_command = echo, True
        for name, value in options.items():
            setattr(run, name, value)
        if config.cmd_opts is None:
            config.cmd_opts = argparse.Namespace()
        return config

    def script(self) -> ScriptDirectory:
        """Return the chain, read anew from its files."""
        return ScriptDirectory.from_config(self.config())

    def work(self, work: Callable[[Environment], Result]) -> Result:
        """Run *work* in the surroundings of env.py, and return what it returns."""
        results: list[Result] = []
        in_environment(self.config(), lambda environment: results.append(work(environment)))
        if not results:
            raise MigrationError(
                "migrations/env.py did not run its migrations, so nothing was done: it calls "
                "context.configure and then context.run_migrations."
            )
        return results[-1]

    def run(self, command: Callable[..., Any], *arguments: Any, **options: Any) -> Run:
        """Run a command of Alembic's through env.py; return what came of it.

        :param options: of :class:`Run`, and ``tag``, ``sql`` and the like for the command.
        """
        names = ("has_backup", "settings")
        config = self.config(**{name: options.pop(name) for name in names if name in options})
        command(config, *arguments, **options)
        return Run.of(config)


def name_database(environment: Environment) -> None:
    """Print which database it is, without its password."""
    echo(f"Database: {label(environment.target.url)}")


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
            f"{label(environment.target.url)} is one: unset SETTINGS, or set "
            "MIGRATION_DEVELOPMENT = True where that is so."
        )


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


def current(environment: Environment) -> frozenset[str]:
    """Return the revisions that the database is at."""
    with reading(environment) as connection:
        return status.current(connection)


def probe(environment: Environment) -> tuple[status.Chain, status.Probe | None]:
    """Return the revisions that the code knows, and where the database is, as far as one sees."""
    chain = status.chain(environment.script)
    return chain, status.probe(environment.target, chain)


def applied(environment: Environment) -> set[str]:
    """Return the revisions of the chain that the database has, as far as one sees."""
    _, seen = probe(environment)
    return status.applied(environment.script, seen.at if seen else ())


@contextmanager
def locked(environment: Environment) -> Iterator[Connection]:
    """Hold the migration lock of the database, on a connection to it."""
    limits = environment.settings.limits
    with (
        environment.target.connect(limits) as connection,
        lock.hold(connection, limits.wait, echo),
    ):
        yield connection


class AlembicProject(Project):
    """A project without Flask, from its alembic.ini or pyproject.toml."""

    command_line = hints.ALEMBIC

    def __init__(self, make: Callable[[], Config]) -> None:
        self._make = make

    def make_config(self) -> Config:
        return self._make()

    def settings(self) -> Settings:
        return Settings.read(folder=Path(self.script().dir))
