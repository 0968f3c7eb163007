"""The wheel of alembic-lossless that each new project carries in ``vendor/``.

It holds what ``pip wheel .`` would build, and needs no build backend: a wheel is a zip file with a
few files of metadata in it. The same sources always give the same bytes, and the version ends in a
digest of the content, so that pip and uv notice when it changes.
"""

from __future__ import annotations

import base64
import hashlib
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent

# What Python and the repository's own checks leave behind.
CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}

TAGS = """\
Wheel-Version: 1.0
Generator: cookiecutter-flask-migrations
Root-Is-Purelib: true
Tag: py3-none-any
"""


@dataclass(frozen=True)
class Wheel:
    """The library, ready to be written as a wheel."""

    #: The table [project] of pyproject.toml.
    project: dict[str, Any]
    #: The modules, by their paths inside the wheel, in order.
    modules: dict[str, bytes]
    licenses: dict[str, bytes]

    @classmethod
    def read(cls, repository: Path = REPOSITORY) -> Wheel:
        """Read the library.

        :param repository: the folder that holds the library's pyproject.toml and ``src/``.
        :return: what its wheel is made from.
        """
        text = (repository / "pyproject.toml").read_text(encoding="utf-8")
        project = tomllib.loads(text)["project"]
        source = repository / "src"
        files = sorted((source / project["name"].replace("-", "_")).rglob("*"))
        return cls(
            project,
            {
                file.relative_to(source).as_posix(): file.read_bytes()
                for file in files
                if file.is_file() and not CACHES & set(file.parts)
            },
            {name: (repository / name).read_bytes() for name in project["license-files"]},
        )

    @property
    def version(self) -> str:
        """The library's version and a digest of the content, such as ``0.1.0+3f2a9c01b7de``."""
        digest = hashlib.sha256()
        parts = {"METADATA": self._metadata(self.project["version"]), "scripts": self._scripts()}
        for name, data in {**self.modules, **self.licenses, **parts}.items():
            digest.update(f"{name} {len(data)}\n".encode())
            digest.update(data)
        return f"{self.project['version']}+{digest.hexdigest()[:12]}"

    @property
    def file_name(self) -> str:
        """The name that installers expect, such as ``alembic_lossless-0.1.0+3f2a…-….whl``."""
        return f"{self._stem}-py3-none-any.whl"

    @property
    def _stem(self) -> str:
        return f"{self.project['name'].replace('-', '_')}-{self.version}"

    def write(self, folder: Path) -> Path:
        """Write the wheel.

        :param folder: where to; it is created where it is missing.
        :return: the path of the wheel.
        """
        info = f"{self._stem}.dist-info"
        members = {
            **self.modules,
            f"{info}/METADATA": self._metadata(self.version),
            f"{info}/WHEEL": TAGS.encode(),
            f"{info}/entry_points.txt": self._scripts(),
            **{f"{info}/licenses/{name}": data for name, data in self.licenses.items()},
        }
        members[f"{info}/RECORD"] = _record(members, f"{info}/RECORD")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.file_name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, data in members.items():
                member = zipfile.ZipInfo(name, date_time=(2020, 2, 2, 0, 0, 0))
                member.create_system = 3  # Unix, wherever it is written.
                member.external_attr = 0o100644 << 16
                archive.writestr(member, data)
        return path

    def _metadata(self, version: str) -> bytes:
        """The README is left out: it describes the repository to those who do not have it yet."""
        lines = [
            "Metadata-Version: 2.4",
            f"Name: {self.project['name']}",
            f"Version: {version}",
            f"Summary: {self.project['description']}",
            f"License-Expression: {self.project['license']}",
            *(f"License-File: {name}" for name in self.project["license-files"]),
            f"Requires-Python: {self.project['requires-python']}",
            *(f"Requires-Dist: {needed}" for needed in self.project["dependencies"]),
        ]
        for extra, requirements in self.project["optional-dependencies"].items():
            lines.append(f"Provides-Extra: {extra}")
            for requirement in requirements:
                needed, _, marker = (part.strip() for part in requirement.partition(";"))
                condition = f"({marker}) and " if marker else ""
                lines.append(f"Requires-Dist: {needed}; {condition}extra == '{extra}'")
        return ("\n".join(lines) + "\n").encode()

    def _scripts(self) -> bytes:
        scripts = (f"{name} = {target}\n" for name, target in self.project["scripts"].items())
        return ("[console_scripts]\n" + "".join(scripts)).encode()


def _record(members: dict[str, bytes], itself: str) -> bytes:
    """Return RECORD: each member with its digest and size, and RECORD *itself* without them."""
    lines = []
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{itself},,\n"]).encode()
