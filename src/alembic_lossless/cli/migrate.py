"""``flask db new`` and ``rehearse``: writing a migration."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import current_app

from ..errors import MigrationError
from ..run import status
from . import console, project

if TYPE_CHECKING:
    from ..autogenerate.report import Report
    from ..scratch.sources import Missing, Source


def review(context: MigrationContext, revision: Any, directives: list[Any]) -> None:
    """Lay the checklist over a new revision; ``env.py`` lets Alembic call it before it writes."""
    from ..autogenerate import migrate

    migrate.process_revision_directives(context, revision, directives)


@console.command("new")
@click.option("-m", "--message", default="", help="What changes, in a few words.")
@click.option(
    "--empty", is_flag=True, help="Write an empty revision, for a hand-written migration."
)
@click.option("--rename", default="", help="What was renamed: user.name:full_name, person:user")
@click.option("--fill", default="", help="Values for rows that may be there: user.crew=0")
@click.option("--accept", default="", help="Consent: 'drop-column user.nickname: unused'")
def new(message: str, empty: bool, rename: str, fill: str, accept: str) -> None:
    """Write a migration from what changed in the models, reviewed by the checklist."""
    from ..autogenerate import migrate
    from ..checklist.answers import Answers

    project.name_database()
    if not message.strip():
        raise MigrationError(
            'Say in a few words what changes: make newmigration m="add nickname", '
            'or flask db new -m "add nickname".',
            exit_code=2,
        )
    ask = _ask if sys.stdin.isatty() else None
    answers = Answers.parse(rename or None, fill or None, accept or None, ask=ask)
    config = project.config()
    if not message.isascii():
        config.set_main_option("file_template", project.file_template(message))
    report = migrate.write_migration(config, message.strip(), empty=empty, answers=answers)
    console.lines(report.lines())
    if report.revisions:
        script = report.script or project.chain()
        _warn_of_stacking(report.revisions, script)
        if report.script is not None:
            try:
                _rehearse(script, report.revisions, report.sources)
            except KeyboardInterrupt:
                _say_not_rehearsed(report)
                raise
        else:
            console.say("Next: write the migration into it, then make rehearse")


def _ask(question: str, otherwise: str) -> str:
    """Ask on the terminal.

    :raises MigrationError: where the questions are left, by Ctrl-C or at the input's end.
    """
    try:
        answer: str = click.prompt(question, otherwise, show_default=False)
    except click.Abort:
        console.say()
        raise MigrationError(
            "Nothing was written: a question was left without an answer."
        ) from None
    return answer


def _say_not_rehearsed(report: "Report") -> None:
    files = ", ".join(path.name for path in report.paths)
    tried = " and ".join(f"make rehearse r={revision}" for revision in report.revisions)
    console.say(
        f"\nWritten, and not rehearsed to the end: {files}. Next: {tried}; or delete the file, "
        "where the migration is not wanted.",
        err=True,
    )


def _warn_of_stacking(revisions: Iterable[str], script: ScriptDirectory) -> None:
    """Say where one of *revisions*, just written, stands behind one that takes something away."""
    from ..run import expand_contract

    for revision in revisions:
        for contract in expand_contract.stacked_on(script, revision):
            console.say(
                f"  ! {revision} stands behind {console.title(script, contract)}, which no release "
                f"has applied yet: phase=expand will not reach it before that one is applied."
            )


@console.command("rehearse")
@click.argument("revision", default="")
def rehearse(revision: str) -> None:
    """Rehearse a REVISION, else the head, on rows: up, down and up again on throwaway databases."""
    from ..scratch.sources import find_sources

    script = project.chain()
    heads = script.get_heads()
    if not revision and len(heads) > 1:
        raise MigrationError(f"{status.too_many(heads)}; or name one: make rehearse r={heads[0]}")
    found = script.get_revision(revision or "head")
    if found is None and heads:
        raise MigrationError(f"{revision} is no revision; make history lists them.")
    if found is None:
        raise MigrationError('No migrations yet: edit a model, then make newmigration m="…".')
    sources, missing = find_sources(current_app.config["MIGRATION_DATABASES"], project.url())
    _rehearse(script, [found.revision], sources, missing)


def _rehearse(
    script: ScriptDirectory,
    revisions: Sequence[str],
    sources: Sequence["Source"],
    missing: Sequence["Missing"] = (),
) -> None:
    from ..rehearsal.rehearse import rehearse

    development = project.url() if project.development() else None
    for revision in revisions:
        if len(revisions) > 1:
            console.say(console.title(script, revision))
        done = rehearse(script, revision, project.metadata(), sources, development)
        done.notes += [f"not rehearsed on {one.kind}: {one.reason}" for one in missing]
        console.lines(done.lines())
        done.check(revision in project.applied(script))
    chain, seen = project.probe()
    try:
        status.require_known(seen.at if seen else (), chain.known)
    except MigrationError as error:
        console.say(f"  ! {error}")
        return
    pending = seen is None or seen.at != chain.heads
    console.say("Next: make migrate" if pending else "Next: nothing, the database is at the head.")
