"""Watches a chain run: which operations its revisions invoke, and what they make by raw SQL.

What is watched is the one ``Operations`` that ``alembic.op`` stands for while a chain runs, and the
batches that it opens: no class of Alembic's is changed, and another thread's are left alone.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from logging import getLogger
from typing import Any

from alembic.ddl.impl import DefaultImpl
from alembic.operations import MigrateOperation, Operations, ops
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


def table_of(op: Any) -> str | None:
    """Return the name of the table that *op* is about, without its schema."""
    return getattr(op, "table_name", None) or getattr(op, "source_table", None)


def whole_name(op: Any) -> str:
    """Return the name of the table of *op*, with its schema."""
    return f"{op.schema}.{op.table_name}" if op.schema else str(op.table_name)


def renamed_table(op: ops.RenameTableOp) -> str:
    """Return the name that *op* gives a table, with its schema."""
    return f"{op.schema}.{op.new_table_name}" if op.schema else op.new_table_name


class Batch(MigrateOperation):
    """A batch that a revision opened, with its options."""

    def __init__(self, table_name: str, options: dict[str, Any]) -> None:
        self.table_name = table_name
        self.options = options


#: Is given an operation.
Note = Callable[[Any], None]


def invoked(connection: Connection) -> list[tuple[str, Any]]:
    """Return what the chain did on *connection*: pairs of a revision and an operation."""
    done: list[tuple[str, Any]] = connection.info.setdefault("invoked", [])
    return done


@contextmanager
def watched(context: MigrationContext, note: Note) -> Iterator[None]:
    """Let ``alembic.op`` carry out what revisions do in *context*, and note it.

    :param context: of a scratch database, with a connection.
    :param note: is given each operation, and a :class:`Batch` for each batch, before it runs.
    """
    connection = context.connection
    assert connection is not None
    names = _noting_names(made_by_raw_sql(connection))
    event.listen(connection, "before_execute", names)
    try:
        with operations(context, note):
            yield
    finally:
        event.remove(connection, "before_execute", names)


@contextmanager
def alone(connection: Connection | None, revision: Callable[[], str]) -> Iterator[None]:
    """Let no database but that of *connection* be reached while revisions are tried there.

    :param connection: None where they are to reach none.
    :param revision: says which one is running.
    :raises MigrationError: where it connects to another, say by the application's session.
    """
    thread = threading.get_ident()

    def refuse(other: Connection) -> None:
        if threading.get_ident() != thread:  # an application may serve meanwhile
            return
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


#: ``alembic.op`` stands for the operations of one context at a time, in whatever thread.
_OP = threading.RLock()


@contextmanager
def operations(context: MigrationContext, note: Note) -> Iterator[Operations]:
    """Let ``alembic.op`` stand for the operations of *context*, and note what they are told to do.

    Another thread that does the same waits meanwhile.

    :param note: see :func:`watched`.
    """
    with _OP, Operations.context(context) as started:
        noted(started, note)
        yield started


def noted(operations: Operations, note: Note) -> None:
    """Let *note* be given each operation that *operations* invoke, and each batch they open."""
    batch_alter_table = operations.batch_alter_table
    _note_invoked(operations, note)

    @contextmanager
    def opening(table_name: str, *args: Any, **options: Any) -> Iterator[Any]:
        note(Batch(table_name, options))
        with ExitStack() as end, batch_alter_table(table_name, *args, **options) as batch:
            _note_invoked(batch, note)
            yield batch
            end.enter_context(_carrying_out())

    vars(operations)["batch_alter_table"] = opening


def _note_invoked(operations: AbstractOperations, note: Note) -> None:
    invoke = operations.invoke

    def noting(operation: MigrateOperation) -> Any:
        note(operation)
        with nullcontext() if _is_hand_written(operation) else _carrying_out():
            return invoke(operation)

    vars(operations)["invoke"] = noting


def _is_hand_written(operation: MigrateOperation) -> bool:
    """Tell whether the statements that carry *operation* out are a person's own."""
    is_alembics = type(operation).__module__.startswith("alembic.")
    return not is_alembics or isinstance(operation, ops.ExecuteSQLOp | ops.BulkInsertOp)


_is_carried_out: ContextVar[bool] = ContextVar("is_carried_out", default=False)


@contextmanager
def _carrying_out() -> Iterator[None]:
    token = _is_carried_out.set(True)
    try:
        yield
    finally:
        _is_carried_out.reset(token)


def is_of_operation() -> bool:
    """Tell whether a statement that is sent now is Alembic's or ours, for an operation noted here.

    Else somebody wrote it: in the revision, or in an operation of the project's own.
    """
    return _is_carried_out.get()


class _Idle(DefaultImpl):
    """Runs nothing, and writes nothing down."""

    @property
    def bind(self) -> None:
        """What a revision would ask is not there."""
        return None

    def _exec(self, construct: Any, *_: Any, **__: Any) -> None:
        pass


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what runs on no real database out of Alembic's log: it looks as if it did."""
    log = getLogger("alembic.runtime.migration")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def followed(
    revisions: Iterable[Script], dialect: Dialect, way: str = "upgrade"
) -> list[tuple[list[Any], Exception | None]]:
    """Follow what *revisions* do on *dialect*, without doing it.

    :param way: "upgrade" or "downgrade".
    :return: for each its operations; and what ended that where it reads rows, which are not there.
    """
    with quiet():
        context = MigrationContext.configure(dialect=dialect, opts={"as_sql": True})
    # Its connection is a mock of Alembic's, which enum types of PostgreSQL ask for the dialect.
    context.impl = _Idle(dialect, context.connection, True, None, None, {})
    done: list[Any] = []
    results: list[tuple[list[Any], Exception | None]] = []
    at = ""
    with operations(context, done.append), alone(None, lambda: at):
        for revision in revisions:
            at = revision.revision
            done.clear()
            error = None
            try:
                getattr(revision.module, way)(**binds.arguments())
            except Exception as stopped:
                error = stopped
            results.append((list(done), error))
    return results


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
        modelled = {str(getattr(item, "name", "")) for item in (element, *types)}
        seen.update(modelled)
        names.difference_update(modelled)

    return note
