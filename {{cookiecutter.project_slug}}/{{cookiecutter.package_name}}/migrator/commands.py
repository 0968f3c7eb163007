"""The commands that this project adds to ``flask db``. They print; the logic is elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import alembic.command
import click
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask_migrate.cli import db as group
from sqlalchemy import URL, Connection, MetaData, inspect

from . import MigratorError
from .apply import connection as connections
from .apply import status

#: What ``flask db …`` exits with, below the help of each of its commands.
EXIT_CODES = """\b
Exit codes:
  0  done, or nothing to do
  1  failed, and rolled back
  2  wrong usage
  3  migrations pending (plan --check)
  4  models and migrations differ
  5  another migrator holds the lock past MIGRATION_LOCK_WAIT
  6  an applied file was edited
  7  half applied (databases without transactional DDL)
"""


def init_app(app: Flask, seed: Callable[[], None]) -> None:
    """Let the commands know the application's *seed*, which fills a rebuilt database."""
    from . import handover  # noqa: F401  its commands register themselves

    app.extensions["migrator"] = seed
    for command in (group, *group.commands.values()):
        command.epilog = EXIT_CODES


def _config() -> Config:
    config: Config = current_app.extensions["migrate"].migrate.get_config()
    config.set_main_option("file_template", FILE_TEMPLATE)
    return config


#: YYYYMMDD_HHMM_<revision>_<slug>.py, so that a folder of migrations reads in their order.
FILE_TEMPLATE = "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(rev)s_%%(slug)s"


def _url() -> URL:
    settings = current_app.config
    url: URL = settings["SQLALCHEMY_ALEMBIC_URI"] or settings["SQLALCHEMY_DATABASE_URI"]
    return url


def _metadata() -> MetaData:
    metadata: MetaData = current_app.extensions["migrate"].db.metadata
    return metadata


def _name_database() -> None:
    click.echo(f"Database: {connections.label(_url())}")


@contextmanager
def _failures() -> Iterator[None]:
    """Say what a person can put right in one sentence, and exit with its code."""
    try:
        yield
    except CommandError as error:
        _stop(str(error), getattr(error, "exit_code", 1))


def _stop(sentence: str, code: int) -> None:
    click.secho(f"exit {code}: {sentence}", fg="red", err=True)
    sys.exit(code)


def _command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Register a function as ``flask db <name>``, with its failures said in one sentence."""

    def register(function: Callable[..., Any]) -> click.Command:
        def run(*args: Any, **kwargs: Any) -> None:
            with _failures():
                function(*args, **kwargs)

        run.__doc__ = function.__doc__
        run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        made: click.Command = group.command(name)(with_appcontext(run))
        return made

    return register


def _only_development(what: str) -> None:
    if not current_app.config["DEVELOPMENT"]:
        raise MigratorError(
            f"{what} works on the development database only, and {connections.label(_url())} is "
            "not that: unset SETTINGS, or name a database of this host that ends in _dev."
        )


@_command("rebuild")
def rebuild() -> None:
    """Drop and rebuild the development database from the models, and fill in the seeds."""
    from .apply import rebuild as rebuilding

    _name_database()
    _only_development("rebuild")
    config = _config()
    heads = ScriptDirectory.from_config(config).get_heads()
    metadata = _metadata()
    rebuilding.rebuild(_url(), metadata, heads)
    current_app.extensions["migrator"]()
    click.echo(
        f"Rebuilt with {len(metadata.tables)} table(s), at {_words(heads)}, seeds filled in."
    )


@_command("new")
@click.option("-m", "--message", default="", help="What changes, in a few words.")
@click.option(
    "--empty", is_flag=True, help="Write an empty revision, for a hand-written migration."
)
@click.option("--rename", default="", help="What was renamed: user.name:full_name, person:user")
@click.option("--fill", default="", help="Values for rows that may be there: user.crew=0")
@click.option("--accept", default="", help="Consent: 'drop-column user.nickname: unused'")
def new(message: str, empty: bool, rename: str, fill: str, accept: str) -> None:
    """Write a migration from what changed in the models, reviewed by the checklist."""
    from . import author, handover

    _name_database()
    if not message.strip():
        raise MigratorError(
            'Say in a few words what changes: make newmigration m="add nickname", '
            'or flask db new -m "add nickname".',
            exit_code=2,
        )
    ask = click.prompt if sys.stdin.isatty() else None
    answers = author.Answers.parse(rename or None, fill or None, accept or None, ask=ask)
    report = author.new(_config(), message.strip(), empty=empty, answers=answers)
    for line in report.lines():
        click.echo(line)
    handover.warn_of_stacking(report.revisions, report.script)
    if report.script is not None and report.revisions:
        _rehearse(report.script, report.revisions, report.sources)


@_command("rehearse")
@click.argument("revision", default="")
def rehearse(revision: str) -> None:
    """Rehearse a REVISION, else the head, on rows: up, down and up again on throwaway databases."""
    from . import scratch

    script = ScriptDirectory.from_config(_config())
    found = script.get_revision(revision or "head")
    if found is None:
        raise MigratorError('No migrations yet: edit a model, then make newmigration m="…".')
    sources, missing = scratch.sources(current_app.config["MIGRATION_DATABASES"], _url())
    _rehearse(script, [found.revision], sources, missing)


def _rehearse(script: ScriptDirectory, revisions: Any, sources: Any, missing: Any = ()) -> None:
    from .author import rehearse as rehearsing

    development = _url() if current_app.config["DEVELOPMENT"] else None
    for revision in revisions:
        if len(revisions) > 1:
            click.echo(_title(script, revision))
        done = rehearsing.rehearse(script, revision, _metadata(), sources, development)
        done.notes += [f"not rehearsed on {one.kind}: {one.reason}" for one in missing]
        for line in done.lines():
            click.echo(line)
        done.check()
    click.echo("Next: make migrate")


@_command("apply")
@click.option("--phase", default="", help="expand: stop before what the running code still uses.")
def apply(phase: str) -> None:
    """Apply the pending migrations; once, however many machines ask for it."""
    from . import handover

    _name_database()
    if phase:
        handover.expand(phase)
        return
    chain = status.chain(current_app.extensions["migrate"].migrate.directory)
    seen = status.probe(_url(), current_app.config, chain)
    if seen and (seen.ahead or seen.at == chain.heads):
        ahead = ", which came after all that this code knows" if seen.ahead else ""
        click.echo(f"Nothing to do: at {_words(seen.at)}{ahead}.")
        return
    if seen and not seen.at <= chain.known:
        raise MigratorError(
            f"The database is at revision {_words(seen.at - chain.known)}, which is not among "
            "these migrations: bring its file along, or run newer code; a database that another "
            "project made is taken in by make adopt."
        )
    config = _config()
    if current_app.config["DEVELOPMENT"] and _adopt_rebuilt(ScriptDirectory.from_config(config)):
        click.echo(f"The schema is already that of {_words(chain.heads)}: stamped, not altered.")
        return
    done = _run(alembic.command.upgrade, config, "heads")
    if done:
        click.echo(f"Applied {len(done)} revision(s): at {_words(_current())}.")
    else:
        click.echo(f"Nothing to do: another migrator brought it to {_words(_current())}.")


@_command("rollback")
@click.option("--to", default="", help="The revision to go back to; else one step.")
@click.option("--force", is_flag=True, help="Also outside development, where data can be lost.")
def rollback(to: str, force: bool) -> None:
    """Undo the last migration, or all after --to."""
    from .apply import losses

    _name_database()
    config = _config()
    script = ScriptDirectory.from_config(config)
    before = _current()
    if not before:
        click.echo("Nothing to roll back: the database is at no revision.")
        return
    undone = [step.revision for step in script.iterate_revisions(tuple(before), to or "base")]
    undone = undone if to else undone[:1]
    for revision in undone:
        click.echo(f"  undo  {_title(script, revision)}")
    with _reading() as connection:
        for loss in losses.find(script, connection, undone):
            click.echo(f"  lose  {loss}")
    if not (current_app.config["DEVELOPMENT"] or force):
        raise MigratorError(
            "This is not the development database, and undoing these revisions drops what they "
            "added, rows included: write a new migration that goes forward, or add force=yes "
            "(flask db rollback --force)."
        )
    done = _run(alembic.command.downgrade, config, to or "-1")
    click.echo(f"Rolled back {len(done)} revision(s): at {_words(_current())}.")


@_command("redo")
def redo() -> None:
    """Undo and apply again what was edited, or else the last migration (development only)."""
    from .apply import log as logs

    _name_database()
    _only_development("redo")
    config = _config()
    script = ScriptDirectory.from_config(config)
    with _reading() as connection:
        at = status.current(connection)
        edited = logs.edited(connection, script)
    if not at:
        click.echo("Nothing to redo: the database is at no revision.")
        return
    first = script.get_revision(edited[0].revision) if edited else None
    back = first._versioned_down_revisions if first else ()
    undone = _run(alembic.command.downgrade, config, (back or ("base",))[0] if first else "-1")
    done = _run(alembic.command.upgrade, config, "heads")
    click.echo(f"Undid {len(undone)} and applied {len(done)} revision(s): at {_words(_current())}.")


@_command("log")
def log() -> None:
    """List the revisions: which of them this database has, since when, and who applied them."""
    from .apply import log as logs

    script = ScriptDirectory.from_config(_config())
    with _reading() as connection:
        todo = set(status.pending(script, status.current(connection)))
        entries = logs.entries(connection)
        edited = {one.revision for one in logs.edited(connection, script)}
        half = logs.half_applied(connection)
    for name in half:
        click.echo(f"  half applied  {name}")
    revisions = [revision.revision for revision in script.walk_revisions()]
    for revision in [*sorted(set(entries) - set(revisions)), *revisions]:
        word = "pending" if revision in todo else "applied"
        entry = entries.get(revision)
        note = f"  {entry}" if entry and word == "applied" and entry.event != "downgrade" else ""
        edit = "  edited since" if revision in edited else ""
        click.echo(f"  {word}  {_title(script, revision)}{note}{edit}")
    if not revisions:
        click.echo('No migrations yet: edit a model, then make newmigration m="…".')


@_command("plan")
@click.option("--check", is_flag=True, help="Exit with 3 where migrations are pending.")
def plan(check: bool) -> None:
    """Show the pending migrations and the SQL they will run; nothing is changed."""
    from .author import plan as planning

    _name_database()
    script = ScriptDirectory.from_config(_config())
    with _reading() as connection:
        steps = planning.pending(script, connection)
    for step in steps:
        click.secho(f"\n{_title(script, step.revision)}", bold=True)
        for way in step.ways:
            click.echo(f"  -- {way}")
        for statement in step.statements:
            click.echo(f"  {statement};")
    _refuse_edited(script)
    if not steps:
        click.echo("Nothing is pending.")
    elif check:
        raise MigratorError(f"{len(steps)} migration(s) pending: make migrate", exit_code=3)
    else:
        click.echo(f"\n{len(steps)} migration(s) pending; next: make migrate")


@_command("verify")
def verify() -> None:
    """Check that there is one head, and that models and migrations agree."""
    from . import author

    agreement = author.verify(_config())
    for line in agreement.lines():
        click.echo(line)
    _refuse_edited(ScriptDirectory.from_config(_config()))
    if not agreement.agrees:
        raise MigratorError(*agreement.failure)


def _adopt_rebuilt(script: ScriptDirectory) -> bool:
    from .apply import rebuild as rebuilding

    with _reading() as connection:
        if not inspect(connection).get_table_names():
            return False
    return rebuilding.adopt_rebuilt(_url(), _metadata(), script)


def _refuse_edited(script: ScriptDirectory) -> None:
    from .apply import log as logs

    with status.look(_url(), current_app.config) as connection:
        if connection is not None:
            logs.refuse_edited(connection, script, current_app.config["DEVELOPMENT"])


def _run(command: Callable[..., None], config: Config, target: str) -> list[str]:
    """Run a command of Alembic's through env.py, and return the revisions that it did."""
    config.attributes.update(say=click.echo, done=[])
    command(config, target)
    done: list[str] = config.attributes["done"]
    return done


def _reading() -> Connection:
    """Connect to the database in order to look."""
    return connections.connect(current_app.config, _url(), read_only=True, say=click.echo)


def _current() -> frozenset[str]:
    with _reading() as connection:
        return status.current(connection)


def _title(script: ScriptDirectory, revision: str) -> str:
    try:
        found = script.get_revision(revision)
    except CommandError:
        return f"{revision}  (not in this code)"
    return f"{revision}  {(found.doc if found else '') or ''}"


def _words(revisions: Any) -> str:
    return ", ".join(sorted(revisions)) or "no revision"
