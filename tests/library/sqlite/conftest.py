import sqlite3
from contextlib import closing

import pytest

from tests.library.sqlite.support import Base


@pytest.fixture
def memory():
    """A database in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def database(tmp_path):
    """Makes a database from a script."""
    return lambda script="", **keywords: Base(tmp_path / "app.sqlite", script, **keywords)
