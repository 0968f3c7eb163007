"""``migrate``, ``revision`` and ``rehearse``: writing a migration, and trying it."""

import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
from alembic.config import Config
from alembic.script import ScriptDirectory

from ..errors import MigrationError
from ..hints import command as hint
from ..hints import development_setting
from ..run import expand_contract, status
from ..run.chain import too_many
from ..run.env import Environment, Run
from ..schema.inclusion import only_tables
from . import console, database
from .command import ANSWERS, command, with_options
from .console import echo
from .project import Project

if TYPE_CHECKING:
    from ..autogenerate.report import Report
    from ..scratch.sources import Missing, Source

_WRITING = (
    click.option("-m", "--message", default="", help="What changes, in a few words."),
    click.option("--sql", is_flag=True, help="Print the SQL instead of running it."),
    click.option("--head", default="head", help="The head that the new revision follows."),
    click.option("--splice", is_flag=True, help="Allow a revision that is no head."),
    click.option("--branch-label", help="A label for the new branch."),
    click.option("--version-path", help="The folder for the file, where there are several."),
    click.option("--rev-id", help="The new revision's id."),
)

_PROPOSAL = (
    *ANSWERS,
    click.option("--tables", multiple=True, help="Limit the proposal to these tables: user,person"),
    click.option("--empty", is_flag=True, help="Write an empty revision, to be written by hand."),
)


@command("migrate")
@with_options(*_WRITING, *_PROPOSAL)
def migrate(project: Project, **options: Any) -> None:
    """Write a migration from what changed in the models, reviewed and rehearsed."""
    _migrate(project, **options)


@command("revision")
@click.option("--autogenerate", is_flag=True, help="Write it from what changed in the models.")
@with_options(*_WRITING, *_PROPOSAL)
def revision(project: Project, autogenerate: bool, empty: bool, **options: Any) -> None:
    """Write a revision: an empty one, or with --autogenerate the same as migrate."""
    _migrate(project, empty=empty or not autogenerate, **options)


def _migrate(
    project: Project,
    message: str,
    rename: Sequence[str],
    fill: Sequence[str],
    accept: Sequence[str],
    tables: Sequence[str],
    empty: bool,
    **options: Any,
) -> None:
    from ..autogenerate import migrate as writing
    from ..checklist.answers import Answers

    if not message.strip():
        raise MigrationError(
            "No migration was written: its file is named after what changes. Say it in a few "
            f"words: {hint('migrate', message='add nickname')}",
            exit_code=2,
        )
    ask = _ask if sys.stdin.isatty() else None
    answers = Answers.parse(rename, fill, accept, ask=ask)
    config = project.config()
    _name_in_ascii(config, message)
    report = writing.write_migration(
        config,
        message.strip(),
        empty=empty,
        answers=answers,
        tables=[name.strip() for name in ",".join(tables).split(",") if name.strip()],
        **_given(options),
    )
    console.lines(report.lines())
    console.name_tables_elsewhere(project, Run.of(config))
    if not report.revisions:
        return
    if project.settings().development is None:
        echo(
            "  ! Nobody has said whether this is a development database, so its rows were not "
            f"looked at. Where it is one: {development_setting()}; else false."
        )
    if report.script is None:
        echo(f"Next: write the migration into it, then {hint('rehearse')}")
        return
    _warn_of_stacking(report.revisions, report.script)
    try:
        _name_next(
            project.work_for_each(
                lambda environment: _rehearse(
                    environment,
                    report.revisions,
                    report.sources_of(environment.bind),
                    tables=report.tables,
                )
            )
        )
    except KeyboardInterrupt:
        _report_not_rehearsed(report)
        raise


def _name_in_ascii(config: Config, message: str) -> None:
    """Let the new file's name hold ASCII alone; Alembic keeps other letters of *message*."""
    if message.isascii():
        return
    plain = unicodedata.normalize("NFKD", message.casefold()).encode("ascii", "ignore").decode()
    slug = "_".join(re.findall(r"[a-z0-9]+", plain))[:40]
    template = config.get_alembic_option("file_template") or "%(rev)s_%(slug)s"
    if "%(rev)s" not in template:  # the files of one change are told apart by their messages
        return
    named = template.replace("%(slug)s", slug).rstrip("_")
    config.set_main_option("file_template", named.replace("%", "%%"))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of Alembic's options that were typed."""
    usual = {"sql": False, "head": "head", "splice": False}
    return {name: value for name, value in options.items() if value not in (None, usual.get(name))}


def _ask(question: str, otherwise: str) -> str:
    """Ask on the terminal.

    :raises MigrationError: where the questions are left, by Ctrl-C or at the input's end.
    """
    try:
        answer: str = click.prompt(question, otherwise, show_default=False)
    except click.Abort:
        echo()
        raise MigrationError(
            "No migration was written: a question was left without an answer."
        ) from None
    return answer


def _report_not_rehearsed(report: "Report") -> None:
    files = ", ".join(path.name for path in report.paths)
    commands = " and ".join(hint("rehearse", revision) for revision in report.revisions)
    echo(
        f"\nWritten, and not rehearsed to the end: {files}. Next: {commands}; or delete the file, "
        "where the migration is not wanted.",
        err=True,
    )


def _warn_of_stacking(revisions: Iterable[str], script: ScriptDirectory) -> None:
    """Say where one of *revisions*, just written, follows one that takes something away."""
    for revision in revisions:
        for contract in expand_contract.stacked_on(script, revision):
            echo(
                f"  ! {revision} follows {console.title(script, contract)}, which no release has "
                f"applied yet: {hint('upgrade', phase='expand')} will not reach it before that."
            )


@command("rehearse")
@click.argument("revision", default="")
def rehearse(project: Project, revision: str) -> None:
    """Try a REVISION, else the head, on rows: up, down and up again on scratch databases."""
    _name_next(project.work_for_each(lambda environment: _rehearse_revision(environment, revision)))


def _rehearse_revision(environment: Environment, revision: str) -> bool | None:
    from ..autogenerate.migrate import kinds
    from ..scratch.sources import find_sources

    script = environment.script
    heads = script.get_heads()
    if not revision and len(heads) > 1:
        raise MigrationError(f"{too_many(heads)}; or name one: {hint('rehearse', heads[0])}")
    known = script.get_revision(revision or "head")
    if known is None and heads:
        raise MigrationError(f"{revision} is no revision; {hint('history')} lists them.")
    if known is None:
        raise MigrationError(
            f"There are no migrations: edit a model, then {hint('migrate', message='…')}"
        )
    sources, missing = find_sources(kinds(environment), environment.target.url)
    return _rehearse(environment, [known.revision], sources, missing)


def _rehearse(
    environment: Environment,
    revisions: Sequence[str],
    sources: Sequence["Source"],
    missing: Sequence["Missing"] = (),
    tables: Collection[str] = (),
) -> bool | None:
    """Rehearse *revisions*, and print what came of it.

    :return: whether the project's database lacks a revision; None where it is at an unknown one.
    :raises MigrationError: where a rehearsal failed.
    """
    from ..rehearsal import rehearse as rehearsing

    database.name_of_several(environment)

    options = dict(environment.options)
    if tables:
        options["include_object"] = only_tables(tables, options.get("include_object"))
    script = environment.script
    development = environment.target.url if database.is_development(environment) else None
    for revision in revisions:
        if len(revisions) > 1:
            echo(console.title(script, revision))
        rehearsal = rehearsing.rehearse(
            script, revision, environment.metadata, sources, development, options
        )
        rehearsal.notes += [
            f"not rehearsed on {source.kind}: {source.reason}" for source in missing
        ]
        console.lines(rehearsal.lines())
        rehearsal.check(revision in database.applied(environment))
    chain, seen = database.probe(environment)
    try:
        status.require_known(seen.at if seen else (), chain.known)
    except MigrationError as error:
        echo(f"  ! {error}")
        return None
    return seen is None or seen.at != chain.heads


def _name_next(pending: Collection[bool | None]) -> None:
    """Print what to type next.

    :param pending: what :func:`_rehearse` returned for each database.
    """
    if any(pending):
        echo(f"Next: {hint('upgrade')}")
    elif None not in pending:
        are = "the database is" if len(pending) == 1 else "the databases are"
        echo(f"Next: nothing, {are} at the head.")
