"""What every wing of the tests can ask for: databases of real servers, and an account at the end
of what was left out."""

import fcntl
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy.exc import SQLAlchemyError

from tests.support.bake import Bakery
from tests.support.commands import take_place
from tests.support.memory import use_memory
from tests.support.project import Project
from tests.support.servers import Server, Unavailable, start_mariadb, start_postgresql

# What a shell starts in the background ignores these, and so would all that the tests start and
# interrupt.
for name in ("SIGINT", "SIGQUIT", "SIGHUP"):
    if signal.getsignal(getattr(signal, name)) is signal.SIG_IGN:
        signal.signal(getattr(signal, name), signal.SIG_DFL)

use_memory()

LEFT_OUT = "left out: "

#: Whose tests take long each, most because they install something.
LONG = {
    *("test_install.py", "test_pythons.py", "test_wheel.py", "test_versions.py"),
    *("test_existing_project.py", "test_pages.py", "test_dumps.py", "test_cruft.py"),
    *("test_property.py", "test_docs.py"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process is left with it in the end."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, up to four: a test that waits for a server leaves one idle."""
    return min(4, (os.cpu_count() or 1) + 1)


# `make test` says the same of the same code each time; `make trials` draws new examples.
hypothesis.settings.register_profile("same", derandomize=True, database=None)
hypothesis.settings.register_profile("new", print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def leave_out(part: str, reason: str) -> None:
    """Skip the running test because a part of the machine is missing; the summary tells."""
    pytest.skip(f"{LEFT_OUT}{part}: {reason}")


class Databases:
    """Fresh databases of one server: call it and get the URL of an empty one.

    The server is started at the first call, once for each test process; where it cannot be had,
    the test that called is skipped.
    """

    def __init__(self, name: str, start: Callable[[], Server]) -> None:
        self._name = name
        self._start = start
        self._server: Server | None = None
        self._why_not: str | None = None
        self._urls: list[str] = []

    @property
    def server(self) -> Server:
        if self._server is None and self._why_not is None:
            try:
                self._server = self._start()
            except Unavailable as error:
                self._why_not = str(error)
        if self._server is None:
            leave_out(self._name, self._why_not or "")
            raise AssertionError("unreachable")
        return self._server

    def __call__(
        self, name: str | None = None, *, user: str | None = None, password: str | None = None
    ) -> str:
        """The URL of a fresh, empty database; see Server.new for what can be asked."""
        url = self.server.new(name, user=user, password=password)
        self._urls.append(url)
        return url

    def drop(self, url: str) -> None:
        """Drop one before the end of the test; for tests that make many."""
        self._urls.remove(url)
        self.server.drop(url)

    @contextmanager
    def dropped(self) -> Iterator[None]:
        """Drop what is made in this context, at its end."""
        before = set(self._urls)
        yield
        for url in [url for url in self._urls if url not in before]:
            with suppress(SQLAlchemyError):  # a test has dropped it, or stopped the server
                self.drop(url)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Databases]:
    """Call it for the URL of an empty database of a real PostgreSQL."""
    databases = Databases("PostgreSQL", start_postgresql)
    yield databases
    databases.stop()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Databases]:
    """Call it for the URL of an empty database of a real MariaDB."""
    databases = Databases("MariaDB", start_mariadb)
    yield databases
    databases.stop()


@pytest.fixture(autouse=True)
def few_databases(postgresql: Databases) -> Iterator[None]:
    """Drop what a test made on PostgreSQL, whose every database takes 8 MB and is visited by the
    autovacuum; those of fixtures with a wider scope stay. MariaDB's take next to nothing."""
    with postgresql.dropped():
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the processes of one run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def bakery(shared: Path) -> Bakery:
    """Projects of the template: `bakery(database="mysql")` is the folder of one, to read only."""
    return Bakery(shared / "bakes")


#: What the projects are called that tests type in.
PLAIN = {"project_name": "Baked", "package_name": "baked"}


@pytest.fixture(scope="session")
def environment_for(bakery: Bakery, shared: Path) -> Callable[[str], Path]:
    """The environment of projects with this database, made once in a run by their own Makefile."""

    def make(database: str) -> Path:
        venv = shared / f"venv-{database}"
        with (shared / f"{venv.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (venv / ".installed").exists():
                folder = Path(tempfile.mkdtemp(dir=shared))
                copy = bakery.copy(folder, database=database, **PLAIN)
                Project(copy, venv).make("install")
                take_place(venv / "bin" / "flask")
        return venv

    return make


@pytest.fixture
def start(
    bakery: Bakery, environment_for: Callable[[str], Path], tmp_path: Path
) -> Callable[..., Project]:
    """Starts a project with the answers given: `start(database="mysql")`."""

    def start(**answers: str) -> Project:
        venv = environment_for(answers.get("database", "sqlite"))
        project = Project(bakery.copy(tmp_path / "projects", **(PLAIN | answers)), venv)
        # Newer than the copy's pyproject.toml, so that make installs nothing.
        (venv / ".installed").touch()
        return project

    return start


@pytest.fixture
def project(start: Callable[..., Project]) -> Project:
    """A project as --no-input gives it."""
    return start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one place which parts of the tests this machine could not run."""
    parts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if LEFT_OUT in reason:
            parts[reason.split(LEFT_OUT, 1)[1]] += 1
    if parts:
        terminalreporter.section("parts left out on this machine", yellow=True)
        for part, count in sorted(parts.items()):
            terminalreporter.line(f"{part} ({count} test{'s' if count > 1 else ''} skipped)")
