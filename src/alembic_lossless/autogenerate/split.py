"""Divides what changed into revisions: what must not share a transaction, or a release."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import rev_id

from ..checklist import file_header
from ..checklist.file_header import Header, header
from ..checklist.finding import NOT_ON_POSTGRESQL, Finding, Operation, Phase, Verdict
from ..run import binds, expand_contract
from ..statements import read
from . import render
from .order import grouped
from .template import with_prefixes

#: What the message of each phase but the first ends with.
_PHASE = re.compile(rf" \(({'|'.join(phase.value for phase in Phase if phase.value)})\)$")


def by_phase(operations: Sequence[Operation]) -> dict[Phase, list[Operation]]:
    """Return the operations of each revision, in their order; none of them is empty."""
    gone = {
        s.forward.table_name for s in operations if s.phase is Phase.CONTRACT and _drops_table(s)
    }
    taken = any(operation.phase is Phase.CONTRACT for operation in operations)
    phases: dict[Phase, list[Operation]] = {phase: [] for phase in Phase}
    for operation in operations:
        with_table = (
            operation.forward is None and getattr(operation.backward, "table_name", None) in gone
        )
        with_them = taken and _drops_type(operation)
        last = with_table or (with_them and operation.backward is not None)
        phases[Phase.CONTRACT if last else operation.phase].append(operation)
    # The statements for PostgreSQL together, then those for the others.
    phases[Phase.INDEX].sort(key=lambda operation: operation.databases == NOT_ON_POSTGRESQL)
    return {phase: grouped(of_phase) for phase, of_phase in phases.items() if of_phase}


def _drops_type(operation: Operation) -> bool:
    sql = operation.forward.sqltext if isinstance(operation.forward, ops.ExecuteSQLOp) else ""
    return any(
        (each.verb, each.object) == ("DROP", "TYPE") for each in read(str(sql), "postgresql")
    )


def _drops_table(operation: Operation) -> bool:
    return isinstance(operation.forward, ops.DropTableOp)


def divide(
    first: ops.MigrationScript,
    context: MigrationContext,
    operations: Sequence[Operation],
    findings: Sequence[Finding],
    databases: Sequence[str],
    notes: Sequence[str] = (),
    *,
    is_named: bool = False,
) -> tuple[list[ops.MigrationScript], dict[str, Header]]:
    """Fill *first*, and as many more revisions behind it as *operations* need.

    :param first: Alembic's directive to write a revision.
    :param context: of the scratch database that the operations were tried on.
    :param operations: all that is to be written.
    :param findings: what the rules found in it.
    :param databases: the kinds that it was reviewed for.
    :param notes: what every file's checklist says at its end.
    :param is_named: whether a person, or env.py, chose the id of *first*.
    :return: the directives, and by revision what their files' headers say.
    """
    scripts: list[ops.MigrationScript] = []
    headers: dict[str, Header] = {}
    phases = by_phase(operations)
    ids = _ids(first, context.script, len(phases), is_named)
    first.rev_id = next(ids, first.rev_id)
    for phase, of_revision in phases.items():
        script = _behind(scripts[-1], phase, str(first.message), next(ids)) if scripts else first
        body = _fill(script, context, of_revision)
        is_first = not scripts
        scripts.append(script)
        of_phase = [f for f in findings if f.phase is phase or (is_first and f.phase not in phases)]
        # That no database has such rows may be asked of any phase: they are looked at later.
        rows = [
            f for f in findings if f.accepted and f.verdict is not Verdict.ASK and f not in of_phase
        ]
        declared = _declared_phase(of_revision, databases, body.upgrade)
        headers[str(script.rev_id)] = header(
            of_revision, of_phase, databases, notes, rows, declared
        )
    _name_apart(context.script, scripts)
    return scripts, headers


def _ids(
    first: ops.MigrationScript, script: ScriptDirectory | None, count: int, is_named: bool
) -> Iterator[str]:
    """Yield *count* ids that sort in the order of the chain, as files that a date names do.

    One that was chosen stays: a number in it is counted up for those behind it.
    """
    if not is_named:
        yield from sorted(rev_id() for _ in range(count))
        return
    known = {revision.revision for revision in script.walk_revisions()} if script else set()
    name = str(first.rev_id)
    text, digits = re.fullmatch(r"(.*?)(\d*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    for number in range(count):
        if number == 0:
            yield name
            continue
        following = f"{text}{int(digits or 1) + number:0{len(digits)}}"
        yield rev_id() if following in known else following


def _name_apart(script: ScriptDirectory | None, directives: Sequence[ops.MigrationScript]) -> None:
    """Let no two files have one name where ``file_template`` has no id in it."""
    if script is not None and len(directives) > 1 and "%(rev)s" not in script.file_template:
        slugs = ("_".join(re.findall(r"\w+", str(directive.message))) for directive in directives)
        script.truncate_slug_length = max(script.truncate_slug_length, *map(len, slugs))


def _behind(
    before: ops.MigrationScript, phase: Phase, message: str, revision: str
) -> ops.MigrationScript:
    return ops.MigrationScript(
        revision,
        ops.UpgradeOps([]),
        ops.DowngradeOps([]),
        message=f"{message} ({phase.value})",
        head=before.rev_id,
        version_path=before.version_path,
    )


def _fill(script: Any, context: MigrationContext, operations: Sequence[Operation]) -> "Body":
    body = rendered(operations, context)
    script.upgrade_ops.ops, script.downgrade_ops.ops = body.upgrade, body.downgrade
    script.imports = (script.imports or set()) | body.imports
    return body


def _declared_phase(
    operations: Sequence[Operation], databases: Sequence[str], rendered_ops: Sequence[Any]
) -> str:
    """Return the phase that a revision's file says; empty where anybody can tell it.

    :param operations: what it does.
    :param databases: the kinds that it was reviewed for.
    :param rendered_ops: its upgrade, rendered.
    """
    forward = [operation.forward for operation in operations]
    is_contract = any(operation.phase is Phase.CONTRACT for operation in operations)
    if is_contract or any(expand_contract.taken_away(forward, kind) for kind in databases):
        return expand_contract.CONTRACT
    # What reads the database cannot be followed without being run.
    reads = any("get_bind()" in op.text for op in rendered_ops)
    return expand_contract.EXPAND if reads else ""


def _of_all(phases: Sequence[str]) -> str:
    """Return the phase of a revision by those of its parts: a contract in one is one in all."""
    if expand_contract.CONTRACT in phases:
        return expand_contract.CONTRACT
    return expand_contract.EXPAND if expand_contract.EXPAND in phases else ""


class Body(NamedTuple):
    """The operations of a revision, rendered, and the import lines that they need."""

    upgrade: list[Any]
    downgrade: list[Any]
    imports: set[str]


def rendered(operations: Sequence[Operation], context: MigrationContext) -> Body:
    """Render the *operations* of one revision, and what undoes them.

    :param context: of the scratch database that the operations were tried on.
    """
    body = Body([], [], set())
    back = [operation.reverse() for operation in reversed(operations)]
    for texts, done in ((body.upgrade, operations), (body.downgrade, back)):
        text, imports = render.body(done, context)
        text = with_prefixes(text, context.opts)
        if text:
            texts.append(render.RenderedOperations(text, [str(operation) for operation in done]))
        body.imports.update(imports)
    return body


@dataclass(frozen=True)
class PartOfChange:
    """What one of several databases has of a change.

    :param bind: which of them.
    :param operations: all that is to be written for it.
    :param databases: the kinds that it was reviewed for.
    :param bodies: what each revision has of it, rendered while the scratch database was there.
    :param findings: what the rules found in it.
    """

    bind: str
    operations: Sequence[Operation]
    databases: Sequence[str]
    bodies: Mapping[Phase, Body]
    findings: Sequence[Finding] = ()

    def in_phase(self, phase: Phase, is_first: bool) -> file_header.PartOfHeader:
        """Return what the header of the revision of one phase says of it."""
        of_phase = [
            finding
            for finding in self.findings
            if finding.phase is phase or (is_first and finding.phase not in self.bodies)
        ]
        rows = [f for f in self.findings if f.accepted and f.verdict is not Verdict.ASK]
        return file_header.PartOfHeader(
            binds.name(self.bind),
            by_phase(self.operations).get(phase, ()),
            of_phase,
            self.databases,
            [finding for finding in rows if finding not in of_phase],
        )


def divide_for_several(
    first: ops.MigrationScript,
    script_directory: ScriptDirectory | None,
    parts: Sequence[PartOfChange],
    notes: Sequence[str] = (),
    *,
    is_named: bool = False,
) -> tuple[list[ops.MigrationScript], dict[str, Header]]:
    """Fill *first*, and more revisions behind it, each with a part for each of several databases.

    :param first: Alembic's directive, with a container for each database, in the order of *parts*.
    :param script_directory: the chain.
    :param parts: what each database has of the change.
    :param notes: what every file's checklist says at its end.
    :param is_named: whether a person, or env.py, chose the id of *first*.
    :return: the directives, and by revision what their files' headers say.
    """
    tokens = [
        (upgrade.upgrade_token, downgrade.downgrade_token)
        for upgrade, downgrade in zip(first.upgrade_ops_list, first.downgrade_ops_list, strict=True)
    ]
    scripts: list[Any] = []
    headers: dict[str, Header] = {}
    phases = [phase for phase in Phase if any(phase in part.bodies for part in parts)]
    ids = _ids(first, script_directory, len(phases), is_named)
    first.rev_id = next(ids, first.rev_id)
    for phase in phases:
        script: Any = (
            _behind(scripts[-1], phase, str(first.message), next(ids)) if scripts else first
        )
        bodies = [part.bodies.get(phase, Body([], [], set())) for part in parts]
        script.upgrade_ops = [
            ops.UpgradeOps(body.upgrade, upgrade_token=token)
            for body, (token, _) in zip(bodies, tokens, strict=True)
        ]
        script.downgrade_ops = [
            ops.DowngradeOps(body.downgrade, downgrade_token=token)
            for body, (_, token) in zip(bodies, tokens, strict=True)
        ]
        script.imports = set(script.imports or ()).union(*(body.imports for body in bodies))
        described = [part.in_phase(phase, is_first=not scripts) for part in parts]
        declared = [
            _declared_phase(part.operations, part.databases, body.upgrade)
            for part, body in zip(described, bodies, strict=True)
        ]
        headers[str(script.rev_id)] = file_header.header_of_several(
            described, notes, _of_all(declared)
        )
        scripts.append(script)
    _name_apart(script_directory, scripts)
    return scripts, headers


def required(revision: Script) -> tuple[str, ...]:
    """Return the revisions that *revision* stands on."""
    parents = revision._normalized_down_revisions
    return (*parents, *revision._normalized_resolved_dependencies)


def parts_of_change(
    script: ScriptDirectory, revision: Script, applied: Collection[str]
) -> list[Script]:
    """Return the phases that the change of *revision* was divided into, the first to this one.

    They are applied one after the other: what one makes, no rows come into before the next.

    :param applied: the revisions that the rows have behind them.
    """
    parts = [revision]
    while (earlier := previous_of_change(script, parts[0])) and earlier.revision not in applied:
        parts.insert(0, earlier)
    return parts


def previous_of_change(script: ScriptDirectory, revision: Script) -> Script | None:
    """Return the phase before *revision* of the change that was divided; None for the first."""
    if not _PHASE.search(revision.doc) or len(required(revision)) != 1:
        return None
    previous = script.get_revision(required(revision)[0])
    same = previous is not None and _PHASE.sub("", previous.doc) == _PHASE.sub("", revision.doc)
    return previous if same else None
