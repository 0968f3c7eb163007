"""What is said of a new migration, and of whether models and migrations agree."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory

from .. import hints
from ..checklist.answers import Answers
from ..checklist.file_header import Header
from ..checklist.finding import Finding, Operation, databases_in_words
from ..errors import plural
from ..run import binds
from ..run.chain import too_many
from ..schema import baseline, diff
from ..scratch.hints import shown
from ..scratch.sources import Missing, Source
from . import server_defaults


@dataclass
class Report:
    """What came of a new migration; *paths* is empty where nothing changed."""

    answers: Answers = field(default_factory=Answers)
    #: The tables that it is limited to; none for all.
    tables: Collection[str] = ()
    #: Which of several databases it is about; None where it is about all there are.
    bind: str | None = None
    #: The reports about each of several databases.
    parts: "list[Report]" = field(default_factory=list)
    #: What one of several databases has of the change.
    change: Any = None
    #: The tables that the models or the migrations have.
    known_tables: set[str] = field(default_factory=set)
    paths: list[Path] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    unmanaged: list[str] = field(default_factory=list)
    #: Server defaults that only the migrations have, and that stay.
    left_over_defaults: list[diff.Change] = field(default_factory=list)
    #: For the rehearsal: what was written, in the chain with it, and where throwaway databases are.
    revisions: list[str] = field(default_factory=list)
    script: ScriptDirectory | None = None
    sources: Sequence[Source] = ()
    #: Whether a person, or env.py, chose the first revision's id.
    is_named: bool = False
    #: By revision, what goes into its file beside the operations.
    headers: dict[str, Header] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the screen: one line an operation, what was found, the file."""
        if not self.paths:
            agree = "Nothing changed: the models and the migrations agree."
            return [agree, *self._left_over(), *self._not_reviewed()]
        lines = [line for part in self.parts or [self] for line in part._described()]
        lines += [*self._left_over(), *self._not_reviewed()]
        return [*lines, *(f"Wrote {shown(path)}" for path in self.paths)]

    def sources_of(self, bind: str | None) -> Sequence[Source]:
        """Return where throwaway databases are for one of several databases.

        :param bind: which; None where there is one.
        """
        return next((part.sources for part in self.parts or [self] if part.bind == bind), ())

    def _described(self) -> list[str]:
        of = binds.prefix(self.bind)
        lines = [
            f"  ✓ {of}{operation}{_where(operation)}"
            for operation in self.operations
            if operation.forward is not None
        ]
        return lines + [f"  {finding.verdict.value} {of}{finding}" for finding in self.findings]

    def _left_over(self) -> list[str]:
        keys = {item.key for part in self.parts or [self] for item in part.left_over_defaults}
        tables = ",".join(sorted({key.table for key in keys}))
        if not keys:
            return []
        return [
            f"  ! {plural(keys, 'server default')} that only the migrations have stay as they are; "
            f"{hints.option('tables', tables)} drops them"
        ]

    def _not_reviewed(self) -> list[str]:
        reasons = [str(missing) for part in self.parts or [self] for missing in part.missing]
        return [f"  ! {missing}" for missing in dict.fromkeys(reasons)]


def _where(operation: Operation) -> str:
    where = databases_in_words(operation.databases)
    return f" ({where})" if where else ""


@dataclass
class Agreement:
    """Whether there is one head, and whether models and migrations agree on each database."""

    heads: list[str]
    differences: dict[str, list[diff.Change]] = field(default_factory=dict)
    #: Those, and the ones that the baseline knows.
    all_differences: dict[str, list[diff.Change]] = field(default_factory=dict)
    unmanaged: dict[str, list[str]] = field(default_factory=dict)
    #: Server defaults that only the migrations have: no reason to write a migration.
    left_over_defaults: dict[str, list[diff.Change]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    #: Where scratch databases can be created, for rehearsals: by the bind, which is None where
    #: there is one database.
    sources: dict[str | None, Sequence[Source]] = field(default_factory=dict)
    #: What the checklist asks of the files that no release holds yet, and what it only says.
    unanswered: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Tell whether nothing is to be done."""
        differ = any(self.differences.values()) or self.unanswered
        return len(self.heads) < 2 and not differ

    @property
    def failure(self) -> tuple[str, int]:
        """Return the sentence and the exit code where it does not agree."""
        if len(self.heads) > 1:
            return too_many(self.heads), 1
        if self.unanswered and not any(self.differences.values()):
            return "The checklist is not settled: correct the files above, or consent in them.", 1
        write = hints.command("migrate", message="…")
        return f"Models and migrations differ: {write}", 4

    def lines(self) -> list[str]:
        """Return the screen: each difference, what is kept, what could not be asked."""
        lines = []
        for kind, differences in self.differences.items():
            lines += [f"  ✗ {kind}: {item}" for item in differences]
            left_over = self.left_over_defaults.get(kind, [])
            known = len(self.all_differences.get(kind, differences)) - len(differences)
            known -= len(left_over)
            but = f", but for {plural(known, 'difference')} in {baseline.FILE}" if known else ""
            if not differences:
                lines.append(f"  ✓ {kind}: models and migrations agree{but}")
            lines += [f"    kept: {item}" for item in self.unmanaged.get(kind, [])]
            if left_over:
                tables = ",".join(sorted({item.key.table for item in left_over}))
                drop = hints.command("migrate", message="drop defaults", tables=tables)
                lines.append(
                    f"  ! {kind}: only the migrations have these server defaults. They stay; to "
                    f"drop them: {drop}"
                )
            lines += [f"      {line}" for line in server_defaults.by_table(left_over)]
        lines += [f"  ✗ {line}" for line in self.unanswered]
        lines += [f"  ! {line}" for line in self.remarks]
        return lines + [f"  ! {missing}" for missing in dict.fromkeys(map(str, self.missing))]
