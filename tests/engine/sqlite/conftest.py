import pytest

from tests.engine.sqlite.support import Base


@pytest.fixture
def database(tmp_path):
    """Makes a database from a script."""
    return lambda script="", **keywords: Base(tmp_path / "app.sqlite", script, **keywords)
