"""Lays the checklist over what hand-written and hand-edited revisions really do."""

import ast
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, Table

from .. import scratch, watch
from ..apply import phases
from . import checklist, settings
from .finding import NAMES, Finding, Message, Step, Verdict
from .write import REVIEWED

_MODEL = Message(
    "{subject} is imported.",
    "The revision breaks when the model moves, and does something else when it changes.",
    "Say what the table has at this revision: {detail}.",
)

_ASKED = Message("{subject} has a question open.", "Nobody has said why it is right.", "Say it.")


def unsettled(
    script: ScriptDirectory, metadata: MetaData, source: scratch.Source
) -> dict[str, list[Finding]]:
    """Run the revisions that no release holds on a throwaway database; return what is open there.

    :return: for each file what stops it or waits for consent, which ``accepted`` in it gives.
    :raises MigratorError: where the chain does not run.
    """
    chain = [one for one in reversed(list(script.walk_revisions())) if one.path]
    new = _unreleased(script, chain)
    if not new:
        return {}
    before = [one.revision for one in chain if one not in new]
    off = settings.switched_off(Path(script.dir))
    found: dict[str, list[Finding]] = {}
    with scratch.empty(source) as connection:
        if before:
            scratch.upgrade(script, connection, before[-1], metadata)
        scratch.upgrade(script, connection, "heads", metadata)
        invoked = watch.invoked(connection)
    done: list[Step] = []
    for one in chain:
        steps = [Step(op) for revision, op in invoked if revision == one.revision]
        if one in new:
            findings = _of(one, steps, done, source.kind, metadata, off)
            written = _written(one)
            found[Path(one.path).name] = [
                finding
                for finding in findings
                if not finding.accepted
                and (finding.verdict in (Verdict.ASK, Verdict.STOP) or str(finding) not in written)
            ]
        done += steps
    return found


def _unreleased(script: ScriptDirectory, chain: list[Script]) -> list[Script]:
    """Return what the newest tag does not hold; without a tag, what came with the checklist.

    A chain that an older project brought along was applied long ago, and nobody asked then.
    """
    released = phases.released(Path(script.versions))
    if released is not None:
        return [one for one in chain if Path(one.path).name not in released]
    places = (n for n, one in enumerate(chain) if REVIEWED in (one.module.__doc__ or ""))
    return chain[next(places, len(chain)) :]


def _of(
    one: Script,
    steps: Sequence[Step],
    before: Sequence[Step],
    kind: str,
    metadata: MetaData,
    off: Collection[str],
) -> list[Finding]:
    """Return what the checklist says of the revision *one*, with the consent that its file gives.

    :param steps: what it does on this *kind* of database.
    :param before: what the revisions before it did there.
    """
    given: dict[str, str] = getattr(one.module, "accepted", {})
    findings = [*checklist.over(steps, before, kind, metadata, off), *_imports(one)]
    asked = {key for key, reason in given.items() if not reason}
    open_ = asked - {finding.key for finding in findings}
    return [
        *(
            replace(
                f, verdict=Verdict.ASK if f.key in asked else f.verdict, accepted=given.get(f.key)
            )
            for f in findings
        ),
        *(Finding(*_parted(key, kind), Verdict.ASK, _ASKED) for key in sorted(open_)),
    ]


def _parted(key: str, kind: str) -> tuple[str, tuple[str], str]:
    rule, _, subject = key.partition(" ")
    return rule, (kind,), subject


def of_pending(
    script: ScriptDirectory, connection: Connection, pending: Sequence[str], metadata: MetaData
) -> dict[str, list[str]]:
    """Return the checklist of each *pending* revision: what its file says, and what it does.

    The revisions are followed without being run, so one that reads rows is only seen in part.
    """
    kind = scratch.kind_of(connection.engine.url)
    off = settings.switched_off(Path(script.dir))
    chain = list(reversed(list(script.walk_revisions())))
    new = [one.revision for one in _unreleased(script, chain)]
    done: list[Step] = []
    found: dict[str, list[str]] = {}
    for one in (one for one in chain if one.revision in {*pending, *new}):
        with scratch.quiet():
            steps = [Step(op) for op in watch.followed([one], connection.dialect)[0][0]]
        if one.revision in pending:
            written = _written(one)
            said = _of(one, steps, done, kind, metadata, off)
            found[one.revision] = [f"- {line}" for line in written]
            found[one.revision] += [f"{f.verdict.value} {f}" for f in said if str(f) not in written]
        done += steps
    return found


def _written(one: Script) -> list[str]:
    """Return the checklist that was written into a file, a finding an item."""
    listed = (one.module.__doc__ or "").partition("\nChecklist:\n")[2]
    items = re.findall(r"^- (.*(?:\n  .*)*)", listed, re.MULTILINE)
    return [" ".join(re.sub(r"-\n +", "-", item).split()) for item in items]


def lines(found: dict[str, list[Finding]], kind: str) -> tuple[list[str], list[str]]:
    """Return what refuses the files, and what is only to be said of them."""
    refused, said = [], []
    for file, findings in found.items():
        for finding in findings:
            line = f"{file}, {NAMES[kind]}: {finding}"
            if finding.verdict is Verdict.ASK:
                refused.append(f'{line} Consent: accepted = {{"{finding.key}": "the reason"}}')
            elif finding.verdict is Verdict.STOP:
                refused.append(line)
            elif finding.verdict is not Verdict.KEEP:
                said.append(line)
    return refused, said


def _imports(revision: Script) -> Iterator[Finding]:
    """Yield a finding for each model that a file imports."""
    for node in ast.walk(ast.parse(Path(revision.path).read_text(encoding="utf-8"))):
        names = [alias.name for alias in getattr(node, "names", ())]
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in names:
                thing = getattr(_module(node.module), name, None)
                if thing is None:
                    thing = _module(f"{node.module}.{name}")
                yield from _model(name, thing)
        elif isinstance(node, ast.Import):
            for name in names:
                yield from _model(name, _module(name))


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _model(name: str, thing: Any) -> Iterator[Finding]:
    table = _table(thing)
    if table is None and hasattr(thing, "__path__") | hasattr(thing, "__file__"):
        own = [v for v in vars(thing).values() if getattr(v, "__module__", "") == thing.__name__]
        table = next((found for value in own if (found := _table(value)) is not None), None)
    if table is not None:
        columns = ", ".join(f'sa.column("{column.name}")' for column in list(table.columns)[:3])
        detail = f'sa.table("{table.name}", {columns})'
        everywhere = ("sqlite", "postgresql", "mysql")
        yield Finding("model-import", everywhere, name, Verdict.STOP, _MODEL, detail)


def _table(thing: Any) -> Table | None:
    table = thing if isinstance(thing, Table) else getattr(thing, "__table__", None)
    return table if isinstance(table, Table) else None
