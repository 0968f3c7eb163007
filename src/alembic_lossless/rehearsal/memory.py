"""Remembers how the last rehearsals ended, so that other commands can say it.

It is this user's own knowledge, beside the databases of long chains (``cache.folder``), under the
file's folder, the revision and a digest of what the file means: of an edited one nothing is known.
"""

import hashlib
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from ..run.history import checksum_of
from ..scratch import cache


def written(file: Path, revision: str) -> None:
    """Note that the *file* of a *revision* was written here, and is not rehearsed yet."""
    with suppress(OSError):  # without a place to write, nothing is remembered
        _folder().mkdir(parents=True, exist_ok=True)
        _passed(file, revision).touch()


def note(revision: Script, failures: Sequence[object]) -> None:
    """Note how the rehearsal of *revision* ended; it passed where there are no *failures*."""
    written(Path(revision.path), revision.revision)
    failure = _failure(revision)
    with suppress(OSError):
        if failures:
            failure.write_text(str(failures[0]), encoding="utf-8")
        else:
            failure.unlink(missing_ok=True)
            passed = _passed(Path(revision.path), revision.revision)
            passed.write_text(checksum_of(revision), encoding="utf-8")


def failed(script: ScriptDirectory, applied: Collection[str]) -> list[str]:
    """Say which revisions of the chain failed their last rehearsal, and what to type.

    :param applied: the revisions that the developer's own database has.
    :return: a sentence for each; none for one that passed, or was not rehearsed as it is now.
    """
    return [
        f"{Path(one.path).name} failed its last rehearsal: {advice(one, one.revision in applied)}"
        for one, _ in _noted(script)
        if _failure(one).is_file()
    ]


def untried(script: ScriptDirectory, applied: Collection[str]) -> list[str]:
    """Say which pending revisions, written or rehearsed here, were not rehearsed as they are now.

    Those of others are not asked for: they were rehearsed where they were written.
    """
    return [
        f"{Path(one.path).name} was not rehearsed as it is now: make rehearse r={one.revision}"
        for one, passed in _noted(script)
        if one.revision not in applied
        and not _failure(one).is_file()
        and passed.read_text(encoding="utf-8") != checksum_of(one)
    ]


def advice(revision: Script, applied: bool) -> str:
    """Say what to do about a *revision* that failed, and whether it is *applied* already."""
    if applied:
        before = (revision._versioned_down_revisions or ("base",))[0]
        return (
            "the database has it already, so correct the file, then make rehearse "
            f"r={revision.revision} and make redo; or take it back, make rollback to={before}. "
            "Where other databases have it too, write a new migration instead."
        )
    behind = " and those behind it" if revision.nextrev else ""
    return (
        f"correct the file, then make rehearse r={revision.revision}; or delete it{behind}, "
        "correct the model, and run make newmigration again."
    )


def _noted(script: ScriptDirectory) -> list[tuple[Script, Path]]:
    """Return the revisions that were written or rehearsed here, with the digest that passed."""
    try:
        noted = {*_folder().iterdir()}
    except OSError:
        return []
    found = ((one, _passed(Path(one.path), one.revision)) for one in script.walk_revisions())
    return [(one, passed) for one, passed in found if passed in noted]


def _folder() -> Path:
    return cache.folder().with_name("rehearsed")


def _passed(file: Path, revision: str) -> Path:
    # What was baked twice has the same revisions in both places.
    place = hashlib.sha256(str(file.resolve().parent).encode()).hexdigest()[:16]
    return _folder() / f"{place}-{revision}"


def _failure(revision: Script) -> Path:
    passed = _passed(Path(revision.path), revision.revision)
    return passed.with_name(f"{passed.name}-{checksum_of(revision)}")
