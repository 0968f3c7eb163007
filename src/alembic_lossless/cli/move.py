"""``move``: from the SQLite file to a server."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import alembic.command
import click
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from .. import compat
from ..errors import MigrationError
from ..hints import command as hint
from ..run.connection import Target, label, sqlite_file
from ..run.env import Environment
from ..settings import Limits
from . import console, database
from .command import command
from .console import echo
from .project import Project

Result = TypeVar("Result")

#: What a project without a server has yet to install.
DRIVERS = {
    "postgresql": ("postgresql+psycopg", '"psycopg[binary]>=3.3,<4"'),
    "postgres": ("postgresql+psycopg", '"psycopg[binary]>=3.3,<4"'),
    "mysql": ("mysql+pymysql", '"pymysql>=1.2,<2" and "cryptography>=43"'),
    "mariadb": ("mariadb+pymysql", '"pymysql>=1.2,<2"'),
}


@command("move")
@click.option("--to", envvar="MIGRATION_MOVE_TO", default="", help="postgresql://…, mysql://…")
@click.option("--accept", default="", help="What may stay behind or be cut: book.created_at, notes")
def move(project: Project, to: str, accept: str) -> None:
    """Move all rows from SQLite to a server's empty database."""
    # Not inside of env.py, which the upgrade of the server runs too.
    _move(project, project.work(lambda environment: environment), to, accept)


def _move(project: Project, environment: Environment, to: str, accept: str) -> None:
    from ..backup import store
    from ..run import lock
    from ..transfer import transfer
    from ..transfer.rows import Refused

    database.require_one(environment, hint("move"))
    database.name_database(environment)
    file = sqlite_file(environment.target.url)
    if file is None:
        raise MigrationError("This database is not a SQLite file, and nothing else is moved.", 2)
    url = _target(to)
    echo(f"To:       {label(url)}")
    limits = environment.settings.limits
    patient = Limits(limits.wait, limits.lock, statement=0)
    settings = replace(environment.settings, url=url, backup=store.OFF, same_database=True)
    target = Target(url, environment.target.engine, settings, echo)
    is_async = url.get_dialect().is_async

    def connected(target: Target, work: Callable[[Connection], Result]) -> Result:
        def run() -> Result:
            with target.connect(patient) as connection:
                return work(connection)

        return compat.run_with_event_loop(run) if is_async else run()

    # Asks for the password, and creates the database, once.
    url = connected(target, lambda connection: connection.engine.url)
    settings = replace(settings, url=url)
    target = replace(target, url=url, settings=settings)

    def on_target(work: Callable[[Connection], Result], /) -> Result:
        def locked(connection: Connection) -> Result:
            with lock.hold(connection, limits.wait, echo):
                return work(connection)

        return connected(target, locked)

    def migrate() -> None:
        project.run(alembic.command.upgrade, "heads", settings=settings)

    accepted = {name.strip() for name in accept.split(",")} - {""}
    script = project.script()
    length = 3 * transfer.count_rows(file)
    with database.locked(environment), click.progressbar(length=length, label="Rows") as bar:
        try:
            moved = transfer.move(
                file, on_target, script, migrate, accepted, lambda stage, rows: bar.update(rows)
            )
        except Refused as refused:
            echo()
            console.lines(refused.refusals, "  ✗ ")
            raise
    console.lines((f"{name}: {total}" for name, total in moved.sums.items()), "  ✓ ")
    console.lines(moved.notes, "  ! ")
    word = "was moved already, and is equal" if moved.already else "is moved and equal"
    echo(
        f"Every row {word}. Next: set SQLALCHEMY_DATABASE_URI to the new database and start "
        f"the application; {file} stays as it is."
    )


def _target(to: str) -> URL:
    example = hint("move", to="postgresql://user@host/database")
    try:
        url = make_url(to)
    except ArgumentError:
        raise MigrationError(
            f"Nothing was moved: say where to, {example} (or mysql://…).", 2
        ) from None
    driver, install = DRIVERS.get(url.get_backend_name(), ("", ""))
    if not driver:
        raise MigrationError(f"Rows are moved to PostgreSQL, MySQL or MariaDB, not to {to!r}.", 2)
    url = url.set(drivername=driver) if "+" not in url.drivername else url
    try:
        url.get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError):
        raise MigrationError(
            f"The driver of {url.drivername} is not installed, so nothing was moved: add {install} "
            f"to the dependencies, install them, and run {hint('move')} again."
        ) from None
    return url
