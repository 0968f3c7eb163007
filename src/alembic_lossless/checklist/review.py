"""Runs every rule over every operation and applies the verdicts."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from alembic.operations import ops
from sqlalchemy import CheckConstraint, MetaData, Table
from sqlalchemy.schema import conv

from .. import naming
from ..errors import MigrationError
from ..run import binds
from .answers import Answers
from .development import DevelopmentRows
from .finding import Finding, Message, Operation, Phase, Verdict
from .rules import RULES, ReviewContext, Rule

#: The bytes of a name that PostgreSQL keeps.
_LONGEST_NAME = 63


def review(
    operations: Sequence[Operation],
    databases: Sequence[str],
    metadata: MetaData,
    answers: Answers | None = None,
    done: Sequence[Operation] = (),
    types: set[str] | None = None,
    off: Collection[str] = (),
    rows: DevelopmentRows | None = None,
    is_split: bool = True,
) -> tuple[list[Operation], list[Finding]]:
    """Apply the rules to *operations*, for the *databases* that the project uses.

    :param done: what the revision has done before *operations*.
    :param types: the enum types that are there, which the rules complete; None if unknown.
    :param off: the rules that this project has switched off.
    :param rows: the developer's own.
    :param is_split: whether an operation may go into a revision of its own; else it stays, and what
        is said of it is that locks are held meanwhile.
    :return: the operations to write, with what was rewritten, stripped or split; and the findings.
    """
    context = ReviewContext(
        databases,
        metadata,
        _created_tables([*done, *operations]),
        answers or Answers(),
        types,
        operations,
        done,
        rows=rows or DevelopmentRows(),
    )
    current, findings = list(operations), []
    for rule in RULES:
        if rule.id in off or not set(rule.databases) & set(databases):
            continue
        after: list[Operation] = []
        for operation in current:
            of_rule, instead = _apply(rule, operation, context)
            if not is_split and any(finding.verdict is Verdict.SPLIT for finding in of_rule):
                of_rule, instead = [_in_one_revision(finding) for finding in of_rule], [operation]
            findings.extend(of_rule)
            after.extend(instead)
        current = after
    return current, findings


def _in_one_revision(finding: Finding) -> Finding:
    """Say of what would be split that it stays in its revision."""
    if finding.verdict is not Verdict.SPLIT:
        return finding
    remedy = "It stays in this revision, whose locks are held to its end: run it while few write."
    message = Message(finding.message.what, finding.message.cost, remedy)
    return replace(finding, verdict=Verdict.KEEP, message=message)


def texts_where_not_split(finding: Finding) -> list[str]:
    """Return how a file's checklist has *finding* where it could not be split."""
    return [str(_in_one_revision(finding)), str(_in_transaction(finding, finding.phase))]


def review_written(
    operations: Sequence[Operation],
    before: Sequence[Operation],
    database: str,
    metadata: MetaData,
    off: Collection[str] = (),
    unnamed: Collection[tuple[str, str]] = (),
    types: set[str] | None = None,
    *,
    has_phase: bool = True,
) -> list[Finding]:
    """Apply the rules to what a revision did on one *database*; nothing is rewritten.

    :param before: what the revisions before it did there.
    :param unnamed: what the chain leaves to the naming convention.
    :param types: the enum types that are there; None if unknown.
    :param has_phase: whether its file says its phase.
    """
    created = _created_tables(operations)
    findings: list[Finding] = []
    for rule in RULES:
        if rule.id in off or database not in rule.databases:
            continue
        for number, operation in enumerate(operations):
            earlier = [*before, *operations[:number]]
            context = ReviewContext(
                [database],
                metadata,
                created,
                types=types,
                operations=operations,
                before=earlier,
                unnamed=unnamed,
                has_phase=has_phase,
            )
            findings += _apply(rule, operation, context)[0]
    return findings


def _created_tables(operations: Sequence[Operation]) -> frozenset[str]:
    return frozenset(
        s.forward.table_name for s in operations if isinstance(s.forward, ops.CreateTableOp)
    )


def _apply(
    rule: Rule, operation: Operation, context: ReviewContext
) -> tuple[list[Finding], list[Operation]]:
    where = tuple(k for k in context.databases if k in rule.databases and operation.runs_on(k))
    if not where or not rule.concerns(operation, context):
        return [], [operation]
    findings, instead = [], [operation]
    for match in rule.check(operation, context):
        verdict = match.verdict or rule.verdict
        if match.instead is not None:
            instead = [_where_it_was(new, operation) for new in match.instead]
        phase = instead[0].phase if instead else operation.phase
        findings.append(
            Finding(rule.id, where, match.subject, verdict, rule.message, match.detail, phase=phase)
        )
    if binds.current() is not None and any(new.alone for new in instead):
        return [_in_transaction(finding, operation.phase) for finding in findings], [operation]
    return findings, instead


def _in_transaction(finding: Finding, phase: Phase) -> Finding:
    """Say of what would run outside of a transaction that it runs in the revision's.

    The env.py of several databases begins one on each, which stock Alembic cannot leave.
    """
    remedy = (
        "It stays in the transaction of this revision, because env.py begins one for each "
        "database: run it while few write."
    )
    message = Message(finding.message.what, finding.message.cost, remedy)
    return replace(finding, verdict=Verdict.KEEP, message=message, phase=phase)


def _where_it_was(new: Operation, operation: Operation) -> Operation:
    """Return *new* where *operation* was: what was guarded or split before stays so."""
    phase = operation.phase if new.phase is Phase.EXPAND else new.phase
    return replace(new, databases=new.databases & operation.databases, phase=phase)


def refuse_models(metadata: MetaData, databases: Collection[str], off: Collection[str]) -> None:
    """Stop before models are tried that a database would not even make.

    :raises MigrationError: with what the rule says.
    """
    for table in metadata.tables.values():
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint) and naming.is_refused(constraint):
                column = ", ".join(column.name for column in constraint.columns)
                raise MigrationError(
                    f"No migration was written. The CHECK of {table.fullname}.{column} has no "
                    "name, which the models' naming convention asks for: give its Boolean or Enum "
                    f'one, as in Enum(…, name="{column}").'
                )
        names = Counter(str(item.name) for item in table.constraints if item.name)
        for name, number in names.items():
            if number > 1:
                raise MigrationError(
                    f"No migration was written. {table.fullname} has two constraints named {name}: "
                    "a later revision could not tell them apart. Give each a name of its own."
                )
    limits = next(rule for rule in RULES if rule.id == "mysql-limits")
    if limits.id in off or not set(limits.databases) & set(databases):
        return
    for table in metadata.tables.values():
        creation = [ops.CreateTableOp.from_table(table)]
        for op in [*creation, *(ops.CreateIndexOp.from_index(index) for index in table.indexes)]:
            context = ReviewContext(limits.databases, metadata)
            for finding in stops(_apply(limits, Operation(op), context)[0]):
                raise MigrationError(f"No migration was written. {finding}")


def refuse_long_names(metadata: MetaData) -> None:
    """Stop before SQLAlchemy compares a name that PostgreSQL does not take: it raises an error.

    :param metadata: the models.
    :raises MigrationError: which names the first.
    """
    for table in metadata.tables.values():
        _refuse_long_names(table)


def _refuse_long_names(table: Table) -> None:
    for item in (table, *table.columns, *table.constraints, *table.indexes):
        # What a convention named, SQLAlchemy shortens.
        size = 0 if isinstance(item.name, conv) else len(str(item.name or "").encode())
        if size > _LONGEST_NAME:
            raise MigrationError(
                f"No migration was written. The name {item.name} in {table.fullname} has {size} "
                f"bytes. PostgreSQL takes {_LONGEST_NAME} at most, and cuts or refuses it. Give it "
                "a shorter one."
            )


def stops(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that no revision may be written with."""
    return [finding for finding in findings if finding.verdict is Verdict.STOP]


def with_consents(
    findings: Sequence[Finding], answers: Answers, among: Sequence[Finding] = ()
) -> list[Finding]:
    """Put the consent that was given, or asked for, beside the findings that it is about.

    A finding that asks for none may be told one too: that no database has such rows.

    :param among: these, and those about other databases.
    """
    among = among or findings
    asked = [finding for finding in among if finding.verdict is Verdict.ASK]
    asking = Counter(finding.rule for finding in asked or among)
    return [
        replace(f, accepted=answers.consent(f.rule, f.subject, asking[f.rule] == 1))
        if f.verdict is Verdict.ASK or answers.has_consent(f.rule, f.subject)
        else f
        for f in findings
    ]
