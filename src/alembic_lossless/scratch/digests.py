"""Names the database that a chain makes by all that makes it.

That is the text of every revision and of what these import, the models' naming convention, this
engine and its libraries: whatever is edited, the name is another one.
"""

import hashlib
import re
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata as distributions
from importlib.util import find_spec
from pathlib import Path

from alembic.script import Script
from sqlalchemy import MetaData

_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+([^\n#]+)", re.MULTILINE)
_KNOWN = {"alembic", "sqlalchemy", *sys.stdlib_module_names}


def digests(revisions: Sequence[Script], metadata: MetaData | None, server: str) -> Iterator[str]:
    """Yield for each of *revisions*, parents first, a name of the database at it.

    :param metadata: the models, for their naming convention.
    :param server: what else of the database's server decides what a revision makes there.
    """
    texts = {one.revision: Path(one.path).read_bytes() for one in revisions}
    imported = _imported(b"\n".join(texts.values()).decode("utf-8", "replace"))
    salt = f"{_engine()} {imported} {_convention(metadata)} {server}"
    known: dict[str, str] = {}
    for one in revisions:
        parents = sorted(known[parent] for parent in one._all_down_revisions)
        parts = [salt, *parents, hashlib.sha256(texts[one.revision]).hexdigest()]
        known[one.revision] = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
        yield known[one.revision]


def _convention(metadata: MetaData | None) -> list[tuple[str, str]]:
    convention = metadata.naming_convention if metadata is not None else {}
    return sorted((str(k), getattr(v, "__qualname__", str(v))) for k, v in convention.items())


@cache
def _engine() -> str:
    digest = hashlib.sha256(f"{sys.version} {sqlite3.sqlite_version}".encode())
    for name in ("alembic", "sqlalchemy"):
        digest.update(distributions.version(name).encode())
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _imported(text: str) -> str:
    """Return a digest of the modules that *text* imports, which are neither Alembic nor Python."""
    names: set[str] = set()
    for origin, listed in _IMPORT.findall(text):
        parts = [part.split()[0].strip("()") for part in listed.split(",") if part.strip("() \t\r")]
        names |= {origin, *(f"{origin}.{part}" for part in parts)} if origin else set(parts)
    digest = hashlib.sha256()
    for name in sorted(names):
        if name.partition(".")[0] not in _KNOWN and (file := _file(name)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _file(name: str) -> Path | None:
    module = sys.modules.get(name)
    try:
        spec = module.__spec__ if module else find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    path = Path(spec.origin) if spec and spec.origin else None
    return path if path and path.is_file() else None
