"""``upgrade`` and ``reset``: bringing a database to the head."""

from pathlib import Path

import alembic.command
import click
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from ..errors import MigrationError, plural, reason
from ..hints import command as hint
from ..run import expand_contract, history, identity, status
from ..run.connection import sqlite_file
from ..run.env import Environment, Outcome
from . import console, database
from .command import command
from .console import echo
from .project import Project


@command("upgrade")
@click.argument("revision", default="")
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it.")
@click.option("--tag", help="An argument for env.py.")
@click.option("--phase", default="", help="expand: stop before what the running code still uses.")
def upgrade(project: Project, revision: str, sql: bool, tag: str | None, phase: str) -> None:
    """Apply the pending migrations; once, however many machines ask for it."""
    if sql:
        alembic.command.upgrade(project.make_config(), revision or "head", sql=True, tag=tag)
        return
    if phase:
        _expand(project, phase)
        return
    if not revision and project.settings().development and project.work(_recognise_reset):
        return
    run = project.run(alembic.command.upgrade, revision or "heads", tag=tag)
    for outcome in run.outcomes:
        at = console.names(outcome.at)
        if outcome.done:
            echo(f"{outcome.label}Applied {plural(outcome.done, 'revision')}: at {at}.")
        else:
            ahead = console.AHEAD if outcome.is_ahead else ""
            echo(f"{outcome.label}Nothing to do: at {at}{ahead}.")


def _recognise_reset(environment: Environment) -> bool:
    """Stamp a development database that ``reset`` gave the schema of the heads; tell whether."""
    from ..reset import stamp_if_reset

    if environment.bind is not None:  # there is no reset of several
        return False
    chain, seen = database.probe(environment)
    if seen is None or seen.at == chain.heads or not seen.at <= chain.known:
        return False
    with database.reading(environment) as connection:
        if not inspect(connection).get_table_names():
            return False
    if not stamp_if_reset(
        environment.target, environment.metadata, environment.script, environment.options
    ):
        return False
    database.name_database(environment)
    at = console.names(chain.heads)
    echo(f"The schema is already that of {at}: stamped, no table was touched.")
    return True


def _expand(project: Project, phase: str) -> None:
    """Apply what is pending before the first revision that takes something away.

    :raises MigrationError: with exit code 2 for another phase than "expand".
    """
    if phase != "expand":
        raise MigrationError(
            f"There is no phase {phase!r}: {hint('upgrade', phase='expand')}, or no phase for all "
            "migrations.",
            2,
        )
    script = project.script()
    parted = project.work_for_each(lambda environment: _part(script, environment))
    outcomes = [outcome for outcome, _, _ in parted]
    # What waits in one of several databases waits in each.
    waiting: dict[str, list[str]] = {}
    for _, _, later in parted:
        for revision, taken in later.items():
            waiting[revision] = list(dict.fromkeys([*waiting.get(revision, []), *taken]))
    first = [revision for _, now, _ in parted for revision in now if revision not in waiting]
    for tip in expand_contract.tips(script, list(dict.fromkeys(first))):
        has_backup = len(outcomes) == 1 and bool(outcomes[0].done)
        run = project.run(alembic.command.upgrade, tip, has_backup=has_backup)
        for outcome, latest in zip(outcomes, run.outcomes, strict=True):
            outcome.done += latest.done
            outcome.at = latest.at
    for outcome in outcomes:
        applied = f"Applied {plural(outcome.done, 'revision')}" if outcome.done else "Nothing to do"
        echo(f"{outcome.label}{applied}: at {console.names(outcome.at)}.")
    for revision, taken in waiting.items():
        is_contract = expand_contract.is_contract(script.get_revision(revision))
        why = f" ({', '.join(taken) or 'contract'})" if is_contract else " (behind it)"
        echo(f"  waits  {console.title(script, revision)}{why}")
    if waiting:
        echo(f"Next: release the code; when the old code runs nowhere: {hint('upgrade')}")


def _part(
    script: ScriptDirectory, environment: Environment
) -> tuple[Outcome, list[str], dict[str, list[str]]]:
    """Return where one database is, what of the rest may go first, and what waits."""
    outcome = Outcome(environment.bind, at=database.current(environment, create=True))
    dialect = environment.target.url.get_dialect()()
    return outcome, *expand_contract.expanding(script, outcome.at, dialect)


@command("reset")
@click.option("--force", is_flag=True, help="Without asking, also where rows would be lost.")
def reset_database(project: Project, force: bool) -> None:
    """Drop and rebuild the development database from the models, and fill in the seeds."""
    from ..reset import reset

    def work(environment: Environment) -> str:
        database.require_one(environment, hint("reset"))
        database.name_database(environment)
        database.only_development(environment, "reset")
        heads = environment.script.get_heads()  # imports each file: none may be broken
        _ask_to_reset(environment, force)
        reset(environment.target, environment.metadata, heads, environment.options)
        tables = plural(environment.metadata.tables, "table")
        return f"Rebuilt with {tables}, at {console.names(heads)}"

    rebuilt = project.work(work)
    seeded = _seed(project)
    echo(f"{rebuilt}{', seeds filled in' if seeded else ''}.")


def _ask_to_reset(environment: Environment, force: bool) -> None:
    """List the rows that a reset would lose, ask whether it may, and make a backup of them.

    :raises MigrationError: without consent, or where the backup that is asked for cannot be made.
    """
    from ..backup import store
    from ..reset import left_out, lost_rows

    target, settings = environment.target, environment.settings
    file = sqlite_file(target.url)
    if target.kind == "sqlite" and not (file and file.is_file()):
        return
    with target.connect(read_only=target.kind == "sqlite") as connection:
        if target.kind != "sqlite":
            identity.require_this_machine(connection, target)
        left = left_out(connection, environment.metadata, environment.options)
        lost = lost_rows(connection, environment.metadata, left)
        at = status.current(connection)
        is_half_applied = bool(history.half_applied(connection))
        url = connection.engine.url  # with the password that was typed
    console.lines(sorted(left), "  stays  table ")
    console.lines(lost, "  lose  ")
    if not lost:
        return
    if database.backups(environment) is None:
        echo("  ! no backup is made before this: name a folder in MIGRATION_BACKUP to have one")
    console.consent(not force, "Drop these tables", hint("reset", force=True))
    backup = store.back_up(url, settings.backup, at, settings.development, echo, is_half_applied)
    if backup:
        echo(f"Backed up to {backup}")


def _seed(project: Project) -> bool:
    """Fill in the application's seeds; tell whether it has any.

    :raises MigrationError: where they fail; the tables stay.
    """
    seed = project.seed()
    if seed is None:
        return False
    try:
        seed()
    except Exception as error:
        place = console.raised_in(error, project.root)
        where = place and place[0].relative_to(Path(project.root).resolve().parent)
        raise MigrationError(
            f"The seeds failed{f' in line {place[1]} of {where}' if place else ''}: "
            f"{reason(error)}. The tables are there, and empty but for what the seeds had "
            f"committed: correct the seeds, and run {hint('reset')} again."
        ) from error
    return True
