"""Adopts a database that these migrations did not make.

Where its schema is that of one of the revisions, the database is stamped with it. Where not, a
revision is written that closes the difference. It stands in the chain like any other and runs
only where ``adopt`` left a table of its name: a database that the chain made has nothing to close.
"""

import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import rev_id
from sqlalchemy import URL, Connection, MetaData, inspect, text
from sqlalchemy.schema import conv

from . import hints
from .autogenerate import directives, proposal, renames, render
from .autogenerate.comparison import ComparedDatabase, Lookup
from .autogenerate.constraint_names import names_without_convention
from .autogenerate.converge import complete
from .autogenerate.migrate import finish_first
from .autogenerate.template import with_prefixes
from .checklist import file_header, review, settings
from .checklist.answers import Answers
from .checklist.finding import Finding, Message, Operation, Verdict
from .errors import MigrationError, plural
from .hints import command
from .quoting import qualified
from .run import status
from .run.chain import read_chain, source_of
from .run.connection import private, sqlite_file
from .schema import dialect_support, diff, sqlite
from .schema.dialect_support import kind_of
from .schema.inclusion import Inclusion
from .schema.model import (
    PROPERTIES,
    Check,
    Definition,
    ForeignKey,
    Index,
    Key,
    PrimaryKey,
    Schema,
    Unique,
    words_of,
)
from .schema.own_tables import ADOPT_PREFIX
from .scratch import databases, dump, snapshot
from .scratch.sources import Source, empty_database
from .sqlite import names, parser

#: The schema of the database that a file was written for.
_CLOSES = re.compile(r"^closes = ['\"](\w+)['\"]$", re.MULTILINE)


@dataclass
class Comparison:
    """A database compared with the chain."""

    #: The revisions that the database itself names, and whether the chain has them.
    at: frozenset[str]
    known: bool
    is_empty: bool = False
    #: The heads of the part of the chain that makes the same schema; None where none does.
    equals: tuple[str, ...] | None = None
    #: The revision that was written for a database of the very same schema.
    closed_by: str | None = None
    #: How the schema differs from that of the head, or of the revision that was asked for.
    differences: list[diff.Change] = field(default_factory=list)
    #: How many revisions it was not compared with, which are older than the snapshot.
    not_compared: int = 0
    #: The database's own names of what the revisions gave none: they are no difference.
    other_names: dict[Key, str] = field(default_factory=dict)

    def lines_on_names(self) -> list[str]:
        """Return a line for each constraint or index that has another name in the database."""
        return [
            f"  {key}: the database calls it {name}"
            for key, name in sorted(self.other_names.items())
        ]

    def lines(self) -> list[str]:
        """Return a line for each difference."""
        lines = [
            f"  {item.key}: the database has {item.actual or 'none'}, the migrations make "
            f"{item.expected or 'none'}"
            for item in self.differences
        ]
        if self.not_compared:
            lines.append(
                f"  ! not compared with the {plural(self.not_compared, 'revision')} before the one "
                "where scratch databases start."
            )
        return lines

    @property
    def has_more_than_the_chain(self) -> bool:
        """Tell whether the database has what the migrations make none of."""
        return any(item.actual and not item.expected for item in self.differences)


def compare_with_chain(
    connection: Connection,
    script: ScriptDirectory,
    metadata: MetaData,
    source: Source,
    revision: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare the database behind *connection* with the chain; nothing is written to it.

    :param connection: to the database.
    :param script: the chain.
    :param metadata: the models, for their naming convention.
    :param source: where scratch databases of its kind can be created.
    :param revision: the one to compare with; else each, the last one of the same schema.
    :param options: what env.py gave to ``configure``; it may leave objects out.
    :return: how it compares.
    :raises MigrationError: where the chain does not run.
    """
    at = status.current(connection)
    known = at <= read_chain(script).known
    whole = diff.describe(connection)
    with databases.from_chain(script, source, revision or "heads", metadata) as scratch:
        inclusion = Inclusion(options or {}, metadata, connection, scratch)
        actual, expected = inclusion.included(whole), inclusion.included(diff.describe(scratch))
        heads = _heads(scratch)
    comparison = Comparison(at, known, is_empty=not actual and not at)
    named = _with_expected_names(actual, expected, connection)
    if diff.called_otherwise(named, expected):
        names_of_server = names_without_convention(
            script, source, metadata, expected, revision or "heads"
        )
        for key, name in names_of_server.items():
            if named.get(before := key._replace(name=name)) == expected[key] and key not in named:
                named[key] = named.pop(before)
                comparison.other_names[key] = name
    differences = diff.differences(named, expected)
    spared = directives.left_out(options or {}, connection, script, metadata) if differences else ()
    comparison.differences = _without(differences, spared)
    if not comparison.differences:
        comparison.equals = heads
    elif revision is None:
        comparison.equals = _earlier_heads(
            whole, connection, script, metadata, source, options or {}, spared
        )
        comparison.not_compared = len(snapshot.older(script, source.kind))
    if revision is None and (comparison.differences or comparison.other_names):
        comparison.closed_by = _closing_revision(script, actual)
    return comparison


def _without(differences: Sequence[diff.Change], spared: Collection[Key]) -> list[diff.Change]:
    """Leave out what the project's own hook takes out of a proposal."""
    return [item for item in differences if not directives.is_left_out(item.key, {*spared})]


def _heads(connection: Connection) -> tuple[str, ...]:
    return tuple(MigrationContext.configure(connection).get_current_heads())


def _earlier_heads(
    whole: Schema,
    live: Connection,
    script: ScriptDirectory,
    metadata: MetaData,
    source: Source,
    options: Mapping[str, Any],
    spared: Collection[Key],
) -> tuple[str, ...] | None:
    """Return the heads of the last part of the chain that makes the schema of *live*, *whole*."""
    heads = None
    if not any(key.kind == "table" for key in whole):
        return None
    older = snapshot.older(script, source.kind)
    with empty_database(source) as connection:
        for revision in [name for name in status.pending(script, ()) if name not in older]:
            databases.upgrade(script, connection, revision, metadata)
            inclusion = Inclusion(options, metadata, live, connection)
            actual = inclusion.included(whole)
            expected = inclusion.included(diff.describe(connection))
            named = _with_expected_names(actual, expected, live)
            if actual and not _without(diff.differences(named, expected), spared):
                heads = _heads(connection)
            connection.rollback()
    return heads


def _closing_revision(script: ScriptDirectory, schema: Schema) -> str | None:
    for revision in script.walk_revisions():
        closes = _CLOSES.search(source_of(revision.path))
        if closes and closes[1] == _digest(schema):
            return revision.revision
    return None


def _digest(schema: Schema) -> str:
    texts = sorted((key, str(definition)) for key, definition in schema.items())
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:16]


def _with_expected_names(actual: Schema, expected: Schema, connection: Connection) -> Schema:
    """Give a nameless constraint of SQLite's the name that *expected* has for the same one.

    Only where later revisions find it by that name (sqlite/names.py).
    """
    keys = {(key.table, item): key for key, item in expected.items() if key.kind == "constraint"}
    schema = dict(actual)
    for key, item in actual.items():
        named = keys.get((key.table, item))
        if diff.is_unnamed(key, item) and named and _is_found_by_name(connection, named, item):
            schema[named] = schema.pop(key)
    return schema


def _is_found_by_name(connection: Connection, key: Key, definition: Definition) -> bool:
    try:
        constraint = names.find(_parsed(connection, key.table), key.name, None)
    except MigrationError:
        return False
    return sqlite.definition_of(constraint) == definition


def _parsed(connection: Connection, table: str) -> parser.ParsedTable:
    query = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    return parser.parse(connection.execute(query, {"name": table}).scalar_one())


def mark(connection: Connection, revision: str | None) -> None:
    """Leave the table that lets the closing *revision* run, and drop one that was left before.

    :param connection: to the database that is adopted.
    :param revision: the revision that closes its difference; None where none does.
    """
    for name in inspect(connection).get_table_names():
        if name.startswith(ADOPT_PREFIX):
            connection.execute(text(f"DROP TABLE {name}"))
    if revision:
        connection.execute(text(f"CREATE TABLE {ADOPT_PREFIX}{revision} (closes INTEGER)"))
    connection.commit()


@dataclass
class ClosingRevision:
    """The revision that was written: its file, its operations, and the findings on them."""

    revision: str
    path: Path
    operations: Sequence[Operation]
    findings: list[Finding]


def write_closing_revision(
    connection: Connection,
    script: ScriptDirectory,
    metadata: MetaData,
    source: Source,
    answers: Answers | None = None,
    options: Mapping[str, Any] | None = None,
) -> ClosingRevision:
    """Write the revision that brings the database behind *connection* to the head's schema.

    It is tried on a copy first: of all rows on SQLite, of the schema alone on a server.

    :param connection: to the database; nothing is written to it.
    :param script: the chain.
    :param metadata: the models.
    :param source: where scratch databases of its kind can be created.
    :param answers: renames, values for the rows that lack one, consent to what is dropped.
    :param options: what env.py gave to ``configure``; it may leave objects out.
    :return: the revision.
    :raises MigrationError: where models and migrations differ, a question has no answer, or no
        operations close the difference. No migration was written then.
    """
    answers, options = answers or Answers(), options or {}
    with (
        databases.from_chain(script, source, metadata=metadata) as scratch,
        databases.from_models(metadata, source, like=scratch) as models,
    ):
        of_chain = ComparedDatabase(
            source.kind,
            databases.configure(scratch, {"target_metadata": metadata, "script": script}),
            metadata,
            diff.describe(models),
            options=options,
            left_out=directives.left_out(options, scratch, script, metadata),
        )
        if of_chain.differences():
            raise MigrationError(
                "The models and the migrations differ, so it is open which of them the database "
                f"is to have. Write a migration first: {command('migrate', message='…')}",
                exit_code=4,
            )
        inclusion = Inclusion(options, metadata, connection, scratch)
        included = inclusion.included(diff.describe(connection))
        expected = inclusion.included(diff.describe(scratch))
    kind = kind_of(connection.engine.url)
    with scratch_copy(connection, source, included) as copy:
        copy.rollback()  # what was read; a transaction of Alembic's own begins
        configured = {name: options[name] for name in _CONFIGURED if name in options}
        configured |= {"target_metadata": metadata, "script": script}
        context = databases.configure(copy, configured)
        with context.begin_transaction(_per_migration=True):
            database = AdoptedCopy(kind, context, metadata, expected, options=options)
            database.left_out = {key for key in diff.describe(copy) if key not in included}
            database.left_out |= directives.left_out(options, connection, script, metadata)
            operations, findings = _closing_operations(database, connection, metadata, answers)
            body, imports = render.body(operations, context)
    header = file_header.header(operations, findings, [kind])
    revision = database.revision or rev_id()
    path = _write(script, revision, body, imports, header, _digest(included), options)
    return ClosingRevision(revision, path, operations, findings)


#: What of env.py's options says what is proposed, and how it is rendered.
_CONFIGURED = (
    "include_object",
    "include_name",
    "include_schemas",
    "render_item",
    "user_module_prefix",
)


@dataclass
class AdoptedCopy(ComparedDatabase):
    """A copy of the database that is adopted.

    :param revision: the id that env.py's own ``process_revision_directives`` gave.
    """

    revision: str | None = None

    def differences(self) -> list[diff.Change]:
        """Return how it differs from what the migrations make."""
        actual = diff.describe(self.connection)
        actual = {key: item for key, item in actual.items() if key not in self.left_out}
        named = _with_expected_names(actual, self.expected, self.connection)
        return _without(diff.differences(named, self.expected), self.left_out)

    def drop_nameless(self) -> list[Operation]:
        """Drop what no name would find on SQLite, which renames none: it comes back with a name.

        On servers what is the same but for its name is renamed as for any revision.
        """
        operations = list(self._nameless()) if self.kind == "sqlite" else []
        if operations:
            self.apply(*render.body(operations, self.context))
        return operations

    def _nameless(self) -> Iterator[Operation]:
        for item in self.differences():
            table = item.key.table
            if item.expected is None and diff.is_unnamed(item.key, item.actual):
                parsed = _parsed(self.connection, table)
                for constraint in parsed.constraints_of(*parser.NAMED_KINDS):
                    if constraint.name is None and sqlite.definition_of(constraint) == item.actual:
                        usual = names.by_convention(parsed, constraint)
                        dropped = conv(usual) if usual else None
                        drop = render.DropUnnamedConstraintOp(dropped, table, constraint.kind)
                        yield Operation(drop)


#: The rules under which consent is asked for what the models lack. Tables and columns have rules of
#: their own.
_DROPS = {
    "index": "drop-index",
    "default": "drop-default",
    "null": "drop-not-null",
    "comment": "drop-comment",
    "generated": "drop-generated",
    "sequence": "drop-sequence",
    "type": "drop-type",
}
_DROPPED_CONSTRAINTS: dict[type, str] = {
    Unique: "drop-unique",
    Check: "drop-check",
    ForeignKey: "drop-foreign-key",
    PrimaryKey: "drop-primary-key",
}
_DROP = Message(
    "{subject} is in the adopted database and not in the models.",
    "It would be dropped: {detail}.",
    "Consent to that, or declare it in the models to keep it.",
)


def _drops(database: "AdoptedCopy", answers: Answers) -> Iterator[Finding]:
    """Yield a question for each object that the database has, and that the revision would drop.

    What has only another name in the models, or goes with a dropped column, is none.
    """
    expected = {(key.table, key.kind, item) for key, item in database.expected.items()}
    # SQLite has a foreign key so where nobody wrote the column that it points to.
    implied = {
        (table, kind, replace(item, referred_columns=()))
        for table, kind, item in expected
        if isinstance(item, ForeignKey)
    }
    items = [item for item in database.differences() if item.actual and not item.expected]
    dropped = {(item.key.table, item.key.name) for item in items if item.key.kind == "column"}
    constraints = {item.key[::2] for item in items if item.key.kind == "constraint"}
    for item in items:
        table, kind, name = item.key
        definition = item.actual
        assert definition is not None
        rule = _DROPS.get(kind)
        if kind == "constraint":
            rule = _DROPPED_CONSTRAINTS.get(type(definition), "drop-constraint")
        renamed = _renamed(definition, table, answers)
        new_table = answers.rename.get(table, table)
        if (
            rule is None
            or (kind not in PROPERTIES and {(new_table, kind, renamed)} & (expected | implied))
            or (kind in ("constraint", "index") and _speaks_of(definition, table, dropped))
            or (kind == "index" and (table, name) in constraints)  # MySQL's, of a foreign key
        ):
            continue
        subject = ".".join(filter(None, (table, name)))
        yield Finding(rule, (database.kind,), subject, Verdict.ASK, _DROP, str(definition))


def _speaks_of(definition: Definition, table: str, columns: Collection[tuple[str, str]]) -> bool:
    return any((table, word) in columns for word in words_of(definition))


def _renamed(definition: Definition, table: str, answers: Answers) -> Definition:
    """Return a definition as it is after the renames that were answered."""
    renames = ((old.rpartition("."), new) for old, new in answers.rename.items())
    names = {name: new for (owner, _, name), new in renames if owner in (table, "")}

    def text(expression: str) -> str:
        return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), expression)

    def each(columns: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(text, columns))

    match definition:
        case PrimaryKey() | Unique():
            return replace(definition, columns=each(definition.columns))
        case ForeignKey():
            to, columns = text(definition.referred_table), each(definition.columns)
            return replace(definition, columns=columns, referred_table=to)
        case Check():
            return replace(definition, condition=text(definition.condition))
        case Index():
            elements, condition = each(definition.elements), text(definition.condition)
            return replace(definition, elements=elements, condition=condition)
    return definition


def _closing_operations(
    database: AdoptedCopy, live: Connection, metadata: MetaData, answers: Answers
) -> tuple[list[Operation], list[Finding]]:
    """Return what brings the copy *database* to the head's schema, having run there; and findings.

    :param live: to the database itself, whose rows are asked whether they lack a value.
    :raises MigrationError: where a question has no answer, or no operations close the difference.
    """
    script = database.context.script
    assert script is not None
    off = settings.switched_off(Path(script.dir))
    lookup = Lookup(metadata, database.connection, None)
    types = proposal.types([database], lookup)
    findings: list[Finding] = []
    drops = list(_drops(database, answers))

    def review_operations(operations: Sequence[Operation]) -> list[Operation]:
        after, new_findings = review.review(
            operations,
            [database.kind],
            metadata,
            answers,
            types=types,
            off=off,
            is_split=False,  # one revision closes the difference
        )
        findings.extend(new_findings)
        for stop in review.stops(new_findings):
            raise MigrationError(f"No migration was written. {stop}")
        return after

    def answered() -> list[Finding]:
        """Stop at a question that the rows do not answer."""
        fills = [
            subject
            for subject, options in answers.unanswered.items()
            if any(name == "fill" for name, _ in options)
        ]
        needless = {subject for subject in fills if not _lacks_values(live, subject)}
        for subject in needless:
            del answers.unanswered[subject]
        asked = [f for f in findings if f.verdict is not Verdict.ASK or f.subject not in needless]
        with_consents = review.with_consents([*asked, *drops], answers)
        answers.check(hints.command("adopt"))
        return with_consents

    dropped = database.drop_nameless()
    proposal.in_schemas(database.context, metadata)
    proposed: Any = produce_migrations(database.context, metadata)
    hook = database.options.get("process_revision_directives")
    directives.call(hook, database.context, (), [proposed])
    database.revision = proposed.rev_id
    container = proposed.upgrade_ops
    operations = renames.apply_renames(proposal.proposal(container, database), lookup, answers)
    try:
        completed = complete(operations, [database], review_operations)
    except MigrationError:
        answered()  # an unanswered question may be why
        raise
    return [*dropped, *completed], answered()


def _lacks_values(live: Connection, subject: str) -> bool:
    """Tell whether a row of the database has no value for the column *subject*."""
    table, _, column = subject.partition(".")
    name = partial(qualified, live.dialect)
    columns = {reflected["name"] for reflected in inspect(live).get_columns(table)}
    where = f" WHERE {name(column)} IS NULL" if column in columns else ""
    return bool(live.scalar(text(f"SELECT count(*) FROM {name(table)}{where}")))


@contextmanager
def scratch_copy(connection: Connection, source: Source, included: Schema) -> Iterator[Connection]:
    """Give a scratch database with the schema of *connection*'s; on SQLite with the rows too.

    :param connection: to the database that is copied.
    :param source: where scratch databases of its kind can be created.
    :param included: what of its schema has to be in the copy.
    :raises MigrationError: where the schema cannot be rebuilt.
    """
    if connection.dialect.name == "sqlite":
        with _file_copy(connection.engine.url) as copy:
            yield copy
        return
    with empty_database(source) as copy:
        if connection.dialect.name == "postgresql":
            dialect_support.create_all(_reflected(connection, included), copy)
        else:
            dump.run(copy, dump.tables(connection))
        copy.commit()
        copied = {key: item for key, item in diff.describe(copy).items() if key in included}
        for item in diff.differences(copied, included):
            raise MigrationError(
                f"No migration was written, because {item.key} cannot be copied to a scratch "
                "database to try one on. Write it by hand: "
                + command("migrate", message="adopt a database", empty=True)
            )
        yield copy


def _reflected(connection: Connection, included: Schema) -> MetaData:
    """Return the tables of a PostgreSQL database that are *included*, of all its schemas."""
    metadata, schemas = MetaData(), set(inspect(connection).get_schema_names())
    tables: dict[str | None, list[str]] = {}
    for name in (key.table for key in included if key.kind == "table"):
        schema, _, bare = name.partition(".")
        in_schema = bool(bare) and schema in schemas
        tables.setdefault(schema if in_schema else None, []).append(bare if in_schema else name)
    for place, bare_names in tables.items():
        metadata.reflect(connection, schema=place, only=bare_names)
    return metadata


@contextmanager
def _file_copy(url: URL) -> Iterator[Connection]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "copy")
        with (
            closing(sqlite3.connect(str(sqlite_file(url)))) as live,
            closing(sqlite3.connect(file)) as copy,
        ):
            live.backup(copy)
        with private(url.set(database=str(file))).connect() as connection:
            yield connection


_UPGRADE = """if op.get_context().as_sql or not sa.inspect(op.get_bind()).has_table({mark!r}):
    return  # made by these migrations: there is nothing to close
{body}
op.drop_table({mark!r})"""

_NOTE = """Closes how an adopted database differs from what the earlier migrations make.
It runs there alone, and its downgrade leaves that as it is.

"""


def _write(
    script: ScriptDirectory,
    revision: str,
    body: str,
    imports: set[str],
    header: file_header.Header,
    digest: str,
    options: Mapping[str, Any],
) -> Path:
    """Write the file of *revision*; return its path."""
    definitions = {**header.names, "closes": digest}
    whole = file_header.Header(_NOTE + header.checklist, definitions)
    finish_first(script, {revision: whole})
    upgrade = with_prefixes(_UPGRADE.format(mark=ADOPT_PREFIX + revision, body=body), options)
    script.messaging_opts = {**script.messaging_opts, "quiet": True}
    written = script.generate_revision(
        revision,
        "adopt a database",
        head="head",
        refresh=True,
        upgrades=indent(upgrade, "    ").strip(),
        downgrades="pass",
        imports="\n".join(sorted(imports)),
    )
    assert written is not None
    return Path(written.path)
