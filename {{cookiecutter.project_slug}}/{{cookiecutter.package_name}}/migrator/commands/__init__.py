"""The commands that this project adds to ``flask db``. They print; the logic is elsewhere."""

from collections.abc import Callable

from flask import Flask
from flask_migrate.cli import db as group

from . import adopting, applying, authoring, back, looking, moving, project
from .authoring import review
from .console import EXIT_CODES

__all__ = ["adopting", "applying", "authoring", "back", "init_app", "looking", "moving", "review"]


def init_app(app: Flask, seed: Callable[[], None]) -> None:
    """Let the commands know the application's *seed*, which fills a rebuilt database.

    To be called when Flask-Migrate is there.
    """
    app.extensions["migrator"] = seed
    app.extensions["migrate"].migrate.configure(project.dated)
    for command in (group, *group.commands.values()):
        command.epilog = EXIT_CODES
