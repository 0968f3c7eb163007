"""The schema at a revision, in a file beside the chain: scratch databases start there.

An old chain often does not run from base any more. ``baseline`` takes the snapshot; from then on
the revisions up to it run on no scratch database, only later ones do. The project's own databases
never start there: an upgrade runs the whole chain, as stock does.

There is one file for each kind of database, and for each of several databases. It is SQL that a
person can read, and it is committed.
"""

import ast
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, MetaData, String, Table
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError, reason
from ..hints import command
from ..run import binds
from ..run.chain import read_chain
from ..run.recorder import names_created_by
from ..schema import diff
from ..schema.model import Key
from ..schema.own_tables import VERSION_TABLE
from . import dump
from .hints import shown
from .sources import Source, empty_database

_HEAD = """\
-- Schema of a database at a revision. Scratch databases start here; no other database does.
-- Written by the command baseline: commit it, and do not edit it.
-- checksum: {checksum}
"""
_REVISION = re.compile(r"^-- revision: (.+)$", re.MULTILINE)
_RAW_SQL = re.compile(r"^-- made by raw SQL: (.+)$", re.MULTILINE)
_NAME = re.compile(r"^-- called otherwise by today's naming convention: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Snapshot:
    """The schema of one *kind* of database at *revisions*, as an SQL script."""

    path: Path
    kind: str
    revisions: tuple[str, ...]
    #: The tables, indexes and types that raw SQL of the chain made.
    made_by_raw_sql: tuple[str, ...]
    #: What no revision named: the kind, the table, its name here, and that of today's convention.
    names: tuple[tuple[str, str, str, str], ...]
    script: str

    @property
    def text(self) -> str:
        """Return what the file holds."""
        raw = f"-- made by raw SQL: {', '.join(self.made_by_raw_sql)}\n"
        body = f"-- revision: {', '.join(self.revisions)}\n{raw if self.made_by_raw_sql else ''}"
        for name in self.names:
            body += f"-- called otherwise by today's naming convention: {json.dumps(name)}\n"
        body += f"\n{self.script.strip()}\n"
        checksum = hashlib.sha256(body.encode()).hexdigest()[:16]
        return _HEAD.format(checksum=checksum) + body

    def load(self, connection: Connection) -> None:
        """Build the schema in the database of *connection*, which is empty, and stamp it.

        :raises MigrationError: with exit code 2, where the database does not take it.
        """
        connection.rollback()
        try:
            dump.run_script(connection, self.script)
        except connection.dialect.loaded_dbapi.Error as error:
            raise MigrationError(
                f"{shown(self.path)} cannot be loaded into an empty {self.kind} database, where "
                f"scratch databases start: {reason(DBAPIError(None, None, error))}. Create what it "
                f"needs on that server; or delete the file and take it again: {_take_again()}",
                exit_code=2,
            ) from error
        column = Column("version_num", String(32), primary_key=True)
        versions = Table(VERSION_TABLE, MetaData(), column)
        versions.create(connection)
        connection.execute(versions.insert(), [{"version_num": name} for name in self.revisions])
        diff.made_by_raw_sql(connection).update(self.made_by_raw_sql)
        connection.commit()


def _take_again() -> str:
    return command("baseline")


def read(script: ScriptDirectory, kind: str) -> Snapshot | None:
    """Read the snapshot for a *kind* of database.

    :param script: the chain that it stands beside.
    :return: the snapshot; None where there is none.
    :raises MigrationError: with exit code 2, where it is damaged, or at a revision that the chain
        does not have.
    """
    path = _path(script, kind)
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8", errors="replace")
    head, _, statements = text.partition("\n\n")
    revisions, raw = _REVISION.search(head), _RAW_SQL.search(head)
    snapshot = Snapshot(
        path,
        kind,
        tuple(revisions[1].split(", ")) if revisions else (),
        tuple(raw[1].split(", ")) if raw else (),
        _names(head),
        statements,
    )
    if snapshot.text != text:
        raise MigrationError(
            f"{shown(path)} was edited or is damaged, and scratch databases start from it. Bring "
            f"it back from git; or delete it and take it again: {_take_again()}",
            exit_code=2,
        )
    if unknown := sorted({*snapshot.revisions} - read_chain(script).known):
        raise MigrationError(
            f"{shown(path)} is the schema at revision {', '.join(unknown)}, which is not among "
            "these migrations, so no scratch database can start from it. Bring the revision's file "
            f"back; or delete the snapshot and take it again: {_take_again()}",
            exit_code=2,
        )
    return snapshot


def _names(head: str) -> tuple[tuple[str, str, str, str], ...]:
    try:
        return tuple(tuple(json.loads(name)) for name in _NAME.findall(head))
    except ValueError:
        return ()  # it was edited, which its checksum tells


def names_by_convention(script: ScriptDirectory, kind: str) -> set[tuple[str, str]]:
    """Return the tables and today's names of what :func:`names` returns."""
    return {(key.table, today) for key, today in names(script, kind).items()}


def names(script: ScriptDirectory, kind: str) -> dict[Key, str]:
    """Return what the snapshot calls otherwise than today's naming convention does.

    :param script: the chain.
    :param kind: of database.
    :return: today's name by the key in the snapshot, for what no revision named.
    """
    snapshot = read(script, kind)
    names = snapshot.names if snapshot else ()
    return {Key(table, part, name): today for part, table, name, today in names}


def _path(script: ScriptDirectory, kind: str) -> Path:
    bind = binds.current()
    of_bind = "" if bind is None else f"{binds.name(bind)}."
    return Path(script.dir, f"snapshot.{of_bind}{kind}.sql")


def start(script: ScriptDirectory, kind: str, revision: Any) -> Snapshot | None:
    """Return what a scratch database at *revision* starts from; None where that is base.

    :param script: the chain.
    :param kind: of database.
    :param revision: as ``alembic upgrade`` takes it, or several.
    :raises MigrationError: with exit code 2, where the revision is older than the snapshot.
    """
    snapshot = read(script, kind)
    if snapshot is None:
        return None
    revisions = _up_to(script, revision)
    if revisions >= {*snapshot.revisions}:
        return snapshot
    if revisions and revisions <= _up_to(script, snapshot.revisions):
        names = revision if isinstance(revision, str) else ", ".join(revision)
        raise MigrationError(
            f"What revision {names} makes is not known: scratch databases start at revision "
            f"{', '.join(snapshot.revisions)}, which is later ({shown(snapshot.path)}). Name a "
            "later revision; or delete that file, where the chain runs from base.",
            exit_code=2,
        )
    return None


def covered(script: ScriptDirectory, kind: str) -> set[str]:
    """Return the revisions that run on no scratch database: those up to the snapshot.

    :param script: the chain.
    :param kind: of database.
    :raises MigrationError: where the snapshot cannot be used.
    """
    snapshot = read(script, kind)
    return _up_to(script, snapshot.revisions) if snapshot else set()


def older(script: ScriptDirectory, kind: str) -> set[str]:
    """Return the revisions whose schema is not known: those before the snapshot's own.

    :param script: the chain.
    :param kind: of database.
    :raises MigrationError: where the snapshot cannot be used.
    """
    snapshot = read(script, kind)
    return covered(script, kind) - {*snapshot.revisions} if snapshot else set()


def _up_to(script: ScriptDirectory, revision: Any) -> set[str]:
    steps = script._upgrade_revs(revision, ())  # type: ignore[arg-type]  # Alembic gives it so
    return {str(step.info.up_revision_id) for step in steps}


def take(
    script: ScriptDirectory,
    connection: Connection,
    source: Source,
    revisions: Sequence[str],
    *,
    is_scratch: bool,
    names: Mapping[Key, str] | None = None,
) -> Path:
    """Write the snapshot of the database behind *connection*, having tried it.

    Of a scratch database the rows are in it that the revisions inserted; of any other the schema
    alone is, because its rows are people's.

    :param script: the chain.
    :param connection: to the database; nothing is written to it.
    :param source: where scratch databases of its kind can be created.
    :param revisions: where the database stands.
    :param is_scratch: whether the chain made it, a moment ago.
    :param names: what today's naming convention calls otherwise than the database, by its key.
    :return: the file.
    :raises MigrationError: where no script builds the same schema again; no file is written then.
    """
    kind = source.kind
    statements = dump.script(connection, rows=is_scratch)
    if statements is None:
        needed = "pg_dump of its version or newer" if kind == "postgresql" else "no sequences"
        if kind == "mysql" and connection.dialect.is_async:
            needed = "PyMySQL, which is not installed"
        raise MigrationError(
            f"No snapshot was taken, because this {kind} database cannot be dumped: that takes "
            f"{needed}."
        )
    schema, objects = diff.describe(connection), diff.catalogued_objects(connection)
    raw = {*diff.made_by_raw_sql(connection)}
    if not is_scratch:
        raw = _created_in_files(script, revisions, kind) & {key.bare for key in schema}
    connection.rollback()
    path = _path(script, kind)
    # A file's line ends are git's to change.
    statements = statements.replace("\r\n", "\n").replace("\r", "\n")
    otherwise = sorted((key.kind, key.table, key.name, name) for key, name in (names or {}).items())
    snapshot = Snapshot(
        path, kind, tuple(sorted(revisions)), tuple(sorted(raw)), tuple(otherwise), statements
    )
    with empty_database(source) as copy:
        snapshot.load(copy)
        differing = [str(item.key) for item in diff.differences(diff.describe(copy), schema)]
        differing += sorted(diff.catalogued_objects(copy) ^ objects)
    if differing:
        raise MigrationError(
            f"No snapshot was taken, because {differing[0]} does not come out alike when it is "
            f"built again on an empty {kind} database."
        )
    path.write_text(snapshot.text, encoding="utf-8", newline="\n")
    return path


def _created_in_files(script: ScriptDirectory, revisions: Sequence[str], kind: str) -> set[str]:
    """Return the names that SQL in the files of a chain creates, read from their text."""
    names: set[str] = set()
    for revision in script.get_revisions(tuple(_up_to(script, tuple(revisions)))):
        for node in ast.walk(ast.parse(Path(revision.path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names |= names_created_by(node.value, kind)
    return names
