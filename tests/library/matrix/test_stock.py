"""What stock Alembic does to some of the cells: the accidents that this engine is there for.

Each is run on stock Alembic in a process of its own, in batch mode with the application's foreign
keys on, and here. When a new Alembic no longer has one of these accidents, its line can go.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)

from .cell import private, run
from .refusals import wanted

ACCIDENTS = {
    ("drop_not_null", "child_cascades"): "rows",
    ("drop_not_null", "child_set_null"): "rows",
    ("set_default", "self_reference_cascades"): "rows",
    ("rename_column_note", "child_cascades"): "rows",
    ("retype_unfit", "plain"): "rows",
    ("set_not_null", "autoincrement"): "rows",
    ("set_not_null", "trigger_on_insert"): "schema",
    ("set_not_null", "collation"): "schema",
    ("set_not_null", "unique_on_conflict"): "schema",
    ("set_not_null", "comments"): "respelt",
    ("drop_not_null", "view"): "dirty",
    ("create_foreign_key_unnamed", "plain"): "failed",
}


@pytest.fixture(scope="module")
def on_stock() -> dict[tuple[str, str], dict[str, str]]:
    """Run all of them in one process that does not import the engine."""
    names = [name for cell in ACCIDENTS for name in cell]
    done = subprocess.run(
        [sys.executable, "-m", "tests.library.matrix.stock", *names],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(ACCIDENTS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("cell", ACCIDENTS, ids="-".join)
def test_accident_of_stock_is_right_here(
    cell: tuple[str, str], on_stock: dict[tuple[str, str], dict[str, str]], tmp_path: Path
) -> None:
    """Stock loses rows or schema, or fails; here the same cell is right, or refused as wanted."""
    here = run(*cell, "batch", tmp_path, private, foreign_keys=True)
    assert here.verdict == ("refused" if wanted(*cell) else "right"), here.detail
    assert on_stock[cell]["verdict"] == ACCIDENTS[cell], on_stock[cell]["detail"]
