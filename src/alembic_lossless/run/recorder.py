"""Watches a chain run: which operations its revisions invoke, and what they make by raw SQL."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic.ddl.impl import DefaultImpl
from alembic.operations import MigrateOperation, Operations
from alembic.operations.base import AbstractOperations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import Connection, Dialect, Engine, TextClause, event

from ..errors import MigrationError
from ..schema.diff import made_by_raw_sql
from ..statements import read
from . import binds


def names_created_by(sql: str, kind: str) -> set[str]:
    """Return the names of the indexes, tables and types that *sql* creates.

    :param sql: one statement or several.
    :param kind: the database that runs it.
    """
    created = (each for each in read(sql, kind) if each.object in ("INDEX", "TABLE", "TYPE"))
    return {each.creates.name for each in created if each.creates}


class Batch(MigrateOperation):
    """A batch that a revision opened, with its options."""

    def __init__(self, table_name: str, options: dict[str, Any]) -> None:
        self.table_name = table_name
        self.options = options


def invoked(connection: Connection) -> list[tuple[str, Any]]:
    """Return what the chain did on *connection*: pairs of a revision and an operation."""
    done: list[tuple[str, Any]] = connection.info.setdefault("invoked", [])
    return done


@contextmanager
def watched(connection: Connection, revision: Callable[[], str]) -> Iterator[None]:
    """Note what runs on *connection*; *revision* says which one is running."""
    made = _noting_names(made_by_raw_sql(connection))
    event.listen(connection, "before_execute", made)
    try:
        with noted(invoked(connection), revision):
            yield
    finally:
        event.remove(connection, "before_execute", made)


@contextmanager
def alone(connection: Connection | None, revision: Callable[[], str]) -> Iterator[None]:
    """Let no database but that of *connection* be reached while revisions are tried there.

    :param connection: None where they are to reach none.
    :param revision: says which one is running.
    :raises MigrationError: where it connects to another, say by the application's session.
    """

    def refuse(other: Connection) -> None:
        if connection is None or other.engine.pool is not connection.engine.pool:
            other.close()
            raise MigrationError(
                f"Revision {revision()} connects to {other.engine.url} by itself, also where it is "
                "only tried: let it use op.get_bind()."
            )

    event.listen(Engine, "engine_connect", refuse)
    try:
        yield
    finally:
        event.remove(Engine, "engine_connect", refuse)


@contextmanager
def noted(done: list[tuple[str, Any]], revision: Callable[[], str]) -> Iterator[None]:
    """Note in *done* the operations that revisions invoke, also where nothing is executed."""
    invoke, batch_alter_table = AbstractOperations.invoke, Operations.batch_alter_table

    def noting(self: Any, operation: Any) -> Any:
        done.append((revision(), operation))
        return invoke(self, operation)

    def opening(self: Any, table_name: str, *args: Any, **options: Any) -> Any:
        done.append((revision(), Batch(table_name, options)))
        return batch_alter_table(self, table_name, *args, **options)

    AbstractOperations.invoke = noting  # type: ignore[method-assign]
    Operations.batch_alter_table = opening  # type: ignore[method-assign]
    try:
        yield
    finally:
        AbstractOperations.invoke = invoke  # type: ignore[method-assign]
        Operations.batch_alter_table = batch_alter_table  # type: ignore[method-assign]


class _Idle(DefaultImpl):
    """Runs nothing, and writes nothing down."""

    @property
    def bind(self) -> None:
        """What a revision would ask is not there."""
        return None

    def _exec(self, construct: Any, *_: Any, **__: Any) -> None:
        pass


def followed(
    revisions: Iterable[Script], dialect: Dialect, way: str = "upgrade"
) -> list[tuple[list[Any], Exception | None]]:
    """Follow what *revisions* do on *dialect*, without doing it.

    :param way: "upgrade" or "downgrade".
    :return: for each its operations; and what ended that where it reads rows, which are not there.
    """
    context = MigrationContext.configure(dialect=dialect, opts={"as_sql": True})
    # Its connection is a mock of Alembic's, which enum types of PostgreSQL ask for the dialect.
    context.impl = _Idle(dialect, context.connection, True, None, None, {})
    done: list[tuple[str, Any]] = []
    found: list[tuple[list[Any], Exception | None]] = []
    at = ""
    with noted(done, lambda: ""), alone(None, lambda: at), Operations.context(context):
        for revision in revisions:
            at = revision.revision
            done.clear()
            error = None
            try:
                getattr(revision.module, way)(**binds.arguments())
            except Exception as stopped:
                error = stopped
            found.append(([operation for _, operation in done], error))
    return found


def _noting_names(names: set[str]) -> Callable[..., None]:
    seen: set[str] = set()

    def note(connection: Connection, statement: Any, *args: object) -> None:
        if isinstance(statement, TextClause):
            names.update(names_created_by(str(statement), connection.dialect.name) - seen)
            return
        element = getattr(statement, "element", None)
        # The type of a model's column is not a person's own, whoever made it.
        columns = getattr(element, "columns", None) or [getattr(statement, "column", None)]
        types = [getattr(statement, "type_", None), *(getattr(c, "type", None) for c in columns)]
        own = {str(getattr(item, "name", "")) for item in (element, *types)}
        seen.update(own)
        names.difference_update(own)

    return note
