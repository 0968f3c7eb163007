"""Baking: making projects of the template, as cookiecutter's users do."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parents[2]


def environment(home: Path, *, identity: bool = True) -> dict[str, str]:
    """The variables of a person whose home this is, known to git or not."""
    home.mkdir(parents=True, exist_ok=True)
    settings = "[user]\nname = Ann\nemail = ann@example.com\n" if identity else ""
    (home / ".gitconfig").write_text(settings, encoding="utf-8")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "COOKIECUTTER"))}
    inherited.pop("EMAIL", None)
    return {
        **inherited,
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
    }


@contextlib.contextmanager
def living_in(home: Path) -> Iterator[None]:
    """This process with those variables."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment(home))
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def bake(folder: Path, **answers: str) -> Path:
    """Bake into a folder through cookiecutter's Python interface; return the project's folder.

    Raises what cookiecutter raises; a refused answer is a FailedHookException.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, living_in(Path(home)):
        config = Path(home, "config.yaml")
        config.write_text(
            json.dumps({"replay_dir": home, "cookiecutters_dir": home}), encoding="utf-8"
        )
        return Path(
            cookiecutter(
                str(TEMPLATE),
                no_input=True,
                extra_context=answers,
                output_dir=str(folder),
                config_file=str(config),
            )
        )


def type_cookiecutter(
    folder: Path,
    *arguments: str,
    typed: str | None = None,
    identity: bool = True,
    home: Path | None = None,
    template: str = str(TEMPLATE),
) -> "subprocess.CompletedProcess[str]":
    """Type `cookiecutter TEMPLATE …` in a folder; with `typed` the questions are asked and answered
    by its lines, without it they are not asked."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as spare:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "cookiecutter",
                *([] if typed is not None else ["--no-input"]),
                template,
                *arguments,
            ],
            cwd=folder,
            env={**environment(home or Path(spare), identity=identity), "PWD": str(folder)},
            input=typed or "",
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )


class Bakery:
    """Bakes each set of answers once in a run, for all test processes of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, **answers: str) -> Path:
        """The folder of a project with these answers. It is shared: read it, do not write to it."""
        key = json.dumps(answers, sort_keys=True)
        folder = self._folder / hashlib.sha256(key.encode()).hexdigest()[:16]
        if not folder.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(dir=self._folder))
            bake(unfinished, **answers)
            try:
                # All at once, so that no process sees half a project; the first one wins.
                unfinished.rename(folder)
            except OSError:
                shutil.rmtree(unfinished)
        (project,) = folder.iterdir()
        return project

    def copy(self, folder: Path, **answers: str) -> Path:
        """A copy of such a project inside a folder, to do with as one likes."""
        project = self(**answers)
        return Path(shutil.copytree(project, folder / project.name, symlinks=True))
