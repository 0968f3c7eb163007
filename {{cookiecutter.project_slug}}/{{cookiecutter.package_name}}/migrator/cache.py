"""Keeps what a long chain built, so that the next throwaway database need not run it again.

A kept database is found by the content of all that made it (``digests.py``). SQLite's and MySQL's
are files outside of the project; PostgreSQL's are databases of the server itself, which a throwaway
one is copied from.
"""

import hashlib
import json
import os
import sqlite3
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, MetaData, NullPool, create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from . import copies
from .digests import digests
from .watch import by_hand

#: So many revisions have to run before what they made is kept: fewer take no time.
WORTH = 20
#: How many databases are kept, for all projects of this user.
KEPT = 16
#: What the databases are called that are kept on a server.
_PREFIX = "flask_migrations_"


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
_made: WeakKeyDictionary[ScriptDirectory, dict[tuple[URL | None, str], bytes]] = WeakKeyDictionary()


def of(
    script: ScriptDirectory, revision: Any, metadata: MetaData | None, url: URL | None
) -> "Files | Templates":
    """Return what is kept of the chain up to *revision*, for databases of the server at *url*."""
    if url is not None and url.get_backend_name() == "postgresql":
        return Templates(script, revision, metadata, url)
    return Files(script, revision, metadata, url)


class _Kept:
    #: The name of the database that a new one is to be a copy of.
    template: str | None = None

    def __init__(
        self, script: ScriptDirectory, revision: Any, metadata: MetaData | None, url: URL | None
    ) -> None:
        targets = script.get_revisions(revision)
        #: Several heads have no database in common to look for.
        self._target = targets[0].revision if len(targets) == 1 and targets[0] else None
        self._script, self._metadata, self._url = script, metadata, url
        #: A name for each revision, oldest first; none for a short chain.
        self._names: list[str] = []
        #: How many of them need not run.
        self._restored = 0

    def _name(self, server: str = "") -> list[str]:
        """Return the names, the newest first, each with its number."""
        if self._target is not None:
            steps = self._script._upgrade_revs(self._target, ())  # type: ignore[arg-type]
            found = [self._script.get_revision(str(one.info.up_revision_id)) for one in steps]
            if len(found) > WORTH:
                self._names = list(digests([one for one in found if one], self._metadata, server))
        return self._names[::-1]

    def _restore(self, name: str) -> None:
        self._restored = self._names.index(name) + 1

    @property
    def _worth(self) -> bool:
        return len(self._names) - self._restored > WORTH


class Files(_Kept):
    """The databases kept of a chain on SQLite or MySQL: files, and the memory of this process."""

    def restore(self, connection: Connection) -> None:
        """Put the newest database that is kept into *connection*'s, which is empty."""
        known = _made.get(self._script, {}).get((self._url, str(self._target)))
        if known is not None:
            _load(known, connection)
            return
        names = self._name(_server(connection))
        with suppress(OSError):  # nothing is kept, or it cannot be read
            there = {file.name: file for file in folder().iterdir()} if names else {}
            for name in names:
                if name in there and _load(there[name].read_bytes(), connection):
                    there[name].touch()
                    self._restore(name)
                    return

    def keep(self, connection: Connection) -> None:
        """Keep the database of *connection*, at the end of the chain, where that is worthwhile."""
        made = _made.setdefault(self._script, {})
        if self._target is None or (self._url, self._target) in made:
            return
        body = _body(connection)
        if body is None:
            return
        head = {"sum": hashlib.sha256(body).hexdigest(), "by hand": sorted(by_hand(connection))}
        content = json.dumps(head).encode() + b"\n" + body
        made[self._url, self._target] = content
        if self._worth:
            with suppress(OSError):  # without a place to keep it the chain is run again
                _write(self._names[-1], content)


def _server(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return ""
    asked = "SELECT version(), @@sql_mode, @@character_set_database, @@collation_database"
    return repr(tuple(connection.execute(text(asked)).one()))


def _body(connection: Connection) -> bytes | None:
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        body: bytes = driver.serialize()
        return body
    made = copies.statements(connection)
    connection.rollback()
    return None if made is None else json.dumps(made).encode()


def _load(content: bytes, connection: Connection) -> bool:
    """Put what was kept into the database; tell whether it was whole."""
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        if hashlib.sha256(body).hexdigest() != head["sum"]:
            return False
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.deserialize(body)
        else:
            copies.carry_out(connection, json.loads(body))
        by_hand(connection).update(head["by hand"])
    except (ValueError, KeyError, TypeError, sqlite3.Error):
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


class Templates(_Kept):
    """The databases kept of a chain on a PostgreSQL server."""

    def __init__(
        self, script: ScriptDirectory, revision: Any, metadata: MetaData | None, url: URL
    ) -> None:
        super().__init__(script, revision, metadata, url)
        self._admin = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        names = self._name()
        there = self._there() if names else {}
        for name in names:
            if _PREFIX + name in there:
                self._restore(name)
                self.template = _PREFIX + name
                self._by_hand = json.loads(there[self.template])
                return

    def _there(self) -> dict[str, str]:
        # One without a comment was not finished.
        query = (
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
            f" WHERE datname ^@ '{_PREFIX}' ORDER BY oid"
        )
        with self._admin.connect() as connection:
            rows = connection.execute(text(query)).all()
        return {name: by_hand for name, by_hand in rows if by_hand}

    def restore(self, connection: Connection) -> None:
        """Tell *connection*, to a copy of the template, what was made by hand in it."""
        if self.template is not None:
            by_hand(connection).update(self._by_hand)

    def keep(self, connection: Connection) -> None:
        """Keep the database of *connection*, at the end of the chain, where that is worthwhile."""
        if not self._worth:
            return
        target, names = _PREFIX + self._names[-1], set(by_hand(connection))
        name = connection.engine.url.database
        connection.invalidate()  # what is copied must not be in use; it connects again when used
        comment = json.dumps(sorted(names)).replace("'", "''")
        with self._admin.connect() as admin, suppress(SQLAlchemyError):  # another was faster
            admin.exec_driver_sql(f"DROP DATABASE IF EXISTS {target}")  # one that was not finished
            admin.exec_driver_sql(f"CREATE DATABASE {target} TEMPLATE {name}")
            admin.execute(text(f"COMMENT ON DATABASE {target} IS '{comment}'"))
            for old in list(self._there())[:-KEPT]:
                admin.exec_driver_sql(f"DROP DATABASE IF EXISTS {old}")
        by_hand(connection).update(names)
