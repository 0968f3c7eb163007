"""What git knows of the files of migrations; nothing where there is no git."""

import os
import re
import shlex
import subprocess
from pathlib import Path


def ask(folder: Path, *arguments: str) -> list[str]:
    """Return the lines that git prints in *folder*; none where it fails.

    :param folder: a folder of the work tree.
    :param arguments: of git's command line.
    :return: the lines.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "-c", "core.quotepath=off", *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.split("\n")[:-1]


def command_to_restore(folder: Path, revision: str) -> str:
    """Return the command that brings back the file of a revision, from the last commit that has it.

    :param folder: the folder of the revisions.
    :param revision: the revision's id.
    :return: a command to paste; empty where no commit has such a file.
    """
    name = re.sub(r"\W", ".", revision)
    line = f"^revision[ :].*=.*['\"]{name}['\"]"
    history = ("log", "--all", "--no-renames")
    paths = ask(folder, *history, "--format=", "--name-only", "-G", line, "--", "./*.py")
    for path in dict.fromkeys(paths):
        file = f":/{path}"
        commits = ask(folder, *history, "-1", "--format=%h", "--diff-filter=AM", "--", file)
        (top,) = ask(folder, "rev-parse", "--show-toplevel")
        if commits:
            target = shlex.quote(os.path.relpath(Path(top, path)))
            return f"git checkout {commits[0]} -- {target}"
    return ""
