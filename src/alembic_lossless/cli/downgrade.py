"""``flask db rollback``, ``redo`` and ``undo``: the ways back."""

from collections.abc import Sequence

import alembic.command
import click
from alembic.script import ScriptDirectory
from flask import current_app

from ..errors import MigrationError, plural
from ..run import status
from . import console, project


@console.command("rollback")
@click.option("--to", default="", help="The revision to go back to; else one step.")
@click.option("--force", is_flag=True, help="Also outside development, where data can be lost.")
def rollback(to: str, force: bool) -> None:
    """Undo the last migration, or all after --to."""
    project.name_database()
    script = project.chain()
    before = project.current()
    if not before:
        console.say("Nothing to roll back: the database is at no revision.")
        return
    status.require_known(before, status.of_script(script).known)
    if not to:
        _refuse_to_choose(script, before)
    undone = _undone(script, to or "-1", before)
    if not undone:
        console.say(f"Nothing to roll back: at {console.words(before)}, and not behind {to}.")
        return
    _announce(script, undone)
    _say_what_stays(script, undone[-1])
    if not (project.development() or force):
        raise MigrationError(
            "This is not the development database, and undoing these revisions drops what they "
            "added, rows included: write a new migration that goes forward, or add force=yes "
            "(flask db rollback --force)."
        )
    done = project.run(alembic.command.downgrade, to or "-1")
    at = console.words(project.current())
    console.say(f"Rolled back {plural(done, 'revision')}: at {at}.")
    _say_way_back()


def _refuse_to_choose(script: ScriptDirectory, at: frozenset[str]) -> None:
    """Refuse a step back that could be either of two.

    :raises MigrationError: at two heads, or at a merge of two.
    """
    if len(at) > 1:
        ways = " or ".join(f"to={one}@-1" for one in sorted(at))
        raise MigrationError(
            f"The database is at {plural(at, 'head')}, {console.words(at)}: say which one goes a "
            f"step back, make rollback {ways}."
        )
    (here,) = at
    found = script.get_revision(here)
    if found.is_merge_point:
        ways = " or ".join(f"to={one}" for one in found._versioned_down_revisions)
        raise MigrationError(
            f"Revision {here} is where two branches meet: say where to go back to, "
            f"make rollback {ways}."
        )


def _undone(script: ScriptDirectory, target: str, at: frozenset[str]) -> list[str]:
    """Return the revisions that Alembic would undo on the way to *target*, in its order."""
    steps = script._downgrade_revs(target, tuple(at))  # type: ignore[arg-type]  # as it is given
    return [step.revision.revision for step in steps]


def _announce(script: ScriptDirectory, undone: Sequence[str]) -> None:
    """Say which revisions go, what they take with them, and where no backup is made."""
    from ..backup.store import BackupStore
    from ..run import losses

    console.lines((console.title(script, revision) for revision in undone), "  undo  ")
    with project.reading() as connection:
        console.lines(losses.find(script, connection, undone), "  lose  ")
    if BackupStore.of(project.url(), current_app.config) is None:
        console.say(
            "  ! no backup is made before this: name a folder in MIGRATION_BACKUP to have one"
        )


def _say_what_stays(script: ScriptDirectory, last: str) -> None:
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
        console.say(f"  ! of the same change; to take back all of it: make rollback to={start}")


def _say_way_back() -> None:
    from ..backup.store import BackupStore

    if BackupStore.of(project.url(), current_app.config):
        console.say("To restore the database as it was before: make undo")


@console.command("redo")
def redo() -> None:
    """Undo and apply again what was edited since it was applied (development only)."""
    from ..run import history as logs

    project.name_database()
    project.only_development("redo")
    script = project.chain()
    with project.reading() as connection:
        at = status.current(connection)
        edited = [one.revision for one in logs.edited(connection, script)]
    status.require_known(at, status.of_script(script).known)
    if not edited:
        waiting = status.pending(script, at)
        console.say(
            "Nothing to redo: no applied file was edited since. "
            + (
                f"Pending: {console.words(waiting)}; next: make migrate"
                if waiting
                else "make rollback and make migrate undo the last one and apply it again."
            )
        )
        return
    target = (script.get_revision(edited[0])._versioned_down_revisions or ("base",))[0]
    _announce(script, _undone(script, target, at))
    try:
        undone = project.run(alembic.command.downgrade, target)
    except MigrationError as error:
        raise MigrationError(
            f"{error} Where the edited way back does not fit what is there: put the file back as "
            "it was, make rollback, edit it, make migrate.",
            error.exit_code,
        ) from error
    try:
        done = project.run(alembic.command.upgrade, "heads", copied=True)
    except MigrationError as error:
        # They are undone by now, and no more than pending.
        raise MigrationError(
            str(error).replace("run again", "make migrate"), error.exit_code
        ) from error
    console.say(
        f"Undid {len(undone)} and applied {plural(done, 'revision')}: "
        f"at {console.words(project.current())}."
    )
    _say_way_back()


@console.command("undo")
@click.option("--backup", default="", help="The name of another backup than the newest.")
@click.option("--force", is_flag=True, help="Without asking, also where rows would be lost.")
def undo(backup: str, force: bool) -> None:
    """Restore the backup that was made before the last migration."""
    from ..backup import restore, store
    from ..backup.changes import changes

    project.name_database()
    url = project.url()
    backups = store.BackupStore.of(url, current_app.config)
    if backups is None:
        raise MigrationError(
            "No backups are made of this database, because MIGRATION_BACKUP is empty or off. Undo "
            "revisions without one: make rollback; or restore the server's own backup."
        )
    chosen = restore.choose(backups, backup)
    console.say(
        f"Backup: {chosen.path}, made {chosen.when:%Y-%m-%d %H:%M:%S} UTC at revision "
        f"{chosen.revision}"
    )
    live = store.sqlite_file(url)
    if live is None:
        console.lines(restore.restore_commands(url, chosen), "  ")
        raise MigrationError(
            "Nothing was changed: a server's dump is restored by hand, as shown, into a new "
            "database; then name that one in the settings."
        )
    script = project.chain()
    restore.verify(live, chosen.path, script)
    tables = changes(live, chosen.path)
    console.lines((line for table in tables for line in table.lost), "  lose  ")
    console.lines((line for table in tables for line in table.restored), "  back  ")
    lost = any(table.lost for table in tables)
    console.consent(lost and not force, "Restore the backup", "make undo force=yes")
    with project.locked() as connection:
        at = status.current(connection)
        connection.rollback()
        set_aside = restore.restore(backups, chosen, at)
        then = status.current(connection)
    pending = status.pending(script, then)
    later = ". Later revisions are pending again: fix the file before you upgrade"
    console.say(f"Restored: at {console.words(then)}{later if pending else ''}.")
    if set_aside:
        console.say(
            f"To restore the database as it was until now: make undo backup={set_aside.name}"
        )
