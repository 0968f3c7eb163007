"""Taking in a database that these migrations did not make.

Where its schema is that of one of the revisions, the database is stamped with it. Where not, a
revision is written that closes the difference. It stands in the chain like any other and runs
only where ``adopt`` left a table of its name: a database that the chain made has nothing to close.
"""

import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import URL, Connection, MetaData, inspect, text

from .. import MigratorError, portable, schema, scratch
from ..apply import status
from ..apply.connection import private
from . import checklist, detect, write
from .finding import Finding, Step

#: A table called so says that the revision of the rest of its name is to close the difference.
MARK = "adopted_"
_CLOSES = re.compile(r'^closes = "(\w+)"$', re.MULTILINE)


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
    differences: list[schema.Difference] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Say each difference from the head in words."""
        return [
            f"  {item.key}: here {item.found or 'missing'}; the migrations make "
            f"{item.wanted or 'none'}"
            for item in self.differences
        ]


def stand(
    connection: Connection,
    script: ScriptDirectory,
    metadata: MetaData,
    source: scratch.Source,
    revision: str | None = None,
) -> Standing:
    """Compare the database behind *connection* with the chain; nothing is written to it.

    :param source: where throwaway databases of its kind can be made.
    :param revision: the one to compare with; else each, the last that fits.
    """
    at = status.current(connection)
    known = at <= status.of_script(script).known
    here = described(connection)
    standing = Standing(at, known, is_empty=not here and not at)
    with scratch.from_chain(script, source, revision or "heads", metadata) as made:
        there = described(made)
        heads = tuple(MigrationContext.configure(made).get_current_heads())
    standing.differences = schema.difference(_named_as(there, here), there)
    if not standing.differences:
        standing.equals = heads
    elif revision is None:
        standing.equals = _earlier(here, script, metadata, source)
        standing.closed_by = _closing(script, here)
    return standing


def described(connection: Connection) -> schema.Schema:
    """Describe the schema without the tables that ``adopt`` itself leaves."""
    found = schema.describe(connection)
    return {key: value for key, value in found.items() if not key.table.startswith(MARK)}


def _named_as(wanted: schema.Schema, here: schema.Schema) -> schema.Schema:
    """Give what stands without a name on SQLite the name that *wanted* has for the same.

    Later revisions find it by that name all the same (sqlite/names.py).
    """
    named = {(key.table, text): key for key, text in wanted.items() if key.kind == "constraint"}
    return {
        named.get((key.table, text), key) if key.name == text else key: text
        for key, text in here.items()
    }


@dataclass
class _Adopted(detect.Database):
    """A copy of the database that is adopted."""

    def differences(self) -> list[schema.Difference]:
        """Say what it has otherwise than the migrations make it."""
        here = _named_as(self.wanted, described(self.connection))
        return schema.difference(here, self.wanted)

    def renamed(self) -> list[Step]:
        """Rename the indexes and constraints that are the same but for their names."""
        items = self.differences()
        come = {(d.key.table, d.key.kind, d.wanted): d.key for d in items if d.found is None}
        steps = []
        for item in items:
            key = item.key
            other = come.get((key.table, key.kind, item.found)) if item.wanted is None else None
            sql = self._rename(key, other.name) if other else None
            if sql:
                self.connection.execute(text(sql))
                steps.append(Step(ops.ExecuteSQLOp(sql)))
        return steps

    def _rename(self, key: schema.Key, name: str) -> str | None:
        quote = self.connection.dialect.identifier_preparer.quote
        table, was, now = quote(key.table), quote(key.name), quote(name)
        if self.kind == "postgresql" and key.kind == "constraint":
            return f"ALTER TABLE {table} RENAME CONSTRAINT {was} TO {now}"
        if self.kind == "postgresql" and key.kind == "index":
            return f"ALTER INDEX {was} RENAME TO {now}"
        printed = self.wanted.get(key._replace(name=name), "")
        if self.kind == "mysql" and printed.startswith(("UNIQUE", "KEY")):
            return f"ALTER TABLE {table} RENAME INDEX {was} TO {now}"
        return None


def _earlier(
    here: schema.Schema, script: ScriptDirectory, metadata: MetaData, source: scratch.Source
) -> tuple[str, ...] | None:
    """Find the last part of the chain that makes the schema *here*."""
    found = None
    if not any(key.kind == "table" for key in here):
        return None
    with scratch.empty(source) as connection:
        for revision in status.pending(script, ()):
            scratch.upgrade(script, connection, revision, metadata)
            there = described(connection)
            if _named_as(there, here) == there:
                found = tuple(MigrationContext.configure(connection).get_current_heads())
            connection.rollback()
    return found


def _closing(script: ScriptDirectory, here: schema.Schema) -> str | None:
    for revision in script.walk_revisions():
        closes = _CLOSES.search(Path(revision.path).read_text(encoding="utf-8"))
        if closes and closes[1] == _digest(here):
            return revision.revision
    return None


def _digest(found: schema.Schema) -> str:
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:16]


def mark(connection: Connection, revision: str | None) -> None:
    """Leave the table that lets the closing *revision* run; take away one that was left before."""
    for name in inspect(connection).get_table_names():
        if name.startswith(MARK):
            connection.execute(text(f"DROP TABLE {name}"))
    if revision:
        connection.execute(text(f"CREATE TABLE {MARK}{revision} (closes INTEGER)"))
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
    source: scratch.Source,
    accept: Sequence[str] = (),
) -> Closed:
    """Write the revision that brings the database behind *connection* to the head's schema.

    It is tried on a copy first: of all rows on SQLite, of the schema alone on a server.

    :param accept: consent to what would be dropped: "drop-column user.nickname".
    :raises MigratorError: where models and migrations differ, a table or column would be dropped
        without consent, or no operations close the difference. Nothing was written then.
    """
    with scratch.from_chain(script, source, metadata=metadata) as made:
        wanted = described(made)
    with scratch.from_models(metadata, source) as models:
        if schema.difference(wanted, schema.describe(models)):
            raise MigratorError(
                'The models and the migrations differ: make newmigration m="…" first, then adopt.',
                exit_code=4,
            )
    kind = scratch.kind_of(connection.engine.url)
    findings: list[Finding] = []

    def review(steps: Sequence[Step]) -> list[Step]:
        _ask(steps, accept)
        after, found = checklist.review(steps, [kind], metadata)
        findings.extend(found)
        for stop in checklist.stops(found):
            raise MigratorError(f"Nothing was written. {stop}")
        return after

    with _twin(connection, source) as copy:
        digest = _digest(described(copy))
        context = scratch.configure(copy, {"target_metadata": metadata, "script": script})
        with context.begin_transaction(_per_migration=True):
            database = _Adopted(kind, context, wanted)
            renamed = database.renamed()
            proposed = produce_migrations(context, metadata).upgrade_ops
            assert proposed is not None
            steps = detect.proposal(proposed, database, metadata)
            done = [*renamed, *detect.complete(steps, [database], metadata, review)]
            body, imports = write.body(done, context)
    review_text = write.docstring(done, findings, [kind])
    revision, path = _write(script, body, imports, review_text, digest)
    return Closed(revision, path, done, findings)


def _ask(steps: Sequence[Step], accept: Sequence[str]) -> None:
    drops = {ops.DropTableOp: "drop-table", ops.DropColumnOp: "drop-column"}
    wanting = [f"{drops[type(step.op)]} {step.subject}" for step in steps if type(step.op) in drops]
    unasked = [one for one in wanting if one not in accept]
    if unasked:
        raise MigratorError(
            f"The database has what no model has, and closing the difference would drop it: "
            f"{', '.join(unasked)}. Write models for what is to stay, or consent: "
            f'make adopt accept="{unasked[0]}: the reason".'
        )


_UPGRADE = """if op.get_context().as_sql or not sa.inspect(op.get_bind()).has_table({mark!r}):
    return  # made by these migrations: there is nothing to close
{body}
op.drop_table({mark!r})"""


def _write(
    script: ScriptDirectory, body: str, imports: set[str], review: str, digest: str
) -> tuple[str, Path]:
    revision = rev_id()
    upgrade = _UPGRADE.format(mark=MARK + revision, body=body)
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
        review=note + review,
    )
    assert made is not None
    path = Path(made.path)
    text_ = path.read_text(encoding="utf-8")
    closes = f'#: The schema of the database that it was written for.\ncloses = "{digest}"\n'
    whole = text_.replace("depends_on = None\n", f"depends_on = None\n\n{closes}", 1)
    path.write_text(whole, encoding="utf-8")
    write.tidy(str(path), {})
    return revision, path


@contextmanager
def _twin(connection: Connection, source: scratch.Source) -> Iterator[Connection]:
    """Give a throwaway database with the schema of *connection*'s; on SQLite with the rows too.

    :raises MigratorError: where the schema cannot be rebuilt.
    """
    if connection.dialect.name == "sqlite":
        with _copied(connection.engine.url) as copy:
            yield copy
        return
    with scratch.empty(source) as copy:
        if connection.dialect.name == "postgresql":
            reflected = MetaData()
            reflected.reflect(connection)
            portable.create_all(reflected, copy)
        else:
            copy.execute(text("SET foreign_key_checks = 0"))
            for name in inspect(connection).get_table_names():
                quoted = connection.dialect.identifier_preparer.quote(name)
                made = connection.execute(text(f"SHOW CREATE TABLE {quoted}")).one()[1]
                copy.exec_driver_sql(made.replace("%", "%%"))
            copy.execute(text("SET foreign_key_checks = 1"))
        copy.commit()
        for item in schema.difference(described(copy), described(connection)):
            raise MigratorError(
                f"This database cannot be rebuilt for a trial ({item.key}), so nothing was "
                "written: close the difference by hand, in a revision with empty=yes."
            )
        yield copy


@contextmanager
def _copied(url: URL) -> Iterator[Connection]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "copy")
        with (
            closing(sqlite3.connect(str(url.database))) as live,
            closing(sqlite3.connect(file)) as copy,
        ):
            live.backup(copy)
        with private(url.set(database=str(file))).connect() as given:
            yield given
