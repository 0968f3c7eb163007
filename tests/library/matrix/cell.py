"""One cell of the matrix: an operation on a database with a feature, judged against the model."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError
from sqlalchemy.pool import NullPool

from tests.support.sqlite import private_engine

# These modules add to the two tables by being imported.
from . import columns, oddities, operations_on_constraints, surroundings  # noqa: F401
from .application import answers
from .features import FEATURES, with_feature
from .model import Database
from .operations import OPERATIONS, Call, OutOfBatch
from .reader import rows, schema

__all__ = ["FEATURES", "MODES", "OPERATIONS", "Outcome", "connect", "expected", "private", "run"]

MODES = ("plain", "batch")


@dataclass
class Outcome:
    """*verdict*: right, refused (and nothing changed), failed, dirty, rows, schema or respelt."""

    verdict: str
    detail: str = ""


def connect(path: Path | str, *, foreign_keys: bool = False) -> sqlite3.Connection:
    """Open the file as an application would."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
    connection.execute("PRAGMA synchronous = OFF")
    connection.text_factory = lambda text: text.decode(errors="backslashreplace")
    return connection


@contextmanager
def private(
    path: Path,
    *,
    foreign_keys: bool = False,
    module: ModuleType = sqlite3,
    synchronous: str = "OFF",
) -> Iterator[MigrationContext]:
    """Migrate as here: in one transaction of such an engine, whatever the application's is."""
    with private_engine(path, module, sync=synchronous).connect() as connection:
        context = MigrationContext.configure(connection, opts={"transactional_ddl": True})
        with context.begin_transaction():
            yield context


@contextmanager
def stock(path: Path, *, foreign_keys: bool) -> Iterator[MigrationContext]:
    """Open the file as Flask-Migrate's own env.py does: with the application's engine."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, record: object) -> None:
        connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
        connection.execute("PRAGMA synchronous = OFF")

    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with context.begin_transaction():
            yield context


Opener = Callable[..., Any]


def modes(operation: str) -> tuple[str, ...]:
    """Return how the operation can be asked for: out of batch, in batch, or both."""
    if OPERATIONS[operation].batch_only:
        return ("batch",)
    return ("plain",) if operation == "rename_table" else MODES


def ask(
    context: MigrationContext,
    operation: str,
    mode: str,
    before: Database,
    call: Call | None = None,
) -> None:
    """Let Alembic carry the operation out."""
    asked = OPERATIONS[operation]
    call = call or asked.call
    operations = Operations(context)
    table = before.name("book")
    if mode == "plain":
        call(OutOfBatch(operations, table), before)
        return
    with operations.batch_alter_table(table, **asked.batch_only) as batch:  # type: ignore[arg-type]
        call(batch, before)


def run(
    operation: str,
    feature: str,
    mode: str,
    folder: Path,
    opener: Opener,
    *,
    foreign_keys: bool,
    call: Call | None = None,
) -> Outcome:
    """Build the database, ask for the operation and judge what stands there afterwards.

    The application holds the file open all the while, with its foreign keys on or off; what it
    sees and what its statements then do has to be the same as in a database made as expected.
    *call* asks for the operation in other words than the matrix does.
    """
    path = folder / "cell.sqlite"
    path.write_bytes(_aged(feature))
    before = with_feature(feature)
    with closing(connect(path, foreign_keys=foreign_keys)) as application:
        had = (schema(application), rows(application), _texts(application))
        try:
            with opener(path, foreign_keys=foreign_keys) as context:
                ask(context, operation, mode, before, call)
        except Exception as error:
            left = (schema(application), rows(application), _texts(application))
            said = f"{type(error).__name__}: {error}"
            if left != had:
                return Outcome("dirty", said)
            clean = isinstance(error, CommandError) and "\n" not in str(error)
            return Outcome("refused" if clean else "failed", said)
        return _judge(application, before, operation, feature, foreign_keys)


def _judge(
    application: sqlite3.Connection,
    before: Database,
    operation: str,
    feature: str,
    foreign_keys: bool,
) -> Outcome:
    wanted = expected(operation, feature, foreign_keys)
    if isinstance(wanted, str):
        return Outcome("schema", f"done, though no such database can be: {wanted}")
    wanted_schema, wanted_rows, wanted_answers = wanted
    if (found := rows(application)) != wanted_rows:
        return Outcome("rows", _difference(wanted_rows, found))
    if (found := schema(application)) != wanted_schema:
        return Outcome("schema", _difference(wanted_schema, found))
    texts = _texts(application)
    (whole,) = application.execute("PRAGMA integrity_check").fetchone()
    if whole != "ok":
        return Outcome("rows", f"integrity_check: {whole}")
    if (found := answers(application, _after(operation, feature))) != wanted_answers:
        return Outcome("schema", _difference(wanted_answers, found))
    if lost := _lost_text(before, _after(operation, feature), texts):
        return Outcome("respelt", f"text not kept: {lost}")
    return Outcome("right")


@cache
def _aged(feature: str) -> bytes:
    with closing(connect(":memory:")) as connection:
        with_feature(feature).build(connection, aged=True)
        return connection.serialize()


def _after(operation: str, feature: str) -> Database:
    database = with_feature(feature)
    OPERATIONS[operation].change(database)
    return database


@cache
def expected(operation: str, feature: str, foreign_keys: bool) -> tuple[Any, Any, Any] | str:
    """Return schema, rows and answers of a database made as expected, or why there is none."""
    database = _after(operation, feature)
    with closing(connect(":memory:")) as connection:
        try:
            database.build(connection)
            connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")
            return schema(connection), rows(connection), answers(connection, database)
        except sqlite3.Error as error:
            return str(error)


def _texts(connection: sqlite3.Connection) -> set[str]:
    return {text for (text,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql > ''")}


def _lost_text(before: Database, after: Database, found: set[str]) -> str:
    """Return the first text that the operation leaves alone and that is no longer there."""
    for key in before.around.keys() & after.around.keys():
        text = before.text(before.around[key])
        if text == after.text(after.around[key]) and not any(_same(text, t) for t in found):
            return text
    for key in before.tables.keys() & after.tables.keys():
        for item in set(before.items(key)) & set(after.items(key)):
            if not any(item in text for text in found):
                return item
    return ""


def _same(text: str, stored: str) -> bool:
    """Compare as SQLite stores: it takes out IF NOT EXISTS, and what follows the last word."""
    return text.replace("if not exists ", "").startswith(stored)


def _difference(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """Say what differs, at the smallest place that differs."""
    for key in wanted.keys() | found.keys():
        one, other = wanted.get(key), found.get(key)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            return f"{key}: {_difference(one, other)}"
        return f"{key}: wanted {one!r}, found {other!r}"
    return "no difference"
