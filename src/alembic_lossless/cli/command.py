"""How a command is declared once, and added to ``flask db`` and to ``alembic-lossless``."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

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

#: The answers to what only a person can tell; each may be given several times.
ANSWERS = (
    click.option(
        "--rename", multiple=True, help="What was renamed: user.name:full_name, person:user"
    ),
    click.option("--fill", multiple=True, help="Values for rows already there: user.crew=0"),
    click.option("--accept", multiple=True, help="Consent: 'drop-column user.nickname: unused'"),
)

Function = TypeVar("Function", bound=Callable[..., None])


def with_options(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Give several options to a command, in this order."""

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


class _Command(click.Command):
    """A command whose argument may be ``-1``, as Alembic's; click takes it for an option."""

    def parse_args(self, context: click.Context, words: list[str]) -> list[str]:
        steps = [word for word in words if re.fullmatch(r"-\d+", word)]
        if steps and "--" not in words:
            words = [*(word for word in words if word not in steps), "--", *steps]
        return super().parse_args(context, words)


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

        declared = _Command(
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
