"""The group ``flask db``: our commands, and Flask-Migrate's own where we have none."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from alembic.config import Config
from flask import current_app, g
from flask.cli import with_appcontext
from flask_migrate.cli import db as stock

from .. import hints
from ..settings import Settings
from . import commands
from .command import FACTORY, WITHOUT_CHAIN
from .console import failures
from .project import Project


class FlaskProject(Project):
    """The current application."""

    command_line = hints.FLASK

    def __init__(self, directory: str | None, x_arg: tuple[str, ...]) -> None:
        self._directory = directory or g.get("directory")
        self._x_arg = x_arg or g.get("x_arg", ())
        self._migrate = current_app.extensions["migrate"].migrate

    def make_config(self) -> Config:
        config: Config = self._migrate.get_config(self._directory, x_arg=list(self._x_arg))
        return config

    def settings(self) -> Settings:
        return Settings.read(current_app.config, Path(self._directory or self._migrate.directory))

    def seed(self) -> Callable[[], None] | None:
        seed: Callable[[], None] | None = self._migrate.seed
        return seed

    def tables_elsewhere(self) -> dict[str, list[str]]:
        """Return the tables of SQLALCHEMY_BINDS, which an env.py for one database leaves out."""
        metadatas = getattr(self._migrate.db, "metadatas", {})
        return {key: sorted(metadatas[key].tables) for key in metadatas if key is not None}

    @property
    def root(self) -> Path:
        return Path(current_app.root_path)


class Group(click.Group):
    """Takes a command from ours, else from Flask-Migrate's, whatever its version has.

    Ours are loaded when one is asked for: every process of a server makes this group.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.commands, *commands.load(), *stock.list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands and (ours := commands.load().get(cmd_name)):
            self.add_command(_in_application(ours))
        ours = super().get_command(ctx, cmd_name)
        stock_command = None if ours else stock.get_command(ctx, cmd_name)
        return ours if stock_command is None else _after_reading_the_chain(stock_command)


@click.group("db", cls=Group)
@click.option("-d", "--directory", help="The folder of the migrations.")
@click.option("-x", "--x-arg", multiple=True, help="An argument for env.py.")
@click.pass_context
@with_appcontext
def group(context: click.Context, directory: str | None, x_arg: tuple[str, ...]) -> None:
    """Perform database migrations."""
    g.directory, g.x_arg = directory, x_arg  # where Flask-Migrate's own look for them
    context.meta[FACTORY] = FlaskProject


def _after_reading_the_chain(command: click.Command) -> click.Command:
    """Return Flask-Migrate's own *command*, which then stops at a broken chain as ours do."""
    if command.name in WITHOUT_CHAIN or command.callback is None:
        return command
    stock_callback = command.callback

    def run(**options: Any) -> Any:
        project = FlaskProject(options.get("directory"), options.get("x_arg") or ())
        with failures(project):
            project.script()
        return stock_callback(**options)

    inner = copy.copy(command)
    inner.callback = with_appcontext(run)
    return inner


def _in_application(command: click.Command) -> click.Command:
    inner = copy.copy(command)
    assert command.callback is not None
    inner.callback = with_appcontext(command.callback)
    return inner
