"""Taking in a database that these migrations did not make.

Where its schema is that of one of the revisions, the database is stamped with it. Where not, a
revision is written that closes the difference. It stands in the chain like any other and runs
only where ``adopt`` left a table of its name: a database that the chain made has nothing to close.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import Connection, MetaData, inspect, text

from ..autogenerate import render
from ..checklist import file_header
from ..checklist.answers import Answers
from ..checklist.finding import Finding, Step
from ..errors import MigrationError
from ..run import status
from ..schema import diff
from ..schema.dialect_support import kind_of
from ..schema.model import Schema
from ..schema.own_tables import ADOPT_PREFIX
from ..scratch import databases
from ..scratch.sources import Source, empty_database
from . import copy as adopted
from .copy import Adopted
from .twin import twin

#: The schema of the database that a file was written for.
_CLOSES = re.compile(r"^closes = ['\"](\w+)['\"]$", re.MULTILINE)


@dataclass
class Standing:
    """Where a database stands against the chain.

    *at* is what it says itself, *equals* the heads of the part of the chain whose schema it has;
    *closed_by* a revision that was written for a database of the very same schema.
    """

    at: frozenset[str]
    known: bool
    is_empty: bool = False
    equals: tuple[str, ...] | None = None
    closed_by: str | None = None
    differences: list[diff.Difference] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Say each difference from the head in words."""
        return [
            f"  {item.key}: here {item.actual or 'missing'}; the migrations make "
            f"{item.expected or 'none'}"
            for item in self.differences
        ]


def stand(
    connection: Connection,
    script: ScriptDirectory,
    metadata: MetaData,
    source: Source,
    revision: str | None = None,
) -> Standing:
    """Compare the database behind *connection* with the chain; nothing is written to it.

    :param source: where throwaway databases of its kind can be made.
    :param revision: the one to compare with; else each, the last that fits.
    """
    at = status.current(connection)
    known = at <= status.of_script(script).known
    here = diff.describe(connection)
    standing = Standing(at, known, is_empty=not here and not at)
    with databases.from_chain(script, source, revision or "heads", metadata) as made:
        there = diff.describe(made)
        heads = tuple(MigrationContext.configure(made).get_current_heads())
    standing.differences = diff.differences(adopted.named_as(there, here, connection), there)
    if not standing.differences:
        standing.equals = heads
    elif revision is None:
        standing.equals = _earlier(here, connection, script, metadata, source)
        standing.closed_by = _closing(script, here)
    return standing


def _earlier(
    here: Schema,
    live: Connection,
    script: ScriptDirectory,
    metadata: MetaData,
    source: Source,
) -> tuple[str, ...] | None:
    """Find the last part of the chain that makes the schema *here*."""
    found = None
    if not any(key.kind == "table" for key in here):
        return None
    with empty_database(source) as connection:
        for revision in status.pending(script, ()):
            databases.upgrade(script, connection, revision, metadata)
            there = diff.describe(connection)
            if adopted.named_as(there, here, live) == there:
                found = tuple(MigrationContext.configure(connection).get_current_heads())
            connection.rollback()
    return found


def _closing(script: ScriptDirectory, here: Schema) -> str | None:
    for revision in script.walk_revisions():
        closes = _CLOSES.search(Path(revision.path).read_text(encoding="utf-8"))
        if closes and closes[1] == _digest(here):
            return revision.revision
    return None


def _digest(found: Schema) -> str:
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]


def mark(connection: Connection, revision: str | None) -> None:
    """Leave the table that lets the closing *revision* run; take away one that was left before."""
    for name in inspect(connection).get_table_names():
        if name.startswith(ADOPT_PREFIX):
            connection.execute(text(f"DROP TABLE {name}"))
    if revision:
        connection.execute(text(f"CREATE TABLE {ADOPT_PREFIX}{revision} (closes INTEGER)"))
    connection.commit()


@dataclass
class Closed:
    """The revision that was written: its file, its steps, and what the checklist found."""

    revision: str
    path: Path
    steps: Sequence[Step]
    findings: list[Finding]


def close(
    connection: Connection,
    script: ScriptDirectory,
    metadata: MetaData,
    source: Source,
    answers: Answers | None = None,
) -> Closed:
    """Write the revision that brings the database behind *connection* to the head's schema.

    It is tried on a copy first: of all rows on SQLite, of the schema alone on a server.

    :param answers: renames, values for the rows that lack one, consent to what is dropped.
    :raises MigrationError: where models and migrations differ, a question has no answer, or no
        operations close the difference. Nothing was written then.
    """
    answers = answers or Answers()
    with databases.from_chain(script, source, metadata=metadata) as made:
        wanted = diff.describe(made)
    with databases.from_models(metadata, source) as models:
        if diff.differences(wanted, diff.describe(models)):
            raise MigrationError(
                'The models and the migrations differ: make newmigration m="…" first, then adopt.',
                exit_code=4,
            )
    kind = kind_of(connection.engine.url)
    with twin(connection, source) as copy:
        digest = _digest(diff.describe(copy))
        copy.rollback()  # what was read; a transaction of Alembic's own begins
        context = databases.configure(copy, {"target_metadata": metadata, "script": script})
        with context.begin_transaction(_per_migration=True):
            database = Adopted(kind, context, metadata, wanted)
            done, findings = adopted.closing_steps(database, connection, metadata, answers)
            body, imports = render.body(done, context)
    header = file_header.header(done, findings, [kind])
    revision, path = _write(script, body, imports, header, digest)
    return Closed(revision, path, done, findings)


_UPGRADE = """if op.get_context().as_sql or not sa.inspect(op.get_bind()).has_table({mark!r}):
    return  # made by these migrations: there is nothing to close
{body}
op.drop_table({mark!r})"""


def _write(
    script: ScriptDirectory,
    body: str,
    imports: set[str],
    header: file_header.Header,
    digest: str,
) -> tuple[str, Path]:
    revision = rev_id()
    upgrade = _UPGRADE.format(mark=ADOPT_PREFIX + revision, body=body)
    note = (
        "Closes what an adopted database had otherwise than the migrations before this make it.\n"
        "It runs there alone, and its downgrade keeps what it closed.\n\n"
    )
    script.messaging_opts = {**script.messaging_opts, "quiet": True}
    made = script.generate_revision(
        revision,
        "adopt a database",
        head="head",
        refresh=True,
        upgrades=indent(upgrade, "    ").strip(),
        downgrades="pass",
        imports="\n".join(sorted(imports)),
    )
    assert made is not None
    path = Path(made.path)
    names = {**header.names, "closes": digest}
    file_header.write_into(path, file_header.Header(note + header.checklist, names))
    render.tidy(path)
    return revision, path
