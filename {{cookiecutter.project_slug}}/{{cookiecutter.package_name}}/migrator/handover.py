"""The commands for what comes before and after migrations: undo, adopt, move; and the phases."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import alembic.command
import click
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from . import MigratorError
from .apply import connection as connections
from .apply import status
from .commands import _command as command
from .commands import _config as config_of_project
from .commands import _metadata as metadata_of_project
from .commands import _name_database as name_database
from .commands import _reading as reading
from .commands import _run as run
from .commands import _title as title_of
from .commands import _url as url_of
from .commands import _words as words_of

if TYPE_CHECKING:
    from .scratch import Source


def expand(phase: str) -> None:
    """Apply what is pending before the first revision that takes something away.

    :raises MigratorError: with exit code 2 for another phase than "expand".
    """
    from .apply import phases

    if phase != "expand":
        raise MigratorError(f"There is no phase {phase!r}: phase=expand, or none for all.", 2)
    config = config_of_project()
    script = ScriptDirectory.from_config(config)
    with reading() as connection:
        first, waiting = phases.expanding(script, status.current(connection))
    done = run(alembic.command.upgrade, config, first[-1]) if first else []
    with reading() as connection:
        at = status.current(connection)
    click.echo(f"Applied {len(done)} revision(s): at {words_of(at)}.")
    for revision in waiting:
        away = ", ".join(phases.of(script, revision))
        why = f" ({away})" if away else " (behind it)"
        click.echo(f"  waits  {title_of(script, revision)}{why}")
    if waiting:
        click.echo("Next: release the code; when the old code runs nowhere: make migrate")


def warn_of_stacking(revisions: list[str], script: ScriptDirectory | None) -> None:
    """Say where one of *revisions*, just written, stands behind one that takes something away."""
    from .apply import phases

    if revisions and script is None:  # loading a long chain takes time
        script = ScriptDirectory.from_config(config_of_project())
    for revision in revisions:
        assert script is not None
        for contract in phases.stacked_on(script, revision):
            click.echo(
                f"  ! {revision} stands behind {title_of(script, contract)}, which no release "
                f"has applied yet: phase=expand will not reach it before that one is applied."
            )


@command("undo")
@click.option("--copy", default="", help="The name of another copy than the newest.")
@click.option("--force", is_flag=True, help="Without asking, also where rows would be lost.")
def undo(copy: str, force: bool) -> None:
    """Bring back the copy that was made before the last migration."""
    from .apply import backup
    from .apply import undo as undoing

    name_database()
    url = url_of()
    shelf = backup.Shelf.of(url, current_app.config)
    if shelf is None:
        raise MigratorError(
            "No copies are made of this database: MIGRATION_BACKUP is empty or off. The way back "
            "is make rollback, or the server's own backup."
        )
    chosen = undoing.choose(shelf, copy)
    click.echo(
        f"Copy: {chosen.path}, made {chosen.when:%Y-%m-%d %H:%M:%S} UTC at revision "
        f"{chosen.revision}"
    )
    live = backup.sqlite_file(url)
    if live is None:
        for line in undoing.by_hand(url, chosen):
            click.echo(f"  {line}")
        raise MigratorError(
            "Nothing was changed: a server's dump is played back by hand, as shown, into a new "
            "database; then name that one in the settings."
        )
    undoing.verify(live, chosen.path, ScriptDirectory.from_config(config_of_project()))
    lost = undoing.losses(live, chosen.path)
    for loss in lost:
        click.echo(f"  lose  {loss}")
    _consent(bool(lost) and not force, "Bring the copy back", "make undo force=yes")
    with _locked(url) as connection:
        at = status.current(connection)
        connection.rollback()
        aside = undoing.bring_back(shelf, chosen, at)
        then = status.current(connection)
    click.echo(
        f"Brought back: at {words_of(then)}. What is after it is pending again; mend it "
        "before the next make migrate."
    )
    if aside:
        click.echo(f"What it was until now: make undo copy={aside.name}")


@command("adopt")
@click.option("--revision", default="", help="Stamp with this one, if the schema is its schema.")
@click.option("--accept", default="", help="Consent: 'drop-column user.nickname: unused'")
@click.option("--force", is_flag=True, help="Also where it is at another project's revision.")
def adopt(revision: str, accept: str, force: bool) -> None:
    """Take in a database that was made without these migrations."""
    from .author import Answers
    from .author import adopt as adopting

    name_database()
    consent = Answers.parse(accept=accept or None).accept
    script = ScriptDirectory.from_config(config_of_project())
    source = _scratch(url_of())
    with reading() as connection:
        standing = adopting.stand(
            connection, script, metadata_of_project(), source, revision or None
        )
    if standing.is_empty:
        click.echo("Nothing to adopt: the database is empty; make migrate fills it.")
        return
    if standing.known and standing.at and not revision:
        click.echo(f"Nothing to adopt: at {words_of(standing.at)}, which these migrations know.")
        return
    if standing.equals is not None and set(standing.equals) == standing.at:
        click.echo(f"Nothing to do: at {words_of(standing.at)}.")
        return
    if not standing.known:
        click.echo(
            f"  The database says that it is at {words_of(standing.at)}, which is not among these "
            "migrations: another project's, whose migrations will not run on it any more."
        )
        _consent(not force, "Replace it", "make adopt force=yes")
    if standing.equals is not None:
        _stamp(standing.equals)
        return
    for line in standing.lines():
        click.echo(line)
    if revision:
        raise MigratorError(
            f"The database has not the schema of {revision}, so it was not stamped: make adopt "
            "writes what closes the difference.",
            exit_code=4,
        )
    _close(script, standing.closed_by, source, list(consent))


def _close(
    script: ScriptDirectory, closing: str | None, source: "Source", consent: list[str]
) -> None:
    from .author import adopt as adopting

    with connections.connect(current_app.config, url_of(), say=click.echo) as connection:
        if closing is None:
            closed = adopting.close(connection, script, metadata_of_project(), source, consent)
            closing = closed.revision
            for finding in closed.findings:
                click.echo(f"  {finding.verdict.value} {finding}")
            click.echo(f"Wrote {closed.path}")
        connection.rollback()
        adopting.mark(connection, closing)
    written = ScriptDirectory.from_config(config_of_project()).get_revision(closing)
    _stamp(written._versioned_down_revisions)
    click.echo("It is adopted; read the file that closes the difference, then: make migrate")


def _scratch(url: URL) -> "Source":
    """Find where throwaway databases of the same kind can be made."""
    from . import scratch

    kind = scratch.kind_of(url)
    have, missing = scratch.sources([kind], url)
    if have[-1].kind == kind:
        return have[-1]
    raise MigratorError(
        f"What these migrations make cannot be compared with the database: {missing[0].reason}."
    )


def _stamp(heads: tuple[str, ...]) -> None:
    stamp: Any = partial(alembic.command.stamp, purge=True)
    target: Any = list(heads) or "base"
    run(stamp, config_of_project(), target)
    click.echo(f"Stamped: at {words_of(heads)}; no table was touched.")


#: What a project without a server has yet to install.
_DRIVERS = {
    "postgresql": ("postgresql+psycopg", '"psycopg[binary]>=3.3,<4"'),
    "postgres": ("postgresql+psycopg", '"psycopg[binary]>=3.3,<4"'),
    "mysql": ("mysql+pymysql", '"pymysql>=1.2,<2" and "cryptography>=43"'),
    "mariadb": ("mariadb+pymysql", '"pymysql>=1.2,<2"'),
}


@command("move")
@click.option("--to", envvar="MIGRATION_MOVE_TO", default="", help="postgresql://…, mysql://…")
@click.option("--accept", default="", help="What may stay behind or be cut: book.created_at, notes")
def move(to: str, accept: str) -> None:
    """Move all rows from SQLite to a server's empty database."""
    from .apply import backup, lock
    from .apply import move as moving

    name_database()
    file = backup.sqlite_file(url_of())
    if file is None:
        raise MigratorError("This database is not a SQLite file, and nothing else is moved.", 2)
    target = _target(to)
    click.echo(f"To:       {connections.label(target)}")
    settings = current_app.config
    theirs = {**settings, "SQLALCHEMY_ALEMBIC_URI": target}
    limits = connections.Limits.of(settings)
    patient = connections.Limits(limits.wait, limits.lock, statement=0)
    # Asks for the password, and makes the database, once.
    with connections.connect(theirs, target, patient, say=click.echo) as connection:
        target = connection.engine.url

    @contextmanager
    def connect() -> Iterator[Connection]:
        with (
            connections.connect(theirs, target, patient, say=click.echo) as connection,
            lock.hold(connection, limits.wait, click.echo),
        ):
            yield connection

    def migrate() -> None:
        before = {key: settings[key] for key in ("SQLALCHEMY_ALEMBIC_URI", "MIGRATION_BACKUP")}
        settings.update(SQLALCHEMY_ALEMBIC_URI=target, MIGRATION_BACKUP=backup.OFF)
        try:
            run(alembic.command.upgrade, config_of_project(), "heads")
        finally:
            settings.update(before)

    script = ScriptDirectory.from_config(config_of_project())
    accepted = {name.strip() for name in accept.split(",")} - {""}
    with _locked(url_of()), click.progressbar(length=3 * moving.size(file), label="Rows") as bar:
        try:
            moved = moving.move(
                file, connect, script, migrate, accepted, lambda stage, rows: bar.update(rows)
            )
        except moving.Refused as refused:
            click.echo()
            for refusal in refused.refusals:
                click.echo(f"  ✗ {refusal}")
            raise
    for name, total in moved.sums.items():
        click.echo(f"  ✓ {name}: {total}")
    for note in moved.notes:
        click.echo(f"  ! {note}")
    word = "was moved already, and is equal" if moved.already else "is moved and equal"
    click.echo(
        f"Every row {word}. Next: set SQLALCHEMY_DATABASE_URI to the new database and start "
        f"the application; {file} stays as it is."
    )


def _target(to: str) -> URL:
    try:
        url = make_url(to)
    except ArgumentError:
        raise MigratorError(
            "Say where to: make move to=postgresql://user@host/database (or mysql://…).", 2
        ) from None
    driver, install = _DRIVERS.get(url.get_backend_name(), ("", ""))
    if not driver:
        raise MigratorError(f"Rows are moved to PostgreSQL, MySQL or MariaDB, not to {to!r}.", 2)
    url = url.set(drivername=driver) if "+" not in url.drivername else url
    try:
        url.get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError):
        raise MigratorError(
            f"The driver of {url.drivername} is not installed: add {install} to the dependencies "
            "in pyproject.toml, make install, and run move again."
        ) from None
    return url


def _consent(needed: bool, question: str, typed: str) -> None:
    """Ask on a terminal.

    :raises MigratorError: without consent, or without a terminal; nothing was changed.
    """
    if needed and not sys.stdin.isatty():
        raise MigratorError(f"Nothing was changed: to do it without being asked, {typed}.")
    if needed and not click.confirm(f"{question}?"):
        raise MigratorError("Nothing was changed.")


@contextmanager
def _locked(url: URL) -> Iterator[Connection]:
    """Hold the migration lock of *url*'s database, on a connection to it."""
    from .apply import lock

    limits = connections.Limits.of(current_app.config)
    with (
        connections.connect(current_app.config, url, limits, say=click.echo) as connection,
        lock.hold(connection, limits.wait, click.echo),
    ):
        yield connection
