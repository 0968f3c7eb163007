"""Bake the default project and use it as a person would, command by command.

The project goes into build/demo, or into the folder named.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

TEMPLATE = Path(__file__).resolve().parent.parent
DEMO = Path(*sys.argv[1:2] or [TEMPLATE / "build" / "demo"]).absolute()


def main() -> None:
    """Go through the demonstration; the first command that fails ends it with its exit code."""
    bake()
    type_in("make install")
    type_in("make db")
    add_column()
    type_in('make newmigration m="add nickname"')
    type_in("make plan")
    type_in("make migrate")
    type_in("make test")
    show_page()
    print(f"\nThe project is in {DEMO}; to start it:\n\n  cd {DEMO}\n  make run\n")


def bake() -> None:
    """Write the default project anew."""
    for old in (DEMO, DEMO.parent / "baking"):
        shutil.rmtree(old, ignore_errors=True)
    folder = DEMO.parent / "baking"
    subprocess.run(
        [sys.executable, "-m", "cookiecutter", "--no-input", str(TEMPLATE), "-o", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,  # The next steps that it tells are the ones shown here.
    )
    (baked,) = folder.iterdir()
    baked.rename(DEMO)
    folder.rmdir()
    print(f"Baked the default project into {DEMO}")


def type_in(command: str) -> None:
    """Run *command* in the project, shown as it would be typed."""
    print(f"\n$ {command}", flush=True)
    done = subprocess.run(command, shell=True, cwd=DEMO, env=environment(), check=False)
    if done.returncode:
        sys.exit(done.returncode)


def environment() -> dict[str, str]:
    """Return the environment without what the outer make and its settings put there."""
    ours = ("MAKE", "MFLAGS", "VENV", "SETTINGS", "DATABASE_URL", "VIRTUAL_ENV")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def add_column() -> None:
    """Edit a model, as a person would in an editor."""
    (models,) = DEMO.glob("*/models/library.py")
    column = "    nickname: Mapped[str | None] = mapped_column(String(50))\n"
    text = models.read_text(encoding="utf-8")
    name = re.search(r"    name: Mapped.*\n", text)
    assert name, "the example's model has changed, and this script with it must"
    models.write_text(text.replace(name[0], name[0] + column), encoding="utf-8")
    print(f"\nAdded to {models.relative_to(DEMO)}:\n{column}")


def show_page() -> None:
    """Start the server, ask it for its first page, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [".venv/bin/flask", "run", "--port", str(port)]
    print(f"\n$ {' '.join(command)}", flush=True)
    with subprocess.Popen(
        command, cwd=DEMO, env=environment(), stderr=subprocess.DEVNULL
    ) as server:
        try:
            page = fetch(f"http://127.0.0.1:{port}/")
        finally:
            server.terminate()
    heading = re.search(r"<h1>(.*?)</h1>", page)
    assert heading, page
    print(f"The page says: {heading[1]}")


def fetch(url: str) -> str:
    """Ask until the server listens, for a minute at most."""
    for _ in range(300):
        try:
            with urlopen(url, timeout=5) as response:
                return str(response.read().decode())
        except URLError:
            time.sleep(0.2)
    sys.exit(f"{url} did not answer")


if __name__ == "__main__":
    main()
