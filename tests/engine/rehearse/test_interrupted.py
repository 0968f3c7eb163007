"""A rehearsal that is interrupted leaves no throwaway database behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from migrator import scratch

from tests.engine.author.project import Project

from .stage import DROPPED, TABLES

SLEEP = {
    "sqlite": "import time; time.sleep(60)",
    "postgresql": 'op.execute("SELECT pg_sleep(60)")',
    "mysql": 'op.execute("SELECT sleep(60)")',
}
RUN = """
import sys
from pathlib import Path
from alembic.config import Config
from alembic.script import ScriptDirectory
from migrator import scratch
from migrator.author.rehearse import rehearse
from sqlalchemy import MetaData, make_url

folder, kind, url = sys.argv[1:]
config = Config()
config.set_main_option("script_location", folder)
source = scratch.Source(kind, None if kind == "sqlite" else make_url(url))
rehearse(ScriptDirectory.from_config(config), "head", MetaData(), [source])
"""


def left(project: Project) -> list[str]:
    """Return the throwaway databases on the server."""
    if project.kinds == ("sqlite",):
        return []
    asked = {"postgresql": "SELECT datname FROM pg_database", "mysql": "SHOW DATABASES"}
    names = [row[0] for row in project.run(asked[project.kinds[0]])]
    return [name for name in names if name.startswith("migrator_scratch_")]


@contextmanager
def running(place: Project) -> Iterator[subprocess.Popen[bytes]]:
    """Rehearse what sleeps, in a process of its own, and wait until it does."""
    started = place.folder.parent / "started"
    place.by_hand(TABLES.strip(), DROPPED)
    place.by_hand(f"open({str(started)!r}, 'w').close()\n{SLEEP[place.kinds[0]]}")
    home = Path(scratch.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(place.folder), place.kinds[0], place.url],
        env={**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not started.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.2)  # into the statement
        assert len(left(place)) == (0 if place.kinds == ("sqlite",) else 1)
        yield process
    finally:
        process.kill()
        process.wait()


def files(place: Project) -> set[Path]:
    return {p for p in place.folder.parent.rglob("*") if "__pycache__" not in p.parts}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind(place: Project, number: signal.Signals) -> None:
    with running(place) as process:
        before = files(place)
        process.send_signal(number)
        assert process.wait(30) != 0
    assert left(place) == []
    assert files(place) == before


def test_what_a_killed_process_left_is_swept_up(place: Project) -> None:
    """Nobody can tidy up behind a kill -9: the next one does, and lets those be that still run."""
    with running(place) as process:
        scratch.sources(place.kinds, place.url)
        assert len(left(place)) == (0 if place.kinds == ("sqlite",) else 1)
        if place.kinds == ("postgresql",):
            place.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname LIKE 'migrator_scratch%'"
            )
        elif place.kinds == ("mysql",):
            (number,) = place.run(
                "SELECT id FROM information_schema.processlist WHERE db LIKE 'migrator_scratch%'"
            )[0]
            place.run(f"KILL {number}")
        process.kill()
        process.wait()
    scratch.sources(place.kinds, place.url)
    assert left(place) == []
