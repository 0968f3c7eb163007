"""The worked examples of CONTRIBUTING.md, each applied to a copy of the library and used."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.library.alembic.project import AlembicProject
from tests.support.bake import TEMPLATE

EXAMPLES = re.findall(
    r"### Example: (.*?)\n.*?```diff\n(.*?)```",
    (TEMPLATE / "CONTRIBUTING.md").read_text(),
    re.DOTALL,
)

STORAGE = """
import sys
from pathlib import Path

from sqlalchemy import DDL, Column, Integer, LargeBinary, Table, event
from tests.library.autogenerate.project import Project

project = Project(Path(sys.argv[1]), sys.argv[2])
columns = Column("id", Integer, primary_key=True), Column("cover", LargeBinary)
book = Table("book", project.metadata, *columns)
project.new("books")
project.upgrade()
project.run("INSERT INTO book (cover) VALUES ('abc')")
event.listen(book, "after_create", DDL("ALTER TABLE book ALTER cover SET STORAGE EXTERNAL"))
assert project.verify().differences["postgresql"]
assert project.new("covers").paths
assert "rehearsed on" in project.type("rehearse")
project.upgrade()
assert not project.new("again").paths
stored = "SELECT attstorage::text FROM pg_attribute WHERE attname = 'cover'"
upgraded = project.run(stored)
project.downgrade()
print(upgraded, project.run(stored), project.run("SELECT cover FROM book"))
"""


@pytest.fixture
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of src/ to which the example that the test names is applied."""
    (example,) = (diff for title, diff in EXAMPLES if title == request.param)
    shutil.copytree(TEMPLATE / "src", tmp_path / "src")
    subprocess.run(["git", "apply", "-"], input=example, text=True, cwd=tmp_path, check=True)
    return tmp_path / "src"


def run(source: Path, *words: str, folder: Path = TEMPLATE) -> str:
    """Run a Python that has the changed library; return what it prints."""
    path = os.pathsep.join(map(str, (source, TEMPLATE)))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_example_has_a_test() -> None:
    titles = ["a rule", "something else that a column can have", "a command"]
    assert [title for title, _ in EXAMPLES] == titles


@pytest.mark.parametrize("source", ["a rule"], indirect=True)
def test_rule_of_the_example_fires_on_bad_alone(source: Path) -> None:
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/library/test_reference.py")
    assert "1 passed" in run(source, *words, "-k", "truncate")


@pytest.mark.parametrize("source", ["something else that a column can have"], indirect=True)
def test_storage_of_the_example_upgrades_and_downgrades(
    source: Path, tmp_path: Path, postgresql: Callable[[], str]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    last = run(source, "-c", STORAGE, str(project), postgresql()).splitlines()[-1]
    assert last == "[('e',)] [('x',)] [(b'abc',)]"


@pytest.mark.parametrize("source", ["a command"], indirect=True)
def test_command_of_the_example_counts_rows(source: Path, tmp_path: Path) -> None:
    project = AlembicProject(tmp_path / "shop", f"sqlite:///{tmp_path}/shop.db", "generic")
    project.write_chain()
    project.add_line()
    project.lossless("upgrade")
    project.rows("INSERT INTO customer (id, name, status) VALUES (1, 'Ada', 'open')")
    main = "from alembic_lossless.cli.main import main; main()"
    assert "customer: 1 row\n" in run(source, "-c", main, "tables", folder=project.folder)
