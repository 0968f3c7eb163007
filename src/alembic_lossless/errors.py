"""What went wrong, as one sentence with an exit code."""

from collections.abc import Sized
from typing import Any

from alembic.util import CommandError


class MigrationError(CommandError):
    """Something a person can put right, said in one sentence.

    :param message: what is wrong, what it would have cost, and what to type next.
    :param exit_code: what the command line exits with (docs/reference/exit-codes.md lists them).

    A subclass of Alembic's own error, so that Alembic's and Flask-Migrate's command lines print
    the sentence and no traceback.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def plural(number: int | Sized, noun: str) -> str:
    """Say how many: ``1 row``, ``2 rows``, ``1,500 rows``."""
    number = number if isinstance(number, int) else len(number)
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def code(error: BaseException) -> str | int | None:
    """Return the server's own code of *error*: PostgreSQL's SQLSTATE, MySQL's number."""
    driver_error = getattr(error, "orig", error)
    number = driver_error.args[0] if driver_error.args else None
    return number if isinstance(number, int) else getattr(driver_error, "sqlstate", None)


def reason(error: BaseException) -> str:
    """Say what went wrong on one line: in the server's words, where it was the server.

    PostgreSQL's detail is added, and before an error of Python's stands its class.
    """
    driver_error: Any = getattr(error, "orig", None)
    has_words = driver_error is not None and driver_error.args
    text = str(driver_error.args[-1] if has_words else error).strip()
    name = type(driver_error or error).__name__
    if text and driver_error is None and not isinstance(error, MigrationError):
        text = f"{name}: {text}"
    lines = text.splitlines() or [name]
    detail = [line for line in lines[1:2] if line.startswith("DETAIL:")]
    return " ".join([lines[0], *detail]).rstrip(". ")
