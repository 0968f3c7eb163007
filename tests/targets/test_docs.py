"""What the documents show is what happens."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import alembic_lossless
from alembic_lossless.cli.console import EXIT_CODES
from alembic_lossless.cli.flask_db import group as flask_db
from tests.conftest import Databases
from tests.support.bake import TEMPLATE
from tests.support.console import play, stories
from tests.support.project import Project

DOCS = TEMPLATE / "docs"
PAGES = sorted(DOCS.glob("**/*.md"))
DOCUMENTS = [*TEMPLATE.glob("*.md"), TEMPLATE / "benchmarks/README.md", *PAGES]
FOLDERS = TEMPLATE, TEMPLATE / "{{cookiecutter.project_slug}}"

#: Guides for another project than a new one; test_handover.py, test_existing_project.py play them.
ELSEWHERE = {"move-from-sqlite-to-a-server", "add-to-an-existing-project", "leave"}
GUIDES = {
    f"{page.stem} {heading}".rstrip(): text
    for page in PAGES
    if page.parent.name == "how-to" and page.stem not in ELSEWHERE
    for heading, text in stories(page).items()
}


@pytest.mark.parametrize("name", GUIDES)
def test_guide(name: str, start: Callable[..., Project]) -> None:
    project = start(project_slug="my-project", package_name="my_project")
    assert play(GUIDES[name], project)


def test_tutorial(start: Callable[..., Project], postgresql: Databases) -> None:
    answers = {"project_slug": "reading-list", "package_name": "reading_list"}
    project = start(**answers, database="postgresql")
    url = postgresql.server.admin.set(database="reading_list")
    shown = "postgresql://postgres:@/reading_list?host=/home/you/server"
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    assert shown in text
    try:
        assert play(text.replace(shown, url.render_as_string(hide_password=False)), project)
    finally:
        postgresql.server.drop(str(url))


def test_the_demonstration(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TEMPLATE / "scripts" / "demo.py", tmp_path / "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The page says: Welcome to My Project" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_command_that_is_named_exists(document: Path) -> None:
    """In whichever document, in a sentence, a table or a block."""
    text = document.read_text(encoding="utf-8")
    is_played = document.parent.name == "how-to" or document == DOCS / "tutorial.md"
    assert "```console" not in text or is_played
    makefiles = "".join((folder / "Makefile").read_text(encoding="utf-8") for folder in FOLDERS)
    for line in code(text):
        for target, typed in re.findall(r"\bmake ([a-z]+)((?: [a-z]+=(?:\"[^\"]*\"|\S+))*)", line):
            rules = "".join(re.findall(rf"(?m)^{target}:.*\n(?:\t.*\n)*", makefiles))
            assert rules, f"make {target}"
            for variable in re.findall(r"(\w+)=[\"\S]", re.sub(r'"[^"]*"', '"', typed)):
                assert re.search(rf"[(, _]{variable}[)\"]", rules), f"make {target}{typed}"
        for name, rest in re.findall(r"\bflask db ([a-z]+)([^|]*)", line):
            command = flask_db.get_command(click.Context(flask_db), name)
            assert command, line
            options = {option for parameter in command.params for option in parameter.opts}
            assert options >= set(re.findall(r"--[a-z]+", rest)), line
        for script, rest in re.findall(r"python (benchmarks/\w+\.py)(.*)", line):
            known = (TEMPLATE / script).read_text(encoding="utf-8")
            assert all(option in known for option in re.findall(r"--[a-z]+", rest)), line


def code(text: str) -> list[str]:
    """The lines of a document's blocks but those that are played, and what is between backticks."""
    rest = re.sub(r"(?ms)^```(console|diff)$.*?^```$", "", text)
    blocks = re.findall(r"(?ms)^```\w*$(.*?)^```$", rest) + re.findall(r"(?m)^    .*", rest)
    spans = re.findall(r"(?s)(?<!`)(`+)([^`].*?)\1(?!`)", re.sub(r"(?ms)^```.*?^```$", "", rest))
    return [*"\n".join(blocks).splitlines(), *(" ".join(span.split()) for _, span in spans)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^):]+)\)", document.read_text(encoding="utf-8")):
        file, _, part = link.partition("#")
        text = (document.parent / file if file else document).read_text(encoding="utf-8")
        headings = re.findall(r"(?m)^#+ (.*)", text)
        assert not part or part in {heading.lower().replace(" ", "-") for heading in headings}


def test_the_readme_links_to_every_page() -> None:
    text = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((docs/[^)]+)\)", text)) == {
        page.relative_to(TEMPLATE).as_posix() for page in PAGES
    }


def test_the_exit_codes_of_the_help_stand_in_their_page() -> None:
    page = (DOCS / "reference/exit-codes.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\| (\d) \|", page) == re.findall(r"(?m)^  (\d)  ", EXIT_CODES)


def test_every_module_for_sqlite_stands_in_its_document() -> None:
    rows = re.findall(
        r"(?m)^\| (`.*?) \|", (DOCS / "explanation/sqlite.md").read_text(encoding="utf-8")
    )
    modules = {path.name for path in Path(alembic_lossless.__file__).parent.glob("sqlite/*.py")}
    assert modules - {"__init__.py"} == set(re.findall(r"`(\w+\.py)`", " ".join(rows)))


def test_the_commands_of_the_readme_exist() -> None:
    text = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    text += (TEMPLATE / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^make (\w+)", text, re.MULTILINE))
    assert shown >= {"demo", "new", "test"}
    for target in shown:
        done = subprocess.run(["make", "-n", target], cwd=TEMPLATE, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_table_of_commands_in_a_projects_readme(project: Project) -> None:
    text = (project.root / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `make (\w+).*?\| `.venv/bin/flask db (\w+)", text, re.MULTILINE)
    assert len(rows) > 5
    for target, command in rows:
        assert f" db {command}" in project.make("-n", target).stdout
        assert project.flask("db", command, "--help").stdout
