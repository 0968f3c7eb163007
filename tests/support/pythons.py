"""The other Pythons of this machine."""

import shutil
import subprocess
import sys
from pathlib import Path

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
