"""Moving a SQLite database to real servers."""

import enum
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import migrator
import pytest
import sqlalchemy as sa
from migrator import MigratorError
from migrator.apply import connection as connections
from migrator.apply import lock
from migrator.apply import move as moving
from migrator.apply.move import Refused, load
from migrator.apply.move.rows import MARK

from tests.conftest import leave_out

ENGINE = Path(migrator.__file__).parents[1]

#: A move that dies at a stage of it.
KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from tests.engine.handover.conftest import Chain
from tests.engine.handover.test_move import Mover

chain = Chain.__new__(Chain)
chain.folder = Path(os.environ["CHAIN"])
source = sa.URL.create("sqlite", database=os.environ["SOURCE"])

def die(stage, rows):
    if stage == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

Mover(chain, source, os.environ["TARGET"], None)(progress=die)
"""


class Mover:
    """A chain, the SQLite file at its head, and a server's empty database."""

    def __init__(self, chain, source: sa.URL, target: str, run) -> None:
        self.chain = chain
        self.source = source
        self.target = sa.make_url(target)
        self._run = run

    @contextmanager
    def connect(self):
        with (
            connections.private(self.target, connections.Limits(statement=0)).connect() as given,
            lock.hold(given, 30, print),
        ):
            yield given

    def migrate(self) -> None:
        with self.connect():
            self.chain.upgrade(self.target)

    def __call__(self, accepted=(), progress=lambda stage, rows: None):
        return moving.move(
            Path(self.source.database),
            self.connect,
            self.chain.script,
            self.migrate,
            accepted,
            progress,
        )

    def here(self, *statements):
        return self._run(self.source, *statements)

    def there(self, *statements):
        return self._run(self.target, *statements)

    def nothing_moved(self, *tables) -> bool:
        """No row is there, and another attempt may begin."""
        empty = all(self.there(f"SELECT count(*) FROM {table}") == [(0,)] for table in tables)
        return empty and MARK in self.tables()

    def tables(self) -> list[str]:
        engine = sa.create_engine(self.target, poolclass=sa.NullPool)
        return sa.inspect(engine).get_table_names()


@pytest.fixture(params=["postgresql", "mariadb"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def target(kind, request) -> str:
    return request.getfixturevalue(kind)()


@pytest.fixture
def mover(chain, sqlite_url, target, run) -> Mover:
    return Mover(chain, sqlite_url, target, run)


@pytest.fixture
def library_mover(library, mover) -> Mover:
    """Two authors and three books, at the head."""
    library.upgrade(mover.source)
    mover.here(
        "INSERT INTO author VALUES (1, 'Lem'), (7, 'Le Guin')",
        "INSERT INTO book VALUES (1, 1, 'Solaris', 1961, 204), (2, 7, 'Tehanu', 1990, NULL),"
        " (3, 1, 'Eden \U0001f680 \\ '' \" % \t \n', NULL, 1)",
    )
    return mover


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


EVERYTHING = """op.create_table(
        "every thing",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("small", sa.SmallInteger()),
        sa.Column("big", sa.BigInteger()),
        sa.Column("text", sa.String(20)),
        sa.Column("long", sa.Text()),
        sa.Column("fixed", sa.CHAR(5)),
        sa.Column("yes", sa.Boolean()),
        sa.Column("money", sa.Numeric(10, 2)),
        sa.Column("ratio", sa.Double()),
        sa.Column("moment", sa.DateTime()),
        sa.Column("zoned", sa.DateTime(timezone=True)),
        sa.Column("day", sa.Date()),
        sa.Column("hour", sa.Time()),
        sa.Column("span", sa.Interval()),
        sa.Column("document", sa.JSON()),
        sa.Column("blob", sa.LargeBinary()),
        sa.Column("uuid", sa.Uuid()),
        sa.Column("colour", sa.Enum("RED", "BLUE", name="colour")),
        sa.Column("100% \\"odd\\" name", sa.Integer()),
        sa.Column("twice", sa.Integer(), sa.Computed("small * 2", persisted=True)),
    )"""

#: The same table for SQLAlchemy, which writes the rows as an application does.
TABLE = sa.Table(
    "every thing",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("small", sa.SmallInteger),
    sa.Column("big", sa.BigInteger),
    sa.Column("text", sa.String(20)),
    sa.Column("long", sa.Text),
    sa.Column("fixed", sa.CHAR(5)),
    sa.Column("yes", sa.Boolean),
    sa.Column("money", sa.Numeric(10, 2)),
    sa.Column("ratio", sa.Double),
    sa.Column("moment", sa.DateTime),
    sa.Column("zoned", sa.DateTime(timezone=True)),
    sa.Column("day", sa.Date),
    sa.Column("hour", sa.Time),
    sa.Column("span", sa.Interval),
    sa.Column("document", sa.JSON),
    sa.Column("blob", sa.LargeBinary),
    sa.Column("uuid", sa.Uuid),
    sa.Column("colour", sa.Enum(Colour, name="colour")),
    sa.Column('100% "odd" name', sa.Integer),
)
ROWS = [
    {
        "id": 1,
        "small": -32768,
        "big": 2**63 - 1,
        "text": "twenty \u0142etters \U0001f680 ok",
        "long": "a\tb\nc\\N\\.\r\x01" * 500,
        "fixed": "ab",
        "yes": True,
        "money": Decimal("12345678.99"),
        "ratio": 0.1 + 0.2,
        "moment": datetime(2024, 5, 1, 7, 8, 9),
        "zoned": datetime(2024, 5, 1, 7, 8, 9, tzinfo=UTC),
        "day": date(1582, 10, 15),
        "hour": time(23, 59, 59),
        "span": timedelta(days=3, seconds=7),
        "document": {"b": [1, 2.5, None, "\u20ac"], "a": {"x": "y"}},
        "blob": bytes(range(256)),
        "uuid": UUID(int=0x1234),
        "colour": Colour.BLUE,
        '100% "odd" name': -1,
    },
    {"id": 2, "yes": False, "money": Decimal("-0.01"), "document": 5, "text": "", "blob": b""},
    {"id": 40, "ratio": -1e-300, "document": "text", "money": Decimal("59.97")},
]


class TestValues:
    def test_every_type_arrives_as_the_application_reads_it(self, mover):
        mover.chain.add("1111", EVERYTHING)
        mover.chain.upgrade(mover.source)
        with sa.create_engine(mover.source, poolclass=sa.NullPool).begin() as connection:
            connection.execute(TABLE.insert(), [{**dict.fromkeys(ROWS[0]), **r} for r in ROWS])
        moved = mover()
        assert moved.sums["every thing"].rows == 3
        assert moved.notes == []

        def read(url):
            with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
                return [
                    {
                        key: value.replace(tzinfo=None) if key == "zoned" and value else value
                        for key, value in row.items()
                    }
                    for row in connection.execute(TABLE.select().order_by("id")).mappings()
                ]

        here, there = read(mover.source), read(mover.target)
        for row in there:  # PostgreSQL pads it
            row["fixed"] = row["fixed"] and row["fixed"].rstrip()
        assert there == here
        assert there[0]["document"] == ROWS[0]["document"]

    def test_the_next_row_gets_a_new_number(self, library_mover):
        library_mover()
        library_mover.there("INSERT INTO author (name) VALUES ('Strugatsky')")
        (number,) = library_mover.there("SELECT id FROM author WHERE name = 'Strugatsky'")[0]
        assert number == 8

    def test_a_number_that_was_given_out_is_not_given_again(self, mover):
        mover.chain.add(
            "1111",
            'op.create_table("ticket", sa.Column("id", sa.Integer(), primary_key=True),'
            ' sa.Column("t", sa.Text()), sqlite_autoincrement=True)',
        )
        mover.chain.upgrade(mover.source)
        mover.here(
            "INSERT INTO ticket VALUES (1, 'a'), (50, 'b')", "DELETE FROM ticket WHERE id = 50"
        )
        mover()
        mover.there("INSERT INTO ticket (t) VALUES ('c')")
        assert mover.there("SELECT id FROM ticket WHERE t = 'c'") == [(51,)]

    def test_a_key_of_zero_stays_zero(self, library_mover):
        library_mover.here("INSERT INTO author VALUES (0, 'Nobody')")
        library_mover()
        assert library_mover.there("SELECT name FROM author WHERE id = 0") == [("Nobody",)]

    def test_rows_that_point_to_each_other_arrive(self, mover):
        mover.chain.add(
            "1111",
            'op.create_table("person", sa.Column("id", sa.Integer(), primary_key=True),'
            ' sa.Column("boss", sa.Integer(), sa.ForeignKey("person.id", name="fk_boss")),'
            ' sa.Column("team", sa.Integer()))',
            'op.create_table("team", sa.Column("id", sa.Integer(), primary_key=True),'
            ' sa.Column("lead", sa.Integer(), sa.ForeignKey("person.id", name="fk_lead")))',
            'with op.batch_alter_table("person") as batch_op:\n'
            '        batch_op.create_foreign_key("fk_team", "team", ["team"], ["id"])',
        )
        mover.chain.upgrade(mover.source)
        mover.here(
            "INSERT INTO person VALUES (1, 3, 1), (2, 1, 1), (3, NULL, 2)",
            "INSERT INTO team VALUES (1, 2), (2, 3)",
        )
        mover()
        assert mover.there("SELECT boss, team FROM person ORDER BY id") == [
            (3, 1),
            (1, 1),
            (None, 2),
        ]
        with pytest.raises(sa.exc.IntegrityError):
            mover.there("INSERT INTO team VALUES (9, 99)")

    def test_tables_without_a_key_and_rows_that_are_equal(self, mover):
        mover.chain.add("1111", 'op.create_table("note", sa.Column("t", sa.Text()))')
        mover.chain.upgrade(mover.source)
        mover.here("INSERT INTO note VALUES ('a'), ('a'), (NULL)")
        assert mover().sums["note"].rows == 3
        assert mover().already

    def test_rows_that_a_migration_makes_give_way_to_the_sources(self, library_mover):
        library_mover.chain.add("3333", "op.execute(\"INSERT INTO author VALUES (100, 'Homer')\")")
        library_mover.chain.upgrade(library_mover.source)
        library_mover.here("UPDATE author SET name = 'Homeros' WHERE id = 100")
        library_mover()
        assert library_mover.there("SELECT name FROM author WHERE id = 100") == [("Homeros",)]


class TestAgain:
    def test_a_second_run_changes_nothing_and_says_so(self, library_mover):
        first = library_mover()
        second = library_mover()
        assert not first.already
        assert second.already
        assert {n: str(s) for n, s in first.sums.items()} == {
            n: str(s) for n, s in second.sums.items()
        }
        assert MARK not in library_mover.tables()

    def test_after_an_interruption_it_goes_on(self, library_mover):
        def interrupt(stage, rows):
            if stage == "copy":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            library_mover(progress=interrupt)
        assert library_mover.nothing_moved("author", "book")
        library_mover()
        assert library_mover.there("SELECT count(*) FROM book") == [(3,)]

    def test_a_connection_cut_in_the_middle_leaves_nothing(self, library_mover, kind):
        def cut(stage, rows):
            if stage == "copy":
                admin = sa.create_engine(
                    library_mover.target, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
                )
                with admin.connect() as connection:
                    if kind == "postgresql":
                        connection.exec_driver_sql(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                        )
                    else:
                        for (number,) in connection.exec_driver_sql(
                            "SELECT id FROM information_schema.processlist"
                            " WHERE db = database() AND id <> connection_id()"
                        ).all():
                            connection.exec_driver_sql(f"KILL {number}")

        with pytest.raises(MigratorError, match="The target gave up, and nothing was moved"):
            library_mover(progress=cut)
        assert library_mover.nothing_moved("author", "book")
        assert library_mover().sums["book"].rows == 3

    def test_killed_in_the_middle_it_goes_on(self, library_mover):
        def killed(name):
            return subprocess.run(
                [sys.executable, "-c", KILLED, name],
                env={
                    **os.environ,
                    "PYTHONPATH": f"{ENGINE}:{Path.cwd()}",
                    "SOURCE": library_mover.source.database,
                    "TARGET": library_mover.target.render_as_string(hide_password=False),
                    "CHAIN": str(library_mover.chain.folder),
                },
                capture_output=True,
                text=True,
            )

        for stage in ("check", "copy", "compare"):
            done = killed(stage)
            assert done.returncode == -signal.SIGKILL, done.stderr
            assert library_mover.nothing_moved("author", "book")
        library_mover()
        assert library_mover.there("SELECT count(*) FROM book") == [(3,)]

    def test_rows_that_came_in_meanwhile_are_not_swept_away(self, library_mover):
        def interrupt(stage, rows):
            if stage == "copy":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            library_mover(progress=interrupt)
        library_mover.there("INSERT INTO author VALUES (5, 'Somebody')")
        with pytest.raises(MigratorError, match=r"Rows came into the target .*author"):
            library_mover()
        assert library_mover.there("SELECT name FROM author") == [("Somebody",)]


class TestTarget:
    def test_somebody_elses_tables_are_refused(self, library_mover):
        library_mover.there("CREATE TABLE invoice (id INTEGER)")
        with pytest.raises(MigratorError, match=r"not empty \(invoice\)"):
            library_mover()
        assert library_mover.tables() == ["invoice"]

    def test_somebody_elses_rows_are_refused(self, library_mover):
        library_mover.chain.upgrade(library_mover.target)
        library_mover.there("INSERT INTO author VALUES (1, 'Lem')")
        with pytest.raises(MigratorError, match=r"not empty \(author\)"):
            library_mover()
        assert library_mover.there("SELECT * FROM author") == [(1, "Lem")]

    def test_a_migrated_target_without_rows_is_taken(self, library_mover):
        library_mover.chain.upgrade(library_mover.target)
        assert library_mover().sums["book"].rows == 3

    def test_one_that_cannot_hold_every_text_is_refused(self, library_mover, kind, request):
        server = request.getfixturevalue(kind)
        name = library_mover.target.database
        if kind == "postgresql":
            other = f"{name}_latin"
            server.server.run(
                f"CREATE DATABASE {other} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
                " TEMPLATE template0"
            )
            library_mover.target = library_mover.target.set(database=other)
        else:
            server.server.run(f"ALTER DATABASE `{name}` CHARACTER SET latin1")
        with pytest.raises(MigratorError, match=r"LATIN1|latin1"):
            library_mover()

    def test_two_movers_at_once_do_not_double_a_row(self, library_mover):
        results = []

        def run():
            try:
                results.append(library_mover())
            except MigratorError as error:
                results.append(error)

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert any(isinstance(result, moving.Moved) for result in results)
        assert library_mover.there("SELECT count(*) FROM book") == [(3,)]
        assert library_mover().already

    def test_triggers_of_the_target_change_nothing(self, library_mover, kind):
        library_mover.chain.upgrade(library_mover.target)
        if kind == "postgresql":
            library_mover.there(
                "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
                " 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END'",
                "CREATE TRIGGER shout BEFORE INSERT ON author FOR EACH ROW"
                " EXECUTE FUNCTION shout()",
            )
            library_mover()
            assert library_mover.there("SELECT name FROM author WHERE id = 1") == [("Lem",)]
            library_mover.there("INSERT INTO author VALUES (99, 'loud')")
            assert library_mover.there("SELECT name FROM author WHERE id = 99") == [("LOUD",)]
        else:
            library_mover.there(
                "CREATE TRIGGER shout BEFORE INSERT ON author FOR EACH ROW"
                " SET NEW.name = upper(NEW.name)"
            )
            with pytest.raises(MigratorError, match=r"has triggers \(shout\)"):
                library_mover()
            assert library_mover.nothing_moved("author", "book")

    def test_a_type_it_does_not_have_moves_nothing_until_that_is_mended(self, library_mover):
        library_mover.chain.add("3333", 'op.execute("CREATE TABLE t (c nosuchtype)")')
        library_mover.chain.upgrade(library_mover.source)
        with pytest.raises(MigratorError, match="Revision 3333 does not run"):
            library_mover()
        assert library_mover.nothing_moved("author", "book")
        file = library_mover.chain.folder / "versions" / "3333.py"
        text = file.read_text(encoding="utf-8").replace("nosuchtype", "integer")
        file.write_text(text, encoding="utf-8")
        assert library_mover().sums["book"].rows == 3


@pytest.fixture
def small_disk():
    """Give a small disk to the owner of a folder."""
    disk = Path(tempfile.mkdtemp(dir="/tmp"))

    def mount(size: str, data: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            leave_out("a full disk", "this account may not mount one")
        owner = Path(data).stat()
        os.chown(disk, owner.st_uid, owner.st_gid)
        disk.chmod(0o700)
        return disk

    yield mount
    subprocess.run(["umount", "-l", str(disk)], capture_output=True)
    disk.rmdir()


MANY = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
    " SELECT i, 'Name number ' || i FROM n"
)


def full_then_mended(mover, table):
    """There are more rows than the disk has room for; with fewer it goes on."""
    mover.chain.upgrade(mover.source)
    mover.here(f"INSERT INTO {table} {MANY}")
    with pytest.raises(MigratorError, match=r"No space left on device|could not extend|is full"):
        mover()
    assert mover.nothing_moved(table)
    mover.here(f"DELETE FROM {table} WHERE id > 100")
    assert mover().sums[table].rows == 100


def test_a_full_disk_under_postgresql_moves_nothing(
    library, sqlite_url, postgresql, run, small_disk
):
    disk = small_disk("3m", postgresql.server.run("SHOW data_directory")[0][0])
    url = postgresql()
    postgresql.server.run(
        f"CREATE TABLESPACE small_move LOCATION '{disk}'",
        f"ALTER DATABASE {sa.make_url(url).database} SET default_tablespace = small_move",
    )
    full_then_mended(Mover(library, sqlite_url, url, run), "author")
    postgresql.drop(url)
    postgresql.server.run("DROP TABLESPACE small_move")


def test_a_full_disk_under_mariadb_moves_nothing(chain, sqlite_url, mariadb, run, small_disk):
    disk = small_disk("8m", mariadb.server.run("SELECT @@datadir")[0][0])
    columns = 'sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(100))'
    place = f"mysql_data_directory=\"'{disk}'\""
    chain.add("1111", f'op.create_table("author", {columns}, {place})')
    url = mariadb()
    full_then_mended(Mover(chain, sqlite_url, url, run), "author")
    mariadb.drop(url)


class TestSource:
    def test_one_behind_its_migrations_is_refused(self, library_mover):
        library_mover.chain.add("3333")
        with pytest.raises(MigratorError, match="not at the head"):
            library_mover()

    def test_one_that_is_not_there_is_not_made(self, library_mover):
        library_mover.source = library_mover.source.set(
            database=library_mover.source.database + "x"
        )
        with pytest.raises(MigratorError, match="There is no database"):
            library_mover()
        assert not Path(library_mover.source.database).exists()

    @pytest.mark.parametrize("journal", ["WAL", "DELETE"])
    def test_one_that_changes_meanwhile_is_noticed(self, library_mover, journal):
        library_mover.here(f"PRAGMA journal_mode = {journal}")
        held = []

        def write(stage, rows):
            if stage == "copy" and not held:
                writer = sqlite3.connect(library_mover.source.database, timeout=0)
                held.append(writer)
                writer.execute("INSERT INTO author VALUES (50, 'Late')")
                if journal == "WAL":
                    writer.commit()  # else it waits for the reader, and still holds its lock

        with pytest.raises(MigratorError, match="written to while its rows were copied"):
            library_mover(progress=write)
        held[0].commit()
        held[0].close()
        assert library_mover.nothing_moved("author", "book")
        assert library_mover().sums["author"].rows == 3

    def test_rows_that_point_to_nothing_are_named(self, library_mover):
        library_mover.here("INSERT INTO book VALUES (9, 77, 'Orphan', 1, 1)")
        with pytest.raises(Refused) as refused:
            library_mover()
        assert [str(r) for r in refused.value.refusals] == [
            "book: 1 row pointing to no row of author (first rowid 9)"
        ]

    def test_what_has_no_place_there_is_named_and_may_be_left(self, library_mover):
        library_mover.here(
            "CREATE TABLE legacy (x)",
            "INSERT INTO legacy VALUES (1), (2)",
            "CREATE TABLE void (x)",
            "ALTER TABLE book ADD COLUMN shelf TEXT",
            "UPDATE book SET shelf = 'A' WHERE id = 1",
        )
        with pytest.raises(Refused) as refused:
            library_mover()
        assert [str(r) for r in refused.value.refusals] == [
            "book.shelf: 1 value without a column in the target; to move without that: "
            'accept="book.shelf"',
            'legacy: 2 rows without a table in the target; to move without that: accept="legacy"',
        ]
        assert library_mover(accepted={"legacy", "book.shelf"}).sums["book"].rows == 3

    def test_a_missing_column_is_said(self, library_mover):
        library_mover.here("ALTER TABLE book DROP COLUMN pages")
        with pytest.raises(MigratorError, match=r"has no book\.pages"):
            library_mover()


class TestRowsThatDoNotFit:
    @pytest.mark.parametrize(
        ("column", "stored", "reason"),
        [
            ("sa.Integer()", "'x9'", "is a text, not a whole number"),
            ("sa.Integer()", "3000000000", "is not between -2147483648 and 2147483647"),
            ("sa.Integer()", "1.5", "is a number, not a whole number"),
            ("sa.String(3)", "'four'", "has more than 3 characters"),
            ("sa.String(3)", "x'00'", "is bytes, not a text"),
            ("sa.String(3)", "CAST(x'ff' AS TEXT)", "is not UTF-8"),
            ("sa.DateTime()", "'yesterday'", "is not a date and time"),
            ("sa.DateTime()", "1714547289", "is a number, not a date and time"),
            ("sa.DateTime()", "'2024-05-01 00:00:00+02:00'", "has an offset"),
            ("sa.Date()", "'2024-02-30'", "is not a date"),
            ("sa.Numeric(4, 2)", "100", "has more than 2 digits before the point"),
            ("sa.Numeric(4, 2)", "'ten'", "is a text, not a number"),
            ("sa.LargeBinary()", "'text'", "is a text, not bytes"),
            ("sa.JSON()", "'{'", "is not a JSON text"),
            ('sa.Enum("a", "b", name="ab")', "'c'", "is none of the values of the type"),
        ],
    )
    def test_are_named_and_counted_and_nothing_is_moved(self, mover, column, stored, reason):
        mover.chain.add(
            "1111",
            f'op.create_table("t", sa.Column("id", sa.Integer(), primary_key=True),'
            f' sa.Column("c", {column}))',
        )
        mover.chain.upgrade(mover.source)
        mover.here(f"INSERT INTO t VALUES (1, NULL), (7, {stored}), (8, {stored})")
        with pytest.raises(Refused) as refused:
            mover()
        (refusal,) = refused.value.refusals
        assert refusal.what == "t.c"
        assert refusal.count == 2
        assert reason in refusal.reason
        assert refusal.first[0].startswith("id=7: ")
        assert mover.nothing_moved("t")

    def test_two_in_a_boolean(self, mover, kind):
        mover.chain.add(
            "1111",
            'op.create_table("t", sa.Column("id", sa.Integer(), primary_key=True),'
            ' sa.Column("c", sa.Boolean()))',
        )
        mover.chain.upgrade(mover.source)
        mover.here("INSERT INTO t VALUES (1, 2)")
        if kind == "postgresql":
            with pytest.raises(Refused, match="refuses 1"):
                mover()
        else:
            assert mover().sums["t"].rows == 1

    def test_nul_in_a_text(self, library_mover, kind):
        library_mover.here("UPDATE book SET title = 'a' || char(0) || 'b' WHERE id = 2")
        if kind == "postgresql":
            with pytest.raises(Refused) as refused:
                library_mover()
            assert "NUL character" in str(refused.value.refusals[0])
        else:
            library_mover()
            assert library_mover.there("SELECT title FROM book WHERE id = 2") == [("a\0b",)]

    def test_missing_values(self, library_mover):
        """A NOT NULL that somebody took off the source by hand."""
        library_mover.here(
            "CREATE TABLE b (id INTEGER PRIMARY KEY, author_id, title, year, pages)",
            "INSERT INTO b SELECT * FROM book",
            "INSERT INTO b VALUES (10, 1, NULL, 1, 1)",
            "DROP TABLE book",
            "ALTER TABLE b RENAME TO book",
        )
        with pytest.raises(Refused) as refused:
            library_mover()
        assert "book.title: 1 row in which the value is missing (NULL)" in str(
            refused.value.refusals[0]
        )

    def test_a_fraction_the_target_would_cut_off_needs_consent(self, mover, kind):
        mover.chain.add(
            "1111",
            'op.create_table("t", sa.Column("id", sa.Integer(), primary_key=True),'
            ' sa.Column("at", sa.DateTime()), sa.Column("price", sa.Numeric(6, 2)))',
        )
        mover.chain.upgrade(mover.source)
        mover.here("INSERT INTO t VALUES (1, '2024-05-01 07:08:09.123456', 1.239)")
        with pytest.raises(Refused) as refused:
            mover()
        whats = [r.what for r in refused.value.refusals]
        assert whats == (["t.price"] if kind == "postgresql" else ["t.at", "t.price"])
        assert all(r.may_be_accepted for r in refused.value.refusals)
        mover(accepted={"t.price", "t.at"})
        ((at, price),) = mover.there("SELECT at, price FROM t")
        assert price == Decimal("1.24")
        assert at.microsecond == (123456 if kind == "postgresql" else 0)

    def test_what_the_targets_collation_takes_for_equal(self, library_mover, kind):
        library_mover.here(
            "INSERT INTO author VALUES (21, 'Ann'), (22, 'ANN'), (23, 'ann'), (24, 'Bob')"
        )
        if kind == "postgresql":
            assert library_mover().sums["author"].rows == 6
            return
        with pytest.raises(Refused) as refused:
            library_mover()
        assert [str(r) for r in refused.value.refusals] == [
            "author: 3 rows equal to another in name, as the target compares "
            "(first id=21; id=22; id=23)"
        ]
        assert library_mover.nothing_moved("author", "book")

    def test_what_the_targets_check_refuses(self, mover, kind):
        """LIKE minds case on PostgreSQL and not on SQLite; a CHECK can be set aside there too."""
        mover.chain.add(
            "1111",
            'op.create_table("t", sa.Column("id", sa.Integer(), primary_key=True),'
            ' sa.Column("c", sa.Text()), sa.CheckConstraint("c LIKE \'a%\'", name="ck_t_a"))',
        )
        mover.chain.upgrade(mover.source)
        mover.here(
            "INSERT INTO t VALUES (1, 'abc'), (2, 'ABC')",
            "PRAGMA ignore_check_constraints = ON",
            "INSERT INTO t VALUES (3, 'xyz'), (4, 'XYZ')",
        )
        with pytest.raises(Refused) as refused:
            mover()
        (refusal,) = refused.value.refusals
        assert refusal.what == "t"
        assert refusal.reason.startswith("against CHECK")
        assert refusal.count == (3 if kind == "postgresql" else 2)
        assert refusal.first[0] == ("id=2" if kind == "postgresql" else "id=3")
        assert mover.nothing_moved("t")

    def test_more_than_mariadbs_text_holds(self, mover, kind):
        mover.chain.add(
            "1111",
            'op.create_table("t", sa.Column("id", sa.Integer(), primary_key=True),'
            ' sa.Column("c", sa.Text()), sa.Column("b", sa.LargeBinary()))',
        )
        mover.chain.upgrade(mover.source)
        mover.here("INSERT INTO t VALUES (1, printf('%.*c', 65535, 'x'), zeroblob(65535))")
        assert mover().sums["t"].rows == 1
        if kind == "mariadb":
            mover.there("DELETE FROM t")
            mover.here("UPDATE t SET c = c || 'x', b = zeroblob(65536)")
            with pytest.raises(Refused) as refused:
                mover()
            assert [r.what for r in refused.value.refusals] == ["t.c", "t.b"]


def test_a_difference_on_arrival_moves_nothing(library_mover, monkeypatch):
    """Whatever changes a value on the way is found before anybody sees it."""
    send = load.send

    def garbled(target, table, name, batches, advance=lambda rows: None):
        spoilt = (
            [[*row[:2], str(row[2])[:3], *row[3:]] if len(row) > 2 else row for row in rows]
            for rows in batches
        )
        send(target, table, name, spoilt, advance)

    monkeypatch.setattr(load, "send", garbled)
    with pytest.raises(MigratorError, match=r"What arrived differs.*book: 3 row"):
        library_mover()
    assert library_mover.nothing_moved("author", "book")
