"""Keeps what a long chain built, so that the next throwaway database need not run it again.

A kept database is a file outside of the project, found by the content of all that made it
(``digests.py``): SQLite's own bytes, or the statements that make it again on a server. These were
tried: where they do not make the very same database, the chain runs each time.
"""

import hashlib
import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from ..run.recorder import by_hand
from ..schema import diff
from . import dump
from .digests import digests
from .sources import Source, empty, kind_of

#: So many revisions have to run before what they made is kept: fewer take no time.
WORTH = 20
#: How many databases are kept, for all projects of this user.
KEPT = 16


def folder() -> Path:
    """Return where the databases are kept: this user's, outside of every project."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "alembic-lossless" / "chains"


#: What this process has made already: a chain does not change while it is in memory.
_made: WeakKeyDictionary[ScriptDirectory, dict[tuple[Source, str], bytes]] = WeakKeyDictionary()


class Kept:
    """What is kept of a chain up to *revision*: a file, and the memory of this process."""

    def __init__(
        self, script: ScriptDirectory, revision: Any, metadata: MetaData | None, source: Source
    ) -> None:
        targets = script.get_revisions(revision)
        #: Several heads have no database in common to look for.
        self._target = targets[0].revision if len(targets) == 1 and targets[0] else None
        self._script, self._metadata, self._source = script, metadata, source
        self._made = _made.setdefault(script, {})
        #: A name for each revision, oldest first; none for a short chain.
        self._names: list[str] = []
        #: How many of them need not run.
        self._restored = 0

    def restore(self, connection: Connection) -> None:
        """Put the newest database that is kept into *connection*'s, which is empty."""
        known = self._made.get((self._source, str(self._target)))
        if known is not None:
            _load(known, connection)
            return
        self._names = self._named(connection)
        with suppress(OSError):  # nothing is kept, or it cannot be read
            there = {file.name: file for file in folder().iterdir()} if self._names else {}
            for number, name in reversed([*enumerate(self._names, 1)]):
                if name in there and _load(content := there[name].read_bytes(), connection):
                    there[name].touch()
                    self._restored = number
                    if number == len(self._names):
                        self._made[self._source, str(self._target)] = content
                    return

    def _named(self, connection: Connection) -> list[str]:
        if self._target is None:
            return []
        steps = self._script._upgrade_revs(self._target, ())  # type: ignore[arg-type]
        found = [self._script.get_revision(str(one.info.up_revision_id)) for one in steps]
        if len(found) <= WORTH:
            return []
        return list(digests([one for one in found if one], self._metadata, _server(connection)))

    def keep(self, connection: Connection) -> None:
        """Keep the database of *connection*, at the end of the chain, where that is worthwhile."""
        key = self._source, str(self._target)
        worth = len(self._names) - self._restored > WORTH
        # PostgreSQL's dump takes longer than a short chain.
        quick = connection.dialect.name != "postgresql"
        if self._target is None or key in self._made or not (worth or quick):
            return
        body = _body(connection)
        head = {"sum": hashlib.sha256(body).hexdigest(), "by hand": sorted(by_hand(connection))}
        content = json.dumps(head).encode() + b"\n" + body
        if not body or (worth and not self._same(content, connection)):
            content = b""  # the chain runs each time
        self._made[key] = content
        if worth and content:
            with suppress(OSError):  # without a place to keep it the chain is run again
                _write(self._names[-1], content)

    def _same(self, content: bytes, connection: Connection) -> bool:
        """Tell whether *content* makes the very database of *connection* again."""
        if self._source.url is None:  # these are its own bytes
            return True
        with empty(self._source) as copy:
            alike = (
                _load(content, copy)
                and diff.describe(copy) == diff.describe(connection)
                and _casts(_body(copy)) == _casts(_body(connection))
            )
        connection.rollback()
        return alike


def _casts(body: bytes) -> str:
    return diff.without_casts(body.decode())


_ASKED = {
    "postgresql": "SELECT version(), current_user, current_setting('search_path'), datcollate,"
    " datctype, encoding FROM pg_database WHERE datname = current_database()",
    "mysql": "SELECT version(), @@sql_mode, @@character_set_database, @@collation_database",
}


def _server(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return ""
    asked = _ASKED[kind_of(connection.engine.url)]
    told = connection.execute(text(asked)).one()
    connection.rollback()  # a revision that begins none of its own must find no transaction
    return repr((kind_of(connection.engine.url), *told))


def _body(connection: Connection) -> bytes:
    """Return what makes the database again; nothing where that cannot be had."""
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        body: bytes = driver.serialize()
        return body
    made = dump.statements(connection)
    connection.rollback()
    return b"" if made is None else json.dumps(made).encode()


def _load(content: bytes, connection: Connection) -> bool:
    """Put what was kept into the database; tell whether it was whole, and fitted."""
    line, _, body = content.partition(b"\n")
    driver: Any = connection.connection.driver_connection
    try:
        head = json.loads(line)
        if hashlib.sha256(body).hexdigest() != head["sum"]:
            return False
        if connection.dialect.name == "sqlite":
            driver.deserialize(body)
        else:
            dump.carry_out(connection, json.loads(body))
        by_hand(connection).update(head["by hand"])
    except (ValueError, KeyError, TypeError, connection.dialect.loaded_dbapi.Error):
        driver.rollback()
        return False
    return True


def _write(name: str, content: bytes) -> None:
    """Write a file at once, so that nobody reads half of it, and remove the oldest."""
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder(), delete=False) as file:
        file.write(content)
    Path(file.name).replace(folder() / name)
    for old in sorted(folder().iterdir(), key=lambda file: -file.stat().st_mtime)[KEPT:]:
        old.unlink(missing_ok=True)
