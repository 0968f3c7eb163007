import pytest

TABLE = """
CREATE TABLE p (id INTEGER PRIMARY KEY);
CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a INTEGER, b TEXT, f BOOLEAN CHECK (f IN (0, 1)));
INSERT INTO p VALUES (1);
INSERT INTO t VALUES (1, 1, 'x', 1), (2, 1, 'y', 0);
"""


@pytest.fixture
def base(database):
    return database(TABLE)
