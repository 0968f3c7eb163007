"""What comes of a rehearsal, as the screen shows it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from alembic.script import Script

from ..errors import MigrationError
from .diagnose import Blame
from .memory import advice


class Failure(Exception):
    """What a rehearsal found: in which *step*, on what database, at which line."""

    def __init__(self, step: str, sentence: str, blame: Blame | None = None) -> None:
        super().__init__(sentence)
        self.step = step
        # A refusal says that nothing was changed, and what to do where rows are real.
        self.sentence = sentence.partition(". Nothing was changed.")[0]
        self.blame = blame or Blame()
        self.line, self.rows = self.blame.line, self.blame.rows
        self.database = ""
        self.file = ""
        #: What the file accepts already.
        self.consents: dict[str, str] = {}

    def __str__(self) -> str:
        return "\n    ".join(self._lines())

    def _lines(self) -> Iterator[str]:
        where = f"{self.file}, line {self.line}" if self.line else self.file
        about = f" ({self.rows})" if self.rows else ""
        on = f"{self.database}, {self.step}" if self.database else self.step
        yield f"{on}: {self.sentence}{about} [{where}]"
        if self.step == "upgrade" and self.blame.consent:
            if self.blame.remedy:
                yield f"before it, for example: op.execute({self.blame.remedy!r})"
            if self.consents.get(self.blame.consent):
                yield "the file accepts it where no database has such rows, and this one has"
                return
            consents = json.dumps(
                {**self.consents, self.blame.consent: "the reason"}, ensure_ascii=False
            )
            yield f"where no database has such rows, in the file: accepted = {consents}"


@dataclass
class Rehearsal:
    """What came of it, for each kind of database."""

    revision: Script
    passed: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: What the models have otherwise, and the revision has nothing to do with.
    ahead: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the screen: a line for each database, and what could not be done."""
        lines = [f"  ✓ rehearsed on {line}" for line in self.passed]
        lines += [f"  ✗ {failure}" for failure in self.failures]
        lines += [f"  ! {note}" for note in self.notes]
        return lines + [f"  ✗ {item}" for item in self.ahead]

    def check(self, applied: bool) -> None:
        """Stop where something was found.

        :param applied: whether the developer's own database has the revision.
        :raises MigrationError: with what to type next.
        """
        if self.failures:
            failed = f"The rehearsal of {self.revision.revision} failed"
            raise MigrationError(
                f"{failed}, and no real database was touched: {advice(self.revision, applied)}"
            )
        if self.ahead:
            raise MigrationError(
                f"Revision {self.revision.revision} is sound, and the models are ahead of it: make "
                'newmigration m="…" for what came since; what belongs to it goes into its file.',
                exit_code=4,
            )
