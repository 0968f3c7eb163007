"""A migration on SQLite is applied whole or not at all, whatever happens in the middle of it."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import CommandError

import alembic_lossless.sqlite
from tests.conftest import leave_out

from .cell import ask, connect, private
from .faults import JOURNALS, WAYS, library, make, migrate, state, states

HOME = Path(__file__).parents[3]


def in_a_process(*arguments: str) -> subprocess.Popen[str]:
    """Start ``faults`` with the engine on its path."""
    path = os.pathsep.join([str(HOME), str(Path(alembic_lossless.__file__).parents[1])])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.library.matrix.faults", *arguments],
        env=os.environ | {"PYTHONPATH": path},
        cwd=HOME,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _kill(path: Path, operation: str, journal: str, points: int) -> None:
    process = in_a_process("kill", str(path), operation, journal, str(points))
    found = json.loads(process.communicate(timeout=600)[0])
    assert found.keys() <= {"old", "new", "rerun: new"}, found
    assert found["old"] >= points // 2, "hardly any was killed in the middle"
    assert found["rerun: new"] == 2 * points


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("operation", WAYS)
def test_killed(operation: str, journal: str, tmp_path: Path) -> None:
    """Killed with signal 9, the file is as before or as after, and a second run ends it."""
    _kill(tmp_path / "db.sqlite", operation, journal, 2)


@pytest.mark.trial
@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("operation", WAYS)
def test_killed_at_many_points(operation: str, journal: str, tmp_path: Path) -> None:
    """The same, at a hundred points each."""
    _kill(tmp_path / "db.sqlite", operation, journal, 50)


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("operation", WAYS)
def test_disk_full(operation: str, journal: str, tmp_path: Path) -> None:
    """With so few pages to be had that the operation runs out of them, nothing has changed."""
    path, database = tmp_path / "db.sqlite", library()
    known = states(operation, database)
    make(path, database, journal)
    with closing(connect(path)) as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
    failed = 0
    for more in range(0, 60, 7):
        try:
            with private(path) as context:
                context.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")
                ask(context, operation, "batch", database)
        except (sa.exc.OperationalError, CommandError):
            failed += 1
            assert state(path, known) == "old"
        else:
            assert state(path, known) == "new"
            make(path, database, journal)
    if operation == "retype_integer_to_text":
        assert failed > 0, "the disk was never full"
    migrate(path, operation, database)
    assert state(path, known) == "new"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that holds the library and its journals, but no copy of it."""
    make(tmp_path / "db.sqlite", library(5000), "DELETE")
    size = (tmp_path / "db.sqlite").stat().st_size * 5 // 4 + 100_000
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        leave_out("a small disk", "only root may mount one")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("journal", JOURNALS)
def test_small_disk(journal: str, small_disk: Path) -> None:
    """A rebuild does not fit and changes nothing; a new name needs next to no room and fits."""
    path, database = small_disk / "db.sqlite", library(5000)
    known = states("retype_integer_to_text", database)
    make(path, database, journal)
    with pytest.raises((sa.exc.OperationalError, CommandError)):
        migrate(path, "retype_integer_to_text", database)
    assert state(path, known) == "old"
    migrate(path, "rename_column_pages", database)
    assert state(path, states("rename_column_pages", database)) == "new"


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("operation", WAYS)
def test_two_migrators(operation: str, journal: str, tmp_path: Path) -> None:
    """Two at once: whatever the second says, the file is as after one of them."""
    path, database = tmp_path / "db.sqlite", library()
    make(path, database, journal)
    both = [in_a_process("migrate", str(path), operation) for _ in range(2)]
    for process in both:
        wait_until_ready(process)
    for process in both:
        let_go(process)
    said = [process.communicate(timeout=60)[1] for process in both]
    assert 0 in [process.returncode for process in both], said
    assert state(path, states(operation, database)) == "new"


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("operation", WAYS)
def test_reader_and_writer_meanwhile(operation: str, journal: str, tmp_path: Path) -> None:
    """The application reads whole states only, and every row that it could write is kept."""
    path, database = tmp_path / "db.sqlite", library(4000)
    make(path, database, journal)
    books, reviews = len(database.book.rows), len(database.tables["review"].rows)
    process = in_a_process("migrate", str(path), operation)
    wait_until_ready(process)
    let_go(process)
    written, ended = 0, 0
    with closing(connect(path, foreign_keys=True)) as reader:
        with closing(connect(path, foreign_keys=True)) as writer:
            while ended < 5:
                ended += process.poll() is not None
                assert _patiently(reader, "SELECT count(title) FROM book") == [(books,)]
                assert _patiently(reader, "SELECT count(*) FROM review") == [(reviews,)]
                _patiently(writer, "INSERT INTO log VALUES ('written')")
                writer.commit()
                written += 1
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0, said
        kept = reader.execute("SELECT count(*) FROM log WHERE said = 'written'").fetchone()
    assert kept == (written,)
    changed = database.copy()
    changed.tables["log"].rows += [{"said": "written"}] * written
    assert state(path, states(operation, changed)) == "new"


def _patiently(connection: sqlite3.Connection, statement: str) -> list[tuple[object, ...]]:
    """Run a statement again while the file is locked or its schema has just changed."""
    for _ in range(100):
        try:
            return connection.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in {"SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT"}:
                raise
            connection.rollback()
    raise AssertionError(f"locked for good: {statement}")


@pytest.mark.parametrize("operation", WAYS)
def test_leaves_the_connection_as_it_was(operation: str, tmp_path: Path) -> None:
    """No pragma is left switched, and none that durability hangs on is touched at all."""
    path, database = tmp_path / "db.sqlite", library(10)
    make(path, database, "DELETE")
    sent: list[str] = []
    with private(path) as context:
        assert context.connection
        before = _pragmas(context.connection)
        sa.event.listen(
            context.connection, "before_cursor_execute", lambda *given: sent.append(given[2])
        )
        ask(context, operation, "batch", database)
        done = list(sent)
        assert _pragmas(context.connection) == before
    assert done
    assert not [text for text in done if "synchronous" in text or "journal_mode" in text]


def _pragmas(connection: sa.Connection) -> dict[str, object]:
    names = ("foreign_keys", "legacy_alter_table", "writable_schema", "synchronous", "journal_mode")
    names += ("recursive_triggers", "ignore_check_constraints", "defer_foreign_keys")
    return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}
