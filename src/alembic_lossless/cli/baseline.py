"""``baseline``: lets scratch databases start at a revision, where an old chain does not run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from alembic.runtime.migration import MigrationContext

from ..errors import MigrationError
from ..hints import command as hint
from ..run import history, status
from ..run.env import Environment
from . import console, database
from .command import command
from .console import echo
from .project import Project

if TYPE_CHECKING:
    from pathlib import Path

    from ..scratch.sources import Source


@command("baseline")
@click.argument("revision", default="")
@click.option(
    "--from-database",
    is_flag=True,
    help="Take it from the project's own database, which is only read, and not its rows.",
)
def baseline(project: Project, revision: str, from_database: bool) -> None:
    """Let scratch databases start at REVISION, else the head, with a snapshot of its schema."""
    project.work(lambda environment: _baseline(environment, revision, from_database))


def _baseline(environment: Environment, revision: str, from_database: bool) -> None:
    from ..autogenerate.migrate import kinds
    from ..scratch.hints import shown
    from ..scratch.sources import find_sources

    script = environment.script
    revisions = tuple(each.revision for each in script.get_revisions(revision or "heads") if each)
    if not revisions:
        raise MigrationError(
            f"There is no revision to take a snapshot at; {hint('history')} lists them.", 2
        )
    target = environment.target
    asked = [target.kind] if from_database else kinds(environment)
    sources, missing = find_sources(asked, target.url)
    if not sources:
        reasons = "; ".join(f"{item.kind}: {item.reason}" for item in missing)
        raise MigrationError(
            f"No snapshot was taken, because there is nowhere to try it: {reasons}."
        )
    if from_database:
        database.name_database(environment)
        paths = [_of_database(environment, revisions, sources[-1])]
    else:
        database.name_of_several(environment)
        paths = [_of_chain(environment, revisions, source) for source in sources]
    console.lines((f"not taken on {item.kind}: {item.reason}" for item in missing), "  ! ")
    for path in paths:
        echo(f"Wrote {shown(path)}")
    echo(
        f"Commit it: scratch databases start at {console.names(revisions)} from now on, and only "
        "later revisions run there."
    )


def _of_chain(environment: Environment, revisions: Sequence[str], source: "Source") -> "Path":
    from ..run.recorder import quiet
    from ..scratch import databases, snapshot

    script, metadata = environment.script, environment.metadata
    at: Any = tuple(revisions)
    with databases.from_chain(script, source, at, metadata) as connection:
        with quiet():
            heads = MigrationContext.configure(connection).get_current_heads()
        connection.rollback()
        return snapshot.take(script, connection, source, heads, is_scratch=True)


def _of_database(environment: Environment, revisions: Sequence[str], source: "Source") -> "Path":
    """Take the snapshot from the project's own database.

    :raises MigrationError: with exit code 2, where it is not at *revisions*.
    """
    from ..autogenerate.constraint_names import names_before_convention
    from ..scratch import snapshot

    with database.reading(environment) as connection:
        at = status.current(connection)
        status.require_known(at, environment.chain.known, environment.script)
        if at != {*revisions}:
            at_its_own = hint("baseline", console.names(at), **{"from-database": True})
            otherwise = f"; or take it at {console.names(at)}: {at_its_own}" if at else ""
            raise MigrationError(
                f"The database is at {console.names(at)}, and not at {console.names(revisions)}, "
                f"so no snapshot was taken. Upgrade it first: {hint('upgrade')}{otherwise}",
                exit_code=2,
            )
        if half := history.half_applied(connection):
            raise MigrationError(
                f"{', '.join(half)} is half applied in the database, so its schema is that of no "
                f"revision and no snapshot was taken. Finish it first: {hint('upgrade')}",
                exit_code=2,
            )
        metadata, script = environment.metadata, environment.script
        names = names_before_convention(script, source, metadata, connection)
        for key, today in names.items():
            echo(f"  {key} would be called {today} by today's naming convention")
        return snapshot.take(script, connection, source, revisions, is_scratch=False, names=names)
