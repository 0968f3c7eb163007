"""A revision that creates what the database has already: ``create_all`` ran before it."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from alembic.operations import ops
from alembic.script import Script
from sqlalchemy import Connection, Enum, inspect
from sqlalchemy.exc import DBAPIError

from .. import hints, statements
from ..errors import MigrationError, code
from ..quoting import qualified
from ..settings import Limits
from . import binds
from .connection import private

#: A table, a column, an object, a key that is there already.
_EXISTS = {"42P07", "42701", "42710", 1050, 1060, 1061}


def explained(
    upgrade: Callable[..., None], step: Any, connection: Connection
) -> Callable[..., None]:
    """Let a failed *upgrade* say what of its revision is in the database already, and what to do.

    :param upgrade: runs the revision of *step*.
    :param step: Alembic's.
    :param connection: where it runs; another one is made, which sees what was there before.
    :return: what takes the place of *upgrade*.
    """

    @wraps(upgrade)
    def run(**keywords: Any) -> None:
        try:
            upgrade(**keywords)
        except MigrationError as failure:
            cause = failure.__cause__ or failure
            remedy = _remedy(cause, step.revision, connection) if step.is_upgrade else ""
            if not remedy:
                raise
            # It is there, though not by this run.
            words = str(failure).partition("; nothing of it is in the database")[0].rstrip(".")
            raise MigrationError(f"{words}. {remedy}", failure.exit_code) from cause

    return run


def _remedy(error: BaseException, revision: Script, connection: Connection) -> str:
    words = str(error).lower()
    if code(error) not in _EXISTS and not (" already" in words or "duplicate column" in words):
        return ""
    try:
        engine = private(connection.engine, Limits(wait=1, lock=1), read_only=True)
        with engine.connect() as beside:
            present = existing(beside, revision)
    except DBAPIError:
        return ""
    if not present:
        return ""
    rebuild = f"or rebuild a development database: {hints.command('reset')}"
    remedy = f"Take it in: {hints.command('adopt')}; {rebuild}"
    types = [item for item in present if item.startswith("type ")]
    if types == present:  # adopt takes tables in; a type that a table uses is not dropped by this
        drops = "; ".join(f"DROP {item.replace('type', 'TYPE', 1)}" for item in types)
        remedy = f"Where no table uses it yet, drop it ({drops}), and run again"
        if binds.current() is None:  # reset is for one database
            remedy = f"{remedy}; {rebuild}"
    elif binds.current() is not None:
        remedy = (
            "Where it is what the revision makes, say so: "
            f"{hints.command('stamp', revision.revision)}; else drop it there, and run again"
        )
    return (
        f"What this revision creates was in the database before: {', '.join(present)}. "
        f"Something beside the migrations created it, such as db.create_all(). {remedy}."
    )


def existing(connection: Connection, revision: Script) -> list[str]:
    """Name the tables, columns and enum types that *revision* creates and the database has.

    :param connection: to the database, which is only read.
    :param revision: which is followed without being run.
    :return: a few words for each.
    """
    from . import recorder  # which an upgrade that succeeds has no need of

    ((operations, _),) = recorder.followed([revision], connection.dialect)
    inspector = inspect(connection)
    types = set()
    if connection.dialect.name == "postgresql":
        types = {type_["name"] for type_ in inspector.get_enums("*")}  # type: ignore[attr-defined]
    present = [
        f"type {qualified(connection.dialect, name)}"
        for name in _types_of(operations)
        if name in types
    ]
    for operation in operations:
        schema = getattr(operation, "schema", None)
        table = getattr(operation, "table_name", None)
        if not table or not inspector.has_table(table, schema=schema):
            continue
        name = f"{schema}.{table}" if schema else table
        if isinstance(operation, ops.CreateTableOp):
            present.append(f"table {name}")
        elif isinstance(operation, ops.AddColumnOp):
            columns = inspector.get_columns(table, schema)
            if operation.column.name in {column["name"] for column in columns}:
                present.append(f"column {name}.{operation.column.name}")
    return present


def _types_of(operations: Iterable[Any]) -> list[str]:
    """Return the names of the enum types that operations create, by statement or with a table."""
    names: list[str | None] = []
    for operation in operations:
        if isinstance(operation, ops.ExecuteSQLOp):
            created = statements.read(str(operation.sqltext), "postgresql")
            names += [s.name.name for s in created if s.object == "TYPE" and s.has("AS", "ENUM")]
        elif isinstance(operation, ops.CreateTableOp):
            columns = [column for column in operation.columns if hasattr(column, "type")]
            names += [column.type.name for column in columns if isinstance(column.type, Enum)]
    return [name for name in dict.fromkeys(names) if name]
