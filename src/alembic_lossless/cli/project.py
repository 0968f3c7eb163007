"""The project that a command runs in: its settings, its chain and its database."""

import gc
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from flask import current_app
from sqlalchemy import URL, Connection, MetaData

from ..errors import MigrationError
from ..run import connection as connections
from ..run import lock, status
from .console import say

#: YYYYMMDD_HHMM_<revision>_<slug>.py, so that a folder of migrations reads in their order.
FILE_TEMPLATE = "%%(year)d%%(month).2d%%(day).2d_%%(hour).2d%%(minute).2d_%%(rev)s_%%(slug)s"


def file_template(message: str) -> str:
    """Return the template for *message*, whose letters beyond ASCII Alembic would keep."""
    plain = unicodedata.normalize("NFKD", message.casefold()).encode("ascii", "ignore").decode()
    slug = "_".join(["", *re.findall(r"[a-z0-9]+", plain)])
    return FILE_TEMPLATE.replace("_%%(slug)s", slug[:40])


def config() -> Config:
    """Return Alembic's configuration of this project, each time a new one."""
    made: Config = current_app.extensions["migrate"].migrate.get_config()
    made.attributes["say"] = say
    return dated(made)


def dated(config: Config) -> Config:
    """Let the files of new revisions begin with their date; the stock verbs' too."""
    config.set_main_option("file_template", FILE_TEMPLATE)
    return config


def chain() -> ScriptDirectory:
    """Return the revisions, read anew from their files."""
    return ScriptDirectory.from_config(config())


def metadata() -> MetaData:
    """Return the models' tables."""
    found: MetaData = current_app.extensions["migrate"].db.metadata
    return found


def url() -> URL:
    """Return the database that is migrated."""
    settings = current_app.config
    found: URL = settings["SQLALCHEMY_ALEMBIC_URI"] or settings["SQLALCHEMY_DATABASE_URI"]
    return found


def development() -> bool:
    """Tell whether that is a database for development."""
    found: bool = current_app.config["DEVELOPMENT"]
    return found


def name_database() -> None:
    """Print which database it is, without its password."""
    say(f"Database: {connections.label(url())}")


def only_development(what: str) -> None:
    """Refuse *what* on any other database.

    :raises MigrationError: where it is not one for development.
    """
    if not development():
        raise MigrationError(
            f"{what} works on the development database only, and {connections.label(url())} is "
            "not that: unset SETTINGS, or name a database of this host that ends in _dev."
        )


def reading() -> Connection:
    """Connect to the database in order to look."""
    return connections.connect(current_app.config, url(), read_only=True, say=say)


@contextmanager
def looking() -> Iterator[Connection]:
    """Connect in order to look: as the application, whose password is at hand, where it may."""
    with status.look(url(), current_app.config, say) as connection:
        if connection is not None and status.is_readable(connection):
            yield connection
            return
    with reading() as connection:
        yield connection


def current() -> frozenset[str]:
    """Return the revisions that the database is at."""
    with reading() as connection:
        return status.current(connection)


def probe() -> tuple[status.Chain, status.Probe | None]:
    """Return the revisions that the code knows, and where the database is, as far as one sees."""
    known = status.chain(current_app.extensions["migrate"].migrate.directory)
    return known, status.probe(url(), current_app.config, known)


def applied(script: ScriptDirectory) -> set[str]:
    """Return the revisions of *script* that the database has, as far as one sees."""
    _, seen = probe()
    return status.applied(script, seen.at if seen else ())


@contextmanager
def locked() -> Iterator[Connection]:
    """Hold the migration lock of the database, on a connection to it."""
    limits = connections.Limits.of(current_app.config)
    with (
        connections.connect(current_app.config, url(), limits, say=say) as connection,
        lock.hold(connection, limits.wait, say),
    ):
        yield connection


def run(command: Callable[..., None], target: Any, *, copied: bool = False) -> list[str]:
    """Run a command of Alembic's through env.py, and return the revisions that it did.

    :param copied: whether there is a copy of the database from just before.
    """
    using = config()
    using.attributes.update(copied=copied, done=[])
    # What is loaded by now stays till the end: a long chain need not have it collected each time.
    gc.freeze()
    try:
        command(using, target)
    finally:
        gc.unfreeze()
    done: list[str] = using.attributes["done"]
    return done
