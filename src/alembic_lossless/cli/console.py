"""What every command does alike: it says its name, prints, asks, and fails in one sentence."""

import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import click
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import current_app
from flask.cli import with_appcontext
from flask_migrate import cli

from ..errors import MigrationError
from ..hints import FLASK, typed_as
from ..run import server

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

#: Of a database that newer code has migrated, or another branch beside this one.
AHEAD = ", with all that this code knows, and more"

say = click.echo


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Register a function as ``flask db <name>``, with its failures said in one sentence."""

    def register(function: Callable[..., Any]) -> click.Command:
        def run(*args: Any, **kwargs: Any) -> None:
            with typed_as(FLASK), failures():
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
        known = "; make history lists them" if "Can't locate revision" in str(error) else ""
        _fail(f"{error}{known}", getattr(error, "exit_code", 1))
    except Exception as error:
        directory = Path(current_app.extensions["migrate"].migrate.directory)
        place = raised_in(error, directory / "versions", importing=True)
        if place is None:
            raise
        _fail(
            f"{place[0]}, line {place[1]}, cannot be imported: {_words(error)}. Till it can, no "
            "migration runs: correct it, or delete it if it was never applied, and run again."
        )


def _fail(sentence: str, code: int = 1) -> NoReturn:
    click.secho(f"exit {code}: {sentence}", fg="red", err=True)
    sys.exit(code)


def _words(error: Exception) -> str:
    return f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else server.reason(error)


def raised_in(
    error: Exception, folder: Path, *, importing: bool = False
) -> tuple[Path, int | None] | None:
    """Return the last file of *folder* on the way to *error*, and its line; None for no such file.

    :param importing: whether only a file counts that was being imported.
    """
    frames: list[tuple[str, int | None]] = [
        (frame.filename, frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.name == "<module>" or not importing
    ]
    if isinstance(error, SyntaxError) and error.filename:  # such a file never came to run
        frames.append((error.filename, error.lineno))
    places = ((Path(name).resolve(), line) for name, line in reversed(frames))
    return next((place for place in places if folder.resolve() in place[0].parents), None)


def consent(needed: bool, question: str, typed: str) -> None:
    """Ask on a terminal.

    :raises MigrationError: without consent, or without a terminal; nothing was changed.
    """
    if needed and not sys.stdin.isatty():
        raise MigrationError(
            "Nothing was changed: it needs your consent, and there is no terminal to ask on; "
            f"{typed} gives it."
        )
    if needed and not click.confirm(f"{question}?"):
        raise MigrationError("Nothing was changed.")


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
