"""Applications to migrate, on each of the databases, and the figures that trials leave behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.servers.run.shop import Shop
from tests.support.handwritten import Handwritten

FIGURE = "figure"


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Shop]:
    """Make an application on a new, empty database; call it again for another."""
    made: list[Shop] = []

    def make(**settings: Any) -> Shop:
        root = tmp_path / f"shop{len(made)}"
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path}/shop{len(made)}.sqlite"
        else:
            url = request.getfixturevalue(kind)()
        made.append(Shop(root, url, **settings))
        return made[-1]

    return make


@pytest.fixture
def shop(start: Callable[..., Shop]) -> Shop:
    return start()


@pytest.fixture
def empty_chain(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Handwritten:
    """A chain without a revision, for a new, empty database."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/shop.sqlite"
    else:
        url = request.getfixturevalue(kind)()
    return Handwritten(tmp_path / "migrations", url)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Note a line for the end of the run."""
    return lambda line: record_property(FIGURE, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the trials counted."""
    lines = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.line(str(line))
