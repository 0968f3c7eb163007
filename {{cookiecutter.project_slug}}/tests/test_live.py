"""The real server, started as in production, on a database file of its own."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

ROOT = Path(__file__).parent.parent


def test_the_server_migrates_and_answers(tmp_path: Path) -> None:
    # Settings of its own, and none of the developer's: SETTINGS keeps instance/settings.py out.
    settings = tmp_path / "settings.py"
    settings.write_text(
        f"SECRET_KEY = 'for the test'\n"
        f"SQLALCHEMY_DATABASE_URI = 'sqlite:///{(tmp_path / 'live.sqlite').as_posix()}'\n"
    )
    theirs = ("{{ cookiecutter.package_name | upper }}_", "DATABASE_URL")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(theirs)}
    environment["SETTINGS"] = str(settings)
    subprocess.run(
        [sys.executable, "-m", "flask", "db", "upgrade"], cwd=ROOT, env=environment, check=True
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind", address, "wsgi:app"],
        cwd=ROOT,
        env=environment,
    )
    try:
        assert answer(f"http://{address}/health/ready") == 200
        assert answer(f"http://{address}/") == 200
    finally:
        server.terminate()
        server.wait()


def answer(url: str) -> int:
    """Ask until the server listens, for ten seconds at most."""
    for _ in range(100):
        try:
            with urlopen(url, timeout=5) as response:
                return int(response.status)
        except OSError:  # not there yet, or slow
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")
