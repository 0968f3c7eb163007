"""Restoring a backup."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

import alembic_lossless
from alembic_lossless.backup import restore, store
from alembic_lossless.backup.changes import changes
from alembic_lossless.backup.store import BackupStore
from alembic_lossless.errors import MigrationError
from tests.library.backup.backups import BACKUP, store_of

ENGINE = Path(alembic_lossless.__file__).parents[1]

#: Brings the newest copy back and dies when that share of its pages is still to come.
KILLED = """
import functools, os, signal, sqlite3, sys
import sqlalchemy as sa
from alembic_lossless.backup import restore
from alembic_lossless.backup.store import BackupStore

class Dying(sqlite3.Connection):
    def backup(self, target, *, progress=None, **keywords):
        def step(status, remaining, total):
            progress(status, remaining, total)
            if remaining == int(float(sys.argv[2]) * (total - 1)):
                os.kill(os.getpid(), signal.SIGKILL)
        super().backup(target, progress=progress and step, **keywords)

sqlite3.connect = functools.partial(sqlite3.connect, factory=Dying)
backups = BackupStore.of(sa.make_url(sys.argv[1]), "")
restore.restore(backups, restore.choose(backups), set())
"""


@pytest.fixture
def migrated(live, library, run) -> sa.URL:
    """The second revision is applied, a copy was made before, and work went on since."""
    store.back_up(live, BACKUP, ["1111"])
    library.upgrade(live)
    run(
        live,
        "INSERT INTO author VALUES (3, 'Strugatsky')",
        "INSERT INTO book VALUES (4, 3, 'Roadside Picnic', 1972, 224)",
        "UPDATE book SET year = 1962 WHERE id = 1",
        "DELETE FROM book WHERE id = 3",
        "CREATE TABLE loan (book_id INTEGER)",
        "INSERT INTO loan VALUES (1), (4)",
    )
    return live


def test_tells_what_would_be_lost_and_what_comes_back(migrated):
    copy = restore.choose(store_of(migrated))
    compared = changes(Path(migrated.database), copy.path)
    assert [line for table in compared for line in table.lost] == [
        "author: 1 row added since",
        "book: 1 row added since",
        "book: 1 row changed since",
        "book.pages: the column, 1 value",
        "loan: the table, 2 rows",
    ]
    assert [line for table in compared for line in table.restored] == ["book: 1 row"]


def test_what_comes_back_is_no_loss(live, run):
    run(live, "CREATE TABLE loan (book_id INTEGER)", "INSERT INTO loan VALUES (1)")
    path = store.back_up(live, BACKUP, ["2222"])
    run(
        live,
        "DROP TABLE loan",
        "ALTER TABLE book DROP COLUMN title",
        "ALTER TABLE book ADD COLUMN shelf TEXT",
        "CREATE TABLE room (id INTEGER)",
        "DELETE FROM book WHERE id = 3",
    )
    compared = changes(Path(live.database), path)
    assert [line for table in compared for line in table.lost] == []
    assert [line for table in compared for line in table.restored] == [
        "book: 1 row",
        "book.title: the column",
        "loan: the table, 1 row",
    ]


def test_what_was_renamed_is_no_loss(live, run):
    run(live, "CREATE TABLE loan (book_id INTEGER)", "INSERT INTO loan VALUES (1), (1)")
    path = store.back_up(live, BACKUP, ["2222"])
    run(
        live,
        "ALTER TABLE loan RENAME TO lending",
        "ALTER TABLE book RENAME COLUMN title TO name",
        "ALTER TABLE author ADD COLUMN born INTEGER",
        "ALTER TABLE author RENAME COLUMN name TO full_name",
        "UPDATE author SET born = 1921",
    )
    compared = changes(Path(live.database), path)
    assert [line for table in compared for line in table.lost] == [
        "author.born: the column, 2 values"
    ]
    assert [line for table in compared for line in table.restored] == [
        "author.name: the column",
        "book.title: the column",
        "loan: the table, 2 rows",
    ]
    run(live, "UPDATE book SET name = 'other' WHERE id = 1", "INSERT INTO lending VALUES (1)")
    compared = changes(Path(live.database), path)
    assert [line for table in compared for line in table.lost] == [
        "author.born: the column, 2 values",
        "book.name: the column, 3 values",
        "lending: the table, 3 rows",
    ]


def test_nothing_is_lost_where_nothing_happened(live):
    path = store.back_up(live, BACKUP, ["1111"])
    assert changes(Path(live.database), path) == []


def test_rows_without_a_key_are_counted_whole(live, run):
    run(live, "CREATE TABLE note (t TEXT)", "INSERT INTO note VALUES ('a'), ('b')")
    path = store.back_up(live, BACKUP, ["1111"])
    run(live, "UPDATE note SET t = 'c' WHERE t = 'b'")
    (change,) = changes(Path(live.database), path)
    assert change.lost == ["note: 1 row added since"]
    assert change.restored == ["note: 1 row"]


def test_brings_everything_back_under_an_open_server(migrated, library, run):
    backups = store_of(migrated)
    copy = restore.choose(backups)
    restore.verify(Path(migrated.database), copy.path, library.script)
    with closing(sqlite3.connect(migrated.database)) as server:
        assert server.execute("SELECT count(*) FROM loan").fetchone() == (2,)
        restore.restore(backups, copy, {"2222"})
        assert server.execute("SELECT title, year FROM book ORDER BY id").fetchall() == [
            ("Solaris", 1961),
            ("The Dispossessed", 1974),
            ("Tehanu", 1990),
        ]
    assert run(migrated, "SELECT version_num FROM alembic_version") == [("1111",)]
    assert run(migrated, "PRAGMA integrity_check") == [("ok",)]
    assert run(migrated, "PRAGMA journal_mode") == [("wal",)]


def test_is_undone_by_the_copy_it_made_first(migrated, run):
    backups = store_of(migrated)
    aside = restore.restore(backups, restore.choose(backups), {"2222"})
    assert run(migrated, "SELECT count(*) FROM author") == [(2,)]
    restore.restore(backups, restore.choose(backups, aside.name), {"1111"})
    assert run(migrated, "SELECT count(*) FROM author") == [(3,)]
    assert run(migrated, "SELECT count(*) FROM loan") == [(2,)]


def test_undo_twice_restores_two_migrations_back(live, library, run):
    store.back_up(live, BACKUP, ["1111"])
    library.upgrade(live)
    library.add("3333", 'op.drop_column("book", "year")')
    store.back_up(live, BACKUP, ["2222"])
    library.upgrade(live)
    backups = store_of(live)
    for at, then in (("3333", "2222"), ("2222", "1111")):
        restore.restore(backups, restore.choose(backups), {at})
        assert run(live, "SELECT version_num FROM alembic_version") == [(then,)]
    with pytest.raises(MigrationError, match=r"no backup to restore"):
        restore.choose(backups)


def test_brings_back_a_database_that_is_gone(migrated, run):
    for name in ("", "-wal", "-shm"):
        Path(migrated.database + name).unlink(missing_ok=True)
    backups = store_of(migrated)
    copy = restore.choose(backups)
    assert restore.restore(backups, copy, set()) is None
    assert run(migrated, "SELECT count(*) FROM book") == [(3,)]


def test_never_prunes_the_copy_it_is_about_to_bring_back(live, run):
    path = store.back_up(live, BACKUP, ["1111"])
    backups = store_of(live)
    copy = restore.choose(backups)
    for number in range(6):
        store.back_up(live, BACKUP, [f"{number}"])
        path.exists() or path.write_bytes(backups.backups()[0].path.read_bytes())
    run(live, "DELETE FROM book")
    restore.restore(backups, copy, {"1111"})
    assert run(live, "SELECT count(*) FROM book") == [(3,)]


def test_a_copy_that_vanished_leaves_the_database_as_it_was(live, run):
    store.back_up(live, BACKUP, ["1111"])
    backups = store_of(live)
    copy = restore.choose(backups)
    copy.path.unlink()
    with pytest.raises(MigrationError, match=r"unable to open.*left as it was"):
        restore.restore(backups, copy, {"1111"})
    assert run(live, "SELECT count(*) FROM book") == [(3,)]


def test_refuses_where_there_is_no_copy(live):
    with pytest.raises(MigrationError, match=r"no backup to restore in .* one is made before each"):
        restore.choose(store_of(live))
    with pytest.raises(MigrationError, match=r"no backup named x\.bak"):
        restore.choose(store_of(live), "x.bak")


@pytest.mark.parametrize("damage", ["text", "page", "short"])
def test_refuses_a_damaged_copy(migrated, library, damage):
    copy = restore.choose(store_of(migrated))
    content = copy.path.read_bytes()
    spoilt = {
        "text": b"not a database" * 100,
        "page": content[:4096] + b"\x07" * 4096 + content[8192:],
        "short": content[: len(content) // 2],
    }
    copy.path.write_bytes(spoilt[damage])
    before = Path(migrated.database).read_bytes()
    with pytest.raises(MigrationError, match="is damaged"):
        restore.verify(Path(migrated.database), copy.path, library.script)
    assert Path(migrated.database).read_bytes() == before


def test_refuses_the_copy_of_another_database(migrated, library, tmp_path, run):
    other = tmp_path / "other.sqlite"
    run(f"sqlite:///{other}", "CREATE TABLE invoice (id INTEGER PRIMARY KEY)")
    with pytest.raises(MigrationError, match="no table in common"):
        restore.verify(Path(migrated.database), other, library.script)
    run(
        f"sqlite:///{other}",
        "CREATE TABLE book (id INTEGER PRIMARY KEY)",
        "CREATE TABLE alembic_version (version_num)",
        "INSERT INTO alembic_version VALUES ('9999')",
    )
    with pytest.raises(MigrationError, match="revision 9999 is not among these migrations"):
        restore.verify(Path(migrated.database), other, library.script)


def test_refuses_a_namesake_with_another_log(live, library, tmp_path, run):
    """Two installations of one application have the same tables and revisions."""
    log = "CREATE TABLE alembic_lossless_log (id INTEGER PRIMARY KEY, revision TEXT, at TEXT)"
    path = store.back_up(live, BACKUP, ["1111"])
    run(live, log, "INSERT INTO alembic_lossless_log VALUES (1, '1111', '2026-01-01')")
    namesake = sa.URL.create("sqlite", database=str(path))
    run(namesake, log, "INSERT INTO alembic_lossless_log VALUES (1, '1111', '2026-02-02')")
    with pytest.raises(MigrationError, match="log of migrations begins with another entry"):
        restore.verify(Path(live.database), path, library.script)


def test_a_live_database_that_cannot_be_read_is_left_alone(migrated, library):
    copy = restore.choose(store_of(migrated))
    Path(migrated.database).write_bytes(b"no database at all" * 1000)
    with pytest.raises(MigrationError, match=r"cannot be read .* copy .* to its place yourself"):
        restore.verify(Path(migrated.database), copy.path, library.script)


def test_waits_for_a_writer_and_gives_up_with_nothing_changed(migrated, monkeypatch, run):
    monkeypatch.setattr(restore, "PATIENCE", 0.2)
    backups = store_of(migrated)
    with closing(sqlite3.connect(migrated.database, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(MigrationError, match="kept it locked for"):
            restore.restore(backups, restore.choose(backups), {"2222"})
        writer.execute("ROLLBACK")
    assert run(migrated, "SELECT count(*) FROM loan") == [(2,)]
    assert not restore.choose(backups).set_aside


def test_notices_rows_that_came_in_after_its_own_copy(migrated, monkeypatch, run):
    backups = store_of(migrated)
    add = BackupStore.add

    def and_then_a_row(self, at, instead_of=None):
        path = add(self, at, instead_of)
        run(migrated, "INSERT INTO author VALUES (9, 'late')")
        return path

    monkeypatch.setattr(BackupStore, "add", and_then_a_row)
    with pytest.raises(MigrationError, match="rows were written while it was backed up"):
        restore.restore(backups, restore.choose(backups), {"2222"})
    assert run(migrated, "SELECT name FROM author WHERE id = 9") == [("late",)]


def test_killed_in_the_middle_leaves_one_or_the_other(live, run):
    """What it was until the last page is there, and the copy from then on."""
    run(live, "CREATE TABLE filler (b)", "INSERT INTO filler VALUES (zeroblob(8000000))")
    store.back_up(live, BACKUP, ["1111"])
    run(live, "DELETE FROM filler", "UPDATE author SET name = name || '!'")
    url = live.render_as_string(hide_password=False)
    log = Path(f"{live.database}-wal")
    was, copied = [("Lem!",), ("Le Guin!",)], [("Lem",), ("Le Guin",)]
    for to_come, then in (("1", was), ("0.5", was), ("0.3", was), ("0.1", was), ("0", copied)):
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, url, to_come],
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ENGINE)},
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert to_come == "1" or log.stat().st_size > 1_000_000, "some of it is written"
        assert run(live, "PRAGMA integrity_check") == [("ok",)]
        assert run(live, "SELECT name FROM author ORDER BY id") == then
    run(live, "UPDATE author SET name = name || '!'")
    backups = store_of(live)
    restore.restore(backups, restore.choose(backups), {"1111"})
    assert run(live, "SELECT name FROM author ORDER BY id") == copied
