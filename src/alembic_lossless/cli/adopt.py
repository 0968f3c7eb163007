"""``flask db adopt``: taking in a database that was made without these migrations."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import alembic.command
import click
from alembic.script import ScriptDirectory
from flask import current_app

from ..errors import MigrationError
from ..run import connection as connections
from . import console, project

if TYPE_CHECKING:
    from ..adopt import Comparison
    from ..checklist.answers import Answers
    from ..scratch.sources import Source


@console.command("adopt")
@click.option("--revision", help="Stamp with this one, if the schema is its schema.")
@click.option("--rename", default="", help="What is called otherwise: user.name:full_name")
@click.option("--fill", default="", help="Values for rows that lack them: user.crew=0")
@click.option("--accept", default="", help="Consent: 'drop-column user.nickname: unused'")
@click.option("--force", is_flag=True, help="Also where it is at another project's revision.")
def adopt(revision: str | None, rename: str, fill: str, accept: str, force: bool) -> None:
    """Take in a database that was made without these migrations."""
    from ..adopt import compare_with_chain
    from ..checklist.answers import Answers

    if revision == "":
        raise MigrationError("Say which one it is at: make stamp r=REVISION.", 2)
    project.name_database()
    answers = Answers.parse(rename or None, fill or None, accept or None)
    script = project.chain()
    source = _scratch()
    with project.reading() as connection:
        comparison = compare_with_chain(connection, script, project.metadata(), source, revision)
    at = console.words(comparison.at)
    if done := _nothing_to_do(comparison, at, revision):
        console.say(done)
        return
    if not comparison.known:
        console.say(
            f"  The database says that it is at {at}, which is not among these migrations: "
            "another project's, whose migrations will not run on it any more."
        )
        console.consent(not force, "Replace it", "make adopt force=yes")
    if comparison.equals is not None:
        _stamp(comparison.equals)
        return
    console.lines(comparison.lines())
    if revision:
        way = "make adopt writes what closes the difference"
        if comparison.known and comparison.at:
            way = f"it is at {at}, and make migrate and make rollback change that"
        raise MigrationError(
            f"The schema does not match revision {revision}. Nothing was stamped: {way}.",
            exit_code=4,
        )
    _close(script, comparison.closed_by, source, answers)


def _nothing_to_do(comparison: "Comparison", at: str, revision: str | None) -> str:
    """Say why there is nothing to do; nothing where there is."""
    if comparison.is_empty:
        return "Nothing to adopt: the database is empty; make migrate fills it."
    if comparison.known and comparison.at and not revision:
        return f"Nothing to adopt: at {at}, which these migrations know."
    if comparison.equals is not None and set(comparison.equals) == comparison.at:
        return f"Nothing to do: at {at}."
    return ""


def _close(
    script: ScriptDirectory, closing: str | None, source: "Source", answers: "Answers"
) -> None:
    from ..adopt import mark, write_closing_revision

    with connections.connect(current_app.config, project.url(), say=console.say) as connection:
        if closing is None:
            closed = write_closing_revision(connection, script, project.metadata(), source, answers)
            closing = closed.revision
            console.lines(f"  {finding.verdict.value} {finding}" for finding in closed.findings)
            console.say(f"Wrote {closed.path}")
        connection.rollback()
        mark(connection, closing)
    _stamp(project.chain().get_revision(closing)._versioned_down_revisions)
    console.say("It is adopted; read the file that closes the difference, then: make migrate")


def _scratch() -> "Source":
    """Find where scratch databases of the same kind can be created."""
    from ..schema.dialect_support import kind_of
    from ..scratch.sources import find_sources

    kind = kind_of(project.url())
    have, missing = find_sources([kind], project.url(), anywhere=True)
    if have[-1].kind == kind:
        return have[-1]
    raise MigrationError(
        f"What these migrations make cannot be compared with the database: {missing[0].reason}."
    )


def _stamp(heads: Sequence[str]) -> None:
    stamp: Any = partial(alembic.command.stamp, purge=True)
    project.run(stamp, list(heads) or "base")
    console.say(f"Stamped: at {console.words(heads)}; no table was touched.")
