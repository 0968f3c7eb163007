"""A copy of the database that is adopted, and what in it only has another name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from sqlalchemy import Connection, MetaData, inspect, text

from ..autogenerate import proposal, renames, render
from ..autogenerate.comparison import ComparedDatabase, Lookup
from ..autogenerate.converge import complete
from ..checklist import review, settings
from ..checklist.answers import Answers
from ..checklist.finding import Finding, Step, Verdict
from ..errors import MigrationError
from ..schema import diff, sqlite
from ..schema.model import Key, Schema
from ..sqlite import names, parser


def named_as(wanted: Schema, here: Schema, connection: Connection) -> Schema:
    """Give what stands without a name on SQLite the name that *wanted* has for the same.

    Only where later revisions find it by that name (sqlite/names.py).
    """
    named = {(key.table, text): key for key, text in wanted.items() if key.kind == "constraint"}
    found = dict(here)
    for key, text_ in here.items():
        other = named.get((key.table, text_))
        if key.name == text_ and other and _is_found(connection, other, text_):
            found[other] = found.pop(key)
    return found


def _is_found(connection: Connection, key: Key, spelled: str) -> bool:
    try:
        found = names.find(_parsed(connection, key.table), key.name, None)
    except MigrationError:
        return False
    return sqlite.spell_constraint(found) == spelled


def _parsed(connection: Connection, table: str) -> parser.ParsedTable:
    query = text("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = :name")
    return parser.parse(connection.execute(query, {"name": table}).scalar_one())


@dataclass
class Adopted(ComparedDatabase):
    """A copy of the database that is adopted."""

    def differences(self) -> list[diff.Difference]:
        """Say what it has otherwise than the migrations make it."""
        here = named_as(self.expected, diff.describe(self.connection), self.connection)
        return diff.differences(here, self.expected)

    def renamed(self) -> list[Step]:
        """Drop what no name would find on SQLite, which renames none: it comes back with a name.

        On servers what is the same but for its name is renamed as for any revision.
        """
        steps = list(self._unnamed()) if self.kind == "sqlite" else []
        if steps:
            self.apply(*render.body(steps, self.context))
        return steps

    def _unnamed(self) -> Iterator[Step]:
        for item in self.differences():
            table, kind, name = item.key
            if item.expected is None and kind == "constraint" and name == item.actual:
                parsed = _parsed(self.connection, table)
                for one in parsed.constraints_of(*parser.NAMED_KINDS):
                    if one.name is None and sqlite.spell_constraint(one) == name:
                        found_by = names.by_convention(parsed, one)
                        yield Step(ops.DropConstraintOp(found_by, table, one.kind))


def closing_steps(
    database: Adopted, live: Connection, metadata: MetaData, answers: Answers
) -> tuple[list[Step], list[Finding]]:
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

    def review_steps(steps: Sequence[Step]) -> list[Step]:
        after, found = review.review(
            steps, [database.kind], metadata, answers, types=types, off=off
        )
        findings.extend(found)
        for stop in review.stops(found):
            raise MigrationError(f"Nothing was written. {stop}")
        return after

    def settle() -> list[Finding]:
        """Stop at a question that the rows do not answer."""
        fills = [
            subject for subject, line in answers.unanswered.items() if line.startswith("fill=")
        ]
        idle = {subject for subject in fills if not _lacks_values(live, subject)}
        for subject in idle:
            del answers.unanswered[subject]
        asked = [f for f in findings if f.verdict is not Verdict.ASK or f.subject not in idle]
        answered = review.with_consents(asked, answers)
        answers.check("behind make adopt")
        return answered

    renamed = database.renamed()
    proposed = produce_migrations(database.context, metadata).upgrade_ops
    assert proposed is not None
    steps = renames.apply_renames(proposal.proposal(proposed, database), lookup, answers)
    try:
        done = complete(steps, [database], review_steps)
    except MigrationError:
        settle()  # what nobody answered may be why
        raise
    return [*renamed, *done], settle()


def _lacks_values(live: Connection, subject: str) -> bool:
    """Tell whether a row of the database has no value for the column *subject*."""
    table, _, column = subject.partition(".")
    name = live.dialect.identifier_preparer.quote
    columns = {one["name"] for one in inspect(live).get_columns(table)}
    where = f" WHERE {name(column)} IS NULL" if column in columns else ""
    return bool(live.scalar(text(f"SELECT count(*) FROM {name(table)}{where}")))
