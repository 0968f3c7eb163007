"""Rehearses revisions on rows: upgrade, compare, downgrade, compare, upgrade again.

Each is played on scratch databases of every kind that the project uses: once with fixture rows,
once with a copy of the developer's own where there are any.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.util.pyfiles import load_module_py
from sqlalchemy import URL, Connection, MetaData

from ..autogenerate import directives, server_defaults, split
from ..checklist.finding import NAMES
from ..checklist.handwritten import model_imports, unreleased
from ..errors import reason
from ..hints import command
from ..run import binds, recorder, status
from ..run.env import foreign_keys_kept
from ..schema import baseline, diff
from ..schema.inclusion import Inclusion
from ..schema.model import Schema
from ..scratch import databases, snapshot
from ..scratch.hints import shown
from ..scratch.sources import Source, empty_database
from . import diagnose, sample
from .compare import TableRows, Unreadable, all_rows, unexpected_changes
from .diagnose import Diagnosis
from .effects import Effects, observed
from .fixtures import fill, reflect, table_names
from .report import Failure, Rehearsal
from .waivers import Waivers

#: The key of ``accepted`` in a revision's file whose downgrade is refused on purpose.
NO_DOWNGRADE = "no-downgrade"


def rehearse(
    script: ScriptDirectory,
    revision: str,
    metadata: MetaData,
    sources: Sequence[Source],
    development: URL | None = None,
    options: Mapping[str, Any] | None = None,
) -> Rehearsal:
    """Upgrade, downgrade and upgrade *revision* again on rows, on each of *sources*.

    :param script: the chain; the file is read anew.
    :param revision: the revision.
    :param metadata: the models, which the schema is compared with at the head.
    :param sources: where scratch databases can be created.
    :param development: the developer's own database, which is only read.
    :param options: what env.py gave to ``configure``; it may leave objects out.
    :return: the result; nothing is raised for a failure.
    :raises MigrationError: where the chain before *revision* does not run.
    """
    loaded = script.get_revision(revision)
    assert loaded is not None
    loaded.module = load_module_py(loaded.module.__name__, loaded.path)
    rehearsal = Rehearsal(loaded)
    for finding, line in model_imports(loaded).items():
        failure = Failure("checklist", str(finding), Diagnosis(line))
        failure.file = Path(loaded.path).name
        rehearsal.failures.append(failure)
    _play(rehearsal, script, metadata, sources, development, options or {})
    return rehearsal


def rehearse_unreleased(
    script: ScriptDirectory,
    metadata: MetaData,
    sources: Sequence[Source],
    development: URL | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Rehearsal]:
    """Rehearse each revision that no release holds yet, as :func:`rehearse` does.

    What the checklist reports of their files is left out: it is asked for the same revisions.

    :param script: the chain.
    :param metadata: the models, which the schema is compared with at the head.
    :param sources: where scratch databases can be created.
    :param development: the developer's own database, which is only read.
    :param options: what env.py gave to ``configure``; it may leave objects out.
    :return: a result for each, oldest first; none where every revision is released.
    :raises MigrationError: where the chain does not run.
    """
    rehearsals = [Rehearsal(revision) for revision in unreleased(script)]
    for rehearsal in rehearsals:
        _play(rehearsal, script, metadata, sources, development, options or {})
    return rehearsals


def _play(
    rehearsal: Rehearsal,
    script: ScriptDirectory,
    metadata: MetaData,
    sources: Sequence[Source],
    development: URL | None,
    options: Mapping[str, Any],
) -> None:
    """Play the rounds on each of *sources*, until one fails there."""
    for source in sources:
        if obstacle := _why_not(script, rehearsal.revision, source):
            rehearsal.notes.append(f"not rehearsed on {NAMES[source.kind]}: {obstacle}")
            continue
        rows: list[str] = []
        for url in [None] if development is None else [None, development]:
            round_ = _Round(script, rehearsal.revision, metadata, source, url, options)
            failure = round_.play(rehearsal)
            if failure is not None:
                rehearsal.failures.append(failure)
                break
            rows += [round_.rows] if round_.rows else []
        else:
            rehearsal.passed.append(f"{NAMES[source.kind]} with {' and '.join(rows) or 'no rows'}")


def _why_not(script: ScriptDirectory, revision: Script, source: Source) -> str:
    """Say why *revision* runs on no scratch database of *source*; nothing where it does."""
    start = snapshot.read(script, source.kind)
    if start is None or revision.revision not in snapshot.covered(script, source.kind):
        return ""
    return (
        f"scratch databases start at revision {', '.join(start.revisions)} "
        f"({shown(start.path)}), and only later ones run there"
    )


@dataclass
class _Round:
    """One rehearsal on one database, with fixture rows or with those of *development*."""

    script: ScriptDirectory
    revision: Script
    metadata: MetaData
    source: Source
    development: URL | None
    options: Mapping[str, Any]
    #: How many rows of what sort it is played with.
    rows: str = ""
    notes: list[str] = field(default_factory=list)
    before: dict[str, TableRows] = field(default_factory=dict)
    #: Differences of the models that the revision neither made nor changed.
    ahead: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        at = sample.revisions(self.development) if self.development else ()
        applied = status.applied(self.script, at)
        applied |= snapshot.covered(self.script, self.source.kind)
        #: The change that the revision belongs to, up to the revision.
        self.parts = split.parts_of_change(self.script, self.revision, applied)
        self.waivers = [
            Waivers(
                getattr(part.module, "accepted", {}),
                "the file" if part is self.revision else Path(part.path).name,
            )
            for part in self.parts
        ]
        self.consents: dict[str, str] = getattr(self.revision.module, "accepted", {})
        #: The waivers of the part that runs.
        self.current = self.waivers[-1]

    def play(self, rehearsal: Rehearsal) -> Failure | None:
        """Play it, and again without the fixture rows that the file says no database has.

        :param rehearsal: takes the notes.
        :return: what failed.
        """
        failure = self._attempt()
        while failure is not None and self._is_accepted(failure):
            self.notes = []
            failure = self._attempt()
        database = NAMES[self.source.kind]
        rehearsal.notes += [f"{database}: {note}" for note in self.notes]
        rehearsal.ahead = list(dict.fromkeys([*rehearsal.ahead, *self.ahead]))
        if failure is not None:
            direction = "downgrade" if "down" in failure.step else "upgrade"
            failure.line = failure.line or self._first_line(direction)
            failure.database = f"{database} with {self.rows}" if self.rows else database
            failure.file = Path(self.revision.path).name
            failure.consents = self.consents
        return failure

    def _is_accepted(self, failure: Failure) -> bool:
        """Tell whether the file of the part that failed says that no database has such rows."""
        if isinstance(failure.__cause__, Failure):
            failure = failure.__cause__
        is_of_fixture_rows = (failure.step, self.development) == ("upgrade", None)
        return is_of_fixture_rows and self.current.accept(failure.diagnosis)

    def _attempt(self) -> Failure | None:
        try:
            self._run()
        except Failure as failure:
            return failure
        return None

    def _first_line(self, direction: str) -> int | None:
        """Return the line in which the file's ``upgrade`` or ``downgrade`` begins."""
        code = getattr(getattr(self.revision.module, binds.part(direction), None), "__code__", None)
        return code.co_firstlineno if code else None

    def _run(self) -> None:
        """Put the rows in before the change that the revision belongs to, and rehearse it.

        :raises Failure: at the first thing that is wrong.
        """
        with self._database_before(self.parts[0]) as connection:
            of_chain = [waivers.existing_rows(connection) for waivers in self.waivers]
            self._fill(connection, reflect(connection))
            for part, waivers, existing in zip(self.parts, self.waivers, of_chain, strict=True):
                self.current, tables = waivers, reflect(connection)
                waivers.delete_rows(connection, tables, existing)
                self.before = all_rows(connection, tables)
                if part is not self.revision:
                    self._upgrade_earlier(connection, part)
            count = sum(len(table.rows) for table in self.before.values())
            if self.development is None:
                self.rows = f"{count:,} fixture rows"
            elif count:
                self.rows = f"{count:,} rows of the development database"
            else:
                return
            self._up_down_up(connection)

    @contextmanager
    def _database_before(self, revision: Script) -> Iterator[Connection]:
        required = split.required(revision)
        if not required:
            with empty_database(self.source) as connection:
                yield connection
            return
        at: Any = required[0] if len(required) == 1 else required
        with databases.from_chain(self.script, self.source, at, self.metadata) as connection:
            yield connection

    def _upgrade_earlier(self, connection: Connection, part: Script) -> None:
        try:
            self._migrate(connection, part, "upgrade")
        except Failure as failure:
            again = command("rehearse", part.revision)
            sentence = f"the revision before it does not run on these rows: {again}"
            raise Failure("upgrade", sentence) from failure

    def _fill(self, connection: Connection, tables: MetaData) -> None:
        if self.development is not None:
            self.notes += sample.copy_rows(self.development, connection, tables).notes
            return
        without = [table for waivers in self.waivers for table in waivers.tables]
        for table, error in fill(connection, tables, without).items():
            self.notes.append(f"no fixture row for {table}: {error}")
        self.notes += [note for waivers in self.waivers for note in waivers.notes()]

    def _up_down_up(self, connection: Connection) -> None:
        start, unmanaged = self._schema(connection)
        up = self._migrate(connection, self.revision, "upgrade")
        upgraded, _ = self._schema(connection)
        schema_changes = diff.differences(upgraded, start)
        self._compare_rows(connection, "rows after the upgrade", up, schema_changes)
        self._compare_with_models(connection, start, upgraded, up)
        if consent := self.consents.get(NO_DOWNGRADE):
            self.notes.append(f"downgrade not tried, as accepted in the file: {consent}")
            return
        down = self._migrate(connection, self.revision, "downgrade")
        downgraded, unmanaged_after = self._schema(connection)
        _compare_schemas(downgraded, start, "schema after the downgrade", down)
        for name in sorted(unmanaged ^ unmanaged_after):
            words = "is missing" if name in unmanaged else "is left over"
            raise Failure("schema after the downgrade", f"{name} {words}", Diagnosis(down.line()))
        self._compare_rows(connection, "rows after the downgrade", up.then(down), schema_changes)
        again = self._migrate(connection, self.revision, "upgrade", "upgrade again")
        upgraded_again, _ = self._schema(connection)
        _compare_schemas(upgraded_again, upgraded, "schema after the second upgrade", again)

    def _schema(self, connection: Connection) -> tuple[Schema, set[str]]:
        """Return the schema, and its unmanaged objects."""
        schema, unmanaged = diff.describe(connection), diff.catalogued_objects(connection)
        connection.rollback()
        return schema, unmanaged

    def _migrate(
        self, connection: Connection, revision: Script, direction: str, step: str = ""
    ) -> Effects:
        """Run *revision*, this or an earlier part of the change, in one direction.

        :raises Failure: where it does not run.
        """
        from_script = getattr(MigrationStep, f"{direction}_from_script")
        options: dict[str, Any] = {"script": self.script, "target_metadata": self.metadata}
        options["fn"] = lambda *_: [from_script(self.script.revision_map, revision)]
        if connection.dialect.name == "sqlite":
            options["on_version_apply"] = (foreign_keys_kept(connection),)
        context = databases.configure(connection, options)
        with (
            observed(context, revision.path) as effects,
            recorder.alone(connection, lambda: revision.revision),
        ):
            try:
                with recorder.quiet():
                    context.run_migrations(**binds.arguments())
            except (Exception, SystemExit) as error:
                connection.rollback()
                diagnosis = diagnose.of_error(connection, error, effects, self.before)
                # An error at the end of a revision is no line's, but the last that wrote.
                diagnosis.line = diagnosis.line or effects.line()
                raise Failure(step or direction, reason(error), diagnosis) from error
        connection.commit()
        return effects

    def _compare_with_models(
        self, connection: Connection, before: Schema, actual: Schema, effects: Effects
    ) -> None:
        """Compare with the models at the head; what it left as it was is not its fault."""
        if list(self.script.get_heads()) != [self.revision.revision]:
            return
        with databases.from_models(self.metadata, self.source, like=connection) as models:
            expected = diff.describe(models)
        by_hand = diff.made_by_raw_sql(connection)
        inclusion = Inclusion(self.options, self.metadata, connection)
        recorded = baseline.read(Path(self.script.dir))
        known = recorded.get(binds.labelled(self.source.kind), baseline.Known())
        options = {**self.options, "script": self.script, "target_metadata": self.metadata}
        context = databases.configure(connection, options)
        later = snapshot.names_by_convention(self.script, self.source.kind)
        differences = diff.differences_from_models(actual, expected, self.metadata, later)
        left_out = (
            directives.left_out(self.options, connection, self.script, self.metadata)
            if differences
            else set()
        )
        origins = partial(server_defaults.read_origins, self.script, connection.dialect)
        every = self.options.get("compare_server_default")
        staying = [] if every else server_defaults.left_over(differences, origins)
        # What the column had before under another name, or another type.
        moved = {old for key, old in before.items() if key.kind == "default" and key not in actual}
        for item in differences:
            if item in staying and (item.key in before or item.actual in moved):
                continue
            if item.expected is None and item.key.name in by_hand:
                continue
            if directives.is_left_out(item.key, left_out):
                continue
            if not inclusion.compares(item, context) or known.holds(item):
                continue
            if before.get(item.key) == item.actual:
                self.ahead.append(f"{NAMES[self.source.kind]}: {item}")
                continue
            line = effects.line(item.key.table)
            raise Failure("schema after the upgrade", str(item), Diagnosis(line))

    def _compare_rows(
        self,
        connection: Connection,
        step: str,
        effects: Effects,
        schema_changes: Sequence[diff.Change],
    ) -> None:
        try:
            after = all_rows(connection, table_names(connection))
        except Unreadable as error:
            diagnosis = diagnose.of_unreadable(effects, error.table)
            raise Failure("upgrade", str(error), diagnosis) from error
        for change in unexpected_changes(self.before, after, effects, schema_changes):
            raise Failure(step, change.sentence, Diagnosis(effects.line(*change.near)))


def _compare_schemas(actual: Schema, expected: Schema, step: str, effects: Effects) -> None:
    for item in diff.differences_from_before(actual, expected):
        if item.actual is None:
            words = f"is missing, it was {item.expected}"
        elif item.expected is None:
            words = f"is left over: {item.actual}"
        else:
            words = f"is {item.actual or 'none'}, it was {item.expected or 'none'}"
        table = item.key.table
        line = effects.line(table, effects.tables.get(table, table)) or effects.line()
        raise Failure(step, f"{item.key} {words}", Diagnosis(line))
