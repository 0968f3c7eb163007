"""The checklist and the consent in a revision's file: how they are written, and read back.

They are written into the file after Alembic made it, so that every ``script.py.mako`` serves, that
of ``flask db init`` and ``alembic init`` too: the checklist at the end of the module's docstring,
``accepted`` and ``phase`` behind the revision identifiers.
"""

import ast
import re
import textwrap
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alembic.script import Script

from ..run import binds, expand_contract
from .data_operations import escaped
from .finding import NAMES, Finding, Operation, Verdict, databases_in_words

#: How the checklist begins in the docstring of each file.
_REVIEWED = "Reviewed for"

#: What Alembic reads of a file; our own names stand behind them.
_IDENTIFIERS = {"revision", "down_revision", "branch_labels", "depends_on"}


@dataclass(frozen=True)
class Header:
    """What a revision's file says beside its operations.

    :param checklist: goes into the docstring.
    :param names: go behind the revision identifiers, with their values.
    """

    checklist: str
    names: Mapping[str, object] = field(default_factory=dict)


def header(
    operations: Sequence[Operation],
    findings: Sequence[Finding],
    databases: Sequence[str],
    notes: Sequence[str] = (),
    consented: Sequence[Finding] = (),
    phase: str = "",
) -> Header:
    """Return the checklist as a reviewer reads it in the file, the consent given, and the phase.

    :param operations: what the revision does.
    :param findings: what the rules found in it.
    :param databases: the kinds that it was reviewed for.
    :param notes: what the checklist says at its end.
    :param consented: findings of the other parts of the change with a consent that holds here too.
    :param phase: what the file says of it; empty where it says nothing.
    """
    lines = [f"{_REVIEWED} {_names(databases)}.", "", *_items(_described(operations))]
    if findings:
        lines += ["", "Checklist:", "", *_items(map(str, findings))]
    return Header(
        "\n".join([*lines, *notes]), _names_at_module_level(phase, [*findings, *consented])
    )


@dataclass(frozen=True)
class PartOfHeader:
    """What a revision does to one of several databases, and what the rules found in that."""

    name: str
    operations: Sequence[Operation]
    findings: Sequence[Finding]
    databases: Sequence[str]
    consented: Sequence[Finding] = ()


def header_of_several(
    parts: Sequence[PartOfHeader], notes: Sequence[str] = (), phase: str = ""
) -> Header:
    """Return the same for a revision that has a part for each of several databases.

    :param parts: one for each.
    :param notes: what the checklist says at its end.
    :param phase: what the file says of it; empty where it says nothing.
    """
    reviewed = ", ".join(f"{_names(part.databases)} ({part.name})" for part in parts)
    lines = [f"{_REVIEWED} {reviewed}.", ""]
    lines += _items(
        f"{part.name}: {text}" for part in parts for text in _described(part.operations)
    )
    lines += ["", "Checklist:"] if any(part.findings for part in parts) else []
    for part in parts:
        if part.findings:
            lines += ["", f"{part.name}:", "", *_items(map(str, part.findings))]
    findings = [finding for part in parts for finding in (*part.findings, *part.consented)]
    return Header("\n".join([*lines, *notes]), _names_at_module_level(phase, findings))


def _names(databases: Iterable[str]) -> str:
    return ", ".join(NAMES[kind] for kind in databases)


def _described(operations: Iterable[Operation]) -> Iterator[str]:
    for operation in operations:
        if operation.forward is not None:
            where = databases_in_words(operation.databases)
            yield f"{operation} ({where})" if where else str(operation)


def _names_at_module_level(phase: str, findings: Iterable[Finding]) -> dict[str, object]:
    """Return the names at module level, with their values."""
    # A question has no reason yet.
    accepted = {
        finding.key: finding.accepted or ""
        for finding in findings
        if finding.accepted or finding.verdict is Verdict.ASK
    }
    names: dict[str, object] = {"accepted": accepted} if accepted else {}
    return {**names, expand_contract.PHASE: phase} if phase else names


def _items(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(
            text, 96, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )


def write_into(path: Path, header: Header) -> None:
    """Write *header* into a file that Alembic made, whatever its template was.

    :param path: the file of a revision.
    :raises SyntaxError: where the template does not make Python.
    """
    with tokenize.open(path) as file:
        text, encoding = file.read(), file.encoding
    lines = text.splitlines(keepends=True)
    body = ast.parse(text).body
    documented = body[0] if body and _docstring(body[0]) is not None else None
    assigned = {name: node for node in body for name in _assigned(node)}
    identifiers = [node for name, node in assigned.items() if name in _IDENTIFIERS]
    behind = max((_span(node)[1] for node in identifiers), default=0)
    if not behind and documented:
        behind = _span(documented)[1]
    #: The first and the last line of what is replaced, and what is put there.
    edits = [
        (_span(assigned[name]) if name in assigned else (behind, behind), f"{name} = {value!r}\n")
        for name, value in header.names.items()
    ]
    begin = _span(body[0])[0] if body else len(lines)
    docstring = (_docstring(documented) or "").rstrip() if documented else ""
    whole = escaped(f"{docstring}\n\n{header.checklist}".strip())
    edits.insert(0, (_span(documented) if documented else (begin, begin), f'"""{whole}\n"""\n'))
    # From the end to the beginning, so that what is still to be changed stays in its place.
    for (first, last), replacement in sorted(edits, key=lambda edit: edit[0], reverse=True):
        lines[first:last] = [replacement]
    # What the file's encoding does not have is written as an escape of Python's.
    path.write_text("".join(lines), encoding=encoding, errors="backslashreplace")


def _span(node: ast.stmt) -> tuple[int, int]:
    """Return the lines of a statement, as a slice takes them."""
    return node.lineno - 1, node.end_lineno or node.lineno


def _assigned(node: ast.stmt) -> list[str]:
    """Return the names that a statement gives a value."""
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _docstring(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else None
    return None


def revision_of(path: Path) -> str | None:
    """Return the revision that a file says it is, without running it."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and _assigned(node) == ["revision"]:
            return str(ast.literal_eval(node.value)) if node.value else None
    return None


def is_reviewed(revision: Script) -> bool:
    """Tell whether a file has a checklist."""
    return _REVIEWED in (revision.module.__doc__ or "")


def written_findings(revision: Script) -> list[str]:
    """Return the findings that a file's checklist lists, each as one line.

    Of several databases, those of the one in question.
    """
    listed = (revision.module.__doc__ or "").partition("\nChecklist:\n")[2]
    if (bind := binds.current()) is not None:
        names = re.split(r"^(\w.*):$", listed, flags=re.MULTILINE)
        listed = dict(zip(names[1::2], names[2::2], strict=True)).get(binds.name(bind), "")
    items = re.findall(r"^- (.*(?:\n  .*)*)", listed, re.MULTILINE)
    return [" ".join(re.sub(r"-\n +", "-", item).split()) for item in items]
