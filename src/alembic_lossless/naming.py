"""The names of constraints and indexes, the same on every database.

The plain functions make a name from its parts; :data:`convention` gives them to SQLAlchemy, so
that every constraint of a model has a name before any database sees it. A name that somebody
wrote out is kept, except that a CHECK's short name gets its ``ck_<table>_`` prefix.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.schema import ColumnCollectionConstraint, conv

#: PostgreSQL holds 63 bytes of a name, MySQL 64 characters; the shorter serves both.
LONGEST = 63


def shorten(name: str) -> str:
    """Return *name*, or its beginning and a digest of the whole where it exceeds 63 bytes."""
    encoded = name.encode()
    if len(encoded) <= LONGEST:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[: LONGEST - 9].decode(errors='ignore')}_{digest}"


def index(label: str) -> str:
    """Name an index after the label of its first column, ``<table>_<column>``."""
    return shorten(f"ix_{label}")


def unique(table: str, columns: Sequence[str]) -> str:
    """Name a UNIQUE constraint after its table and columns."""
    return shorten(f"uq_{table}_{'_'.join(columns)}")


def foreign_key(table: str, columns: Sequence[str], referred: str) -> str:
    """Name a foreign key after its table, its columns and the table it points to."""
    return shorten(f"fk_{table}_{'_'.join(columns)}_{referred}")


def primary_key(table: str) -> str:
    """Name a primary key after its table."""
    return shorten(f"pk_{table}")


def check(table: str, name: str) -> str:
    """Name a CHECK after its table and *name*; a name that carries the prefix is kept."""
    prefix = f"ck_{table}_"
    return shorten(name if name.startswith(prefix) else prefix + name)


def check_of_text(table: str, text: str) -> str:
    """Name a CHECK that has no name after its text: a changed text is another constraint."""
    normal = re.sub(r"\s+", " ", text).strip()
    return check(table, hashlib.sha256(normal.encode()).hexdigest()[:8])


def _first_label(constraint: Any, table: Table) -> str:
    first = constraint.columns[0] if len(constraint.columns) else None
    if isinstance(constraint, Index) and first is None:
        return f"{table.name}_{_text(constraint.expressions[0])}"
    return f"{table.name}_{first.name if first is not None else ''}"


def _text(expression: Any) -> str:
    compiled = expression.compile(compile_kwargs={"literal_binds": True, "include_table": False})
    return re.sub(r"\W+", "_", str(compiled)).strip("_")


def _columns(constraint: ColumnCollectionConstraint) -> list[str]:
    return [column.name for column in constraint.columns]


def _check(constraint: CheckConstraint, table: Table) -> str:
    if getattr(constraint, "_type_bound", False):
        return check(table.name, "_".join(_columns(constraint)))
    if isinstance(constraint.name, str):
        return check(table.name, constraint.name)
    compiled = constraint.sqltext.compile(
        compile_kwargs={"literal_binds": True, "include_table": False}
    )
    return check_of_text(table.name, str(compiled))


def _foreign_key(constraint: ForeignKeyConstraint, table: Table) -> str:
    referred = constraint.elements[0].target_fullname.split(".")[-2]
    return foreign_key(table.name, _columns(constraint), referred)


#: For ``MetaData(naming_convention=…)``. SQLAlchemy asks for the name of a constraint that has one
#: only where the template contains "constraint_name": a CHECK's alone does.
convention: dict[str, str | Callable[[Any, Table], str]] = {
    "ix": "%(ix_name)s",
    "uq": "%(uq_name)s",
    "fk": "%(fk_name)s",
    "pk": "%(pk_name)s",
    "ck": "%(ck_constraint_name)s",
    "ix_name": lambda constraint, table: index(_first_label(constraint, table)),
    "uq_name": lambda constraint, table: unique(table.name, _columns(constraint)),
    "fk_name": _foreign_key,
    "pk_name": lambda constraint, table: primary_key(table.name),
    "ck_constraint_name": _check,
}


#: Where a MetaData remembers the names that :func:`name_constraints` gave.
_GIVEN = "alembic_lossless_names_given"


def name_constraints(metadata: MetaData) -> None:
    """Give each constraint that nobody named the name that :data:`convention` gives it.

    That is where neither the model nor the project's own convention has one. So a new constraint
    is written with a name by which a later revision finds it. Such a name is not compared: what
    is there already has the one that its server gave it (see :func:`names_given`).

    :param metadata: the models; changed in place. It may be called again.
    """
    given: set[tuple[str, str]] = metadata.info.setdefault(_GIVEN, set())
    for table in metadata.tables.values():
        for constraint in table.constraints:
            name = None if isinstance(constraint.name, str) else _name(constraint, table)
            if name is not None:
                constraint.name = conv(name)
                given.add((table.fullname, name))


def names_given(metadata: MetaData) -> set[tuple[str, str]]:
    """Return the tables and names of the constraints that :func:`name_constraints` named."""
    names: set[tuple[str, str]] = metadata.info.get(_GIVEN, set())
    return names


def _name(constraint: Any, table: Table) -> str | None:
    """Name a constraint without a name; None where the project's convention does it later."""
    if isinstance(constraint, CheckConstraint):
        return None if "ck" in table.metadata.naming_convention else _check(constraint, table)
    if isinstance(constraint, PrimaryKeyConstraint):
        return primary_key(table.name) if len(constraint.columns) else None
    if isinstance(constraint, ForeignKeyConstraint):
        return _foreign_key(constraint, table)
    if isinstance(constraint, UniqueConstraint):
        return unique(table.name, _columns(constraint))
    return None
