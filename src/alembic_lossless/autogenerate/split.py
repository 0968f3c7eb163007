"""Divides what changed into revisions: what must not share a transaction, or a release."""

import re
from collections.abc import Collection, Sequence
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import rev_id

from ..checklist.finding import NOTHING, Finding, Guard, Part, Step, Verdict
from . import render
from .data_operations import Written
from .together import together

#: What the message of each part but the first ends with.
_PART = re.compile(rf" \(({'|'.join(part.value for part in Part if part.value)})\)$")


class Turns:
    """The texts of several files, in turn: Alembic renders them from one set of arguments."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = iter(texts)

    def __str__(self) -> str:
        return next(self._texts, "")


def divided(steps: Sequence[Step]) -> dict[Part, list[Step]]:
    """Return the steps of each revision, in their order; none of them is empty."""
    gone = {s.op.table_name for s in steps if s.part is Part.CONTRACT and _drops_table(s)}
    taken = any(step.part is Part.CONTRACT for step in steps)
    parts: dict[Part, list[Step]] = {part: [] for part in Part}
    for step in steps:
        with_table = step.op is None and getattr(step.back, "table_name", None) in gone
        with_them = taken and str(getattr(step.op, "sqltext", "")).startswith("DROP TYPE")
        last = with_table or (with_them and step.back is not NOTHING)
        parts[Part.CONTRACT if last else step.part].append(step)
    # The statements for PostgreSQL together, then those for the others.
    parts[Part.INDEX].sort(key=lambda step: step.guard is Guard.NOT_POSTGRESQL)
    return {part: together(found) for part, found in parts.items() if found}


def _drops_table(step: Step) -> bool:
    return isinstance(step.op, ops.DropTableOp)


def scripts(
    first: ops.MigrationScript,
    context: MigrationContext,
    steps: Sequence[Step],
    findings: Sequence[Finding],
    databases: Sequence[str],
    notes: Sequence[str] = (),
) -> list[ops.MigrationScript]:
    """Fill *first*, and as many more revisions behind it as *steps* need.

    :param notes: what every file's checklist says at its end.
    """
    made: list[ops.MigrationScript] = []
    reviews, consents = [], []
    parts = divided(steps)
    for number, (part, own) in enumerate(parts.items()):
        script = first if not made else _behind(made[-1], part, str(first.message))
        _fill(script, context, own)
        made.append(script)
        theirs = [f for f in findings if f.part is part or (not number and f.part not in parts)]
        reviews.append("\n".join([render.docstring(own, theirs, databases), *notes]))
        # That no database has such rows may be asked of any part: they are looked at later.
        rows = [f for f in findings if f.accepted and f.verdict is not Verdict.ASK]
        consents.append(render.accepted([*theirs, *(f for f in rows if f not in theirs)]))
    arguments: dict[str, Any] = context.opts["template_args"]
    arguments["review"], arguments["accepted"] = Turns(reviews), Turns(consents)
    return made


def _behind(before: ops.MigrationScript, part: Part, message: str) -> ops.MigrationScript:
    return ops.MigrationScript(
        rev_id(),
        ops.UpgradeOps([]),
        ops.DowngradeOps([]),
        message=f"{message} ({part.value})",
        head=before.rev_id,
        version_path=before.version_path,
    )


def _fill(script: Any, context: MigrationContext, steps: Sequence[Step]) -> None:
    back = [step.reverse() for step in reversed(steps)]
    for container, done in ((script.upgrade_ops, steps), (script.downgrade_ops, back)):
        text, imports = render.body(done, context)
        container.ops = [Written(text, [str(step) for step in done])] if text else []
        script.imports = (script.imports or set()) | imports


def needed(revision: Script) -> tuple[str, ...]:
    """Return the revisions that *revision* stands on."""
    parents = revision._normalized_down_revisions
    return (*parents, *revision._normalized_resolved_dependencies)


def beginning(script: ScriptDirectory, revision: Script, applied: Collection[str]) -> Script:
    """Return the first of the parts that the change of *revision* was divided into.

    They are applied one after the other: what one makes, no rows come into before the next.

    :param applied: the revisions that the rows have behind them.
    """
    while (earlier := before(script, revision)) and earlier.revision not in applied:
        revision = earlier
    return revision


def before(script: ScriptDirectory, revision: Script) -> Script | None:
    """Return the part before *revision* of the change that was divided; None for the first."""
    if not _PART.search(revision.doc) or len(needed(revision)) != 1:
        return None
    found = script.get_revision(needed(revision)[0])
    same = found is not None and _PART.sub("", found.doc) == _PART.sub("", revision.doc)
    return found if same else None
