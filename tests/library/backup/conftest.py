"""A library whose copies are made."""

import pytest
import sqlalchemy as sa


@pytest.fixture
def live(library, sqlite_url, run) -> sa.URL:
    """A library at its first revision, in WAL as the application has it, with three books."""
    library.upgrade(sqlite_url, "1111")
    run(
        sqlite_url,
        "PRAGMA journal_mode = WAL",
        "INSERT INTO author VALUES (1, 'Lem'), (2, 'Le Guin')",
        "INSERT INTO book VALUES (1, 1, 'Solaris', 1961), (2, 2, 'The Dispossessed', 1974),"
        " (3, 2, 'Tehanu', 1990)",
    )
    return sqlite_url
