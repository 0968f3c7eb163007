"""Runs every rule over every operation and applies the verdicts."""

from collections.abc import Sequence
from dataclasses import replace

from alembic.operations import ops
from sqlalchemy import MetaData

from .finding import Finding, Step, Verdict
from .rules import RULES, Project, Rule


def review(
    steps: Sequence[Step], databases: Sequence[str], metadata: MetaData
) -> tuple[list[Step], list[Finding]]:
    """Lay the rules over *steps*, for the *databases* that the project uses.

    :return: the steps to write, with what was rewritten, stripped or split; and the findings.
    """
    created = frozenset(s.op.table_name for s in steps if isinstance(s.op, ops.CreateTableOp))
    project = Project(databases, metadata, created)
    current, findings = list(steps), []
    for rule in RULES:
        if not set(rule.databases) & set(databases):
            continue
        after: list[Step] = []
        for step in current:
            found, instead = _apply(rule, step, project)
            findings.extend(found)
            after.extend(instead)
        current = after
    return current, findings


def _apply(rule: Rule, step: Step, project: Project) -> tuple[list[Finding], list[Step]]:
    where = tuple(k for k in project.databases if k in rule.databases and step.runs_on(k))
    if not where or step.op is None:
        return [], [step]
    findings, instead = [], [step]
    for hit in rule.check(step, project):
        verdict = hit.verdict or rule.verdict
        findings.append(Finding(rule.id, where, hit.subject, verdict, rule.message, hit.detail))
        if hit.instead is not None:
            # What was guarded before stays guarded.
            instead = [replace(new, guard=new.guard or step.guard) for new in hit.instead]
    return findings, instead


def stops(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that no revision may be written with."""
    return [finding for finding in findings if finding.verdict is Verdict.STOP]
