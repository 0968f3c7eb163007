"""``flask db move``: from the SQLite file to a server."""

from collections.abc import Iterator
from contextlib import contextmanager

import alembic.command
import click
from flask import current_app
from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ..errors import MigrationError
from ..run import connection as connections
from . import console, project

#: What a project without a server has yet to install.
DRIVERS = {
    "postgresql": ("postgresql+psycopg", '"psycopg[binary]>=3.3,<4"'),
    "postgres": ("postgresql+psycopg", '"psycopg[binary]>=3.3,<4"'),
    "mysql": ("mysql+pymysql", '"pymysql>=1.2,<2" and "cryptography>=43"'),
    "mariadb": ("mariadb+pymysql", '"pymysql>=1.2,<2"'),
}


@console.command("move")
@click.option("--to", envvar="MIGRATION_MOVE_TO", default="", help="postgresql://…, mysql://…")
@click.option("--accept", default="", help="What may stay behind or be cut: book.created_at, notes")
def move(to: str, accept: str) -> None:
    """Move all rows from SQLite to a server's empty database."""
    from ..backup import store
    from ..run import lock
    from ..transfer import transfer as moving

    project.name_database()
    file = store.sqlite_file(project.url())
    if file is None:
        raise MigrationError("This database is not a SQLite file, and nothing else is moved.", 2)
    target = _target(to)
    console.say(f"To:       {connections.label(target)}")
    settings = current_app.config
    theirs = {**settings, "SQLALCHEMY_ALEMBIC_URI": target}
    limits = connections.Limits.of(settings)
    patient = connections.Limits(limits.wait, limits.lock, statement=0)
    # Asks for the password, and makes the database, once.
    with connections.connect(theirs, target, patient, say=console.say) as connection:
        target = connection.engine.url

    @contextmanager
    def connect() -> Iterator[Connection]:
        with (
            connections.connect(theirs, target, patient, say=console.say) as connection,
            lock.hold(connection, limits.wait, console.say),
        ):
            yield connection

    def migrate() -> None:
        before = {key: settings[key] for key in ("SQLALCHEMY_ALEMBIC_URI", "MIGRATION_BACKUP")}
        settings.update(SQLALCHEMY_ALEMBIC_URI=target, MIGRATION_BACKUP=store.OFF)
        try:
            project.run(alembic.command.upgrade, "heads")
        finally:
            settings.update(before)

    accepted = {name.strip() for name in accept.split(",")} - {""}
    with project.locked(), click.progressbar(length=3 * moving.size(file), label="Rows") as bar:
        try:
            moved = moving.move(
                file,
                connect,
                project.chain(),
                migrate,
                accepted,
                lambda stage, rows: bar.update(rows),
            )
        except moving.Refused as refused:
            console.say()
            console.lines(refused.refusals, "  ✗ ")
            raise
    console.lines((f"{name}: {total}" for name, total in moved.sums.items()), "  ✓ ")
    console.lines(moved.notes, "  ! ")
    word = "was moved already, and is equal" if moved.already else "is moved and equal"
    console.say(
        f"Every row {word}. Next: set SQLALCHEMY_DATABASE_URI to the new database and start "
        f"the application; {file} stays as it is."
    )


def _target(to: str) -> URL:
    try:
        url = make_url(to)
    except ArgumentError:
        raise MigrationError(
            "Say where to: make move to=postgresql://user@host/database (or mysql://…).", 2
        ) from None
    driver, install = DRIVERS.get(url.get_backend_name(), ("", ""))
    if not driver:
        raise MigrationError(f"Rows are moved to PostgreSQL, MySQL or MariaDB, not to {to!r}.", 2)
    url = url.set(drivername=driver) if "+" not in url.drivername else url
    try:
        url.get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError):
        raise MigrationError(
            f"The driver of {url.drivername} is not installed: add {install} to the dependencies "
            "in pyproject.toml, make install, and run move again."
        ) from None
    return url
