"""The commands that this project adds to ``flask db``. They print; the logic is elsewhere."""

from collections.abc import Callable

from flask import Flask
from flask_migrate.cli import db as group

from . import adopt, check, downgrade, migrate, move, project, upgrade
from .console import EXIT_CODES
from .migrate import review

__all__ = ["adopt", "check", "downgrade", "init_app", "migrate", "move", "review", "upgrade"]


def init_app(app: Flask, seed: Callable[[], None]) -> None:
    """Let the commands know the application's *seed*, which fills a rebuilt database.

    To be called when Flask-Migrate is there.
    """
    app.extensions["alembic_lossless"] = seed
    app.extensions["migrate"].migrate.configure(project.dated)
    for command in (group, *group.commands.values()):
        command.epilog = EXIT_CODES
