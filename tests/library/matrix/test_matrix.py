"""Every operation on every feature: carried out exactly, or refused with nothing changed."""

import re
from pathlib import Path

import pytest

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)

from .cell import FEATURES, OPERATIONS, modes, private, run
from .refusals import REFUSALS, wanted

pytestmark = pytest.mark.filterwarnings("error")

CELLS = [(operation, feature) for operation in OPERATIONS for feature in FEATURES]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cells")


def _judge(operation: str, feature: str, mode: str, folder: Path, *, foreign_keys: bool) -> None:
    outcome = run(operation, feature, mode, folder, private, foreign_keys=foreign_keys)
    refusal = wanted(operation, feature)
    assert outcome.verdict == ("refused" if refusal else "right"), outcome.detail
    if refusal:
        assert re.search(refusal.word, outcome.detail), f"{outcome.detail} ({refusal.reason})"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation_on_every_feature(operation: str, folder: Path) -> None:
    """Out of batch with the application's foreign keys on, or in batch with them off, in turns."""
    possible, wrong = modes(operation), []
    for feature in FEATURES:
        mode = possible[CELLS.index((operation, feature)) % len(possible)]
        try:
            _judge(operation, feature, mode, folder, foreign_keys=mode == "plain")
        except AssertionError as error:
            wrong.append(f"{feature}, {mode}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.trial
@pytest.mark.parametrize(("operation", "feature"), CELLS)
def test_cell_every_way(operation: str, feature: str, folder: Path) -> None:
    """Out of batch and in batch, each with the application's foreign keys on and off."""
    for mode in modes(operation):
        for foreign_keys in (True, False):
            _judge(operation, feature, mode, folder, foreign_keys=foreign_keys)


def test_refusals_name_cells() -> None:
    """The table of refusals speaks of operations and features that there are."""
    assert {refusal.operations for refusal in REFUSALS} <= OPERATIONS.keys()
    assert all(refusal.features <= FEATURES.keys() for refusal in REFUSALS)
