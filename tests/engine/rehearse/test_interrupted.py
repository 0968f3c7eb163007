"""A rehearsal that is interrupted leaves no throwaway database behind."""

import os
import signal
import subprocess
import sys
import time
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
    return [name for name in names if name.startswith("scratch_")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind(place: Project, number: signal.Signals) -> None:
    started = place.folder.parent / "started"
    place.by_hand(TABLES.strip(), DROPPED)
    place.by_hand(f"open({str(started)!r}, 'w').close()\n{SLEEP[place.kinds[0]]}")
    files = {p for p in Path(place.folder.parent).rglob("*") if "__pycache__" not in p.parts}
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
        process.send_signal(number)
        assert process.wait(30) != 0
    finally:
        process.kill()
        process.wait()
    assert left(place) == []
    after = {p for p in Path(place.folder.parent).rglob("*") if "__pycache__" not in p.parts}
    assert after - files == {started}
