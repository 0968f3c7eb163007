"""Every kind of project that the template makes: whole, clean, and saying what was answered."""

import json
import os
import subprocess
import sys
import tomllib
from html.parser import HTMLParser

import pytest

import local_extensions
from tests.support.bake import bake
from tests.template.answers import CHOICES, PROJECTS, QUESTIONS, TEXTS

DRIVERS = {"sqlite": set(), "postgresql": {"psycopg"}, "mysql": {"pymysql"}}


@pytest.fixture(params=PROJECTS)
def answers(request):
    """All answers of one project."""
    given = PROJECTS[request.param]
    answers = {k: v[0] if k in CHOICES else v for k, v in QUESTIONS.items() if k[0] != "_"} | given
    answers.setdefault("project_name", "My Project")
    slug = given.get("project_slug") or local_extensions.slug(answers["project_name"])
    package = given.get("package_name") or local_extensions.package(slug)
    return answers | {"project_slug": slug, "package_name": package, "given": given}


@pytest.fixture
def project(bakery, answers):
    return bakery(**answers["given"])


CACHES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def files(project):
    return [
        path
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(project).parts
    ]


def texts(project):
    """All files but the library's wheel."""
    return [path for path in files(project) if path.parent.name != "vendor"]


def run(project, *command):
    """Run a command in a project; its tools leave no caches there."""
    return subprocess.run(
        [str(part) for part in command],
        cwd=project,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "RUFF_NO_CACHE": "true"},
        timeout=120,
    )


def test_its_folders_have_the_names_that_were_answered(project, answers):
    assert project.name == answers["project_slug"]
    assert (project / answers["package_name"] / "__init__.py").is_file()


def test_its_files_can_be_read_by_their_readers(project):
    for path in texts(project):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            compile(text, str(path), "exec")
        if path.suffix == ".toml":
            tomllib.loads(text)


def test_nothing_of_the_template_s_language_is_left(project):
    copied = [pattern.removeprefix("*/") for pattern in QUESTIONS["_copy_without_render"]]
    for path in texts(project):
        inside = path.relative_to(project).as_posix()
        assert "{{" not in inside
        text = path.read_text(encoding="utf-8")
        assert "cookiecutter." not in text, inside
        if not any(f"/{part}" in inside for part in copied):
            assert "{%" not in text, inside
            assert "{{" not in text, inside


def test_no_caches_of_the_template_came_along(project):
    assert [path for path in files(project) if CACHES & set(path.parts)] == []


def test_ruff_has_nothing_to_say(project):
    check = run(project, sys.executable, "-m", "ruff", "check")
    assert check.returncode == 0, check.stdout + check.stderr
    form = run(project, sys.executable, "-m", "ruff", "format", "--diff")
    assert form.returncode == 0, form.stdout + form.stderr


def test_make_reads_its_makefile(project):
    listed = run(project, "make", "help", f"PYTHON={sys.executable}")
    assert listed.returncode == 0, listed.stderr
    assert "newmigration" in listed.stdout
    assert run(project, "make", "-n", "run").returncode == 0


def test_its_metadata_says_what_was_answered(project, answers):
    data = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    line = local_extensions.line
    assert data["name"] == answers["project_slug"]
    assert data["description"] == line(answers["description"])
    assert data["authors"] == [
        {"name": line(answers["author_name"]), "email": answers["author_email"]}
    ]
    spdx = answers["license"]
    assert data["license"] == ("LicenseRef-Proprietary" if spdx == "Proprietary" else spdx)
    drivers = {
        driver
        for driver in ("psycopg", "pymysql")
        if any(needed.startswith(driver) for needed in data["dependencies"])
    }
    assert drivers == DRIVERS[answers["database"]]


def test_its_licence_is_the_one_chosen(project, answers):
    text = (project / "LICENSE").read_text(encoding="utf-8")
    words = {
        "MIT": "MIT License",
        "BSD-3-Clause": "BSD 3-Clause License",
        "Apache-2.0": "Version 2.0, January 2004",
        "GPL-3.0-or-later": "GNU GENERAL PUBLIC LICENSE",
        "Proprietary": "All rights reserved.",
    }
    assert [name for name, word in words.items() if word in text] == [answers["license"]]
    if answers["license"] in ("MIT", "BSD-3-Clause", "Proprietary"):
        assert f"Copyright (c) {local_extensions.line(answers['author_name'])}\n" in text


@pytest.mark.parametrize("database", CHOICES["database"])
def test_without_the_example_nothing_speaks_of_it(bakery, database):
    project = bakery(database=database, example="no")
    for path in texts(project):
        assert "library" not in path.name
        assert "library" not in path.read_text(encoding="utf-8").lower(), path
    versions = project / "my_project" / "migrations" / "versions"
    assert [path.name for path in versions.iterdir()] == [".gitkeep"]


def test_with_the_example_its_first_migration_is_there(bakery):
    versions = bakery() / "my_project" / "migrations" / "versions"
    (first,) = versions.iterdir()
    assert first.name.endswith("_authors_and_books.py")


def test_it_holds_no_engine_and_is_short(bakery):
    """What its owner would have written, in every text file of it together."""
    project = bakery()
    assert sum(len(path.read_text("utf-8").splitlines()) for path in texts(project)) <= 1300
    named = {path for path in texts(project) if "alembic_lossless" in path.read_text("utf-8")}
    # The README names the table that stays when the library goes.
    files = ("pyproject.toml", "README.md", "my_project/extensions.py")
    assert named <= {project / file for file in files}


def test_two_bakes_of_the_same_answers_are_equal(bakery, tmp_path):
    first, second = bakery(), bake(tmp_path)
    one, two = (
        {path.relative_to(project): path.read_bytes() for path in files(project)}
        for project in (first, second)
    )
    assert one == two


SHOW = """
import json, sys
from shop import create_app
from shop.extensions import db

app = create_app({"SQLALCHEMY_DATABASE_URI": sys.argv[1], "SECRET_KEY": "of this test"})
with app.app_context():
    db.create_all()
print(json.dumps(app.test_client().get("/").text))
"""


class Titles(HTMLParser):
    """The text of a page's title and headings, and the names of its elements."""

    def __init__(self):
        super().__init__()
        self.open, self.names, self.texts = [], set(), {}

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] in ("title", "h1"):
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


@pytest.mark.parametrize("name", TEXTS)
def test_its_page_shows_the_project_s_name_as_text(bakery, name, tmp_path):
    project = bakery(**PROJECTS[f"text-{name}"])
    done = run(project, sys.executable, "-c", SHOW, f"sqlite:///{tmp_path}/a.sqlite")
    assert done.returncode == 0, done.stderr
    page = Titles()
    page.feed(json.loads(done.stdout))
    title = local_extensions.line(TEXTS[name][:60])
    assert page.texts == {"title": title, "h1": f"Welcome to {title}"}
    assert "script" not in page.names
