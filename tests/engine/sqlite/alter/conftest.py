import pytest

from tests.engine.sqlite.support import SCRIPT


@pytest.fixture
def base(database):
    return database(SCRIPT)
