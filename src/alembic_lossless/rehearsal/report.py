"""The result of a rehearsal: what passed, what failed, and what to do about it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alembic.script import Script

from ..errors import MigrationError
from ..hints import command
from ..run import binds
from .diagnose import Diagnosis


class Failure(Exception):
    """What a rehearsal met: in which *step*, on what database, at which line."""

    def __init__(self, step: str, sentence: str, diagnosis: Diagnosis | None = None) -> None:
        super().__init__(sentence)
        self.step = step
        # A refusal adds that the table is as it was, and what to do where rows are real.
        self.sentence = sentence.partition(". The table is as it was.")[0]
        self.diagnosis = diagnosis or Diagnosis()
        self.line, self.rows = self.diagnosis.line, self.diagnosis.rows
        self.database = ""
        self.file = ""
        #: What the file accepts already.
        self.consents: dict[str, str] = {}

    def __str__(self) -> str:
        return "\n    ".join(self._lines())

    def _lines(self) -> Iterator[str]:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        rows = f" ({self.rows})" if self.rows and self.rows not in self.sentence else ""
        step = f"{self.database}, {self.step}" if self.database else self.step
        yield f"{step}: {self.sentence}{rows} [{place}]"
        consent = self.diagnosis.consent
        if self.step != "upgrade" or not consent:
            return
        if self.diagnosis.remedy:
            yield f"fix such rows first, for example: op.execute({self.diagnosis.remedy!r})"
        if self.consents.get(consent):
            yield "the file accepts it where no database has such rows, and this one has"
            return
        consents = json.dumps({**self.consents, consent: "the reason"}, ensure_ascii=False)
        yield f"where no database has such rows, write into the file: accepted = {consents}"


@dataclass
class Rehearsal:
    """The result for one revision, on each kind of database."""

    revision: Script
    passed: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: Differences of the models that the revision neither made nor changed.
    ahead: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return what a command prints: a line for each database, failure, note and difference."""
        lines = [f"  ✓ rehearsed on {line}" for line in self.passed]
        lines += [f"  ✗ {failure}" for failure in self.failures]
        lines += [f"  ! {note}" for note in self.notes]
        return lines + [f"  ✗ {item}" for item in self.ahead]

    def check(self, applied: bool) -> None:
        """Stop where the rehearsal failed, or the models are ahead.

        :param applied: whether the developer's own database has the revision.
        :raises MigrationError: with what to type next.
        """
        name = self.revision.revision
        if self.failures:
            raise MigrationError(
                f"The rehearsal of {name} failed. No real database was touched. "
                f"{advice(self.revision, applied, has_redo=binds.current() is None)}"
            )
        if self.ahead:
            raise MigrationError(
                f"The rehearsal of {name} passed, but the models are ahead of it. Write a "
                f"migration for what is missing: {command('migrate', message='…')}; or, where it "
                f"belongs to this one, add it to {Path(self.revision.path).name}.",
                exit_code=4,
            )


def advice(revision: Script, applied: bool, *, has_redo: bool = True) -> str:
    """Say what to do about a revision whose rehearsal failed.

    :param revision: the revision.
    :param applied: whether the developer's own database has it.
    :param has_redo: whether ``redo`` works here: it does not with several databases.
    """
    again = command("rehearse", revision.revision)
    if applied:
        before = (revision._versioned_down_revisions or ("base",))[0]
        undo = command("downgrade", before)
        way = f"fix the file, then run {again} and {command('redo')}. Or undo it: {undo}"
        if not has_redo:
            way = f"undo it, {undo}, fix the file, then run {again}"
        return (
            f"Your database has it already: {way}. Where other databases have it too, write a new "
            "migration instead."
        )
    later = " and the later ones" if revision.nextrev else ""
    return (
        f"Fix the file, then run {again}. Or delete it{later}, correct the model, and run "
        f"{command('migrate', message='…')} again."
    )
