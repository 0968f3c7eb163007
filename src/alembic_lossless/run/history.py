"""What was applied to a database: when, by whom, from which text.

The log is a table of that database, written in the transaction of the migration itself. Nothing
needs it: a database without one, or one that stock Flask-Migrate went on with, works all the same.
"""

import ast
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from alembic.script import Script, ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Float,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError

from .. import hints
from ..errors import MigrationError
from ..schema.own_tables import LOG_TABLE, version_table
from . import binds
from .chain import source_of
from .lock import whoami

LOG = Table(
    LOG_TABLE,
    MetaData(),
    Column("id", Integer, primary_key=True),
    #: upgrade, downgrade or stamp; journal, while a revision is half applied (journal.py).
    Column("event", String(16), nullable=False),
    Column("revision", String(255), nullable=False),
    #: The revisions that the database was at before, with commas between them.
    Column("came_from", Text, nullable=False),
    Column("checksum", String(64)),
    Column("applied_at", DateTime, nullable=False),
    Column("seconds", Float),
    Column("applied_by", String(255), nullable=False),
    Column("done", Integer),
    Column("statements", Text().with_variant(Text(2**32 - 1), "mysql", "mariadb")),
)


def log_of(connection: Connection) -> Table:
    """Return the log of a database; on PostgreSQL it is beside the version table.

    A role that may create tables in that schema need not be allowed to in ``public``. A log that is
    in the usual schema already stays there.
    """
    schema = version_table().schema
    if schema is None or connection.dialect.name != "postgresql":
        return LOG
    if ("log", schema) not in connection.info:
        is_usual = connection.dialect.has_table(connection, LOG_TABLE)
        connection.info["log", schema] = LOG if is_usual else _in_schema(schema)
    log: Table = connection.info["log", schema]
    return log


@cache
def _in_schema(schema: str) -> Table:
    return LOG.to_metadata(MetaData(), schema=schema)


@cache
def _insert(log: Table) -> Insert:
    """Make the statement once: a chain of a thousand revisions writes a thousand rows."""
    return log.insert().inline()


def _is_missing(connection: Connection) -> bool:
    """Roll back, and tell whether a database has no log."""
    connection.rollback()
    log = log_of(connection)
    return not connection.dialect.has_table(connection, log.name, schema=log.schema)


@dataclass(frozen=True)
class Edited:
    """A migration file that says something else now than when it was applied."""

    revision: str
    path: Path
    applied_at: datetime

    def __str__(self) -> str:
        return (
            f"{self.path.name} was edited after it was applied ({self.applied_at:%Y-%m-%d %H:%M})"
        )


def ensure(connection: Connection) -> None:
    """Make the log where there is none yet."""
    log_of(connection).create(connection, checkfirst=True)
    connection.commit()


def write(
    connection: Connection,
    event: str,
    revision: str,
    came_from: tuple[str, ...],
    checksum: str | None = None,
    seconds: float | None = None,
) -> None:
    """Note in the current transaction that *event* brought the database from *came_from*.

    :param checksum: of the migration's file, where it was run and not only stamped.
    """
    values = {
        "event": event,
        "revision": revision,
        "came_from": ",".join(sorted(came_from)),
        "checksum": checksum,
        "applied_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0),
        "seconds": seconds,
        "applied_by": whoami()[:255],
    }
    connection.execute(_insert(log_of(connection)), values)


@dataclass(frozen=True)
class Entry:
    """What the log says of one revision last."""

    event: str
    revision: str
    came_from: str
    checksum: str | None
    applied_at: datetime
    seconds: float | None
    applied_by: str

    def __str__(self) -> str:
        verb = {"upgrade": "", "downgrade": "undone ", "stamp": "stamped "}[self.event]
        lasted = "" if self.seconds is None else f" in {self.seconds:.1f} s"
        return f"{verb}{self.applied_at:%Y-%m-%d %H:%M} by {self.applied_by}{lasted}"


def entries(connection: Connection) -> dict[str, Entry]:
    """Return the last entry of each revision; nothing where the database has no log."""
    log = log_of(connection).c
    columns = [log[field.name] for field in fields(Entry)]
    last = select(func.max(log.id)).where(log.event != "journal").group_by(log.revision)
    try:
        rows = connection.execute(select(*columns).where(log.id.in_(last))).all()
    except DBAPIError:
        if not _is_missing(connection):
            raise
        rows = []
    return {row.revision: Entry(*row) for row in rows}


def half_applied(connection: Connection) -> list[str]:
    """Name what is half applied: revisions, or ``downgrade`` and a revision."""
    if connection.dialect.name == "sqlite":  # whose transactions are whole
        return []
    try:
        log = log_of(connection).c
        return list(connection.scalars(select(log.revision).where(log.event == "journal")))
    except DBAPIError:
        if not _is_missing(connection):
            raise
        return []


def refuse_half_applied(
    half_applied: Sequence[str], first: Sequence[str], known: Collection[str]
) -> None:
    """Refuse to do anything else before what is half applied is finished.

    :param half_applied: as :func:`half_applied` names it.
    :param first: what is to be done first, named likewise; empty where nothing is.
    :param known: the revisions whose files are among these migrations.
    :raises MigrationError: with exit code 7, and how to go on.
    """
    if not half_applied or list(half_applied[:1]) == list(first):
        return
    event, _, revision = half_applied[0].rpartition(" ")
    state = "undone" if event else "applied"
    way_on = hints.command("downgrade" if event else "upgrade")
    if revision in known:
        raise MigrationError(
            f"Revision {revision} is half {state}, and nothing else can be done before it: "
            f"{way_on} goes on with it.",
            exit_code=7,
        )
    raise MigrationError(
        f"Revision {revision} is half {state}, nothing else can be done before it, and its file is "
        f"not among these migrations: take the release or the branch that has it, where {way_on} "
        "goes on with it; or bring the database by hand to where a revision of these leads, then "
        f"{hints.command('stamp', 'REVISION')}, naming that one.",
        exit_code=7,
    )


def half(name: str) -> str:
    """Say of what :func:`half_applied` names how far it is."""
    event, _, revision = name.rpartition(" ")
    return f"half undone  {revision}" if event else f"half applied  {revision}"


def edited(connection: Connection, script: ScriptDirectory) -> list[Edited]:
    """Find the applied migrations whose file was edited since, in the order of the chain."""
    known = entries(connection)
    return [
        Edited(revision.revision, Path(revision.path), entry.applied_at)
        for revision in reversed(list(script.walk_revisions()))
        if (entry := known.get(revision.revision)) is not None
        and entry.event == "upgrade"
        and entry.checksum != checksum_of(revision)
    ]


def refuse_edited(connection: Connection, script: ScriptDirectory, development: bool) -> None:
    """Stop where an applied file was edited.

    :raises MigrationError: with exit code 6; it names the files and the remedy.
    """
    names = edited(connection, script)
    if not names:
        return
    back = "put the files back as they were, and write what is to change into a new migration"
    remedy = (
        f"{hints.command('redo')} applies them again on this development database; where another "
        f"database has them already, {back}"
        if development and binds.current() is None
        else f"other databases have the old text, so {back}"
    )
    raise MigrationError(
        f"{'; '.join(map(str, names))}: {remedy}.",
        exit_code=6,
    )


def checksum_of(revision: Script) -> str:
    """Return the digest of the file of *revision*.

    What the file does to others of several databases does not count: it may be corrected after it
    was applied to this one.
    """
    return checksum(source_of(revision.path))


def checksum(source: str) -> str:
    """Return a digest of what a migration's *source* means.

    Comments, docstrings, layout, quotes and brackets that change nothing do not count. Nor do
    annotations, consent (``accepted``), the ``phase``, and where a name is imported from. It is
    taken over the syntax tree, without the parts that are empty: what is left is the same on every
    Python from 3.11 on, which tokens are not (3.12 cuts f-strings into several).
    """
    words: list[str] = []
    _meaning(_without_other_databases(_without_paths(ast.parse(source))), words)
    return sha256("\0".join(words).encode()).hexdigest()[:32]


def _without_other_databases(tree: ast.Module) -> ast.Module:
    """Leave out the functions of several databases but those of the one in question."""
    if binds.current() is not None:
        parts = {binds.part("upgrade"), binds.part("downgrade")}
        tree.body = [
            node
            for node in tree.body
            if not isinstance(node, ast.FunctionDef)
            or node.name in parts
            or not node.name.startswith(("upgrade_", "downgrade_"))
        ]
    return tree


def _without_paths(tree: ast.Module) -> ast.Module:
    """Leave the last name of ``package.module.Name`` where the file imports ``package.module``."""
    modules = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.asname is None and "." in alias.name
    }
    for parent in ast.walk(tree) if modules else ():
        for name, value in ast.iter_fields(parent):
            if isinstance(value, ast.Attribute) and ast.unparse(value.value) in modules:
                setattr(parent, name, ast.Name(value.attr, ast.Load()))
            elif isinstance(value, list):
                value[:] = [
                    ast.Name(item.attr, ast.Load())
                    if isinstance(item, ast.Attribute) and ast.unparse(item.value) in modules
                    else item
                    for item in value
                ]
    return tree


def _meaning(node: Any, words: list[str]) -> None:
    if not isinstance(node, ast.AST):
        words.append(ascii(node))
        return
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        node = ast.Assign([node.target], node.value)
    words.append(type(node).__name__)
    for name in node._fields:
        if (
            name in ("ctx", "kind", "annotation", "returns", "type_comment")
            or (value := getattr(node, name, None)) is None
        ):
            continue
        if not isinstance(value, list):
            words.append(name)
            _meaning(value, words)
        elif items := [item for item in value if not _is_idle(node, item)]:
            words += (name, "[")
            for item in items:
                _meaning(item, words)
            words.append("]")


def _is_idle(parent: ast.AST, item: Any) -> bool:
    if isinstance(parent, ast.JoinedStr):  # Python 3.12.1 ends a format with an empty text
        return isinstance(item, ast.Constant) and item.value == ""
    if isinstance(item, ast.Import | ast.ImportFrom):
        return True
    if isinstance(item, ast.Assign | ast.AnnAssign) and isinstance(parent, ast.Module):
        targets = [item.target] if isinstance(item, ast.AnnAssign) else item.targets
        return [getattr(target, "id", "") for target in targets] in (["accepted"], ["phase"])
    # A text that stands alone: a docstring, or a comment between quotes.
    return isinstance(item, ast.Expr) and isinstance(getattr(item.value, "value", None), str)
