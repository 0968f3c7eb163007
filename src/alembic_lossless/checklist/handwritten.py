"""Reviews what hand-written and hand-edited revisions really do."""

import ast
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from importlib import import_module
from inspect import ismodule
from pathlib import Path
from typing import Any

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, Dialect, MetaData, Table

from ..naming import has_convention
from ..run import binds, expand_contract, recorder
from ..run.chain import source_of
from ..schema.dialect_support import kind_of
from ..scratch import databases
from ..scratch.sources import Source, empty_database
from . import file_header, review, settings
from .finding import NAMES, Finding, Message, Operation, Verdict
from .unnamed import unnamed

_MODEL = Message(
    "The model {subject} is imported.",
    "The revision breaks when the model moves, and does something else when it changes.",
    "Declare what the table has at this revision: {detail}.",
)

#: What a revision does that the rule ``model-import`` is about, and what it does instead.
MODEL_IMPORT = (
    """
    from shop.models import Account


    def upgrade():
        op.get_bind().execute(sa.update(Account).values(country="de"))
    """,
    """
    account = sa.table("account", sa.column("country"))


    def upgrade():
        op.execute(sa.update(account).values(country="de"))
    """,
)

_ASKED = Message(
    "{subject} is accepted without a reason.",
    "A reviewer cannot tell why it is right.",
    "Write the reason into the file.",
)


def open_findings(
    script: ScriptDirectory, metadata: MetaData, source: Source
) -> dict[Script, list[Finding]]:
    """Run the revisions that no release holds on a scratch database; return what is open there.

    :return: for each file what stops it or waits for consent, which ``accepted`` in it gives.
    :raises MigrationError: where the chain does not run.
    """
    chain, new = _chain(script), unreleased(script)
    if not new:
        return {}
    off = settings.switched_off(Path(script.dir))
    still_open: dict[Script, list[Finding]] = {}
    with empty_database(source) as connection:
        databases.upgrade(script, connection, "heads", metadata)
        invoked = recorder.invoked(connection)
        names = _unnamed(chain, connection.dialect, metadata)
    done: list[Operation] = []
    for revision in chain:
        operations = [Operation(op) for name, op in invoked if name == revision.revision]
        if revision in new:
            findings = _of(revision, operations, done, source.kind, metadata, off, names)
            written = file_header.written_findings(revision)
            still_open[revision] = [
                finding
                for finding in findings
                if not finding.accepted
                and (
                    finding.verdict in (Verdict.ASK, Verdict.STOP)
                    or not _is_written(finding, written)
                )
            ]
        done += operations
    return still_open


def unreleased(script: ScriptDirectory) -> list[Script]:
    """Return the revisions that the newest tag does not hold, oldest first.

    Without a tag, those since the first that came with a checklist: a chain that an older project
    brought along was applied long ago, and nobody asked then.

    :param script: the chain.
    """
    chain = _chain(script)
    released = expand_contract.released(script)
    if released is not None:
        return [revision for revision in chain if Path(revision.path).name not in released]
    places = (n for n, revision in enumerate(chain) if file_header.is_reviewed(revision))
    return chain[next(places, len(chain)) :]


def _unnamed(
    chain: Sequence[Script], dialect: Dialect, metadata: MetaData
) -> Collection[tuple[str, str]]:
    if not has_convention(metadata):
        return ()
    return unnamed(chain, dialect, metadata.naming_convention).names


def _chain(script: ScriptDirectory) -> list[Script]:
    return [revision for revision in reversed(list(script.walk_revisions())) if revision.path]


#: The verdicts that change operations while a migration is written, and no file that is there.
_REWRITTEN = (Verdict.REWRITE, Verdict.SPLIT, Verdict.STRIP)


def _of(
    revision: Script,
    operations: Sequence[Operation],
    before: Sequence[Operation],
    kind: str,
    metadata: MetaData,
    off: Collection[str],
    names: Collection[tuple[str, str]],
) -> list[Finding]:
    """Return what the checklist says of the *revision*, with the consent that its file gives.

    :param operations: what it does on this *kind* of database.
    :param before: what the revisions before it did there.
    :param names: what the chain leaves to the naming convention.
    """
    given: dict[str, str] = getattr(revision.module, "accepted", {})
    findings = [
        *review.review_written(
            operations,
            before,
            kind,
            metadata,
            off,
            names,
            has_phase=bool(expand_contract.phase_of(revision)),
        ),
        *model_imports(revision),
    ]
    written = file_header.written_findings(revision)
    findings = [
        replace(f, is_left=f.verdict in _REWRITTEN and not _is_written(f, written))
        for f in findings
    ]
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


def _is_written(finding: Finding, written: Collection[str]) -> bool:
    """Tell whether a file's checklist has *finding*; in one revision, where it was not split."""
    texts = [str(finding)]
    if finding.verdict is Verdict.SPLIT:
        texts += review.texts_where_not_split(finding)
    return any(text in written for text in texts)


def _parted(key: str, kind: str) -> tuple[str, tuple[str], str]:
    rule, _, subject = key.partition(" ")
    return rule, (kind,), subject


def checklists_of_pending(
    script: ScriptDirectory, connection: Connection, pending: Sequence[str], metadata: MetaData
) -> tuple[dict[str, list[str]], int]:
    """Return the checklist of each *pending* revision: what its file says, and what it does.

    The revisions are followed without being run, so one that reads rows is only seen in part.

    :return: the lines of each that is not released, and how many findings there are about the
        others, which nobody is going to change.
    """
    kind = kind_of(connection.engine.url)
    off = settings.switched_off(Path(script.dir))
    chain = _chain(script)
    new = [revision.revision for revision in unreleased(script)]
    names = _unnamed(chain, connection.dialect, metadata)
    done: list[Operation] = []
    checklists: dict[str, list[str]] = {}
    unlisted = 0
    for revision in (revision for revision in chain if revision.revision in {*pending, *new}):
        ((operations, _),) = recorder.followed([revision], connection.dialect)
        operations = [Operation(op) for op in operations]
        if revision.revision in pending:
            written = file_header.written_findings(revision)
            findings = _of(revision, operations, done, kind, metadata, off, names)
            lines = [f"- {line}" for line in written]
            lines += [f"{f.verdict.value} {f}" for f in findings if not _is_written(f, written)]
            if revision.revision in new:
                checklists[revision.revision] = lines
            else:
                unlisted += len(lines)
        done += operations
    return checklists, unlisted


def report_lines(
    open_findings: dict[Script, list[Finding]], kind: str
) -> tuple[list[str], list[str]]:
    """Return what refuses the files, and what is only to be said of them."""
    refused, remarks = [], []
    for revision, findings in open_findings.items():
        given = getattr(revision.module, "accepted", {})
        for finding in findings:
            line = f"{Path(revision.path).name}, {binds.labelled(NAMES[kind])}: {finding}"
            if finding.verdict is Verdict.ASK:
                consents = json.dumps({**given, finding.key: "the reason"}, ensure_ascii=False)
                refused.append(f"{line} Consent: accepted = {consents}")
            elif finding.verdict is Verdict.STOP:
                refused.append(line)
            elif finding.verdict is not Verdict.KEEP:
                remarks.append(line)
    return refused, remarks


def model_imports(revision: Script) -> dict[Finding, int]:
    """Return a finding for each model that a file imports, with the line that uses it.

    A module is no model: a column type may come from one that has models too.
    """
    tree = ast.parse(source_of(revision.path))
    things: list[tuple[str, Any, int]] = []
    modules: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name] = _module(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                thing = getattr(_module(node.module), alias.name, None)
                if thing is None:
                    thing = _module(f"{node.module}.{alias.name}")
                things.append((alias.name, thing, node.lineno))
                modules[alias.asname or alias.name] = thing if ismodule(thing) else None
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            module = modules.get(ast.unparse(node.value))
            things.append((ast.unparse(node), getattr(module, node.attr, None), node.lineno))
    lines: dict[Finding, int] = {}
    for name, thing, line in things:
        if (table := _table(thing)) is not None:
            lines.setdefault(_model(name, table), line)
    return lines


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _model(name: str, table: Table) -> Finding:
    columns = ", ".join(f'sa.column("{column.name}")' for column in list(table.columns)[:3])
    detail = f'sa.table("{table.name}", {columns})'
    everywhere = ("sqlite", "postgresql", "mysql")
    return Finding("model-import", everywhere, name, Verdict.STOP, _MODEL, detail)


def _table(thing: Any) -> Table | None:
    table = thing if isinstance(thing, Table) else getattr(thing, "__table__", None)
    return table if isinstance(table, Table) else None
