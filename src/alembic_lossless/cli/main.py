"""``alembic-lossless``: the commands for a project without Flask."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import click
from alembic.config import CommandLine, Config

from . import commands
from .command import FACTORY, WITHOUT_CHAIN
from .console import failures
from .project import AlembicProject


class Group(click.Group):
    """Takes a command from ours, else from Alembic's own command line."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        ours = super().get_command(ctx, cmd_name)
        if ours is not None or cmd_name not in _stock_commands():
            return ours
        return click.Command(
            cmd_name,
            callback=lambda arguments: _run_stock(ctx, [cmd_name, *arguments]),
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True, "help_option_names": []},
        )

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_stock_commands()})


def _stock_commands() -> list[str]:
    return list(CommandLine().subparsers.choices)


def _run_stock(context: click.Context, arguments: list[str]) -> None:
    if arguments[0] not in WITHOUT_CHAIN and "--help" not in arguments:
        project = context.meta[FACTORY](None, ())
        with failures(project):
            project.script()
    before: list[str] = []
    for file in context.params["config"]:
        before += ["-c", file]
    before += ["-n", context.params["name"]]
    for text in context.params["x_arg"]:
        before += ["-x", text]
    CommandLine(prog="alembic-lossless").main([*before, *arguments])


@click.group("alembic-lossless", cls=Group)
@click.option("-c", "--config", multiple=True, help="alembic.ini, or a pyproject.toml.")
@click.option("-n", "--name", default="alembic", help="The section of the ini file.")
@click.option("-x", "--x-arg", multiple=True, help="An argument for env.py.")
@click.version_option(package_name="alembic-lossless")
@click.pass_context
def main(
    context: click.Context, config: tuple[str, ...], name: str, x_arg: tuple[str, ...]
) -> None:
    """Alembic migrations that lose nothing."""

    def project(directory: str | None, more: tuple[str, ...]) -> AlembicProject:
        def make_config() -> Config:
            result = Config(
                ini_section=name,
                cmd_opts=Namespace(x=[*x_arg, *more]),
                **_files(config),
            )
            if directory:
                result.set_main_option("script_location", directory)
            return result

        return AlembicProject(make_config)

    context.meta[FACTORY] = project


def _files(named: tuple[str, ...]) -> dict[str, Any]:
    """Return which files hold the configuration; as Alembic finds them."""
    files = {"toml_file": "pyproject.toml", "file_": "alembic.ini"}
    for file in (os.environ.get("ALEMBIC_CONFIG", ""), *named):
        if file:
            files["toml_file" if Path(file).name == "pyproject.toml" else "file_"] = file
    return files


for _command in commands.load().values():
    main.add_command(_command)
