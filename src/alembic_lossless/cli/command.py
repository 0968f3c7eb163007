"""How a command is declared once, and added to ``flask db`` and to ``alembic-lossless``."""

from collections.abc import Callable
from typing import Any

import click

from .console import EXIT_CODES, failures
from .project import Project

#: Makes the project of a command line, given the options that every command takes.
Factory = Callable[[str | None, tuple[str, ...]], Project]

#: Where a group leaves its :data:`Factory` for the commands in it.
FACTORY = "alembic_lossless.project"

#: Alembic's and Flask-Migrate's own commands that need no chain.
WITHOUT_CHAIN = {"init", "list-templates", "list_templates"}

#: Every command by its name.
COMMANDS: dict[str, click.Command] = {}


def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """Declare a function as the command *name*; its first argument is the project.

    Its failures end in one sentence and an exit code.
    """

    def declare(function: Callable[..., None]) -> click.Command:
        def run(directory: str | None, x_arg: tuple[str, ...], **options: Any) -> None:
            context = click.get_current_context()
            project = context.meta[FACTORY](directory, x_arg)
            with failures(project):
                function(project, **options)

        declared = click.Command(
            name,
            callback=run,
            help=function.__doc__,
            epilog=EXIT_CODES,
            params=[
                *reversed(getattr(function, "__click_params__", [])),
                click.Option(["-d", "--directory"], help="The folder of the migrations."),
                click.Option(["-x", "--x-arg"], multiple=True, help="An argument for env.py."),
            ],
        )
        COMMANDS[name] = declared
        return declared

    return declare
