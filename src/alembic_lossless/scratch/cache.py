"""Caches what a long chain builds, so that the next scratch database need not run it again.

A cached database is a file outside of the project: SQLite's own bytes, or the statements that
build it again on a server. These are tried once; where they do not build the very same database,
the chain runs each time. The file's name is a digest of all that decides what the chain builds:
the text of every revision and of what these import, the models' naming convention, this engine and
its libraries, and the snapshot that the chain starts from. Whatever is edited, the name is another
one.
"""

import hashlib
import json
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
from platformdirs import user_cache_path
from sqlalchemy import Connection, MetaData, text

from ..run import binds
from ..schema import diff, postgresql
from ..schema.dialect_support import kind_of
from . import dump, snapshot
from .sources import Source, empty_database

#: A database is cached where more revisions than this had to run: fewer take no time.
MIN_REVISIONS = 20
#: How many databases are cached, for all projects of this user.
MAX_DATABASES = 16


def folder() -> Path:
    """Return where databases are cached: this user's folder, outside of every project."""
    return user_cache_path("alembic-lossless", appauthor=False) / "chains"


#: What this process has built already: a chain does not change while it is in memory.
_in_memory: WeakKeyDictionary[ScriptDirectory, dict[tuple[Source, str, str, str | None], bytes]] = (
    WeakKeyDictionary()
)


class ChainCache:
    """The cached databases of a chain up to *revision*: files, and the memory of this process."""

    def __init__(
        self, script: ScriptDirectory, revision: Any, metadata: MetaData | None, source: Source
    ) -> None:
        targets = script.get_revisions(revision)
        #: Several heads have no database in common to look for.
        self._target = targets[0].revision if len(targets) == 1 and targets[0] else None
        self._script, self._metadata, self._source = script, metadata, source
        self._start = snapshot.start(script, source.kind, revision)
        self._in_memory = _in_memory.setdefault(script, {})
        #: Which of several databases the chain builds.
        self._bind = binds.current()
        #: A file name for each revision, oldest first; none for a short chain.
        self._names: list[str] = []
        #: How many of them need not run.
        self._restored = 0

    def restore(self, connection: Connection) -> None:
        """Load the newest cached database into *connection*'s, which is empty."""
        key = self._key(str(self._target))
        if self._target is None:
            return
        if key in self._in_memory:
            _load(self._in_memory[key], connection)
            return
        first: Any = self._start.revisions if self._start else ()
        steps = self._script._upgrade_revs(self._target, first)
        chain = [self._script.get_revision(str(step.info.up_revision_id)) for step in steps]
        revisions = [revision for revision in chain if revision]
        if len(revisions) > MIN_REVISIONS:
            server = _server(connection) + (self._start.text if self._start else "")
            self._names = list(digests(revisions, self._metadata, server))
        for number, revision in reversed([*enumerate(revisions, 1)]):
            content = self._in_memory.get(self._key(revision.revision))
            if not content and self._names:
                content = _read(self._names[number - 1])
            if content and _load(content, connection):
                self._restored = number
                if number == len(revisions):
                    self._in_memory[key] = content
                return

    def store(self, connection: Connection) -> None:
        """Cache the database of *connection*, at the end of the chain, where that saves time."""
        key = self._key(str(self._target))
        long = len(self._names) - self._restored > MIN_REVISIONS
        # PostgreSQL's dump takes longer than a short chain.
        quick = connection.dialect.name != "postgresql"
        if self._target is None or key in self._in_memory or not (long or quick):
            return
        body = _body(connection)
        head = {
            "sum": hashlib.sha256(body).hexdigest(),
            "by hand": sorted(diff.made_by_raw_sql(connection)),
        }
        content = json.dumps(head).encode() + b"\n" + body
        if not body or (long and not self._rebuilds(content, connection)):
            content = b""  # the chain runs each time
        self._in_memory[key] = content
        if long and content:
            with suppress(OSError):  # without a place for the file the chain runs again
                _write(self._names[-1], content)

    def _key(self, revision: str) -> tuple[Source, str, str, str | None]:
        return self._source, repr(_convention(self._metadata)), revision, self._bind

    def _rebuilds(self, content: bytes, connection: Connection) -> bool:
        """Tell whether *content* builds the very database of *connection* again."""
        if self._source.url is None:  # these are its own bytes
            return True
        with empty_database(self._source) as copy:
            same = (
                _load(content, copy)
                and diff.describe(copy) == diff.describe(connection)
                and _without_casts(_body(copy)) == _without_casts(_body(connection))
            )
        connection.rollback()
        return same


def _without_casts(body: bytes) -> str:
    return postgresql.without_casts(body.decode())


#: What of a server decides what a revision builds there.
_SERVER = {
    "postgresql": "SELECT version(), current_user, current_setting('search_path'), datcollate,"
    " datctype, encoding FROM pg_database WHERE datname = current_database()",
    "mysql": "SELECT version(), @@sql_mode, @@character_set_database, @@collation_database",
}


def _server(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return ""
    kind = kind_of(connection.engine.url)
    answer = connection.execute(text(_SERVER[kind])).one()
    connection.rollback()  # a revision that begins none of its own must find no transaction
    return repr((kind, *answer))


def _body(connection: Connection) -> bytes:
    """Return what builds the database again; nothing where that cannot be had."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        body: bytes = driver.serialize()
        return body
    statements = dump.statements(connection)
    connection.rollback()
    return b"" if statements is None else json.dumps(statements).encode()


def _load(content: bytes, connection: Connection) -> bool:
    """Build the database from *content*; tell whether it was whole, and fitted."""
    if not content or connection.dialect.is_async:
        return False
    line, _, body = content.partition(b"\n")
    driver: Any = connection.connection.driver_connection
    try:
        head = json.loads(line)
        if hashlib.sha256(body).hexdigest() != head["sum"]:
            return False
        if connection.dialect.name == "sqlite":
            driver.deserialize(body)
        else:
            dump.run(connection, json.loads(body))
        diff.made_by_raw_sql(connection).update(head["by hand"])
    except (ValueError, KeyError, TypeError, connection.dialect.loaded_dbapi.Error):
        driver.rollback()
        return False
    return True


def _read(name: str) -> bytes:
    """Return a file's content; nothing where there is none, or it cannot be read."""
    file = folder() / name
    try:
        content = file.read_bytes()
        file.touch()
    except OSError:
        return b""
    return content


def _write(name: str, content: bytes) -> None:
    """Write a file at once, so that nobody reads half of it, and remove the oldest."""
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
        file.write(content)
    Path(file.name).replace(folder() / name)
    newest_first = sorted(folder().iterdir(), key=lambda file: -file.stat().st_mtime)
    for file_ in newest_first[MAX_DATABASES:]:
        file_.unlink(missing_ok=True)


_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]+([^\n#]+)", re.MULTILINE)
#: Digested by version, or not at all.
_KNOWN = {"alembic", "sqlalchemy", *sys.stdlib_module_names}


def digests(revisions: Sequence[Script], metadata: MetaData | None, server: str) -> Iterator[str]:
    """Yield for each of *revisions*, parents first, a name of the database at it.

    :param metadata: the models, for their naming convention.
    :param server: what else of the database's server decides what a revision builds there.
    """
    texts = {revision.revision: Path(revision.path).read_bytes() for revision in revisions}
    imported = _imported(b"\n".join(texts.values()).decode("utf-8", "replace"))
    salt = f"{_engine()} {imported} {_convention(metadata)} {server} {binds.current()}"
    names: dict[str, str] = {}
    for revision in revisions:
        # Those up to a snapshot have no name: its text stands for them.
        parents = sorted(names.get(parent, "") for parent in revision._all_down_revisions)
        parts = [salt, *parents, hashlib.sha256(texts[revision.revision]).hexdigest()]
        names[revision.revision] = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
        yield names[revision.revision]


def _convention(metadata: MetaData | None) -> list[tuple[str, str]]:
    convention = metadata.naming_convention if metadata is not None else {}
    return sorted((str(k), getattr(v, "__qualname__", str(v))) for k, v in convention.items())


@cache
def _engine() -> str:
    digest = hashlib.sha256(f"{sys.version} {sqlite3.sqlite_version}".encode())
    for name in ("alembic", "sqlalchemy"):
        digest.update(distributions.version(name).encode())
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _imported(source: str) -> str:
    """Return a digest of the modules that *source* imports, neither Alembic's nor Python's."""
    names: set[str] = set()
    for origin, listed in _IMPORT.findall(source):
        parts = [part.split()[0].strip("()") for part in listed.split(",") if part.strip("() \t\r")]
        names |= {origin, *(f"{origin}.{part}" for part in parts)} if origin else set(parts)
    digest = hashlib.sha256()
    for name in sorted(names):
        if name.partition(".")[0] not in _KNOWN and (file := _file(name)):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _file(module_name: str) -> Path | None:
    module = sys.modules.get(module_name)
    try:
        spec = module.__spec__ if module else find_spec(module_name)
    except (ImportError, AttributeError, ValueError):
        return None
    path = Path(spec.origin) if spec and spec.origin else None
    return path if path and path.is_file() else None
