"""What every command does alike: it says its name, prints, asks, and fails in one sentence."""

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask.cli import with_appcontext
from flask_migrate import cli

from .. import MigratorError

#: What ``flask db …`` exits with, below the help of each of its commands.
EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  failed, and rolled back
  2  wrong usage
  3  migrations pending (plan --check)
  4  models and migrations differ
  5  another migrator holds the lock past MIGRATION_LOCK_WAIT
  6  an applied file was edited
  7  half applied (databases without transactional DDL)
"""

say = click.echo


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Register a function as ``flask db <name>``, with its failures said in one sentence."""

    def register(function: Callable[..., Any]) -> click.Command:
        def run(*args: Any, **kwargs: Any) -> None:
            with failures():
                function(*args, **kwargs)

        run.__doc__ = function.__doc__
        run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        made: click.Command = cli.db.command(name)(with_appcontext(run))
        return made

    return register


@contextmanager
def failures() -> Iterator[None]:
    """Say what a person can put right in one sentence, and exit with its code."""
    try:
        yield
    except CommandError as error:
        code = getattr(error, "exit_code", 1)
        known = "; make history lists them" if "Can't locate revision" in str(error) else ""
        click.secho(f"exit {code}: {error}{known}", fg="red", err=True)
        sys.exit(code)


def consent(needed: bool, question: str, typed: str) -> None:
    """Ask on a terminal.

    :raises MigratorError: without consent, or without a terminal; nothing was changed.
    """
    if needed and not sys.stdin.isatty():
        raise MigratorError(
            "Nothing was changed: it needs your consent, and there is no terminal to ask on; "
            f"{typed} gives it."
        )
    if needed and not click.confirm(f"{question}?"):
        raise MigratorError("Nothing was changed.")


def lines(found: Iterable[object], before: str = "") -> None:
    """Print one line for each of *found*, on a terminal as wide as that."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for line in (line for one in found for line in f"{before}{one}".split("\n")):
        wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
        wrap.subsequent_indent = " " * (len(line) - len(line.lstrip()) + 2)
        say(wrap.fill(line) if len(line) > width else line)


def title(script: ScriptDirectory, revision: str) -> str:
    """Return a revision and its message on one line."""
    try:
        found = script.get_revision(revision)
    except CommandError:
        return f"{revision}  (not in this code)"
    return f"{revision}  {(found.doc if found else '') or ''}"


def words(revisions: Iterable[str]) -> str:
    """Name the revisions, in their order."""
    return ", ".join(sorted(revisions)) or "no revision"
