"""Rehearses a revision on rows: up, compare, down, compare, up again; on throwaway databases.

Once with rows made for the purpose, once with a copy of the developer's own where there are any,
on each kind of database that the project uses.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationStep
from alembic.script import Script, ScriptDirectory
from alembic.util.pyfiles import load_module_py
from sqlalchemy import URL, Connection, MetaData

from ..autogenerate import split
from ..checklist.finding import NAMES
from ..checklist.handwritten import model_imports
from ..errors import MigrationError
from ..run import recorder, status
from ..run.env import foreign_keys_kept
from ..schema import diff
from ..schema.model import Schema
from ..scratch import databases
from ..scratch.hints import reason
from ..scratch.sources import Source, empty_database
from . import diagnose, sample
from .compare import Content, Unreadable, contents, harm
from .diagnose import Blame
from .effects import Said, listening
from .fixtures import fill, names, reflect
from .report import Failure, Rehearsal
from .waivers import Excused

#: The key of ``accepted`` in a revision's file whose downgrade is refused on purpose.
NO_WAY_BACK = "no-downgrade"


def rehearse(
    script: ScriptDirectory,
    revision: str,
    metadata: MetaData,
    sources: Sequence[Source],
    development: URL | None = None,
) -> Rehearsal:
    """Run *revision* up, down and up again on rows, on each of *sources*.

    :param script: the chain; the file is read anew.
    :param metadata: the models, which the schema is compared with at the head.
    :param development: the developer's own database, which is only read.
    :return: what was found; nothing is raised for it.
    :raises MigrationError: where the chain before *revision* does not run.
    """
    found = script.get_revision(revision)
    assert found is not None
    found.module = load_module_py(found.module.__name__, found.path)
    rehearsal = Rehearsal(found)
    for finding, line in model_imports(found).items():
        rehearsal.failures.append(Failure("checklist", str(finding), Blame(line)))
        rehearsal.failures[-1].file = Path(found.path).name
    for source in sources:
        said: list[str] = []
        for url in [None] if development is None else [None, development]:
            one = _Round(script, found, metadata, source, url)
            failure = _played(one, rehearsal)
            if failure is not None:
                rehearsal.failures.append(failure)
                break
            said += [one.what] if one.what else []
        else:
            rehearsal.passed.append(f"{NAMES[source.kind]} with {' and '.join(said) or 'no rows'}")
    return rehearsal


def _played(one: "_Round", rehearsal: Rehearsal) -> Failure | None:
    """Play a round; again without the rows that, so the file, no real database has."""
    try:
        one.run()
        return None
    except Failure as failure:
        made = failure.step == "upgrade" and one.development is None
        if made and one.excused.takes(failure.blame):
            one.notes = []
            return _played(one, rehearsal)
        failure.line = failure.line or one.begins(
            "downgrade" if "down" in failure.step else "upgrade"
        )
        failure.database, failure.file = NAMES[one.source.kind], Path(one.revision.path).name
        failure.database += f" with {one.what}" if one.what else ""
        failure.consents = one.consents
        return failure
    finally:
        rehearsal.notes += [f"{NAMES[one.source.kind]}: {note}" for note in one.notes]
        one.notes = []
        rehearsal.ahead = list(dict.fromkeys([*rehearsal.ahead, *one.ahead]))


@dataclass
class _Round:
    """One rehearsal: on one database, with made rows or with those of *development*."""

    script: ScriptDirectory
    revision: Script
    metadata: MetaData
    source: Source
    development: URL | None
    what: str = ""
    notes: list[str] = field(default_factory=list)
    before: dict[str, Content] = field(default_factory=dict)
    #: What the models have otherwise than the revision found and left it.
    ahead: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.consents: dict[str, str] = getattr(self.revision.module, "accepted", {})
        self.excused = Excused(self.consents)

    def run(self) -> None:
        """Run the revision up, down and up again.

        :raises Failure: at the first thing that is wrong.
        """
        at = sample.at(self.development) if self.development else ()
        applied = status.applied(self.script, at)
        first = split.first_of_change(self.script, self.revision, applied)
        with self._before(first) as connection:
            tables = reflect(connection)
            of_chain = self.excused.rows(connection)
            self._fill(connection, tables)
            if first is not self.revision:
                self._earlier_parts(connection)
                tables = reflect(connection)
            self.excused.take_out(connection, tables, of_chain)
            self.before = contents(connection, tables)
            count = sum(len(content.rows) for content in self.before.values())
            if self.development is not None and not count:
                return
            whose = "of the development database" if self.development else "made"
            self.what = f"{count:,} rows {whose}"
            self._steps(connection)

    def begins(self, way: str) -> int | None:
        """Return the line in which the file's ``upgrade`` or ``downgrade`` begins."""
        code = getattr(getattr(self.revision.module, way, None), "__code__", None)
        return code.co_firstlineno if code else None

    def _before(self, revision: Script) -> AbstractContextManager[Connection]:
        needed = split.required(revision)
        if not needed:
            return empty_database(self.source)
        at: Any = needed[0] if len(needed) == 1 else needed
        return databases.from_chain(self.script, self.source, at, self.metadata)

    def _earlier_parts(self, connection: Connection) -> None:
        (at,) = split.required(self.revision)
        try:
            databases.upgrade(self.script, connection, at, self.metadata)
        except MigrationError as error:
            sentence = f"what goes before does not run on these rows: make rehearse r={at}"
            raise Failure("upgrade", sentence) from error

    def _fill(self, connection: Connection, tables: MetaData) -> None:
        if self.development is not None:
            self.notes += sample.copy(self.development, connection, tables).notes
            return
        for table, why in fill(connection, tables, self.excused.tables).items():
            self.notes.append(f"no row could be made for {table}: {why}")
        self.notes += self.excused.notes()

    def _steps(self, connection: Connection) -> None:
        start, kept = self._schema(connection)
        up = self._migrate(connection, "upgrade")
        upgraded, _ = self._schema(connection)
        retyped = diff.differences(upgraded, start)
        self._rows_kept(connection, "rows after the upgrade", up, retyped)
        self._same_as_models(connection, start, upgraded, up)
        consent = self.consents.get(NO_WAY_BACK)
        if consent:
            self.notes.append(f"not undone, as accepted in the file: {consent}")
            return
        down = self._migrate(connection, "downgrade")
        downgraded, still_kept = self._schema(connection)
        self._same(downgraded, start, "schema after the downgrade", down)
        for name in sorted(kept ^ still_kept):
            words = "is missing" if name in kept else "is left over"
            raise Failure("schema after the downgrade", f"{name} {words}", Blame(down.line()))
        self._rows_kept(connection, "rows after the downgrade", up.then(down), retyped)
        again = self._migrate(connection, "upgrade", " again")
        self._same(self._schema(connection)[0], upgraded, "schema after the second upgrade", again)

    def _schema(self, connection: Connection) -> tuple[Schema, set[str]]:
        schema, unmanaged = diff.describe(connection), diff.catalogued_objects(connection)
        connection.rollback()
        return schema, unmanaged

    def _migrate(self, connection: Connection, way: str, words: str = "") -> Said:
        """Run the revision in one direction.

        :raises Failure: where it does not run.
        """
        step = getattr(MigrationStep, f"{way}_from_script")
        options: dict[str, Any] = {"script": self.script}
        options["fn"] = lambda heads, context: [step(self.script.revision_map, self.revision)]
        if connection.dialect.name == "sqlite":
            options["on_version_apply"] = (foreign_keys_kept(connection),)
        context = databases.configure(connection, {**options, "target_metadata": self.metadata})
        at = self.revision.revision
        with (
            listening(connection, self.revision.path) as said,
            recorder.alone(connection, lambda: at),
        ):
            try:
                with databases.quiet(), Operations.context(context):
                    context.run_migrations()
            except (Exception, SystemExit) as error:
                connection.rollback()
                why = reason(error)
                if not isinstance(error, MigrationError) and not getattr(error, "orig", None):
                    why = f"{type(error).__name__}: {why}"
                found = diagnose.find(connection, error, said, self.before)
                # What is found at the end of a revision is no line's, but the last that wrote.
                found.line = found.line or said.line()
                raise Failure(way + words, why, found) from error
        connection.commit()
        return said

    def _same_as_models(
        self, connection: Connection, before: Schema, found: Schema, said: Said
    ) -> None:
        """Compare with the models at the head; what it left as it was, it is not to blame for."""
        if list(self.script.get_heads()) != [self.revision.revision]:
            return
        with databases.from_models(self.metadata, self.source, like=connection) as models:
            wanted = diff.describe(models)
        by_hand = diff.made_by_raw_sql(connection)
        for item in diff.differences(found, wanted):
            if item.expected is None and item.key.name in by_hand:
                continue
            if before.get(item.key) == item.actual:
                self.ahead.append(f"{NAMES[self.source.kind]}: {item}")
                continue
            line = said.line(item.key.table)
            raise Failure("schema after the upgrade", str(item), Blame(line))

    def _same(self, found: Schema, wanted: Schema, step: str, said: Said) -> None:
        for item in diff.differences(found, wanted):
            if item.actual is None:
                words = f"is missing, it was {item.expected}"
            elif item.expected is None:
                words = f"is left over: {item.actual}"
            else:
                words = f"is {item.actual or 'none'}, it was {item.expected or 'none'}"
            line = said.line(item.key.table, said.tables.get(item.key.table, item.key.table))
            raise Failure(step, f"{item.key} {words}", Blame(line or said.line()))

    def _rows_kept(
        self, connection: Connection, step: str, said: Said, changed: list[diff.Difference]
    ) -> None:
        try:
            after = contents(connection, names(connection))
        except Unreadable as error:
            raise Failure("upgrade", str(error), diagnose.unreadable(said, error.table)) from error
        for one in harm(self.before, after, said, changed):
            raise Failure(step, one.sentence, Blame(said.line(*one.near)))
