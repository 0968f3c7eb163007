"""An error is put into words in one way, whoever raised it."""

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError

from alembic_lossless.errors import MigrationError, reason


class ServerError(Exception):
    """What a driver raises."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MigrationError("No such table."), "No such table"),
        (KeyError("name"), "KeyError: 'name'"),
        (ServerError(), "ServerError"),
        (DBAPIError(None, None, sqlite3.OperationalError("no such table: a")), "no such table: a"),
        (DBAPIError(None, None, ServerError(1064, "You have an error")), "You have an error"),
        (
            DBAPIError(None, None, ServerError("is not null\nDETAIL:  row (1).\nHINT: none")),
            "is not null DETAIL:  row (1)",
        ),
        (DBAPIError(None, None, ServerError("unknown\nLINE 1: SELECT")), "unknown"),
        (DBAPIError(None, None, ServerError("")), "ServerError"),
    ],
)
def test_reason_is_one_line_in_the_words_of_who_raised_it(error: Exception, words: str) -> None:
    assert reason(error) == words
