"""Keeps what a long chain built, so that the next throwaway database need not run it again.

A kept database is found by the content of every revision that made it, of what these import, and
of this engine: whatever is edited, what was kept for it before is not found any more.
"""

import hashlib
import json
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata as distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from alembic.script import Script, ScriptDirectory
from sqlalchemy import URL, Connection, MetaData, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from .watch import by_hand

#: So many revisions have to run before what they made is kept: fewer take no time.
WORTH = 20
#: How many databases are kept, for all projects of this user.
KEPT = 16

_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+([^\n#]+)", re.MULTILINE)
_KNOWN = {"alembic", "sqlalchemy", *sys.stdlib_module_names}


def folder() -> Path:
    """Return where the databases are kept: this user's, outside of every project."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "flask-migrations" / "chains"


#: What this process has made already: a chain does not change while it is in memory.
_made: WeakKeyDictionary[ScriptDirectory, dict[str, bytes]] = WeakKeyDictionary()


class Kept:
    """The databases kept of one chain on SQLite, up to *revision*."""

    def __init__(self, script: ScriptDirectory, revision: Any, metadata: MetaData | None) -> None:
        targets = script.get_revisions(revision)
        #: Several heads have no database in common to look for.
        self._target = targets[0].revision if len(targets) == 1 and targets[0] else None
        self._script = script
        self._made = _made.setdefault(script, {})
        self._metadata = metadata
        #: A digest for each revision, oldest first; and how many of them need not run.
        self._keys: dict[str, str] = {}
        self._restored = 0

    def restore(self, connection: Connection) -> None:
        """Put the newest database that is kept into *connection*'s, which is empty."""
        if self._target is None:
            return
        if self._target in self._made:
            _load(self._made[self._target], connection)
            return
        self._keys = _digests(self._script, self._target, self._metadata)
        try:
            there = {file.name: file for file in folder().iterdir()}
            for number, key in reversed(list(enumerate(self._keys.values(), 1))):
                if key in there and _load(there[key].read_bytes(), connection):
                    there[key].touch()
                    self._restored = number
                    return
        except OSError:
            return  # nothing is kept, or it cannot be read

    def keep(self, connection: Connection) -> None:
        """Keep the database of *connection*, at the end of the chain, where that is worthwhile."""
        if self._target is None or self._target in self._made:
            return
        driver: Any = connection.connection.driver_connection
        body = driver.serialize()
        head = {"sum": hashlib.sha256(body).hexdigest(), "by hand": sorted(by_hand(connection))}
        self._made[self._target] = content = json.dumps(head).encode() + b"\n" + body
        if len(self._keys) - self._restored > WORTH:
            try:
                _write(list(self._keys.values())[-1], content)
            except OSError:
                return  # without a place to keep it the chain is run again


class Templates:
    """The databases kept of one chain up to *revision*, on a PostgreSQL that is our own.

    They are databases of it, which a throwaway one is copied from.
    """

    def __init__(
        self, url: URL, script: ScriptDirectory, revision: Any, metadata: MetaData | None
    ) -> None:
        self._admin = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        targets = script.get_revisions(revision)
        target = targets[0].revision if len(targets) == 1 and targets[0] else None
        keys = _digests(script, target, metadata) if target else {}
        self._names = [f"chain_{key}" for key in keys.values()]
        there = self._there() if keys else {}
        #: The newest that is kept, and the names that a person made by hand in it.
        self.template = next((name for name in reversed(self._names) if name in there), None)
        self._by_hand = json.loads(there[self.template]) if self.template else []

    def _there(self) -> dict[str, str]:
        # One without a comment was not finished.
        query = (
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname LIKE 'chain\\_%' ORDER BY oid"
        )
        with self._admin.connect() as connection:
            rows = connection.execute(text(query)).all()
        return {name: by_hand for name, by_hand in rows if by_hand}

    def restore(self, connection: Connection) -> None:
        """Tell *connection*, to a copy of the template, what was made by hand in it."""
        by_hand(connection).update(self._by_hand)

    def keep(self, connection: Connection) -> None:
        """Keep the database of *connection*, at the end of the chain, where that is worthwhile."""
        restored = self._names.index(self.template) + 1 if self.template else 0
        if len(self._names) - restored <= WORTH:
            return
        target, names = self._names[-1], set(by_hand(connection))
        name = connection.engine.url.database
        connection.invalidate()  # what is copied must not be in use; it connects again when used
        comment = json.dumps(sorted(names)).replace("'", "''")
        with self._admin.connect() as admin, suppress(SQLAlchemyError):  # another was faster
            admin.exec_driver_sql(f"CREATE DATABASE {target} TEMPLATE {name}")
            admin.execute(text(f"COMMENT ON DATABASE {target} IS '{comment}'"))
            for old in list(self._there())[:-KEPT]:
                admin.exec_driver_sql(f"DROP DATABASE IF EXISTS {old}")
        by_hand(connection).update(names)


def _write(name: str, content: bytes) -> None:
    """Write a file at once, so that nobody reads half of it, and remove the oldest."""
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
        file.write(content)
    Path(file.name).replace(folder() / name)
    for old in sorted(folder().iterdir(), key=lambda file: -file.stat().st_mtime)[KEPT:]:
        old.unlink(missing_ok=True)


def _load(content: bytes, connection: Connection) -> bool:
    """Put what was kept into the database; tell whether it was whole."""
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        if hashlib.sha256(body).hexdigest() != head["sum"]:
            return False
        driver: Any = connection.connection.driver_connection
        driver.deserialize(body)
        by_hand(connection).update(head["by hand"])
    except (ValueError, KeyError, TypeError, sqlite3.Error):
        return False
    return True


def _digests(script: ScriptDirectory, target: str, metadata: MetaData | None) -> dict[str, str]:
    """Return a digest for each revision up to *target*, oldest first; none for a short chain."""
    steps = script._upgrade_revs(target, ())  # type: ignore[arg-type]
    revisions = [script.get_revision(str(step.info.up_revision_id)) for step in steps]
    if len(revisions) <= WORTH:
        return {}
    return dict(_keys([one for one in revisions if one is not None], metadata))


def _keys(revisions: Sequence[Script], metadata: MetaData | None) -> Iterator[tuple[str, str]]:
    """Yield each revision with a digest of all that made the database at it, parents first."""
    salt = _surroundings(repr(_convention(metadata)))
    texts = {one.revision: Path(one.path).read_bytes() for one in revisions}
    imported = _imported(b"\n".join(texts.values()).decode("utf-8", "replace"))
    known: dict[str, str] = {}
    for one in revisions:
        parents = sorted(known[parent] for parent in one._all_down_revisions)
        parts = [salt, imported, *parents, hashlib.sha256(texts[one.revision]).hexdigest()]
        known[one.revision] = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
        yield one.revision, known[one.revision]


def _convention(metadata: MetaData | None) -> list[tuple[str, str]]:
    convention = metadata.naming_convention if metadata is not None else {}
    return sorted((str(k), getattr(v, "__qualname__", str(v))) for k, v in convention.items())


@cache
def _surroundings(convention: str) -> str:
    """Return a digest of what runs the chain: this engine, the libraries, the database."""
    digest = hashlib.sha256(convention.encode())
    for name in ("alembic", "sqlalchemy"):
        digest.update(distributions.version(name).encode())
    digest.update(f"{sys.version} {sqlite3.sqlite_version}".encode())
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
