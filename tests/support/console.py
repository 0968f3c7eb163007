"""Runs what a document shows: its console blocks as typed, its diff blocks as edited.

A console block holds commands behind ``$`` and what they print. Of the output shown, every line
has to be printed, in that order; ``…`` stands for any text. A diff block names its file after
``---``, with ``*`` for any text; its lines are found and changed. A block whose first line is a
comment with a file's name is what that file holds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FILE = re.compile(r"(?:#|--) ([\w./-]+\.\w+)\n")

#: Said where a page is no single story.
IN_PARTS = "Each part starts from a new"


class Project(Protocol):
    """What a document is played in: a folder, and a keyboard there."""

    root: Path

    def run(self, *command: str, fails: bool = False) -> CompletedProcess[str]: ...


@dataclass
class Command:
    """One command and the output that the document shows."""

    typed: str
    shown: list[str] = field(default_factory=list)


def sections(document: Path) -> dict[str, str]:
    """Return the text of each part of *document* by its heading of the second level."""
    parts = re.split(r"^## (.*)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def stories(document: Path) -> dict[str, str]:
    """Return what is played in one project each, by its heading: the whole of *document*, or,
    where it says that each part starts from a new project, these."""
    text = document.read_text(encoding="utf-8")
    if IN_PARTS not in " ".join(text.split()):
        return {"": text} if "```console" in text else {}
    return {name: part for name, part in sections(document).items() if "```console" in part}


def play(text: str, project: Project) -> int:
    """Do what *text* shows in *project*, from the first block to the last.

    :return: how many commands ran.
    :raises AssertionError: where a command ends or prints otherwise than the text says.
    """
    ran = 0
    for language, block in BLOCK.findall(text):
        if language == "diff":
            edit(block, project)
        elif language == "console":
            for command in commands(block):
                run(command, project)
                ran += 1
        elif name := FILE.match(block):
            file = project.root / name[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block, encoding="utf-8")
    return ran


def commands(block: str) -> Iterator[Command]:
    """Yield the commands of a console block, each with its output."""
    command = None
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield command
            command = Command(line[2:])
        elif command and line.strip():
            command.shown.append(line.strip())
    if command:
        yield command


def run(command: Command, project: Project) -> None:
    """Type one command and compare what it prints; it fails where ``exit`` is shown."""
    fails = any(line.startswith("exit ") for line in command.shown)
    done = project.run("sh", "-c", command.typed, fails=fails)
    printed = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    at = 0
    for shown in command.shown:
        pattern = ".*".join(re.escape(part) for part in shown.split("…"))
        found = next(
            (i for i in range(at, len(printed)) if re.fullmatch(pattern, printed[i])), None
        )
        assert found is not None, f"$ {command.typed}\nshould print {shown!r} after:\n" + "\n".join(
            printed
        )
        at = found + 1


def edit(block: str, project: Project) -> None:
    """Make the change of a diff block."""
    head, *lines = block.splitlines(keepends=True)
    (file,) = project.root.glob(head.removeprefix("--- ").strip())
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} should hold once:\n{old}"
    file.write_text(text.replace(old, new), encoding="utf-8")
