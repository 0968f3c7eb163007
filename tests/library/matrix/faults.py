"""Runs one operation in a process that can be killed: ``python -m tests.library.matrix.faults``.

A fork of this process carries the operation out and is killed with signal 9, again and again, each
time at a later point: counted in steps of SQLite's machine, and then in time, which also meets the
commit. After each the file is judged; the first that is not whole ends it.
"""

import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from .cell import OPERATIONS, ask, connect, private
from .features import FEATURES, with_feature
from .model import Database
from .reader import rows, schema

#: One operation for every way to carry it out: SQLite's own ALTER, in place, and rebuilt.
WAYS = ("drop_column_note", "set_not_null", "retype_integer_to_text", "batch_of_several")
JOURNALS = ("DELETE", "WAL")


def library(books: int = 1000) -> Database:
    """Return a database with many rows, children that cascade, a self-reference and a trigger."""
    database = with_feature("child_cascades")
    for feature in ("trigger_on_insert", "autoincrement", "index_of_expression"):
        FEATURES[feature](database)
    first = database.book.rows[0]
    new = [first | {"id": n, "isbn": f"i{n}", "note": "n" * 50} for n in range(100, 100 + books)]
    database.book.rows += new
    database.tables["review"].rows += [{"rid": row["id"], "of": row["id"]} for row in new]
    database.book.sequence = books + 500
    return database


def make(path: Path, database: Database, journal: str) -> None:
    """Write the database to a fresh file."""
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm"), Path(f"{path}-journal")):
        file.unlink(missing_ok=True)
    with closing(connect(path)) as connection:
        database.build(connection)
        connection.execute(f"PRAGMA journal_mode = {journal}")


def migrate(path: Path, operation: str, database: Database, on_steps: object = None) -> None:
    """Carry the operation out; *on_steps* is called after every few steps of SQLite's machine."""
    with private(path) as context:
        if on_steps:
            context.connection.connection.driver_connection.set_progress_handler(on_steps, 50)
        ask(context, operation, "batch", database)


def states(operation: str, database: Database) -> dict[str, object]:
    """Return what the file holds before and after the operation, by the model."""
    after = database.copy()
    OPERATIONS[operation].change(after)
    found = {}
    for name, model in (("old", database), ("new", after)):
        with closing(connect(":memory:")) as connection:
            model.build(connection)
            found[name] = (schema(connection), rows(connection))
    return found


def state(path: Path, known: dict[str, object]) -> str:
    """Say which of the known states the file is in, or what is wrong with it."""
    with closing(connect(path, foreign_keys=True)) as connection:
        if (whole := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            return f"integrity_check: {whole}"
        if orphans := connection.execute("PRAGMA foreign_key_check").fetchall():
            return f"foreign_key_check: {orphans}"
        try:
            found = (schema(connection), rows(connection))
        except sqlite3.Error as error:
            return str(error)
    return next((name for name, value in known.items() if value == found), "neither old nor new")


def killed_at(path: Path, operation: str, database: Database, steps: int, seconds: float) -> None:
    """Fork, let the fork migrate, and kill it after so many steps or seconds."""
    child = os.fork()
    if child == 0:
        left = steps

        def count() -> int:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return 0

        migrate(path, operation, database, count if steps else None)
        os._exit(0)
    if seconds:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def kill_often(path: Path, operation: str, journal: str, points: int) -> Counter[str]:
    """Kill at *points* counted points and at as many points in time; count the states found."""
    database = library()
    known = states(operation, database)
    make(path, database, journal)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    started = time.perf_counter()
    migrate(path, operation, database, count)
    took = time.perf_counter() - started
    found = Counter[str]()
    whens = [(1 + steps * point // points, 0.0) for point in range(points)]
    whens += [(0, took * 1.3 * random.random()) for _ in range(points)]
    for steps_until, seconds in whens:
        make(path, database, journal)
        killed_at(path, operation, database, steps_until, seconds)
        found[state(path, known)] += 1
        if state(path, known) == "old":
            migrate(path, operation, database)
        found[f"rerun: {state(path, known)}"] += 1
    return found


def main(work: str, file: str, operation: str, journal: str = "", points: str = "0") -> None:
    """Either kill, or migrate once, as soon as a line comes in."""
    import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)

    if work == "kill":
        print(json.dumps(kill_often(Path(file), operation, journal, int(points))))
        return
    print("ready", flush=True)
    sys.stdin.readline()
    migrate(Path(file), operation, library())


if __name__ == "__main__":
    main(*sys.argv[1:])
