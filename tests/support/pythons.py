"""The other Pythons of this machine, and environments of other versions."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.support.bake import TEMPLATE

#: The versions a project is made for, besides the one that runs the tests.
OTHERS = [v for v in ("3.11", "3.12", "3.13") if v != "{}.{}".format(*sys.version_info)]


def find(version: str) -> str | None:
    """Return a Python of this *version*, on the path or among pyenv's; None where there is none."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for candidate in [shutil.which(f"python{version}"), *map(str, kept)]:
        # A shim of pyenv is on the path also for a version that is switched off.
        if candidate and not subprocess.run([candidate, "-V"], capture_output=True).returncode:
            return candidate
    return None


def oldest() -> list[str]:
    """Return the oldest packages that the library promises to work with, each as ``name==…``."""
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["flask"]]
    return [requirement.partition(",")[0].replace(">=", "==") for requirement in needed]


def environment(folder: Path, python: str, *packages: str) -> Path:
    """Make an environment with the library and what its tests need; return its Python.

    :param folder: where it is made.
    :param python: makes it.
    :param packages: what the installer is held to.
    """
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", python, folder], check=True)
    own = folder / "bin" / "python"
    held = folder / "held.txt"
    held.write_text("\n".join(packages), encoding="utf-8")
    library = f"{TEMPLATE}[flask,postgresql,mysql,review]"
    tools = ("pytest", "hypothesis", "cookiecutter", "apsw")
    install = [uv, "pip", "install", "--quiet", "--python", own]
    subprocess.run([*install, "-c", held, "--editable", library, *tools], check=True)
    return own
