"""Making a new migration: on a developer's machine only.

``flask db new`` and ``verify`` come in by :func:`new` and :func:`verify`; the stock verbs ``flask
db migrate`` and ``flask db revision --autogenerate`` by :func:`process_revision_directives`, which
``env.py`` gives to Alembic. All of them end there.
"""

import argparse
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import alembic.command
from alembic.autogenerate import produce_migrations
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from .. import MigratorError, portable, schema, scratch
from . import checklist, detect, parts, renames, reviewed, settings, worded, write
from .answers import Answers
from .complete import complete
from .development import Rows
from .finding import Finding, Step
from .goes import relaxed
from .mend import Mender
from .operations import escaped

__all__ = ["Agreement", "Answers", "Report", "new", "process_revision_directives", "verify"]


@dataclass
class Report:
    """What came of a new migration; *paths* is empty where nothing changed."""

    answers: Answers = field(default_factory=Answers)
    paths: list[Path] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)
    missing: list[scratch.Missing] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    #: For the rehearsal: what was written, in the chain with it, and where throwaway databases are.
    revisions: list[str] = field(default_factory=list)
    script: ScriptDirectory | None = None
    sources: Sequence[scratch.Source] = ()

    def lines(self) -> list[str]:
        """Return the screen: one line an operation, what was found, the file."""
        if not self.paths:
            return ["Nothing changed: the models and the migrations agree.", *self._not_reviewed()]
        lines = [f"  ✓ {step}{_where(step)}" for step in self.steps if step.op is not None]
        lines += [f"  {finding.verdict.value} {finding}" for finding in self.findings]
        lines += self._not_reviewed()
        return [*lines, *(f"Wrote {path}" for path in self.paths)]

    def _not_reviewed(self) -> list[str]:
        return [f"  ! {missing}" for missing in self.missing]


def _where(step: Step) -> str:
    return f" ({step.guard.words})" if step.guard else ""


@dataclass
class Agreement:
    """Whether there is one head, and whether models and migrations agree on each database."""

    heads: list[str]
    differences: dict[str, list[schema.Difference]] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)
    missing: list[scratch.Missing] = field(default_factory=list)
    #: What the checklist asks of the files that no release holds yet, and what it only says.
    unanswered: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Tell whether nothing is to be done."""
        differ = any(self.differences.values()) or self.unanswered
        return len(self.heads) < 2 and not differ

    @property
    def failure(self) -> tuple[str, int]:
        """Return the sentence and the exit code where it does not agree."""
        if len(self.heads) > 1:
            heads = ", ".join(self.heads)
            return f"The chain has {len(self.heads)} heads ({heads}): flask db merge heads", 1
        if self.unanswered and not any(self.differences.values()):
            return "The checklist is not settled: correct the files above, or consent in them.", 1
        return 'Models and migrations differ: make newmigration m="…"', 4

    def lines(self) -> list[str]:
        """Return the screen: each difference, what is kept, what could not be asked."""
        lines = []
        for kind, differences in self.differences.items():
            lines += [f"  ✗ {kind}: {item}" for item in differences]
            lines += [f"  ✓ {kind}: models and migrations agree"] * (not differences)
            lines += [f"    kept: {item}" for item in self.kept.get(kind, [])]
        lines += [f"  ✗ {line}" for line in self.unanswered]
        lines += [f"  ! {line}" for line in self.said]
        return lines + [f"  ! {missing}" for missing in self.missing]


def new(
    config: Config, message: str, *, empty: bool = False, answers: Answers | None = None
) -> Report:
    """Write a revision of what changed in the models, or an empty one for a hand-written one.

    :param config: Alembic's, of this project.
    :param message: what changes, in a few words.
    :return: what was written; ``paths`` is empty where nothing changed.
    :raises MigratorError: where a question has no answer, or no sound revision can be written.
    """
    report = Report(answers or Answers())
    config.attributes["author"] = report
    _hush(config)
    with warnings.catch_warnings():
        # Alembic says what it passes over; the comparison of two databases does not.
        warnings.simplefilter("ignore")
        made: Any = alembic.command.revision(config, escaped(message), autogenerate=not empty)
    for script in made if isinstance(made, list) else [made]:
        report.paths.append(Path(script.path))
        report.revisions.append(script.revision)
        write.tidy(script.path, {})
    return report


def verify(config: Config) -> Agreement:
    """Ask whether the chain has one head and agrees with the models, on throwaway databases.

    :param config: Alembic's, of this project.
    :raises MigratorError: where the chain itself does not run.
    """
    agreement = Agreement(list(ScriptDirectory.from_config(config).get_heads()))
    if len(agreement.heads) < 2:
        config.attributes["author"] = agreement
        _hush(config)
        # Alembic's check takes the way through env.py; what it would say, we say.
        config.stdout = io.StringIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alembic.command.check(config)
    return agreement


def _hush(config: Config) -> None:
    config.cmd_opts = config.cmd_opts or argparse.Namespace()
    config.cmd_opts.quiet = True


def process_revision_directives(
    context: MigrationContext, revision: Any, directives: list[Any]
) -> None:
    """Make Alembic's proposal whole, review it, and put the text to write in its place.

    ``env.py`` gives this to ``context.configure``, with ``sources`` and ``missing`` beside it
    (see :func:`scratch.sources`), on a connection to a throwaway database at the head.

    :raises MigratorError: where no sound revision can be written.
    """
    config = context.config
    asked = config.attributes.get("author") if config else None
    metadata: MetaData = context.opts["target_metadata"]
    script = directives[0]
    if portable.portable(metadata):
        script.upgrade_ops = produce_migrations(context, metadata).upgrade_ops
    assert context.script is not None
    kinds = [one.kind for one in (*context.opts["sources"], *context.opts["missing"])]
    off = settings.switched_off(Path(context.script.dir))
    checklist.refuse_models(metadata, kinds, off)
    with detect.databases(context.script, metadata, context.opts["sources"], context) as found:
        if isinstance(asked, Agreement):
            asked.differences = {d.kind: d.differences() for d in found}
            asked.kept = {d.kind: d.kept for d in found}
            asked.missing = context.opts["missing"]
            for source in context.opts["sources"]:
                open_ = reviewed.unsettled(context.script, metadata, source)
                refused, said = reviewed.lines(open_, source.kind)
                asked.unanswered += refused
                asked.said += said
            script.upgrade_ops.ops = []
            return
        report = asked or Report()
        report.missing = context.opts["missing"]
        report.script, report.sources = context.script, context.opts["sources"]
        report.databases = [d.kind for d in found] + [m.kind for m in report.missing]
        made = _propose(script, context, found, metadata, report, strict=asked is not None)
        directives[:] = made or [script]
    if not report.steps and (asked or _writes(config)):
        directives[:] = []
    elif asked is None:
        _tidy_after(context.script)


def _propose(
    script: Any,
    context: MigrationContext,
    found: Sequence[detect.Database],
    metadata: MetaData,
    report: Report,
    strict: bool,
) -> list[Any]:
    done: list[Step] = []
    mender = Mender(metadata, found[0].connection, context.script)
    types = detect.types(found, mender) if "postgresql" in report.databases else None
    off = settings.switched_off(Path(context.script.dir)) if context.script else {}
    rows = Rows(context.opts.get("development"))

    def review(steps: Sequence[Step]) -> list[Step]:
        after, findings = checklist.review(
            steps, report.databases, metadata, report.answers, done, types, off, rows
        )
        done.extend(after)
        report.findings += findings
        for stop in checklist.stops(findings):
            raise MigratorError(f"Nothing was written. {stop}")
        return after

    proposed = detect.proposal(script.upgrade_ops, found[0], metadata)
    proposed = [*relaxed(renames.settled(proposed, mender, report.answers), mender)]
    reworded, findings = worded.settled(found, metadata, report.answers)
    report.findings += findings
    report.steps = complete([*reworded, *proposed], found, metadata, review)
    report.findings = checklist.answered(report.findings, report.answers)
    if strict:
        report.answers.check()
    report.kept = [item for database in found for item in database.kept]
    notes = [f"Switched off here: {rule} ({why})" for rule, why in off.items()]
    return parts.scripts(script, context, report.steps, report.findings, report.databases, notes)


def _writes(config: Config | None) -> bool:
    # `check` comes here too, and looks at the directives afterwards.
    return bool(getattr(config and config.cmd_opts, "autogenerate", False))


def _tidy_after(script: ScriptDirectory) -> None:
    """Format what a stock verb writes; in memory, so that alembic.ini stays as it is."""
    hook: Any = {"_hook_name": "migrator", "type": "migrator"}
    if hook not in script.hooks:
        script.hooks = [*script.hooks, hook]
