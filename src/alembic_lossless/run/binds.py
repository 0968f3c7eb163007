"""The databases of an env.py that migrates several: the default, and each of SQLALCHEMY_BINDS.

Each revision has a part for each of them, ``upgrade_<bind>()``, which its ``upgrade(engine_name)``
chooses. The default is called by the empty name.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from .connection import Target

_bind: ContextVar[str | None] = ContextVar("bind", default=None)

#: A revision that is counted from where the database is: ``-1``, ``branch@+2``.
_RELATIVE = re.compile(r"(?:.+@)?[+-]\d+")


@contextmanager
def chosen(bind: str | None) -> Iterator[None]:
    """Let revisions do in the body what is for one database.

    :param bind: its name; None where the revisions are for one database only.
    """
    token = _bind.set(bind)
    try:
        yield
    finally:
        _bind.reset(token)


def current() -> str | None:
    """Return the name that :func:`chosen` was given; None where there is one database."""
    return _bind.get()


def arguments() -> dict[str, str]:
    """Return what the ``upgrade`` and ``downgrade`` of a revision are called with."""
    bind = _bind.get()
    return {} if bind is None else {"engine_name": bind}


def part(way: str) -> str:
    """Name the function of a revision that holds the operations for the database in question.

    :param way: "upgrade" or "downgrade".
    """
    bind = _bind.get()
    return way if bind is None else f"{way}_{bind}"


def name(bind: str) -> str:
    """Name one of several databases for a person."""
    return bind or "default"


def prefix(bind: str | None) -> str:
    """Return what a line about one of several databases begins with; nothing where there is one."""
    return "" if bind is None else f"{name(bind)}: "


def labelled(kind: str) -> str:
    """Name a kind of database, and of several databases the one in question.

    :param kind: sqlite, postgresql or mysql.
    """
    bind = _bind.get()
    return kind if bind is None else f"{name(bind)} ({kind})"


def are_migrated(folder: Path) -> bool:
    """Tell whether the env.py in *folder* migrates several databases, from its text."""
    file = folder / "env.py"
    return file.is_file() and "run_migrations(engine_name=" in file.read_text(encoding="utf-8")


@contextmanager
def named_in_errors() -> Iterator[None]:
    """Let an error of the body name the database in question, of several."""
    try:
        yield
    except CommandError as error:
        if current() is None:
            raise
        code = getattr(error, "exit_code", 1)
        raise MigrationError(f"{prefix(current())}{error}", code) from error


def positions(targets: Mapping[str, Target]) -> str:
    """Say in a sentence which revision each of several databases is at."""
    places = []
    for bind, target in targets.items():
        at = _at(target)
        words = "cannot be asked" if at is None else f"is at {at}"
        places.append(f"{name(bind)} {words}")
    return ", ".join(places)


def _at(target: Target) -> str | None:
    from . import history, status

    if target.is_in_memory:  # of another connection's
        return None
    with status.look(target) as connection:
        if connection is None:  # a SQLite file that is missing is an empty database
            return "no revision" if target.kind == "sqlite" else None
        try:
            at = ", ".join(sorted(status.current(connection))) or "no revision"
            half = [
                " ".join(history.half(name).split()) for name in history.half_applied(connection)
            ]
        except DBAPIError:  # the application's role may not read it
            return None
    return f"{at} ({', '.join(half)})" if half else at


def require_one_revision(targets: Mapping[str, Target], revision: str, command: str) -> None:
    """Refuse a *revision* that is another for each of several databases.

    Where one of them failed before, the others would be taken a step too far.

    :param targets: the databases by their names.
    :param revision: as it was typed.
    :param command: the command that takes a revision, for the message.
    :raises MigrationError: with exit code 2.
    """
    if not _RELATIVE.fullmatch(revision):
        return
    seen = {_at(target) for target in targets.values()}
    if len(seen) > 1 or None in seen:
        raise MigrationError(
            f"{revision} is another revision for each database, because they are not at the same: "
            f"{positions(targets)}. Nothing was changed. Name the revision: {command}",
            2,
        )
