"""A move that was broken off, and one that is made twice."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

import alembic_lossless
from alembic_lossless.errors import MigrationError
from alembic_lossless.schema.own_tables import MOVE_TABLE

ENGINE = Path(alembic_lossless.__file__).parents[1]

#: A move that dies at a stage of it.
KILLED = """
import os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from tests.library.transfer.mover import Mover
from tests.support.chain import Chain

chain = Chain.__new__(Chain)
chain.folder = Path(os.environ["CHAIN"])
source = sa.URL.create("sqlite", database=os.environ["SOURCE"])

def die(stage, rows):
    if stage == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

Mover(chain, source, os.environ["TARGET"])(progress=die)
"""


def interrupted(mover):
    def interrupt(stage, rows):
        if stage == "copy":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mover(progress=interrupt)


def test_a_second_run_changes_nothing_and_says_so(library_mover):
    first = library_mover()
    second = library_mover()
    assert not first.already
    assert second.already
    assert {n: str(s) for n, s in first.sums.items()} == {n: str(s) for n, s in second.sums.items()}
    assert MOVE_TABLE not in library_mover.tables()


def test_move_after_an_interruption_moves_every_row(library_mover):
    interrupted(library_mover)
    assert library_mover.nothing_moved("author", "book")
    library_mover()
    assert library_mover.there("SELECT count(*) FROM book") == [(3,)]


def test_a_connection_cut_in_the_middle_leaves_nothing(library_mover, kind):
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

    with pytest.raises(MigrationError, match=r"The target failed: .*Nothing was moved"):
        library_mover(progress=cut)
    assert library_mover.nothing_moved("author", "book")
    assert library_mover().sums["book"].rows == 3


def test_move_after_a_kill_moves_every_row(library_mover):
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


def test_rows_that_came_in_meanwhile_are_not_swept_away(library_mover):
    interrupted(library_mover)
    library_mover.there("INSERT INTO author VALUES (5, 'Somebody')")
    with pytest.raises(MigrationError, match=r"Rows came into the target .*author"):
        library_mover()
    assert library_mover.there("SELECT name FROM author") == [("Somebody",)]
