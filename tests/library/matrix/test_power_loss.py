"""When the power goes, the file is as before the migration or as after it."""

import importlib
import random
from pathlib import Path

import pytest

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)
from tests.conftest import leave_out

from .cell import ask, private
from .faults import JOURNALS, WAYS, library, make, state, states


def _lose_power(operation: str, journal: str, folder: Path, points: int) -> None:
    try:
        power = importlib.import_module("tests.library.matrix.power")
    except ImportError:
        leave_out("apsw", "it is not installed")
    path, database = folder / "db.sqlite", library(300)
    known = states(operation, database)
    make(path, database, journal)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    power.log.clear()
    with private(path, module=power, synchronous="FULL") as context:
        ask(context, operation, "batch", database)
    done = len(power.log)
    lots = random.Random(f"{operation} {journal}")
    found = set()
    for point in sorted({0, done, *lots.sample(range(done), min(points, done))}):
        after = folder / f"power went at {point}"
        after.mkdir()
        for name, held in power.lose_power(before, point, lots).items():
            (after / name).write_bytes(held)
        found.add(state(after / "db.sqlite", known))
    assert found == {"old", "new"}


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("operation", [*WAYS, "create_foreign_key", "change_default"])
def test_power_loss(operation: str, journal: str, tmp_path: Path) -> None:
    """At some points, with what was not synced written by chance."""
    _lose_power(operation, journal, tmp_path, 12)


@pytest.mark.trial
@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("operation", [*WAYS, "create_foreign_key", "change_default"])
def test_power_loss_at_many_points(operation: str, journal: str, tmp_path: Path) -> None:
    """At hundreds of points."""
    _lose_power(operation, journal, tmp_path, 500)
