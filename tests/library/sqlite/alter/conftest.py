import pytest

from tests.library.sqlite.support import SCRIPT


@pytest.fixture
def base(database):
    return database(SCRIPT)
