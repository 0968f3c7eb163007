"""The repository's own Makefile, as far as it goes without an environment."""

import os
import re
import subprocess
import sys
import tomllib

from tests.support.bake import TEMPLATE

MAKEFILE = (TEMPLATE / "Makefile").read_text(encoding="utf-8")


def make(*arguments):
    # The make that runs these tests hands its flags down, with which this one says where it is.
    handed_down = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    return subprocess.run(
        ["make", *arguments],
        cwd=TEMPLATE,
        env={name: value for name, value in os.environ.items() if name not in handed_down},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_make_alone_lists_every_target():
    done = make()
    assert done.returncode == 0, done.stderr
    targets = re.findall(r"^\.PHONY: (\w+)$", MAKEFILE, re.MULTILINE)
    listed = re.findall(r"^  make (\w+) +\S", done.stdout, re.MULTILINE)
    assert sorted([*listed, "python"]) == sorted(targets)


def test_every_target_can_be_read():
    for target in ("new", "demo", "test", "trials", "lint", "format", "bench"):
        assert make("-n", target).returncode == 0


def test_the_questions_need_cookiecutter_alone():
    done = make("-n", "new")
    assert "--group dev" not in done.stdout
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))
    (cookiecutter,) = re.findall(r"^COOKIECUTTER := (.*)$", MAKEFILE, re.MULTILINE)
    assert cookiecutter in project["dependency-groups"]["dev"]
    # And the script that asks them imports nothing else.
    imports = re.findall(
        r"^(?:import|from) (\w+)", (TEMPLATE / "scripts" / "new.py").read_text(), re.MULTILINE
    )
    known = {"cookiecutter", "click", "jinja2", "local_extensions"} | sys.stdlib_module_names
    assert set(imports) <= known


def test_without_a_python_one_sentence_says_so():
    for target in ("help", "test", "demo"):
        done = make("PYTHON=", target)
        assert done.returncode == 2
        assert done.stdout.splitlines() == [
            "Python 3.11 or later is needed: install it, or say where it is: "
            "make PYTHON=/path/to/python3"
        ]


def test_what_is_typed_behind_to_reaches_the_shell_as_one_word():
    done = make("-n", "new", "to=/tmp/my projects")
    assert 'scripts/new.py "/tmp/my projects"' in done.stdout
