"""What every command does alike: it prints, asks, and fails in one sentence."""

import shutil
import sys
import textwrap
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from .. import hints
from ..errors import MigrationError, reason
from ..run.chain import version_folders
from ..run.env import Run

if TYPE_CHECKING:
    from .project import Project

#: What every command exits with, below its help.
EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  failed, and rolled back
  2  wrong usage
  3  migrations pending (plan --check)
  4  models and migrations differ, or findings are unanswered
  5  another process still migrates the database, past MIGRATION_LOCK_WAIT
  6  an applied file was edited
  7  half applied (databases without transactional DDL)
"""

#: Said of a database that newer code has migrated, or another branch beside this one.
AHEAD = ", with all that this code knows, and more"

echo = click.echo


@contextmanager
def failures(project: "Project") -> Iterator[None]:
    """Print what a person can put right in one sentence, and exit with its code."""
    with hints.typed_as(project.command_line):
        try:
            yield
        except CommandError as error:
            history = f"; {hints.command('history')} lists them"
            known = history if "Can't locate revision" in str(error) else ""
            sentence = f"{str(error).rstrip('.')}{known}" if known else str(error)
            _fail(sentence, getattr(error, "exit_code", 1))
        except DBAPIError as error:
            _fail(
                f"The database cannot be reached or read: {reason(error)}. Correct its URL, start "
                "the server, or create the database, and run again."
            )
        except Exception as error:
            directory, folders = _folders(project)
            places = [raised_in(error, folder, importing=True) for folder in folders]
            place = next(filter(None, places), None)
            if place is not None:
                moved = (
                    ", or move its import into upgrade()" if isinstance(error, ImportError) else ""
                )
                _fail(
                    f"{place[0]}, line {place[1]}, cannot be imported: {_words(error)}. Until it "
                    f"can, no migration runs: correct it{moved}, or delete it if it was never "
                    "applied, and run again."
                )
            place = None if _is_own(error, directory) else raised_in(error, directory)
            if place is None:
                raise
            # env.py, such as for a URL in alembic.ini, or a revision that is written as SQL.
            _fail(
                f"{place[0]}, line {place[1]}, failed: {_words(error)}. Correct it, or the setting "
                "that it reads, and run again."
            )


def _folders(project: "Project") -> tuple[Path, list[Path]]:
    """Return the folder of the migrations, and those of the chain's files."""
    config = project.make_config()
    directory = Path(str(config.get_main_option("script_location")))
    try:
        return directory, version_folders(ScriptDirectory.from_config(config))
    except CommandError:
        return directory, [directory / "versions"]


def _is_own(error: Exception, directory: Path) -> bool:
    """Tell whether it was this library's code that failed, rather than a file in *directory*."""
    if isinstance(error, SyntaxError):  # its file never came to run
        return False
    library = Path(__file__).resolve().parents[1]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        parents = Path(frame.filename).resolve().parents
        if library in parents or directory.resolve() in parents:
            return library in parents
    return True


def _fail(sentence: str, code: int = 1) -> NoReturn:
    click.secho(f"exit {code}: {sentence}", fg="red", err=True)
    sys.exit(code)


def _words(error: Exception) -> str:
    return f"SyntaxError: {error.msg}" if isinstance(error, SyntaxError) else reason(error)


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


def consent(needed: bool, question: str, command: str) -> None:
    """Ask on a terminal.

    :param command: gives the consent beforehand.
    :raises MigrationError: without consent, or without a terminal; nothing was changed.
    """
    if needed and not sys.stdin.isatty():
        raise MigrationError(
            "Nothing was changed: it needs your consent, and there is no terminal to ask on; "
            f"{command} gives it."
        )
    if needed and not click.confirm(f"{question}?"):
        raise MigrationError("Nothing was changed.")


def name_tables_elsewhere(project: "Project", run: Run) -> None:
    """Print which tables a migration is not about: those of other databases.

    :param run: the run of env.py, which tells the databases that it is about.
    """
    why = "env.py is for one database, and these tables are in another."
    if run.has_several:
        why = "SQLALCHEMY_BINDS does not name it."
    looked_at = {outcome.bind for outcome in run.outcomes}
    for bind, tables in project.tables_elsewhere().items():
        if tables and looked_at and bind not in looked_at:
            echo(f"  ! Not looked at: {', '.join(tables)}, of the bind {bind!r}. {why}")


def lines(items: Iterable[object], before: str = "") -> None:
    """Print one line for each of *items*, on a terminal as wide as that."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for line in (line for item in items for line in f"{before}{item}".split("\n")):
        wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
        wrap.subsequent_indent = " " * (len(line) - len(line.lstrip()) + 2)
        echo(wrap.fill(line) if len(line) > width else line)


def title(script: ScriptDirectory, revision: str) -> str:
    """Return a revision and its message on one line."""
    try:
        known = script.get_revision(revision)
    except CommandError:
        return f"{revision}  (not in this code)"
    return f"{revision}  {(known.doc if known else '') or ''}"


def names(revisions: Iterable[str]) -> str:
    """Name the revisions, in their order."""
    return ", ".join(sorted(revisions)) or "no revision"
