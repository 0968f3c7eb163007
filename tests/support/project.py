"""A baked project, and a person at its keyboard."""

import importlib.util
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.support import commands, typed


class Project:
    """A project in a folder of its own, with an environment shared between tests."""

    def __init__(self, root: Path, venv: Path) -> None:
        self.root = root
        self.venv = venv
        (factory,) = (f for f in root.glob("*/__init__.py") if "create_app" in f.read_text())
        self.package = factory.parent
        self.versions_folder = self.package / "migrations" / "versions"
        self.database = root / "instance" / f"{self.package.name}.sqlite"
        self.versions_at_first = self.versions()

    def run(
        self, *command: str, fails: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Type *command*; it has to succeed, or to fail where a test says so."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self._environment() | self._forking() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done

    @contextmanager
    def typing(self, *command: str) -> Iterator[None]:
        """Type *command*, and interrupt it in the end, with all that it started."""
        running = subprocess.Popen(
            command,
            cwd=self.root,
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(running.pid, signal.SIGINT)
            running.wait()

    def _environment(self) -> dict[str, str]:
        ours = ("MAKE", "MFLAGS", "SETTINGS", "DATABASE_URL", "FLASK_", "BAKED_", "PYTHON", "PG")
        ours += ("MIGRATION_", "ALEMBIC_LOSSLESS_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        path = f"{self.venv / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return inherited | {"PATH": path, "VENV": str(self.venv)}

    def _forking(self) -> dict[str, str]:
        """Return what lets ``flask`` of an environment that tests share start at once."""
        if not (self.venv / "bin" / "before").exists():
            return {}
        is_ours = "alembic_lossless" in (self.package / "extensions.py").read_text()
        without = () if is_ours else ("alembic_lossless",)
        return {typed.ADDRESS: commands.forking(self.venv / "bin" / "python", without)}

    def make(
        self, *words: str, fails: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Type ``make`` and *words*."""
        return self.run("make", "--no-print-directory", *words, fails=fails, **environment)

    def flask(
        self, *words: str, fails: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Type ``flask`` and *words*."""
        return self.run("flask", *words, fails=fails, **environment)

    def git(self, *words: str) -> str:
        """Type ``git`` and *words*, and return the answer."""
        return self.run("git", *words).stdout

    def versions(self) -> set[str]:
        """Return the names of the migration files."""
        return {file.name for file in self.versions_folder.glob("*.py")}

    def first_revision(self) -> str:
        """Return the revision of the example's first migration."""
        (file,) = self.versions_at_first
        return str(self.load_version(file).revision)

    def load_version(self, file: str) -> ModuleType:
        """Import a migration file."""
        spec = importlib.util.spec_from_file_location("version", self.versions_folder / file)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        shutil.rmtree(self.versions_folder / "__pycache__", ignore_errors=True)
        return module

    def add_to_author(self, lines: str) -> None:
        """Edit the model Author: *lines* come behind its name."""
        self.edit("models/library.py", "unique=True)\n", "unique=True)\n" + lines)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the first *old* in a file of the package."""
        path = self.package / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the development database."""
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table of the development database; none if it is not there."""
        return [row[1] for row in self.rows(f"PRAGMA table_info({table})")]
