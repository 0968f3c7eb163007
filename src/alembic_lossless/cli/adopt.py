"""``adopt`` and ``stamp``: saying which revision a database is at."""

from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import alembic.command
import click
from alembic.script import ScriptDirectory

from ..errors import MigrationError
from ..hints import command as hint
from ..run import history, status
from ..run.env import Environment
from . import console, database
from .command import ANSWERS, command, with_options
from .console import echo
from .project import Project

if TYPE_CHECKING:
    from ..adopt import Comparison
    from ..checklist.answers import Answers
    from ..scratch.sources import Missing, Source


@command("adopt")
@with_options(*ANSWERS)
@click.option("--force", is_flag=True, help="Also where it is at another project's revision.")
def adopt(
    project: Project,
    rename: Sequence[str],
    fill: Sequence[str],
    accept: Sequence[str],
    force: bool,
) -> None:
    """Adopt a database that was made without these migrations."""
    from ..checklist.answers import Answers

    answers = Answers.parse(rename, fill, accept)
    heads = project.work(lambda environment: _adopt(environment, answers, force))
    if heads is not None:
        _stamp(project, heads[0])
        if heads[1]:
            echo(
                f"It is adopted; read the file that closes the difference, then: {hint('upgrade')}"
            )


def _adopt(
    environment: Environment, answers: "Answers", force: bool
) -> tuple[Sequence[str], bool] | None:
    """Find or write the revision that the database is to be stamped with.

    :return: its heads, and whether a revision closes the difference; None where there is nothing
        to do.
    """
    from ..adopt import compare_with_chain
    from ..scratch import snapshot
    from ..scratch.sources import Missing

    database.require_one(environment, hint("adopt"))
    source = _scratch(environment)
    database.name_database(environment)
    if isinstance(source, Missing):
        raise MigrationError(
            "What these migrations make cannot be compared with the database, so nothing was "
            f"stamped: {source.reason}."
        )
    script = environment.script
    compare = partial(
        compare_with_chain,
        script=script,
        metadata=environment.metadata,
        source=source,
        options=environment.options,
    )
    with database.reading(environment) as connection:
        at_present = status.current(connection)
        known = environment.chain.known - snapshot.older(script, source.kind)
        if len(at_present) == 1 and at_present <= known:
            (revision,) = at_present
            own = compare(connection, revision=revision)
        else:
            own = None
        comparison = compare(connection)
    at = console.names(comparison.at)
    has_other_schema = own is not None and own.equals is None
    if own is not None and own.equals is not None and own.other_names:
        _list_names(own)
        closing = _next(script, own.at, comparison.closed_by)
        if closing is None and own.at != set(script.get_heads()):
            echo(f"  Nothing is renamed before the head: {hint('upgrade')}, then {hint('adopt')}")
            return None
        return _close(environment, source, answers, closing)
    if done := _nothing_to_do(comparison, at, has_other_schema):
        echo(done)
        return None
    if not comparison.known:
        echo(
            f"  The database is at {at}, which is not among these migrations: another project's, "
            "whose migrations will not run on it any more."
        )
        console.consent(not force, "Replace it", hint("adopt", force=True))
    if has_other_schema:
        echo(
            f"  ! The schema is not that of {at}, where the database is: it was changed beside the "
            "migrations, as by db.create_all()."
        )
        _list_skipped(script, comparison)
    if comparison.equals is not None:
        _list_names(comparison)
        return comparison.equals, False
    console.lines(comparison.lines())
    if comparison.has_more_than_the_chain:
        echo(
            "  ! nothing of this is dropped without consent. To keep it, declare it in the "
            f"models, {hint('migrate', message='…')}, and adopt then."
        )
    return _close(environment, source, answers, comparison.closed_by)


def _list_names(comparison: "Comparison") -> None:
    """Print what has another name in the database, where the revisions gave it none."""
    if comparison.other_names:
        console.lines(comparison.lines_on_names())
        echo(
            "  ! A migration that drops one of these has to try both names, as those of "
            f"{hint('migrate', message='…')} do; {hint('adopt')} writes one that renames them."
        )


def _next(script: ScriptDirectory, at: Collection[str], closing: str | None) -> str | None:
    """Return the revision *closing*, where it is the next one for a database that is *at* some."""
    revision = script.get_revision(closing) if closing else None
    return closing if revision and set(revision._versioned_down_revisions) == at else None


def _close(
    environment: Environment, source: "Source", answers: "Answers", closing: str | None
) -> tuple[Sequence[str], bool]:
    """Let the revision that closes the difference run on the database; write it first.

    :param closing: one that is there already, for a database of the same schema.
    :return: the revisions before it, and True.
    """
    from ..adopt import mark, write_closing_revision

    with environment.target.connect() as connection:
        if closing is None:
            closed = write_closing_revision(
                connection,
                environment.script,
                environment.metadata,
                source,
                answers,
                environment.options,
            )
            closing = closed.revision
            console.lines(f"  {finding.verdict.value} {finding}" for finding in closed.findings)
            echo(f"Wrote {closed.path}")
        connection.rollback()
        mark(connection, closing)
    chain = ScriptDirectory.from_config(environment.config)
    return chain.get_revision(closing)._versioned_down_revisions, True


def _list_skipped(script: ScriptDirectory, comparison: "Comparison") -> None:
    """Print the pending revisions that will not run, because their schema is there already."""
    stamped = comparison.equals or tuple(script.get_heads())
    before = status.applied(script, comparison.at)
    skipped = [
        revision
        for revision in status.pending(script, comparison.at)
        if revision in status.applied(script, stamped) - before
    ]
    console.lines((console.title(script, revision) for revision in skipped), "  skip  ")
    if skipped:
        echo("  ! What these revisions do to rows is not done: look into their files, and do it.")


def _nothing_to_do(comparison: "Comparison", at: str, has_other_schema: bool) -> str:
    """Say why there is nothing to do; nothing where there is.

    :param has_other_schema: whether the schema is not that of the revision that it is at.
    """
    if comparison.is_empty:
        return f"Nothing to adopt: the database is empty; {hint('upgrade')} fills it."
    if comparison.known and comparison.at and not has_other_schema:
        return f"Nothing to adopt: at {at}, which these migrations know."
    if comparison.equals is not None and set(comparison.equals) == comparison.at:
        return f"Nothing to do: at {at}."
    return ""


@command("stamp")
@click.argument("revision", default="")
@click.option("--sql", is_flag=True, help="Print the SQL instead of running it.")
@click.option("--tag", help="An argument for env.py.")
@click.option("--purge", is_flag=True, help="Empty the version table first.")
@click.option("--force", is_flag=True, help="Without comparing the schema.")
def stamp(
    project: Project, revision: str, sql: bool, tag: str | None, purge: bool, force: bool
) -> None:
    """Record that the database is at REVISION, if it has that schema; no table is touched."""
    if sql:
        alembic.command.stamp(project.make_config(), revision or "head", sql=True, tag=tag)
        return
    if not revision:
        raise MigrationError(
            f"Nothing was stamped: say at which revision it is, {hint('stamp', 'head')}.", 2
        )
    if force:
        _stamp(project, revision, purge=purge)
        return
    compared = project.work_for_each(lambda environment: _compare(environment, revision))
    heads = next((heads for heads in compared if heads is not None), None)
    if heads is not None:
        _stamp(project, heads)


def _compare(environment: Environment, revision: str) -> Sequence[str] | str | None:
    """Compare the database with the schema of *revision*.

    :return: what to stamp; None where it is at that revision already.
    :raises MigrationError: with exit code 4, where the schema is another.
    """
    from ..adopt import compare_with_chain
    from ..scratch import snapshot
    from ..scratch.sources import Missing

    database.name_database(environment)
    source = _scratch(environment)
    if isinstance(source, Missing):
        echo(f"  ! not compared: {source.reason}")
        return revision
    asked = {script.revision for script in environment.script.get_revisions(revision) if script}
    if asked & snapshot.older(environment.script, source.kind):
        echo("  ! not compared: scratch databases start at a later revision")
        return revision
    with database.reading(environment) as connection:
        comparison = compare_with_chain(
            connection,
            environment.script,
            environment.metadata,
            source,
            revision,
            environment.options,
        )
        is_half = bool(history.half_applied(connection))
    at = console.names(comparison.at)
    if comparison.equals is not None:
        _list_names(comparison)
        # A stamp settles what is half applied and was finished by hand.
        if set(comparison.equals) == comparison.at and not is_half:
            echo(f"Nothing to do: at {at}.")
            return None
        return comparison.equals
    console.lines(comparison.lines())
    way = f"{hint('adopt')} writes a revision that closes the difference"
    if environment.bind is not None:
        way = "bring the database there by hand"
    if comparison.known and comparison.at:
        way = f"it is at {at}, and {hint('upgrade')} and {hint('downgrade')} change that"
    raise MigrationError(
        f"The schema does not match revision {revision}. Nothing was stamped: {way}; "
        f"{hint('stamp', revision, force=True)} stamps all the same.",
        exit_code=4,
    )


def _scratch(environment: Environment) -> "Source | Missing":
    """Find where scratch databases of the database's own kind can be made."""
    from ..scratch.sources import find_sources

    kind = environment.target.kind
    available, missing = find_sources([kind], environment.target.url, anywhere=True)
    return available[-1] if available else missing[0]


def _stamp(project: Project, heads: Sequence[str] | str, *, purge: bool = True) -> None:
    stamping: Any = partial(alembic.command.stamp, purge=purge)
    project.run(stamping, heads if isinstance(heads, str) else list(heads) or "base")
    echo(
        f"Stamped: at {heads if isinstance(heads, str) else console.names(heads)}; no table was "
        "touched."
    )
