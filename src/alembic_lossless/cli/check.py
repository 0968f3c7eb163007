"""``history``, ``plan`` and ``check``: they change nothing."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import alembic.command
import click
from alembic.config import Config
from alembic.script import ScriptDirectory

from ..errors import MigrationError, plural
from ..hints import command as hint
from ..run import binds, status
from ..run import history as history_log
from ..run.chain import read_chain
from ..run.env import Environment, Run
from ..schema import baseline
from . import console, database
from .command import command
from .console import echo
from .project import Project

if TYPE_CHECKING:
    from ..autogenerate.report import Agreement
    from ..rehearsal.report import Rehearsal
    from ..scratch.sources import Source


@command("history")
@click.option("-r", "--rev-range", help="As [start]:[end]; then as Alembic lists them.")
@click.option("-v", "--verbose", is_flag=True, help="As Alembic lists them, with more.")
@click.option("-i", "--indicate-current", is_flag=True, help="As Alembic lists them.")
def history(project: Project, rev_range: str | None, verbose: bool, indicate_current: bool) -> None:
    """List the revisions: which of them this database has, since when, and who applied them."""
    if rev_range or verbose or indicate_current:
        project.script()
        alembic.command.history(
            project.config(), rev_range, verbose=verbose, indicate_current=indicate_current
        )
        return
    project.work(_history)


def _history(environment: Environment) -> None:
    script = environment.script
    database.name_of_several(environment)
    with database.looking(environment) as connection:
        at = status.current(connection)
        pending = set(status.pending(script, status.known_at(connection, at, script)))
        entries = history_log.entries(connection)
        edited = {edit.revision for edit in history_log.edited(connection, script)}
        half = history_log.half_applied(connection)
    console.lines(map(history_log.half, half), "  ")
    revisions = [revision.revision for revision in script.walk_revisions()]
    for revision in [*sorted(set(entries) - set(revisions)), *revisions]:
        word = "pending" if revision in pending else "applied"
        entry = entries.get(revision)
        note = f"  {entry}" if entry and word == "applied" and entry.event != "downgrade" else ""
        edit = "  edited since" if revision in edited else ""
        echo(f"  {word}  {console.title(script, revision)}{note}{edit}")
    if not revisions:
        echo(f"There are no migrations: edit a model, then {hint('migrate', message='…')}")


@command("plan")
@click.option("--check", is_flag=True, help="Exit with 3 where migrations are pending.")
def plan(project: Project, check: bool) -> None:
    """Show the pending migrations and the SQL they will run; nothing is changed."""
    planned = project.work_for_each(lambda environment: _plan(environment, check))
    pending = set().union(*planned)
    if check and pending:
        raise MigrationError(
            f"{plural(pending, 'migration')} pending: {hint('upgrade')}", exit_code=3
        )


def _plan(environment: Environment, check: bool) -> set[str]:
    """Print the pending revisions of one database; return their names."""
    from .. import plan as planning

    database.name_database(environment)
    script = environment.script
    with database.looking(environment) as connection:
        at, known = status.current(connection), read_chain(script)
        if status.is_ahead(connection, at, known):
            echo(f"Nothing is pending: at {console.names(at)}{console.AHEAD}.")
            return set()
        status.require_known(at, known.known, script)
        planned, unlisted = planning.pending(script, connection, environment.metadata)
    for revision in planned:
        click.secho(f"\n{console.title(script, revision.revision)}", bold=True)
        console.lines(revision.checks, "  ")
        console.lines(revision.ways, "  -- ")
        pairs = zip(revision.statements, revision.locks, strict=True)
        for number, (statement, lock) in enumerate(pairs, 1):
            if number <= revision.in_place:
                echo(textwrap.indent(f"{statement};", "  -- in place  "))
                continue
            console.lines([lock] if lock else [], "  -- ")
            echo(textwrap.indent(f"{statement};", "  "))
    if unlisted:
        echo(f"\n{plural(unlisted, 'finding')} about revisions that are released: not listed.")
    _refuse_edited(environment)
    if not planned:
        echo("Nothing is pending.")
    elif not check:
        echo(f"\n{plural(planned, 'migration')} pending; next: {hint('upgrade')}")
    return {revision.revision for revision in planned}


@command("check")
@click.option(
    "--write-baseline",
    is_flag=True,
    help="Record the differences there are: from now on only new ones are reported and proposed.",
)
def check(project: Project, write_baseline: bool) -> None:
    """Check that there is one head, and that models and migrations agree."""
    from ..autogenerate import migrate
    from ..rehearsal.report import advice

    config = project.config()
    agreement = migrate.check(config)
    if write_baseline:
        _write_baseline(config, agreement)
        return
    console.lines(agreement.lines())
    console.name_tables_elsewhere(project, Run.of(config))
    rehearsals: list[Rehearsal] = []
    if agreement.agrees:
        for rehearsed in project.work_for_each(
            lambda environment: _rehearse_unreleased(
                environment, agreement.sources.get(environment.bind, ())
            )
        ):
            rehearsals += rehearsed
    applied = set().union(*project.work_for_each(_refuse_edited))
    if not agreement.agrees:
        raise MigrationError(*agreement.failure)
    failed = [rehearsal for rehearsal in rehearsals if rehearsal.failures]
    if failed:
        # What fails after it may fail because of it.
        first = failed[0].revision
        raise MigrationError(
            f"{plural(failed, 'rehearsal')} failed. No real database was touched. "
            + advice(first, first.revision in applied, has_redo=not Run.of(config).has_several),
            exit_code=4,
        )


def _write_baseline(config: Config, agreement: "Agreement") -> None:
    if len(agreement.heads) > 1:
        raise MigrationError(*agreement.failure)
    folder = Path(ScriptDirectory.from_config(config).dir)
    path = baseline.write(folder, agreement.all_differences)
    for kind, differences in agreement.all_differences.items():
        echo(f"  {kind}: {plural(differences, 'difference')}")
    echo(f"Recorded in {path}: commit it.")


def _rehearse_unreleased(
    environment: Environment, sources: Sequence["Source"]
) -> list["Rehearsal"]:
    """Rehearse what no release holds yet, and print what failed."""
    from ..rehearsal.rehearse import rehearse_unreleased

    development = environment.target.url if database.is_development(environment) else None
    rehearsals = rehearse_unreleased(
        environment.script, environment.metadata, sources, development, environment.options
    )
    label = binds.prefix(environment.bind)
    for rehearsal in rehearsals:
        console.lines(rehearsal.failures, f"  ✗ {label}")
    passed = [rehearsal for rehearsal in rehearsals if rehearsal.passed]
    if passed and not any(rehearsal.failures for rehearsal in rehearsals):
        echo(f"  ✓ {label}rehearsed: {plural(passed, 'unreleased revision')}")
    if left := [item for item in rehearsals if not item.passed and not item.failures]:
        echo(
            f"  ! {label}not rehearsed: {plural(left, 'unreleased revision')}, because scratch "
            "databases start at a later one"
        )
    return rehearsals


def _refuse_edited(environment: Environment) -> set[str]:
    """Stop where an applied file was edited; return the revisions that the database has."""
    with status.look(environment.target) as connection:
        if connection is not None:
            history_log.refuse_edited(
                connection, environment.script, database.is_development(environment)
            )
    return database.applied(environment)
