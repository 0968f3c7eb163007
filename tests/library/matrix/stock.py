"""The same cells on stock Alembic: ``python -m tests.library.matrix.stock [operation feature]…``.

Without arguments all cells are run, in batch and out of it, with foreign keys on, and the verdicts
counted. With pairs of names those cells are run in batch mode, and a JSON list of verdicts printed.
"""

import json
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from .cell import FEATURES, OPERATIONS, Outcome, modes, run, stock
from .refusals import wanted

MEANING = {
    "right": "right, or a clean refusal that was wanted",
    "respelt": "right, though the text was written anew",
    "rows": "rows lost or changed, and no error",
    "schema": "schema lost or changed, and no error",
    "dirty": "failed, and left the database changed",
    "failed": "failed, although the operation is possible",
}


def verdict(operation: str, feature: str, outcome: Outcome) -> str:
    """Sort an outcome; stock is not asked for a clear message, any failure is a refusal."""
    refused = outcome.verdict in ("refused", "failed")
    if not refused:
        return outcome.verdict
    return "right" if wanted(operation, feature) else "failed"


def main(pairs: list[str]) -> None:
    warnings.simplefilter("ignore")
    if "alembic_lossless" in sys.modules:
        raise SystemExit("The engine is in force: this would not be stock Alembic.")
    with tempfile.TemporaryDirectory() as folder:

        def outcome(operation: str, feature: str, mode: str) -> Outcome:
            return run(operation, feature, mode, Path(folder), stock, foreign_keys=True)

        if pairs:
            cells = zip(pairs[::2], pairs[1::2], strict=True)
            print(json.dumps([vars(outcome(*cell, "batch")) for cell in cells]))
            return
        counts: dict[str, Counter[str]] = {"plain": Counter(), "batch": Counter()}
        for operation in OPERATIONS:
            for feature in FEATURES:
                for mode in modes(operation):
                    found = verdict(operation, feature, outcome(operation, feature, mode))
                    counts[mode][found] += 1
        print(f"| {'outcome':45} | out of batch | in batch |\n|---|---|---|")
        for key, meaning in MEANING.items():
            print(f"| {meaning:45} | {counts['plain'][key]:12} | {counts['batch'][key]:8} |")


if __name__ == "__main__":
    main(sys.argv[1:])
