"""Reads the chain of revisions from its files, and refuses one that is broken.

Every command reads it here first. Alembic trips over a file that is missing with a ``KeyError``,
and takes one of two files with the same id without a word.
"""

import ast
import difflib
import graphlib
import re
import tokenize
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from alembic.script import ScriptDirectory
from alembic.util import coerce_resource_to_filename

from .. import compat, hints
from ..errors import MigrationError
from . import git


class Chain(NamedTuple):
    """The revisions that the code knows."""

    known: frozenset[str]
    heads: frozenset[str]


class RevisionFile(NamedTuple):
    """One file of the chain: its id, and the ids that it follows and depends on."""

    path: Path
    revision: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


def read_chain(script: ScriptDirectory) -> Chain:
    """Read the chain: from the text of the files, which are not imported.

    Where a file says it otherwise than Alembic's template does, or the files stand in several
    folders, Alembic loads them.

    :param script: where the files are.
    :return: the revisions, and the heads.
    :raises MigrationError: where a revision that another one follows has no file, two files have
        one id, or revisions follow each other in a circle; it names the files.
    """
    files = _from_text(script)
    if files is None:
        files = [
            RevisionFile(
                Path(loaded.path),
                loaded.revision,
                _names(loaded.down_revision),
                _names(loaded.dependencies),
                tuple(loaded.branch_labels),
            )
            for loaded in compat.load_revisions(script)
        ]
    return _whole(tuple(files))


@lru_cache(maxsize=4)  # a command reads its chain several times
def _whole(files: tuple[RevisionFile, ...]) -> Chain:
    _require_whole(files)
    known = frozenset(file.revision for file in files)
    return Chain(known, known.difference(*(file.down for file in files)))


def too_many(heads: Collection[str]) -> str:
    """Say that a chain has more than one of *heads*, and what joins them."""
    return (
        f"The chain has {len(heads)} heads ({', '.join(sorted(heads))}): join them by "
        f"{hints.command('merge', 'heads', message='…')}"
    )


_ASSIGNED = re.compile(
    r"^(revision|down_revision|branch_labels|depends_on)[ \t]*(?::[^=\n]*)?=[ \t]*(.+)$",
    re.MULTILINE,
)


def version_folders(script: ScriptDirectory) -> list[Path]:
    """Return the folders that the files of a chain are in: ``version_locations``, as a rule one."""
    locations = script.version_locations or [str(Path(script.dir, "versions"))]
    return [coerce_resource_to_filename(location).absolute() for location in locations]


def source_of(path: str | Path) -> str:
    """Return the text of a Python file, in the encoding that it declares."""
    with tokenize.open(path) as file:
        return file.read()


def _from_text(script: ScriptDirectory) -> list[RevisionFile] | None:
    """Return the files as their text has it; None where Alembic has to be asked."""
    folders = version_folders(script)
    if len(folders) > 1 or script.recursive_version_locations:
        return None
    files = []
    for path in sorted(folders[0].glob("*.py")):
        if path.name.startswith((".#", "__init__")):  # as Alembic does
            continue
        stat = path.stat()
        file = _read_file(path, stat.st_mtime_ns, stat.st_size)
        if file is None:
            return None
        files.append(file)
    return files


@lru_cache(maxsize=10_000)
def _read_file(path: Path, _changed: int, _size: int) -> RevisionFile | None:
    try:
        assigned = _ASSIGNED.findall(source_of(path))
        values = {name: _literal(value.strip()) for name, value in assigned}
        file = RevisionFile(
            path,
            values["revision"],
            _names(values["down_revision"]),
            _names(values.get("depends_on")),
            _names(values.get("branch_labels")),
        )
    except (KeyError, SyntaxError, ValueError, TypeError):
        return None
    return file if len(values) == len(assigned) else None


def _names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


def _literal(value: str) -> Any:
    """Read a literal of Python's; the two usual kinds by their looks, a hundred times as fast."""
    plain = value[1:-1]
    if value in (f"'{plain}'", f'"{plain}"') and plain.isalnum():
        return plain
    return None if value == "None" else ast.literal_eval(value)


def _require_whole(files: Sequence[RevisionFile]) -> None:
    by_id: dict[str, RevisionFile] = {}
    for file in files:
        first = by_id.setdefault(file.revision, file)
        if first is not file:
            raise MigrationError(
                f"{first.path.name} and {file.path.name} have the same id, revision = "
                f"{file.revision!r}, so one of them would never run. Delete the one that is a "
                "copy; or give the later one another id, and set its down_revision to the revision "
                "that it follows."
            )
    labels = {label for file in files for label in file.labels}
    if problems := [problem for file in files for problem in _missing(file, by_id, labels)]:
        raise MigrationError("\n".join(problems))
    follows = {file.revision: {*file.down, *file.depends_on} & by_id.keys() for file in files}
    try:
        graphlib.TopologicalSorter(follows).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1]
        names = ", ".join(by_id[revision].path.name for revision in dict.fromkeys(circle))
        raise MigrationError(
            f"The revisions {' → '.join(circle)} follow each other in a circle, so none of them "
            f"can come first ({names}). Correct the down_revision that is wrong: it names the "
            "revision that was the head when the file was written."
        ) from None


def _missing(
    file: RevisionFile, by_id: dict[str, RevisionFile], labels: Collection[str]
) -> Iterable[str]:
    """Yield what to do about each revision that *file* names and no file has."""
    for revision in file.down:
        if revision not in by_id:
            yield _missing_down_revision(file, revision, by_id)
    for name in file.depends_on:
        if name not in labels and not any(known.startswith(name) for known in by_id):
            yield (
                f"{file.path.name} depends on revision {name!r} (its depends_on), and no file of "
                f"the migrations has that id, so nothing can run. {_way_back(file, name)}."
            )


def _missing_down_revision(
    file: RevisionFile, revision: str, by_id: dict[str, RevisionFile]
) -> str:
    followed = {down for known in by_id.values() for down in known.down}
    earlier = [known for known in by_id if not _is_behind(known, file, by_id)]
    heads = [known for known in earlier if known not in followed]
    similar = difflib.get_close_matches(revision, earlier, 1)
    previous = similar or (heads if len(heads) == 1 else [])
    otherwise = (
        f'; or, where no database ever had {revision!r}, write down_revision = "{previous[0]}" in '
        f"{file.path.name}"
        if previous
        else ""
    )
    return (
        f"{file.path.name} follows revision {revision!r} (its down_revision), and no file of the "
        f"migrations has that id, so the chain is broken and nothing can run. "
        f"{_way_back(file, revision)}{otherwise}."
    )


def _is_behind(revision: str, file: RevisionFile, by_id: dict[str, RevisionFile]) -> bool:
    """Tell whether *revision* is that of *file*, or follows it."""
    todo, seen = [revision], set()
    while todo:
        if (name := todo.pop()) == file.revision:
            return True
        if name in by_id and name not in seen:
            seen.add(name)
            todo += by_id[name].down
    return False


def _way_back(file: RevisionFile, revision: str) -> str:
    if command := git.command_to_restore(file.path.parent, revision):
        return f"Bring its file back: {command}"
    return "Bring its file back from the branch or the release that has it"
