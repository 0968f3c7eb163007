"""Moves to each kind of server."""

import pytest

from tests.library.transfer.mover import Mover


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def target(kind, request) -> str:
    return request.getfixturevalue(kind)()


@pytest.fixture
def mover(chain, sqlite_url, target, run) -> Mover:
    return Mover(chain, sqlite_url, target, run)


@pytest.fixture
def library_mover(library, mover) -> Mover:
    """Two authors and three books, at the head."""
    library.upgrade(mover.source)
    mover.here(
        "INSERT INTO author VALUES (1, 'Lem'), (7, 'Le Guin')",
        "INSERT INTO book VALUES (1, 1, 'Solaris', 1961, 204), (2, 7, 'Tehanu', 1990, NULL),"
        " (3, 1, 'Eden \U0001f680 \\ '' \" % \t \n', NULL, 1)",
    )
    return mover
