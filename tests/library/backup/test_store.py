"""The copy before a migration, of real files."""

import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.backup import store
from alembic_lossless.errors import MigrationError
from tests.library.backup.backups import BACKUP, rows, store_of


def test_is_named_after_the_time_and_the_revision(live):
    path = store.back_up(live, BACKUP, ["1111"])
    assert path.parent == Path(live.database).parent
    assert path.name.startswith("library.sqlite.2")
    assert path.name.endswith("Z.1111.bak")
    assert rows(path, "SELECT count(*) FROM book") == [(3,)]


def test_holds_what_is_still_in_the_write_ahead_log(live):
    with closing(sqlite3.connect(live.database)) as holder:
        holder.execute("INSERT INTO author VALUES (3, 'Strugatsky')")
        holder.commit()
        assert Path(live.database + "-wal").stat().st_size
        path = store.back_up(live, BACKUP, ["1111"])
    assert rows(path, "SELECT count(*) FROM author") == [(3,)]


def test_is_one_state_under_a_writer(live, run):
    """Each transaction adds an author and a book, so equal numbers tell of whole ones."""
    run(live, "DELETE FROM book", "DELETE FROM author")
    stop = threading.Event()

    def write():
        with closing(sqlite3.connect(live.database, timeout=30)) as connection:
            number = 0
            while not stop.is_set():
                number += 1
                with connection:
                    for table in ("author (id, name)", "book (author_id, title)"):
                        connection.execute(
                            f"INSERT INTO {table} VALUES (?, ?)", (number, f"{number}" * 40)
                        )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        copies = []
        for _ in range(12):
            path = store.back_up(live, BACKUP, ["1111"])
            copies.append(rows(path, "SELECT (SELECT count(*) FROM author), count(*) FROM book"))
            assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    finally:
        stop.set()
        writer.join()
    assert all(authors == books for ((authors, books),) in copies)
    assert copies[-1] != [(0, 0)]


def test_the_last_few_are_kept_and_none_is_overwritten(live):
    made = [store.back_up(live, BACKUP, [f"{n}"]) for n in range(7)]
    assert len(set(made)) == 7
    assert sorted(p for p in made if p.exists()) == sorted(made[2:])


def test_a_migration_that_is_tried_for_ever_does_not_push_out_other_revisions(live):
    first = store.back_up(live, BACKUP, ["0000"])
    tries = [store.back_up(live, BACKUP, ["1111"]) for _ in range(9)]
    assert first.exists()
    assert [p.exists() for p in tries] == [True, *[False] * 5, *[True] * 3]


def test_an_afternoon_of_back_and_forth_keeps_the_copies_from_before_it(live):
    first = [store.back_up(live, BACKUP, [at]) for at in ("2222", "1111")]
    for at in ["2222", "1111"] * 5:
        store.back_up(live, BACKUP, [at])
    assert all(path.exists() for path in first)


def test_the_newest_is_the_newest_also_when_the_clock_went_back(live, monkeypatch):
    folder = Path(live.database).parent
    future = folder / "library.sqlite.29990101T000000Z.1111.bak"
    future.write_bytes(b"")
    path = store.back_up(live, BACKUP, ["2222"])
    assert path.name == "library.sqlite.29990101T000001Z.2222.bak"
    assert store_of(live).backups()[0].path == path


def test_files_of_others_stay(live):
    folder = Path(live.database).parent
    others = [
        folder / name for name in ("library.sqlite.bak", "other.sqlite.20260101T000000Z.1.bak")
    ]
    for other in others:
        other.write_text("mine", encoding="utf-8")
    for number in range(8):
        store.back_up(live, BACKUP, [f"{number}"])
    assert [other.read_text(encoding="utf-8") for other in others] == ["mine", "mine"]


def test_may_be_read_by_whom_the_database_may_be_read(live):
    os.chmod(live.database, 0o640)
    path = store.back_up(live, BACKUP, ["1111"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("database", [None, ":memory:", "file::memory:?uri=true"])
def test_nothing_in_memory(database):
    assert store.back_up(sa.URL.create("sqlite", database=database), BACKUP, []) is None


def test_nothing_before_the_first_table(sqlite_url):
    assert store.back_up(sqlite_url, BACKUP, []) is None
    assert not Path(sqlite_url.database).exists()
    Path(sqlite_url.database).touch()
    assert store.back_up(sqlite_url, BACKUP, []) is None


def test_nothing_when_switched_off(live):
    assert store.back_up(live, "off", ["1111"]) is None


def test_backup_is_written_to_the_folder_that_is_named(live, tmp_path):
    folder = tmp_path / "copies"
    with pytest.raises(MigrationError, match="is no folder"):
        store.back_up(live, str(folder), ["1111"])
    folder.mkdir()
    path = store.back_up(live, str(folder), ["1111"])
    assert path.parent == folder


def test_a_uri_is_understood(live):
    as_uri = sa.URL.create("sqlite", database=Path(live.database).as_uri() + "?uri=true")
    assert store.back_up(as_uri, BACKUP, ["1111"]) is not None
