"""``downgrade``, ``redo`` and ``undo``: going back."""

from collections.abc import Sequence

import alembic.command
import click
from alembic.script import ScriptDirectory

from .. import compat
from ..errors import MigrationError, plural
from ..hints import command as hint
from ..run import binds, losses, status
from ..run import history as history_log
from ..run.chain import read_chain
from ..run.connection import sqlite_file
from ..run.env import Environment, Run
from . import console, database
from .command import command
from .console import echo
from .project import Project


@command("downgrade")
@click.argument("revision", default="-1")
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it.")
@click.option("--tag", help="An argument for env.py.")
@click.option("--force", is_flag=True, help="Without asking, also where rows would be lost.")
def downgrade(project: Project, revision: str, sql: bool, tag: str | None, force: bool) -> None:
    """Undo the last migration, or all after REVISION."""
    if sql:
        target = "head:-1" if revision == "-1" else revision
        alembic.command.downgrade(project.make_config(), target, sql=True, tag=tag)
        return
    if not any(project.work_for_each(lambda environment: _announce(environment, revision, force))):
        return
    run = project.run(alembic.command.downgrade, revision, tag=tag)
    for outcome in run.outcomes:
        number, at = plural(outcome.done, "revision"), console.names(outcome.at)
        word = f"Downgraded {number}" if outcome.done else "Nothing to downgrade"
        echo(f"{outcome.label}{word}: at {at}.")
    _show_way_back(run)


def _announce(environment: Environment, revision: str, force: bool) -> bool:
    """Say what a downgrade to *revision* undoes, and what it loses.

    :return: whether there is anything to undo.
    :raises MigrationError: without consent to what would be lost, or where another revision is
        half applied.
    """
    script = environment.script
    binds.require_one_revision(environment.targets, revision, hint("downgrade", "REVISION"))
    database.name_of_several(environment)
    with database.reading(environment) as connection:
        at = status.current(connection)
        half = history_log.half_applied(connection)
    known = read_chain(script).known
    if not at:
        history_log.refuse_half_applied(half, [], known)
        echo("Nothing to downgrade: the database is at no revision.")
        return False
    status.require_known(at, known, script)
    if revision == "-1":
        _refuse_to_choose(script, at)
    if status.lacks(script, at, revision):
        echo(f"Nothing to downgrade: at {console.names(at)}, and {revision} is not applied.")
        return False
    undone = compat.revisions_to_undo(script, revision, at)
    begun = [f"downgrade {first}" for first in undone[:1]]
    history_log.refuse_half_applied(half, begun, known)
    if not undone:
        echo(f"Nothing to downgrade: at {console.names(at)}, and not behind {revision}.")
        return False
    if environment.bind is None:
        database.name_database(environment)
    lost = _list(environment, undone)
    _list_what_stays(script, undone[-1])
    target = "" if revision == "-1" else revision
    _ask_to_undo(environment, lost, force, hint("downgrade", target, force=True))
    return True


def _ask_to_undo(environment: Environment, lost: list[str], force: bool, command: str) -> None:
    """Ask whether what was listed as *lost* may be.

    :param command: gives the consent beforehand.
    :raises MigrationError: without it.
    """
    is_development = database.is_development(environment)
    where = "" if is_development else "This is not a development database. "
    console.consent(bool(lost) and not force, f"{where}Undo these revisions", command)


def _refuse_to_choose(script: ScriptDirectory, at: frozenset[str]) -> None:
    """Refuse a step back that could be either of two.

    :raises MigrationError: at two heads, or at a merge of two.
    """
    if len(at) > 1:
        commands = " or ".join(hint("downgrade", f"{head}@-1") for head in sorted(at))
        raise MigrationError(
            f"The database is at {plural(at, 'head')}, {console.names(at)}: say which of them is "
            f"undone, {commands}."
        )
    (head,) = at
    revision = script.get_revision(head)
    if revision.is_merge_point:
        commands = " or ".join(
            hint("downgrade", parent) for parent in revision._versioned_down_revisions
        )
        raise MigrationError(
            f"Revision {head} merges two branches: say where to go back to, {commands}."
        )


def _list(environment: Environment, undone: Sequence[str]) -> list[str]:
    """Print which revisions go, and what they take with them; return that."""
    script = environment.script
    console.lines((console.title(script, revision) for revision in undone), "  undo  ")
    with database.reading(environment) as connection:
        lost = losses.find(script, connection, undone)
    console.lines(lost, "  lose  ")
    if database.backups(environment) is None:
        echo("  ! no backup is made before this: name a folder in MIGRATION_BACKUP to have one")
    return lost


def _list_what_stays(script: ScriptDirectory, last: str) -> None:
    """Say where *last* is one of several revisions that were written for one change."""
    from ..autogenerate import split

    rest = []
    revision = script.get_revision(last)
    while earlier := split.previous_of_change(script, revision):
        rest.append(console.title(script, earlier.revision))
        revision = earlier
    if rest:
        console.lines(rest, "  stays ")
        start = (revision._versioned_down_revisions or ("base",))[0]
        echo(f"  ! of the same change; to undo all of it: {hint('downgrade', start)}")


def _show_way_back(run: Run) -> None:
    if run.outcomes[-1].backup and not run.has_several:
        echo(f"To restore the database as it was before: {hint('undo')}")


@command("redo")
@click.option("--force", is_flag=True, help="Without asking, also where rows would be lost.")
def redo(project: Project, force: bool) -> None:
    """Undo and apply again what was edited since it was applied (development only)."""
    target = project.work(lambda environment: _edited(environment, force))
    if target is None:
        return
    try:
        undoing = project.run(alembic.command.downgrade, target)
    except MigrationError as error:
        raise MigrationError(
            f"{error} Where the edited downgrade does not fit what is there: put the file back as "
            f"it was, {hint('downgrade')}, edit it, {hint('upgrade')}.",
            error.exit_code,
        ) from error
    try:
        run = project.run(alembic.command.upgrade, "heads", has_backup=True)
    except MigrationError as error:
        # They are undone by now, and no more than pending.
        raise MigrationError(
            str(error).replace("run again", hint("upgrade")), error.exit_code
        ) from error
    echo(
        f"Undid {len(undoing.outcomes[-1].done)} and applied "
        f"{plural(run.outcomes[-1].done, 'revision')}: at {console.names(run.outcomes[-1].at)}."
    )
    _show_way_back(undoing)


def _edited(environment: Environment, force: bool) -> str | None:
    """Say what was edited and goes.

    :return: the revision before it; None where nothing was edited.
    :raises MigrationError: without consent to what would be lost.
    """
    database.require_one(environment, hint("redo"))
    database.name_database(environment)
    database.only_development(environment, "redo")
    script = environment.script
    with database.reading(environment) as connection:
        at = status.current(connection)
        edits = history_log.edited(connection, script)
    status.require_known(at, read_chain(script).known, script)
    if not edits:
        waiting = status.pending(script, at)
        echo(
            "Nothing to redo: no applied file was edited since. "
            + (
                f"Pending: {console.names(waiting)}; next: {hint('upgrade')}"
                if waiting
                else f"{hint('downgrade')} and {hint('upgrade')} undo the last one and apply it "
                "again."
            )
        )
        return None
    console.lines(edits, "  ")
    first = script.get_revision(edits[0].revision)
    target: str = (first._versioned_down_revisions or ("base",))[0]
    lost = _list(environment, compat.revisions_to_undo(script, target, at))
    _ask_to_undo(environment, lost, force, hint("redo", force=True))
    return target


@command("undo")
@click.option("--backup", default="", help="The name of another backup than the newest.")
@click.option("--force", is_flag=True, help="Without asking, also where rows would be lost.")
def undo(project: Project, backup: str, force: bool) -> None:
    """Restore the backup that was made before the last migration."""
    project.work(lambda environment: _undo(environment, backup, force))


def _undo(environment: Environment, name: str, force: bool) -> None:
    from ..backup import restore
    from ..backup.changes import changes

    database.require_one(environment, hint("undo"))
    database.name_database(environment)
    url = environment.target.url
    backups = database.backups(environment)
    if backups is None:
        raise MigrationError(
            "No backups are made of this database, because MIGRATION_BACKUP is empty or off. Undo "
            f"revisions without one: {hint('downgrade')}; or restore the server's own backup."
        )
    chosen = restore.choose(backups, name)
    echo(
        f"Backup: {chosen.path}, made {chosen.when:%Y-%m-%d %H:%M:%S} UTC at revision "
        f"{chosen.revision}{', with more that was half applied' if chosen.is_half_applied else ''}"
    )
    live = sqlite_file(url)
    if live is None:
        console.lines(restore.restore_commands(url, chosen), "  ")
        raise MigrationError(
            "Nothing was changed: a server's dump is restored by hand, as shown, into a new "
            "database; then name that one in the settings."
        )
    script = environment.script
    restore.verify(live, chosen.path, script)
    tables = changes(live, chosen.path)
    console.lines((line for table in tables for line in table.lost), "  lose  ")
    console.lines((line for table in tables for line in table.restored), "  back  ")
    lost = any(table.lost for table in tables)
    console.consent(lost and not force, "Restore the backup", hint("undo", force=True))
    with database.locked(environment) as connection:
        at = status.current(connection)
        connection.rollback()
        set_aside = restore.restore(backups, chosen, at)
        then = status.current(connection)
    pending = status.pending(script, then)
    again = ". Later revisions are pending again: fix the file before you upgrade"
    echo(f"Restored: at {console.names(then)}{again if pending else ''}.")
    if set_aside:
        command = hint("undo", backup=set_aside.name)
        echo(f"To restore the database as it was until now: {command}")
