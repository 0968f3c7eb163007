"""Removes what was not chosen, puts the library beside the project, starts a git repository, and
prints what to type next."""

import os
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

PACKAGE = "{{ cookiecutter.package_name }}"
EXAMPLE = "{{ cookiecutter.example }}"
TEMPLATE = unquote("{{ cookiecutter._template | default('') | urlencode }}")
FOLDER = unquote("{{ template_folder() | urlencode }}")
BY_CRUFT = "{{ '_commit' in cookiecutter }}" == "True"

# What an answer leaves out, by glob patterns; PACKAGE stands for the package's folder.
LEFT_OUT = {
    "yes": ["PACKAGE/migrations/versions/.gitkeep"],
    "no": [
        "PACKAGE/models/library.py",
        "PACKAGE/pages/library.py",
        "PACKAGE/pages/templates/library.html",
        "PACKAGE/migrations/versions/*_authors_and_books.py",
        "tests/test_library.py",
    ],
}


def remove_left_out(project: Path, package: str, example: str) -> list[str]:
    """Remove the files that the answer to `example` leaves out; return the patterns that matched
    no file, of which there should be none."""
    missed = []
    for pattern in LEFT_OUT[example]:
        matches = list(project.glob(pattern.replace("PACKAGE", package)))
        for path in matches:
            path.unlink()
        if not matches:
            missed.append(pattern)
    return missed


def write_library(project: Path, template: Path) -> None:
    """Put the library's wheel, made from the sources in *template*, into ``vendor/``."""
    module = runpy.run_path(str(template / "library_wheel.py"), run_name="wheel")
    module["Wheel"].read().write(project / "vendor")


def git(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["git", *arguments], cwd=project, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def start_repository(project: Path) -> str:
    """Make a git repository with one commit; return a line that says so, or why not."""
    if shutil.which("git") is None:
        return "No git repository: git is not installed."
    if git(project, "rev-parse", "--git-dir").returncode == 0:
        return "No git repository of its own: the folder is inside one already."
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        if git(project, "-c", "user.useConfigOnly=true", "var", who).returncode != 0:
            return (
                "No git repository: git does not know your name and address "
                "(git config --global user.name, user.email)."
            )
    branch = []
    if git(project, "config", "init.defaultBranch").returncode != 0:
        branch = ["-c", "init.defaultBranch=main"]
    steps: Sequence[Sequence[str]] = (
        [*branch, "init", "--quiet"],
        ["add", "--all"],
        # Nobody is there to type a passphrase, and no hook of theirs knows this project yet.
        ["-c", "commit.gpgsign=false", "commit", "--quiet", "--no-verify", "-m", "Start"],
    )
    for step in steps:
        done = git(project, *step)
        if done.returncode != 0:
            shutil.rmtree(project / ".git", ignore_errors=True)
            return f"No git repository: {done.stderr.strip() or 'git failed.'}"
    return "A git repository with one commit was started."


def address(template: str, directory: str) -> str:
    """Where cruft finds the template that cookiecutter was given, perhaps in short, in a directory
    of the machine."""
    template = template.removeprefix("git+")
    host, _, name = template.partition(":")
    hosts = {
        "gh": "https://github.com/",
        "gl": "https://gitlab.com/",
        "bb": "https://bitbucket.org/",
    }
    if host in hosts:
        return f"{hosts[host]}{name}.git"
    local = Path(directory, template)
    return str(local.resolve()) if local.exists() else template


def next_steps(folder: str, repository: str, template: str) -> str:
    """What to read and to type now. The template is empty where cruft knows it already."""
    lines = [repository, "", "Next:", f"  cd {shlex.quote(folder)}", "  make run"]
    if template:
        lines += [
            "",
            "For later changes of the template, link the project to it (give the same answers),",
            "then take them over with `cruft update`:",
            f"  cruft link {shlex.quote(template)}",
        ]
    return "\n".join(lines)


def main() -> int:
    project = Path.cwd()
    missed = remove_left_out(project, PACKAGE, EXAMPLE)
    if missed:
        print(f"The template has lost files that this hook knows: {', '.join(missed)}.")
        return 1
    write_library(project, Path(FOLDER))
    asked_in = Path(os.environ.get("PWD", project.parent)).resolve()
    folder = min(os.path.relpath(project, asked_in), str(project), key=len)
    if not BY_CRUFT:
        template = address(TEMPLATE, str(asked_in))
        print(next_steps(folder, start_repository(project), template))
    elif project.parent == asked_in:
        # cruft writes its .cruft.json only after this.
        repository = "No git repository yet: git init && git add --all && git commit -m Start"
        print(next_steps(folder, repository, ""))
    # Otherwise cruft is at one of the throwaway projects that it compares.
    return 0


if __name__ == "__main__":
    sys.exit(main())
