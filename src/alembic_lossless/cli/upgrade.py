"""``flask db apply`` and ``rebuild``: bringing a database to the head."""

import atexit
import gc
from pathlib import Path

import alembic.command
import click
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import inspect

from ..errors import MigrationError, plural
from ..run import server, status
from . import console, project


@console.command("rebuild")
def rebuild() -> None:
    """Drop and rebuild the development database from the models, and fill in the seeds."""
    from .. import reset as rebuilding

    project.name_database()
    project.only_development("rebuild")
    heads = project.chain().get_heads()
    metadata = project.metadata()
    rebuilding.rebuild(current_app.config, project.url(), metadata, heads)
    _seed()
    console.say(
        f"Rebuilt with {plural(metadata.tables, 'table')}, at {console.words(heads)}, "
        "seeds filled in."
    )


def _seed() -> None:
    """Fill in the application's seeds.

    :raises MigrationError: where they fail; the tables stay.
    """
    try:
        current_app.extensions["alembic_lossless"]()
    except Exception as error:
        place = console.raised_in(error, Path(current_app.root_path))
        where = place and place[0].relative_to(Path(current_app.root_path).resolve().parent)
        raise MigrationError(
            f"The seeds failed{f' in line {place[1]} of {where}' if place else ''}: "
            f"{server.reason(error)}. The tables are made, and empty but for what the seeds had "
            "committed: correct the seeds, and run make db again."
        ) from error


@console.command("apply")
@click.option("--phase", default="", help="expand: stop before what the running code still uses.")
def apply(phase: str) -> None:
    """Apply the pending migrations; once, however many machines ask for it."""
    project.name_database()
    if phase:
        _expand(phase)
        return
    chain, seen = project.probe()
    if seen and not seen.half and (seen.ahead or seen.at == chain.heads):
        ahead = console.AHEAD if seen.ahead else ""
        console.say(f"Nothing to do: at {console.words(seen.at)}{ahead}.")
        _leave_at_once()
        return
    if seen:
        status.require_known(seen.at, chain.known)
    if project.development() and _adopt_rebuilt(project.chain()):
        at = console.words(chain.heads)
        console.say(f"The schema is already that of {at}: stamped, not altered.")
        return
    done = project.run(alembic.command.upgrade, "heads")
    at = console.words(project.current())
    if done:
        console.say(f"Applied {plural(done, 'revision')}: at {at}.")
    else:
        console.say(f"Nothing to do: another migrator brought it to {at}.")


def _leave_at_once() -> None:
    """Spare the interpreter its last search, through all that is loaded, for what can be freed.

    It takes a fifth of the time of a command that has nothing to do. Connections would be closed
    by it: those of the application are closed here, ours are.
    """
    current_app.extensions["migrate"].db.engine.dispose()
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)


def _adopt_rebuilt(script: ScriptDirectory) -> bool:
    from .. import reset as rebuilding

    with project.reading() as connection:
        if not inspect(connection).get_table_names():
            return False
    return rebuilding.adopt_rebuilt(project.url(), project.metadata(), script)


def _expand(phase: str) -> None:
    """Apply what is pending before the first revision that takes something away.

    :raises MigrationError: with exit code 2 for another phase than "expand".
    """
    from ..run import expand_contract

    if phase != "expand":
        raise MigrationError(f"There is no phase {phase!r}: phase=expand, or none for all.", 2)
    script = project.chain()
    first, waiting = expand_contract.expanding(script, project.current())
    done: list[str] = []
    for tip in expand_contract.tips(script, first):
        done += project.run(alembic.command.upgrade, tip, copied=bool(done))
    at = console.words(project.current())
    console.say(
        f"Applied {plural(done, 'revision')}: at {at}." if done else f"Nothing to do: at {at}."
    )
    for revision in waiting:
        away = ", ".join(expand_contract.of(script, revision))
        why = f" ({away})" if away else " (behind it)"
        console.say(f"  waits  {console.title(script, revision)}{why}")
    if waiting:
        console.say("Next: release the code; when the old code runs nowhere: make migrate")
