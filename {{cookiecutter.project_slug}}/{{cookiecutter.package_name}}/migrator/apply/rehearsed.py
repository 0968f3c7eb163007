"""Remembers which revisions failed their last rehearsal, so that other commands can say it.

It is this user's own knowledge, beside the databases of long chains (``cache.folder``), under the
file's folder, the revision and a digest of what the file means: of an edited one nothing is known.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from alembic.script import Script, ScriptDirectory

from .. import cache
from .log import checksum_of


def note(revision: Script, failures: Sequence[object]) -> None:
    """Note how the rehearsal of *revision* ended; it passed where there are no *failures*."""
    record = _record(revision)
    with suppress(OSError):  # without a place to write, nothing is remembered
        if failures:
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(str(failures[0]), encoding="utf-8")
        else:
            record.unlink(missing_ok=True)


def failed(script: ScriptDirectory) -> list[str]:
    """Say which revisions of the chain failed their last rehearsal, and what to type.

    :return: a sentence for each; none for one that passed, or was not rehearsed as it is now.
    """
    try:
        noted = {file.name.rpartition("-")[0] for file in _folder().iterdir()}
    except OSError:
        return []
    return [
        f"{Path(one.path).name} failed its last rehearsal: {advice(one)}"
        for one in script.walk_revisions()
        if _name(one) in noted and _record(one).is_file()
    ]


def advice(revision: Script) -> str:
    """Say what to do about a *revision* that failed."""
    behind = " and those behind it" if revision.nextrev else ""
    return (
        f"correct the file, then make rehearse r={revision.revision}; or delete it{behind}, "
        "correct the model, and run make newmigration again."
    )


def _folder() -> Path:
    return cache.folder().with_name("failed")


def _record(revision: Script) -> Path:
    return _folder() / f"{_name(revision)}-{checksum_of(revision)}"


def _name(revision: Script) -> str:
    # What was baked twice has the same revisions in both places.
    place = str(Path(revision.path).resolve().parent)
    return f"{hashlib.sha256(place.encode()).hexdigest()[:16]}-{revision.revision}"
