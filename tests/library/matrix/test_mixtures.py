"""Several operations on several features at once, drawn by lot, judged like a cell."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)

from .cell import FEATURES, MODES, OPERATIONS, expected, private, run
from .features import plain_database
from .model import Database, uses
from .operations import Operation
from .refusals import wanted


def _parts(db: Database) -> dict[tuple[str, str], object]:
    """Take the database to pieces, each under its kind and key."""
    book = db.book
    whole = ("tables", "around", "names")
    kinds: dict[str, dict[str, Any]] = {
        "column": book.columns,
        "constraint": book.constraints,
        "of book": {key: vars(book)[key] for key in ("options", "late", "sequence")},
        "values": {key: [row.get(key) for row in book.rows] for key in book.columns},
        "table": {key: table for key, table in db.tables.items() if key != "book"},
        "around": db.around,
        "name": db.names,
        "of database": {key: value for key, value in vars(db).items() if key not in whole},
    }
    return {(kind, key): value for kind, held in kinds.items() for key, value in held.items()}


def _touched(change: Callable[[Database], object]) -> set[tuple[str, str]]:
    """Return which parts of the plain database *change* makes other than they were."""
    untouched, database = plain_database(), plain_database()
    change(database)
    before, after = _parts(untouched), _parts(database)
    found = {part for part in before | after if before.get(part) != after.get(part)}
    found |= {("column", key) for kind, key in found if kind == "name"}
    constraints = untouched.book.constraints
    for key in constraints.keys() - database.book.constraints.keys():
        # An unnamed one is looked for by its columns, which must not have other names by then.
        found |= {("column", used) for used in uses(constraints[key])}
    return found


ALONE = [name for name, operation in OPERATIONS.items() if not operation.batch_only]
ALONE.remove("rename_table")
TOUCHED_BY_FEATURE = {name: _touched(change) for name, change in FEATURES.items()}
TOUCHED_BY_OPERATION = {name: _touched(OPERATIONS[name].change) for name in ALONE}


def _draw(lots: random.Random, touched: dict[str, set[Any]], many: int) -> list[str]:
    """Draw names that leave each other's parts alone."""
    drawn = lots.sample(sorted(touched), many)
    while any(touched[one] & touched[other] for one, other in combinations(drawn, 2)):
        drawn = lots.sample(sorted(touched), many)
    return drawn


def _draw_features(lots: random.Random) -> Callable[[Database], None]:
    """Draw features that can be had together; the name of what is returned lists them."""
    impossible = (sqlite3.Error, ValueError, IndexError)
    while True:
        drawn = _draw(lots, TOUCHED_BY_FEATURE, lots.choice([2, 3, 4]))

        def prepare(db: Database, drawn: list[str] = drawn) -> None:
            for name in drawn:
                FEATURES[name](db)

        database = plain_database()
        with (
            closing(sqlite3.connect(":memory:")) as connection,
            suppress(*impossible),
        ):
            prepare(database)
            database.build(connection, aged=True)
            connection.execute("PRAGMA foreign_key_check")  # fails on a key to what is not unique
            prepare.__name__ = "+".join(drawn)
            return prepare


def _draw_operations(lots: random.Random, database: Database) -> list[str]:
    """Draw operations that can follow each other."""
    while True:
        drawn = _draw(lots, TOUCHED_BY_OPERATION, lots.choice([1, 2, 3]))
        with suppress(KeyError):
            changed = database.copy()
            for name in drawn:
                OPERATIONS[name].change(changed)
            return drawn


def _refusable(operations: list[str], features: list[str], database: Database) -> bool:
    """Whether one of the operations may be refused on one of the features."""
    if any(wanted(one, other) for one in operations for other in features):
        return True
    # A constraint without a name would have another one in a table of another name.
    dropped = any(name.startswith("drop_") for name in operations)
    renamed = database.names.keys() & {"book", *database.book.columns}
    two_alike = {"create_foreign_key_unnamed", "drop_foreign_key"} <= set(operations)
    return bool(dropped and renamed) or two_alike


def _judge(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lots = random.Random(seed)
    prepare = _draw_features(lots)
    database = plain_database()
    prepare(database)
    operations = _draw_operations(lots, database)
    named = [OPERATIONS[name] for name in operations]

    def call(b: Any, db: Database) -> None:
        now = db.copy()
        for operation in named:
            operation.call(b, now)
            operation.change(now)

    def change(db: Database) -> None:
        for operation in named:
            operation.change(db)

    features = prepare.__name__.split("+")
    name = f"{'+'.join(operations)} on {prepare.__name__}"
    with monkeypatch.context() as patch:
        patch.setitem(FEATURES, name, prepare)
        patch.setitem(OPERATIONS, name, Operation(call, change))
        possible = not isinstance(expected(name, name, True), str)
        refusable = _refusable(operations, features, database)
        for mode in MODES:
            outcome = run(name, name, mode, folder, private, foreign_keys=mode == "plain")
            verdicts = {"right"} if possible else set()
            verdicts |= {"refused"} if refusable or not possible else set()
            assert outcome.verdict in verdicts, f"{name}, {mode}: {outcome.detail}"


@pytest.mark.parametrize("part", range(10))
def test_mixtures(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Right, or refused where one of the operations is on one of the features."""
    for seed in range(part * 10, part * 10 + 10):
        _judge(seed, tmp_path, monkeypatch)


@pytest.mark.trial
@pytest.mark.parametrize("part", range(10, 110))
def test_many_mixtures(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, ten thousand times."""
    for seed in range(part * 100, part * 100 + 100):
        _judge(seed, tmp_path, monkeypatch)
