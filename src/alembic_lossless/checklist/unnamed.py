"""The constraints that revisions leave to the naming convention of the day on which they run."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import MigrateOperation, ops
from alembic.script import Script
from sqlalchemy import Constraint, Dialect, Index, PrimaryKeyConstraint, Table
from sqlalchemy.schema import conv

from ..naming import with_convention
from ..run.recorder import followed, renamed_table, whole_name
from ..tokens import unquote


@dataclass
class Unnamed:
    """What a chain gives no name."""

    #: The tables, with their schemas, and the names that today's convention gives.
    names: set[tuple[str, str]] = field(default_factory=set)
    #: Whether that is all: a revision that reads rows is not followed to its end.
    is_whole: bool = True


def unnamed(
    revisions: Iterable[Script], dialect: Dialect, convention: Mapping[str, Any]
) -> Unnamed:
    """Find what revisions give no name, without running them on a database.

    :param revisions: oldest first.
    :param dialect: of the database that they are for.
    :param convention: today's naming convention.
    """
    result = Unnamed()
    # What follows a file that was written under a convention ran under it everywhere.
    is_in_force = False
    for operations, error in followed(revisions, dialect):
        result.is_whole = result.is_whole and error is None
        for op in operations:
            is_in_force = is_in_force or _has_formatted_names(op)
            if isinstance(op, ops.RenameTableOp):
                old, new = whole_name(op), renamed_table(op)
                result.names = {(new if t == old else t, name) for t, name in result.names}
            for table, item in () if is_in_force else _left_to_convention(op, convention):
                result.names.add((table.fullname, formatted(item, dialect)))
    return result


def _has_formatted_names(op: MigrateOperation) -> bool:
    """Tell whether a new table's constraints have names as autogenerate writes a convention's."""
    names = (getattr(item, "name", None) for item in getattr(op, "columns", ()))
    return isinstance(op, ops.CreateTableOp) and any(isinstance(name, conv) for name in names)


def _left_to_convention(
    op: MigrateOperation, convention: Mapping[str, Any]
) -> Iterator[tuple[Table, Constraint | Index]]:
    """Yield each constraint and index that *op* gives no name, with its table, under today's."""
    table: Table | None = None
    if isinstance(op, ops.CreateTableOp):
        table = op.to_table()
    elif isinstance(op, ops.AddColumnOp):
        table = op.column.table  # Alembic puts it into one of its own
    elif isinstance(op, ops.AddConstraintOp) and getattr(op, "constraint_name", "") is None:
        table = op.to_constraint().table
    if table is None:
        return
    written = {str(item.name) for item in _named_items(table)}
    named = with_convention(table, convention)
    for item in _named_items(named):
        if item.name is not None and str(item.name) not in written:
            yield named, item


def _named_items(table: Table) -> list[Constraint | Index]:
    keys = [table.primary_key] if table.primary_key.columns else []
    constraints = (item for item in table.constraints if not isinstance(item, PrimaryKeyConstraint))
    return [*keys, *constraints, *table.indexes]


def formatted(item: Constraint | Index, dialect: Dialect) -> str:
    """Return a name as a database keeps it: a long one is shortened.

    :param item: with a name.
    :param dialect: of the database.
    """
    preparer = dialect.identifier_preparer
    if isinstance(item, Index):
        return unquote(preparer.format_index(item))
    return unquote(str(preparer.format_constraint(item)))
