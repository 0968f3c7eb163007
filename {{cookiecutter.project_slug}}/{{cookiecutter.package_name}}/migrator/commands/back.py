"""``flask db rollback``, ``redo`` and ``undo``: the ways back."""

import alembic.command
import click
from flask import current_app

from .. import MigratorError, plural
from ..apply import status
from . import console, project


@console.command("rollback")
@click.option("--to", default="", help="The revision to go back to; else one step.")
@click.option("--force", is_flag=True, help="Also outside development, where data can be lost.")
def rollback(to: str, force: bool) -> None:
    """Undo the last migration, or all after --to."""
    from ..apply import losses

    project.name_database()
    script = project.chain()
    before = project.current()
    if not before:
        console.say("Nothing to roll back: the database is at no revision.")
        return
    undone = [step.revision for step in script.iterate_revisions(tuple(before), to or "base")]
    undone = undone if to else undone[:1]
    for revision in undone:
        console.say(f"  undo  {console.title(script, revision)}")
    with project.reading() as connection:
        console.lines(losses.find(script, connection, undone), "  lose  ")
    if not (project.development() or force):
        raise MigratorError(
            "This is not the development database, and undoing these revisions drops what they "
            "added, rows included: write a new migration that goes forward, or add force=yes "
            "(flask db rollback --force)."
        )
    done = project.run(alembic.command.downgrade, to or "-1")
    at = console.words(project.current())
    console.say(f"Rolled back {plural(done, 'revision')}: at {at}.")


@console.command("redo")
def redo() -> None:
    """Undo and apply again what was edited, or else the last migration (development only)."""
    from ..apply import log as logs

    project.name_database()
    project.only_development("redo")
    script = project.chain()
    with project.reading() as connection:
        at = status.current(connection)
        edited = logs.edited(connection, script)
    if not at:
        console.say("Nothing to redo: the database is at no revision.")
        return
    first = script.get_revision(edited[0].revision) if edited else None
    back = first._versioned_down_revisions if first else ()
    target = (back or ("base",))[0] if first else "-1"
    undone = project.run(alembic.command.downgrade, target)
    done = project.run(alembic.command.upgrade, "heads")
    console.say(
        f"Undid {len(undone)} and applied {plural(done, 'revision')}: "
        f"at {console.words(project.current())}."
    )


@console.command("undo")
@click.option("--copy", default="", help="The name of another copy than the newest.")
@click.option("--force", is_flag=True, help="Without asking, also where rows would be lost.")
def undo(copy: str, force: bool) -> None:
    """Bring back the copy that was made before the last migration."""
    from ..apply import backup
    from ..apply import undo as undoing

    project.name_database()
    url = project.url()
    shelf = backup.Shelf.of(url, current_app.config)
    if shelf is None:
        raise MigratorError(
            "No copies are made of this database: MIGRATION_BACKUP is empty or off. The way back "
            "is make rollback, or the server's own backup."
        )
    chosen = undoing.choose(shelf, copy)
    console.say(
        f"Copy: {chosen.path}, made {chosen.when:%Y-%m-%d %H:%M:%S} UTC at revision "
        f"{chosen.revision}"
    )
    live = backup.sqlite_file(url)
    if live is None:
        console.lines(undoing.by_hand(url, chosen), "  ")
        raise MigratorError(
            "Nothing was changed: a server's dump is played back by hand, as shown, into a new "
            "database; then name that one in the settings."
        )
    undoing.verify(live, chosen.path, project.chain())
    lost = undoing.losses(live, chosen.path)
    console.lines(lost, "  lose  ")
    console.consent(bool(lost) and not force, "Bring the copy back", "make undo force=yes")
    with project.locked() as connection:
        at = status.current(connection)
        connection.rollback()
        aside = undoing.bring_back(shelf, chosen, at)
        then = status.current(connection)
    console.say(
        f"Brought back: at {console.words(then)}. What is after it is pending again; mend it "
        "before the next make migrate."
    )
    if aside:
        console.say(f"What it was until now: make undo copy={aside.name}")
