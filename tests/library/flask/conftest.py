"""Projects that stock Flask-Migrate made, of every version whose env.py differs."""

import subprocess
import sys
from pathlib import Path

import pytest

#: Versions of Flask-Migrate whose env.py differ from each other; existing projects keep theirs.
VERSIONS = ("2.0.4", "2.5.3", "2.7.0", "3.1.0", "4.0.0", "4.0.7", "4.1.0")


@pytest.fixture(scope="session")
def templates(shared: Path) -> dict[str, Path]:
    """The templates of each version, from its own package."""
    folders = {}
    for version in VERSIONS:
        folder = shared / f"flask-migrate-{version}"
        if not folder.exists():
            new = Path(f"{folder}.{id(folder)}")
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"),
                    *("--no-deps", "--target", str(new), f"flask-migrate=={version}"),
                ],
                check=True,
                stdin=subprocess.DEVNULL,
            )
            try:
                new.rename(folder)  # all at once: other workers look for it
            except OSError:
                assert folder.exists()
        folders[version] = folder / "flask_migrate" / "templates" / "flask"
    return folders
