"""Plugs the engine into Alembic: importing this module is all it takes.

Every operation on a SQLite table then goes through ``operations.py``, in batch mode and out of
it. What of Alembic is replaced or used although it is not documented stands in :data:`PRIVATE`;
:func:`require` says in one sentence which of it is missing.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import alembic
import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.operations.batch import BatchOperationsImpl
from alembic.runtime.migration import MigrationContext

from ..errors import MigrationError

#: The private parts of Alembic and SQLAlchemy: module, path in it, what it is needed for; ``()``
#: stands for an object of the class before it.
PRIVATE = (
    ("alembic.ddl.sqlite", "SQLiteImpl", "the class that is extended"),
    ("alembic.ddl.impl", "_impls", "the implementation in force for a dialect"),
    ("alembic.ddl.impl", "DefaultImpl._exec", "running a statement, or printing it"),
    ("alembic.ddl.base", "add_column", "the text of a new column"),
    ("alembic.operations.batch", "BatchOperationsImpl.flush", "replaced: one batch, one edit"),
    ("alembic.operations.batch", "BatchOperationsImpl.add_column", "replaced: insert_after"),
    ("alembic.operations.base", "Operations._to_impl", "drop_constraint without a name"),
    ("alembic.runtime.migration", "MigrationContext.autocommit_block", "replaced: no commit"),
    ("sqlalchemy.schema", "Constraint.()._create_rule", "whether a type's CHECK is wanted here"),
    ("sqlalchemy.schema", "Constraint._copy", "a constraint that a table has already, for another"),
)


def missing() -> list[str]:
    """Return the private parts that this Alembic or this SQLAlchemy does not have."""
    absent = []
    for module, path, _ in PRIVATE:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = found() if part == "()" else getattr(found, part, _ABSENT)
        if found is _ABSENT:
            absent.append(f"{module}.{path}")
    return absent


_ABSENT = object()


def require(context: MigrationContext | None = None) -> None:
    """Make sure that SQLite is migrated by this engine and nothing else.

    :param context: the migration context that is about to run, to be looked at as well.
    :raises MigrationError: if a private part is missing or something else has taken its place.
    """
    if absent := missing():
        raise MigrationError(
            f"Alembic {alembic.__version__} with SQLAlchemy {sa.__version__} has no "
            f"{', '.join(absent)}, which SQLite is migrated by here: pin both to the minor "
            f"versions that pyproject.toml names."
        )
    if not in_force(context):
        raise MigrationError(
            "SQLite would be migrated by stock Alembic, which can lose rows: import "
            "alembic_lossless.sqlite.impl in env.py, after anything else that extends Alembic's "
            "SQLiteImpl."
        )


if _absent := missing():
    require()

from alembic.ddl import impl as _alembic_impl  # noqa: E402

from .batch import options_of  # noqa: E402
from .engine import Engine  # noqa: E402


def _replace(owner: Any, name: str) -> Callable[[Any], Any]:
    """Put a function in the place of a method, and hand it the one that was there."""

    def decorate(make: Callable[[Any], Any]) -> Any:
        original = getattr(owner, name)
        original = getattr(original, "stock", original)
        new = make(original)
        new.stock = original
        setattr(owner, name, new)
        return new

    return decorate


@_replace(BatchOperationsImpl, "flush")
def _flush(stock: Any) -> Any:
    def flush(self: Any) -> None:
        if not isinstance(self.impl, Engine):
            stock(self)
        elif self.batch or self.recreate == "always":
            self.impl.change(self.table_name, self.schema, self.batch, options_of(self))

    return flush


@_replace(BatchOperationsImpl, "add_column")
def _add_column(stock: Any) -> Any:
    def add_column(self: Any, *arguments: Any, **keywords: Any) -> None:
        if isinstance(self.impl, Engine):
            self.batch.append(("add_column", arguments, keywords))
        else:
            stock(self, *arguments, **keywords)

    return add_column


@_replace(MigrationContext, "autocommit_block")
def _autocommit_block(stock: Any) -> Any:
    @contextmanager
    def autocommit_block(self: Any) -> Iterator[None]:
        """On SQLite nothing has to leave the transaction, so nothing does."""
        if isinstance(self.impl, Engine):
            yield
        else:
            with stock(self):
                yield

    return autocommit_block


@Operations._to_impl.dispatch_for(ops.DropConstraintOp, qualifier="sqlite", replace=True)
def _drop_nameless(operations: Any, operation: ops.DropConstraintOp) -> None:
    """Without a name, keep naming conventions away from a constraint that has no columns yet."""
    if operation.constraint_name is not None:
        Operations._to_impl.dispatch(ops.DropConstraintOp)(operations, operation)
        return
    kinds: dict[str | None, Callable[[], Any]] = {
        "foreignkey": lambda: sa.ForeignKeyConstraint([], []),
        "primary": sa.PrimaryKeyConstraint,
        "unique": sa.UniqueConstraint,
        "check": lambda: sa.CheckConstraint(""),
    }
    const = kinds.get(operation.constraint_type, sa.Constraint)()
    table = sa.Table(operation.table_name, sa.MetaData(), schema=operation.schema)
    table.append_constraint(const)
    keywords = {} if operation.if_exists is None else {"if_exists": operation.if_exists}
    operations.impl.drop_constraint(const, **keywords)


def in_force(context: MigrationContext | None = None) -> bool:
    """Whether SQLite is migrated by this engine; with a *context*, also by that very context."""
    installed = _alembic_impl._impls.get("sqlite") is Engine and all(
        hasattr(getattr(owner, name, None), "stock")
        for owner, name in (
            (BatchOperationsImpl, "flush"),
            (BatchOperationsImpl, "add_column"),
            (MigrationContext, "autocommit_block"),
        )
    )
    return installed and (context is None or isinstance(context.impl, Engine))
