"""``flask db log``, ``plan`` and ``verify``: they change nothing."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from flask import current_app

from ..errors import MigrationError, plural
from ..run import status
from . import console, project

if TYPE_CHECKING:
    from ..rehearsal.report import Rehearsal
    from ..scratch.sources import Source


@console.command("log")
def log() -> None:
    """List the revisions: which of them this database has, since when, and who applied them."""
    from ..run import history as logs

    script = project.chain()
    with project.looking() as connection:
        at = status.current(connection)
        todo = set(status.pending(script, status.known_at(connection, at, script)))
        entries = logs.entries(connection)
        edited = {one.revision for one in logs.edited(connection, script)}
        half = logs.half_applied(connection)
    console.lines(map(logs.half, half), "  ")
    revisions = [revision.revision for revision in script.walk_revisions()]
    for revision in [*sorted(set(entries) - set(revisions)), *revisions]:
        word = "pending" if revision in todo else "applied"
        entry = entries.get(revision)
        note = f"  {entry}" if entry and word == "applied" and entry.event != "downgrade" else ""
        edit = "  edited since" if revision in edited else ""
        console.say(f"  {word}  {console.title(script, revision)}{note}{edit}")
    if not revisions:
        console.say('No migrations yet: edit a model, then make newmigration m="…".')


@console.command("plan")
@click.option("--check", is_flag=True, help="Exit with 3 where migrations are pending.")
def plan(check: bool) -> None:
    """Show the pending migrations and the SQL they will run; nothing is changed."""
    from .. import plan as planning

    project.name_database()
    script = project.chain()
    with project.looking() as connection:
        at, known = status.current(connection), status.of_script(script)
        if status.is_ahead(connection, at, known):
            console.say(f"Nothing is pending: at {console.words(at)}{console.AHEAD}.")
            return
        status.require_known(at, known.known)
        steps = planning.pending(script, connection, project.metadata())
    for step in steps:
        click.secho(f"\n{console.title(script, step.revision)}", bold=True)
        console.lines(step.checks, "  ")
        console.lines(step.ways, "  -- ")
        for statement, lock in zip(step.statements, step.locks, strict=True):
            console.lines([lock] if lock else [], "  -- ")
            console.say(textwrap.indent(f"{statement};", "  "))
    _refuse_edited()
    pending = f"{plural(steps, 'migration')} pending"
    if not steps:
        console.say("Nothing is pending.")
    elif check:
        raise MigrationError(f"{pending}: make migrate", exit_code=3)
    else:
        console.say(f"\n{pending}; next: make migrate")


@console.command("verify")
def verify() -> None:
    """Check that there is one head, and that models and migrations agree."""
    from ..autogenerate import migrate
    from ..rehearsal.report import advice

    agreement = migrate.check(project.config())
    console.lines(agreement.lines())
    rehearsals = _rehearse_unreleased(agreement.sources) if agreement.agrees else []
    _refuse_edited()
    if not agreement.agrees:
        raise MigrationError(*agreement.failure)
    failed = [rehearsal for rehearsal in rehearsals if rehearsal.failures]
    if failed:
        (*_, last) = failed
        applied = last.revision.revision in project.applied(project.chain())
        raise MigrationError(
            f"{plural(failed, 'rehearsal')} failed. No real database was touched. "
            f"{advice(last.revision, applied)}",
            exit_code=4,
        )


def _rehearse_unreleased(sources: Sequence["Source"]) -> list["Rehearsal"]:
    """Rehearse what no release holds yet, and print what failed."""
    from ..rehearsal.rehearse import rehearse_unreleased

    development = project.url() if project.development() else None
    script, metadata = project.chain(), project.metadata()
    rehearsals = rehearse_unreleased(script, metadata, sources, development)
    for rehearsal in rehearsals:
        console.lines(rehearsal.failures, "  ✗ ")
    if rehearsals and not any(rehearsal.failures for rehearsal in rehearsals):
        console.say(f"  ✓ rehearsed: {plural(rehearsals, 'unreleased revision')}")
    return rehearsals


def _refuse_edited() -> None:
    from ..run import history as logs

    with status.look(project.url(), current_app.config) as connection:
        if connection is not None:
            logs.refuse_edited(connection, project.chain(), project.development())
