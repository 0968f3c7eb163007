"""Migrations that lose nothing: see README.md beside this file for what each room is for."""

from collections.abc import Sized

from alembic.util import CommandError


class MigrationError(CommandError):
    """Something a person can put right, said in one sentence.

    :param message: what is wrong, what it would have cost, and what to type next.
    :param exit_code: what ``flask db …`` exits with; the README lists the codes.

    A subclass of Alembic's own error, so that Alembic's and Flask-Migrate's command lines print
    the sentence and no traceback.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def plural(number: int | Sized, noun: str) -> str:
    """Say how many: ``1 row``, ``2 rows``, ``1,500 rows``."""
    number = number if isinstance(number, int) else len(number)
    return f"{number:,} {noun}" + "s" * (number != 1)
