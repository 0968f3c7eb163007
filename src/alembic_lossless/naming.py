"""The names of constraints and indexes, the same on every database.

:data:`convention` is for models: ``MetaData(naming_convention=…)``, in Alembic's own form. Where
models have none, what a revision makes is named by the functions, after the same patterns.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.schema import conv

from . import compat

#: SQLAlchemy refuses models with a CHECK that has no name; a short one gets the table's prefix.
convention = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: PostgreSQL holds 63 bytes of a name, MySQL 64 characters; the shorter serves both.
LONGEST = 63


def shorten(name: str) -> str:
    """Return *name*, or its beginning and a digest of the whole where it exceeds 63 bytes."""
    encoded = name.encode()
    if len(encoded) <= LONGEST:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[: LONGEST - 9].decode(errors='ignore')}_{digest}"


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


def of_constraint(constraint: Constraint, table: str) -> str | None:
    """Name a constraint after the patterns of :data:`convention`.

    :param constraint: SQLAlchemy's, with its columns.
    :param table: the name of its table.
    :return: None for a kind that has no pattern.
    """
    if isinstance(constraint, ForeignKeyConstraint):
        referred = constraint.elements[0].target_fullname.split(".")[-2]
        return foreign_key(table, constraint.column_keys, referred)
    if isinstance(constraint, PrimaryKeyConstraint):
        return primary_key(table) if len(constraint.columns) else None
    if isinstance(constraint, UniqueConstraint):
        return unique(table, [column.name for column in constraint.columns])
    if isinstance(constraint, CheckConstraint) and compat.is_of_type(constraint):
        return check(table, "_".join(column.name for column in constraint.columns))
    if isinstance(constraint, CheckConstraint):
        options = {"literal_binds": True, "include_table": False}
        return check_of_text(table, str(constraint.sqltext.compile(compile_kwargs=options)))
    return None


_KINDS: list[tuple[type[Constraint], str]] = [
    (ForeignKeyConstraint, "fk"),
    (PrimaryKeyConstraint, "pk"),
    (UniqueConstraint, "uq"),
    (CheckConstraint, "ck"),
]

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
            kind = next((kind for type_, kind in _KINDS if isinstance(constraint, type_)), "")
            if isinstance(constraint.name, str) or kind in metadata.naming_convention:
                continue
            if name := of_constraint(constraint, table.name):
                constraint.name = conv(name)
                given.add((table.fullname, name))


def is_refused(constraint: CheckConstraint) -> bool:
    """Tell whether SQLAlchemy will make no table with a Boolean's or an Enum's CHECK.

    Any other CHECK without a name it refuses when the models are imported.

    :param constraint: a CHECK of a table.
    """
    pattern = str(constraint.table.metadata.naming_convention.get("ck", ""))
    is_unnamed = compat.is_of_type(constraint) and not isinstance(constraint.name, str)
    return is_unnamed and "%(constraint_name)s" in pattern


def names_given(metadata: MetaData) -> set[tuple[str, str]]:
    """Return the tables and names of the constraints that :func:`name_constraints` named."""
    names: set[tuple[str, str]] = metadata.info.get(_GIVEN, set())
    return names


def has_convention(metadata: MetaData) -> bool:
    """Tell whether models have a naming convention, beside SQLAlchemy's own for indexes."""
    return metadata.naming_convention != MetaData().naming_convention


def with_convention(table: Table, convention: Mapping[str, Any]) -> Table:
    """Return a copy of *table* whose constraints have the names of a *convention*."""
    try:
        return table.to_metadata(MetaData(naming_convention=convention))
    except InvalidRequestError:  # a CHECK without a name, from before there was a convention
        patterns = {kind: pattern for kind, pattern in convention.items() if kind != "ck"}
        return table.to_metadata(MetaData(naming_convention=patterns))
