"""The project that a command runs in: its configuration, and work done in its env.py."""

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from alembic.config import Config
from alembic.script import ScriptDirectory

from .. import hints
from ..errors import MigrationError
from ..run.chain import read_chain
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

    def tables_elsewhere(self) -> dict[str, list[str]]:
        """Return the models' tables that no migration is about, by the database that has them."""
        return {}

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
        """Return the chain, read anew from its files.

        :raises MigrationError: where it is broken.
        """
        script = ScriptDirectory.from_config(self.config())
        read_chain(script)
        return script

    def work(self, work: Callable[[Environment], Result]) -> Result:
        """Run *work* in the surroundings of env.py, and return what it returns.

        Where env.py has several databases, *work* is run for each, and the last result returned.
        """
        return self.work_for_each(work)[-1]

    def work_for_each(self, work: Callable[[Environment], Result]) -> list[Result]:
        """Run *work* in the surroundings of env.py for each of its databases.

        :return: the results, in env.py's order.
        :raises MigrationError: where env.py does not come so far, or *work* raises it.
        """
        results: list[Result] = []
        in_environment(self.config(), lambda environment: results.append(work(environment)))
        if not results:
            raise MigrationError(
                "migrations/env.py did not run its migrations, so nothing was done: it calls "
                "context.configure and then context.run_migrations."
            )
        return results

    def run(self, command: Callable[..., Any], *arguments: Any, **options: Any) -> Run:
        """Run a command of Alembic's through env.py; return what came of it.

        :param options: of :class:`Run`, and ``tag``, ``sql`` and the like for the command.
        """
        names = ("has_backup", "settings")
        config = self.config(**{name: options.pop(name) for name in names if name in options})
        command(config, *arguments, **options)
        return Run.of(config)


class AlembicProject(Project):
    """A project without Flask, from its alembic.ini or pyproject.toml."""

    command_line = hints.ALEMBIC

    def __init__(self, make: Callable[[], Config]) -> None:
        self._make = make

    def make_config(self) -> Config:
        return self._make()

    def settings(self) -> Settings:
        return Settings.read(folder=Path(self.script().dir))
