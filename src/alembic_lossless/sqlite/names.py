"""Finds the constraint that a name means, on a table where it may stand without one.

Migration files name constraints as the server named them. SQLite gives no names: a constraint
asked for by name that stands unnamed is found by what a naming convention, PostgreSQL or MySQL
would have called it.
"""

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from .. import naming
from ..errors import MigrationError
from .parser import NAMED_KINDS, ParsedConstraint, ParsedTable, fold, names_in, normal, parse

#: What SQLAlchemy has for each kind.
CLASSES: dict[str, type[sa.Constraint]] = {
    "foreignkey": sa.ForeignKeyConstraint,
    "primary": sa.PrimaryKeyConstraint,
    "unique": sa.UniqueConstraint,
    "check": sa.CheckConstraint,
}
_WORDS = {
    "primary": "PRIMARY KEY",
    "unique": "UNIQUE",
    "check": "CHECK",
    "foreignkey": "FOREIGN KEY",
    "": "constraint",
}


class NoSuchConstraint(MigrationError):
    """None of a table's constraints is meant by a name."""


def describe(constraint: ParsedConstraint) -> str:
    """Word in a few words which constraint this is.

    :param constraint: the constraint.
    :return: its name, if any, and what it constrains.
    """
    name = f'"{constraint.name}" ' if constraint.name else ""
    columns = ", ".join(constraint.columns)
    of = " ".join(constraint.expression.split()) if constraint.kind == "check" else columns
    to = f" to {constraint.referred_table}" if constraint.referred_table else ""
    return f"{name}{_WORDS[constraint.kind]} ({of}){to}"


def find(
    table: ParsedTable,
    name: str | None,
    kind: str | None,
    conventions: Sequence[Mapping[str, Any]] = (),
    declared: Sequence[sa.Constraint] = (),
    numbers: Sequence[int] = (),
) -> ParsedConstraint:
    """Return the constraint of *table* that *name* means.

    :param table: as it is now.
    :param name: as a server named it; None where only one of this kind can be meant.
    :param kind: one of :data:`parser.NAMED_KINDS`, None for any.
    :param conventions: naming conventions of SQLAlchemy's to try besides this project's own.
    :param declared: constraints that the migration itself declares to be there, with their names.
    :param numbers: MySQL's of the foreign keys without a name, where they are not 1, 2, 3.
    :return: the constraint.
    :raises NoSuchConstraint: if none is meant, with a list of what is there.
    :raises MigrationError: if more than one may be meant.
    """
    constraints = table.constraints_of(*NAMED_KINDS)
    candidates = [c for c in constraints if kind in (None, c.kind)]
    meant = candidates
    if name is not None:
        meant = [c for c in candidates if c.name and fold(c.name) == fold(name)]
        if not meant:
            names = _possible_names(table, [naming.convention, *conventions], numbers)
            unnamed = [c for c in candidates if c.name is None]
            meant = [c for c in unnamed if fold(name) in names[c]]
            by_that_name = [d for d in declared if str(d.name) == name]
            meant = meant or [c for c in unnamed if any(_same(table, c, d) for d in by_that_name)]
            meant = meant or _outlived(
                table, fold(name), unnamed, [c for c in candidates if c.name]
            )
    if len(meant) == 1:
        return meant[0]
    asked = f'"{name}"' if name is not None else _WORDS[kind or ""]
    listed = "; ".join(map(describe, constraints)) or "no constraint at all"
    if meant:
        which = "; ".join(map(describe, meant))
        raise MigrationError(
            f'Table "{table.name}": {asked} may be any of these: {which}. Say which, by a name.'
        )
    raise NoSuchConstraint(f'Table "{table.name}" has no {asked}. It has: {listed}.')


def _same(table: ParsedTable, constraint: ParsedConstraint, declared: sa.Constraint) -> bool:
    if isinstance(declared, sa.CheckConstraint):
        return constraint in equal_checks(table, declared)
    columns: Any = getattr(declared, "columns", ())
    is_of_kind = isinstance(declared, CLASSES[constraint.kind])
    return is_of_kind and [fold(c.name) for c in columns] == [fold(c) for c in constraint.columns]


def with_name(table: ParsedTable, definition: str) -> list[ParsedConstraint]:
    """Return the constraints, but no primary key, that have the name of a new one.

    :param table: where they are.
    :param definition: the new one's.
    """
    name = parse(f"CREATE TABLE t (c, {definition})").constraints[0].name
    return [
        constraint
        for constraint in table.all_constraints()
        if name and constraint.name and constraint.kind != "primary"
        if fold(constraint.name) == fold(name)
    ]


def equal_checks(table: ParsedTable, check: sa.CheckConstraint) -> list[ParsedConstraint]:
    """Find the CHECKs of a table that have the expression of another.

    :param table: as it is now.
    :param check: SQLAlchemy's.
    :return: the table's own.
    """
    text = normal(text_of(check))
    return [c for c in table.constraints_of("check") if normal(c.expression) == text]


def checks_of_type(
    table: ParsedTable, column: str, type_: TypeEngine[Any]
) -> list[ParsedConstraint]:
    """Find the CHECKs that an older SQLAlchemy made for a Boolean or Enum, by any name.

    :param table: as it is now.
    :param column: the name of a column.
    :param type_: its type.
    :return: the table's own.
    """
    if not isinstance(type_, sa.Boolean | sa.Enum):
        return []
    if isinstance(type_, sa.Enum):
        type_ = sa.Enum(*type_.enums, create_constraint=True)
    else:
        type_ = sa.Boolean(create_constraint=True)
    constraints = sa.Table(table.name, sa.MetaData(), sa.Column(column, type_)).constraints
    checks = [c for c in constraints if isinstance(c, sa.CheckConstraint)]
    return [found_check for check in checks for found_check in equal_checks(table, check)]


def text_of(check: sa.CheckConstraint | sa.Computed) -> str:
    """Return an expression in SQL.

    :param check: a CHECK or a computed column of SQLAlchemy's.
    :return: its expression, columns without their table's name.
    """
    options = {"literal_binds": True, "include_table": False}
    return str(check.sqltext.compile(compile_kwargs=options))


def _possible_names(
    table: ParsedTable, conventions: Sequence[Mapping[str, Any]], numbers: Sequence[int]
) -> dict[ParsedConstraint, set[str]]:
    """Return, for every constraint, what it would be called, folded."""
    possible = {}
    taken: dict[str, set[str]] = {"postgresql": set(), "mysql": set()}
    counts = dict.fromkeys(NAMED_KINDS, 0)
    for constraint in table.constraints_of(*NAMED_KINDS):
        names = {by_convention(table, constraint, c) for c in conventions}
        if constraint.kind == "check":  # as a Boolean's or an Enum's would be called
            names.add(naming.check(table.name, "_".join(_used(table, constraint))))
        if constraint.name is None:
            counts[constraint.kind] += 1
            names |= _by_postgresql(table, constraint, taken["postgresql"])
            count = counts[constraint.kind]
            if constraint.kind == "foreignkey" and numbers:
                count = numbers[count - 1]
            names |= _by_mysql(table, constraint, count, taken["mysql"])
        possible[constraint] = {fold(name) for name in names if name}
    return possible


def by_convention(
    table: ParsedTable,
    constraint: ParsedConstraint,
    convention: Mapping[str, Any] = naming.convention,
) -> str | None:
    """Return the name that a naming convention gives a constraint.

    :param table: the constraint's.
    :param constraint: by whatever name.
    :param convention: as ``MetaData(naming_convention=…)`` takes it.
    :return: None where the convention cannot name it.
    """
    named: Any
    if constraint.kind == "check":
        named = sa.CheckConstraint(sa.text(constraint.expression.replace(":", r"\:")))
    elif constraint.kind == "foreignkey":
        to = constraint.referred_columns or constraint.columns
        target = [f"{constraint.referred_table}.{column}" for column in to]
        named = sa.ForeignKeyConstraint(constraint.columns, target)
    else:
        named = CLASSES[constraint.kind](*constraint.columns)  # type: ignore[arg-type]
    columns = [sa.Column(c.name, sa.types.NullType()) for c in table.columns]
    metadata = sa.MetaData(naming_convention=dict(convention))
    try:
        sa.Table(table.name, metadata, *columns).append_constraint(named)
    except (sa.exc.SQLAlchemyError, IndexError, KeyError):
        # Where models have no convention, a revision names a CHECK after its text.
        is_check = constraint.kind == "check" and convention is naming.convention
        return naming.check_of_text(table.name, constraint.expression) if is_check else None
    return named.name if isinstance(named.name, str) else None


def _by_postgresql(table: ParsedTable, constraint: ParsedConstraint, taken: set[str]) -> set[str]:
    """PostgreSQL's ChooseConstraintName: table, columns and what it is, then a number."""
    if constraint.kind == "primary":
        return {_fitted(table.name, "", "pkey")}
    label = {"unique": "key", "check": "check", "foreignkey": "fkey"}[constraint.kind]
    columns = list(constraint.columns)
    if constraint.kind == "check":
        columns = _used(table, constraint)
        columns = columns if len(columns) == 1 else []
    name = _fitted(table.name, "_".join(columns), label)
    return {_free((f"{name}{number or ''}" for number in itertools.count()), taken)}


def _free(names: Iterator[str], taken: set[str]) -> str:
    """Take the first of *names* that is not taken yet."""
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return name


def _used(table: ParsedTable, check: ParsedConstraint) -> list[str]:
    """Return the columns that a CHECK names, in the table's order."""
    used = names_in(check.expression)
    return [c.name for c in table.columns if fold(c.name) in used]


def _fitted(table: str, columns: str, label: str) -> str:
    """PostgreSQL's makeObjectName: the longer of two parts is shortened until all fit."""
    room = naming.LONGEST - len(label) - 1 - bool(columns)
    while len(table) + len(columns) > room:
        if len(table) > len(columns):
            table = table[:-1]
        else:
            columns = columns[:-1]
    return "_".join(filter(None, (table, columns, label)))


def given_by_postgresql(
    table: ParsedTable, columns: Collection[str] = ()
) -> dict[ParsedConstraint, str]:
    """Return the names that PostgreSQL gave the constraints that have none here.

    A rename makes them underivable: PostgreSQL keeps the names, and later revisions use them.

    :param table: before the rename.
    :param columns: the columns that get other names; none where the table does.
    :return: the constraints whose name would no longer be found, with it. A primary key is not
        among them: a table has only one.
    """
    renamed = set(map(fold, columns))
    taken = {c.name for c in table.all_constraints() if c.name}
    unnamed = [c for c in table.constraints_of("unique", "check", "foreignkey") if not c.name]
    tails = Counter(_tail(table, constraint) for constraint in unnamed)
    names = {}
    for constraint in unnamed:
        (name,) = _by_postgresql(table, constraint, taken)
        used = _used(table, constraint) if constraint.kind == "check" else constraint.columns
        tail = _tail(table, constraint)
        still_found = tails[tail] == 1 and tail is not None
        if renamed & set(map(fold, used)) if renamed else not still_found:
            names[constraint] = name
    return names


def _outlived(
    table: ParsedTable,
    name: str,
    unnamed: Sequence[ParsedConstraint],
    named: Sequence[ParsedConstraint],
) -> list[ParsedConstraint]:
    """Return what a server's name means that is older than the name of its table or column.

    A name of columns that are all there means these and no other.
    """
    if name.endswith("_pkey"):
        return [c for c in unnamed if c.kind == "primary"]
    if re.fullmatch(r".+_ibfk_\d+", name):  # MySQL's numbers outlive each other
        keys = [c for c in unnamed if c.kind == "foreignkey"]
        return keys if len(keys) == 1 else []
    of_table = re.fullmatch(rf"{re.escape(fold(table.name))}_(.+)_(key|fkey|check)\d*", name)
    if of_table and _joined(of_table[1], [fold(c.name) for c in table.columns]):
        return []
    tails = {c: _tail(table, c) for c in unnamed}
    if of_another_table := [c for c, tail in tails.items() if tail and name.endswith(tail)]:
        return of_another_table
    # MySQL calls a UNIQUE as its first column was called; PostgreSQL's name tells that too.
    uniques = [c for c in named if c.kind == "unique"]
    for columns in (re.escape(name), rf"{re.escape(name)}_.+"):
        of_another_column = rf".+_{columns}_key\d*"
        if meant := [c for c in uniques if re.fullmatch(of_another_column, fold(c.name or ""))]:
            return meant
    return []


def _joined(text: str, columns: Sequence[str]) -> bool:
    """Whether *text* is names of *columns* with ``_`` between."""
    return text in columns or any(
        text.startswith(f"{c}_") and _joined(text[len(c) + 1 :], columns) for c in columns
    )


def _tail(table: ParsedTable, constraint: ParsedConstraint) -> str | None:
    """Return what ends PostgreSQL's name for a constraint, whatever its table was called."""
    label = {"unique": "key", "foreignkey": "fkey", "check": "check"}.get(constraint.kind)
    columns = list(constraint.columns)
    if constraint.kind == "check":
        columns = _used(table, constraint)
        label = label if len(columns) == 1 else None
    return fold("_".join(["", *columns, label])) if label else None


def _by_mysql(
    table: ParsedTable, constraint: ParsedConstraint, number: int, taken: set[str]
) -> set[str]:
    if constraint.kind == "primary":
        return {"PRIMARY"}
    if constraint.kind == "foreignkey":
        return {f"{table.name}_ibfk_{number}"}
    if constraint.kind == "check":
        return {f"{table.name}_chk_{number}", f"CONSTRAINT_{number}"}
    name = constraint.columns[0]
    again = (f"{name}_{number}" for number in itertools.count(2))
    return {_free(itertools.chain([name], again), taken)}
