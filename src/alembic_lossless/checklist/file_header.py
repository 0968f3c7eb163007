"""The checklist and the consent in a revision's file: how they are written, and read back."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from alembic.script import Script

from .data_operations import escaped
from .finding import NAMES, Finding, Step, Verdict

#: How the checklist begins in the docstring of each file.
_REVIEWED = "Reviewed for"


def checklist(steps: Sequence[Step], findings: Sequence[Finding], databases: Sequence[str]) -> str:
    """Return the checklist as a reviewer reads it in the file's docstring.

    :param steps: what the revision does.
    :param findings: what the rules found in it.
    :param databases: the kinds that it was reviewed for.
    """
    described = [
        f"{step} ({step.guard.words})" if step.guard else str(step)
        for step in steps
        if step.op is not None
    ]
    lines = [f"{_REVIEWED} {', '.join(NAMES[kind] for kind in databases)}.", ""]
    lines += _items(described)
    if findings:
        lines += ["", "Checklist:", "", *_items(map(str, findings))]
    return escaped("\n".join(lines))


def _items(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(
            text, 96, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )


def accepted(findings: Sequence[Finding]) -> str:
    """Return the line of the file that holds the consent given; a question has no reason yet."""
    given = {f.key: f.accepted or "" for f in findings if f.accepted or f.verdict is Verdict.ASK}
    return f"accepted = {given!r}" if given else ""


def is_reviewed(revision: Script) -> bool:
    """Tell whether a file has a checklist."""
    return _REVIEWED in (revision.module.__doc__ or "")


def written_findings(revision: Script) -> list[str]:
    """Return the findings that a file's checklist lists, each as one line."""
    listed = (revision.module.__doc__ or "").partition("\nChecklist:\n")[2]
    items = re.findall(r"^- (.*(?:\n  .*)*)", listed, re.MULTILINE)
    return [" ".join(re.sub(r"-\n +", "-", item).split()) for item in items]
