"""What uses a table's columns and keys: its indexes, triggers, views and other tables."""

import re
from collections.abc import Iterator, Sequence

from sqlalchemy.exc import DBAPIError

from .. import MigratorError
from .create_table import Table
from .database import Database
from .tokens import fold, names_in, quote, scan


class Refused(MigratorError):
    """What SQLite refused, in our words; ``certain`` where another way would be no better."""

    certain = False


def explain(table: Table, error: DBAPIError, dropped: bool = False) -> Refused:
    """Turn an error of SQLite's into one sentence; *dropped* where it came up by a drop."""
    said = str(error.orig)
    found = re.match(r"error in (view|trigger|index|table) (.+?)( after .+?)?: (.*)", said)
    if found is None:
        return Refused(f'SQLite refuses the change of table "{table.name}": {said}.')
    kind, name, after, detail = found.groups()
    if after or dropped:
        refused = Refused(
            f'The {kind} "{name}" still uses what is dropped or renamed in "{table.name}" '
            f"({detail}): drop it before, and make it anew after."
        )
    else:
        refused = Refused(
            f'The {kind} "{name}" is broken already ({detail}): mend or drop it first.'
        )
    refused.certain = True
    return refused


def own_indexes(db: Database, table: Table, columns: Sequence[str]) -> list[str]:
    """Return the names of the table's indexes that use one of *columns*."""
    gone = {fold(c) for c in columns}
    return [
        name
        for name, sql in (db.objects("index", table.name).items() if gone else ())
        if gone & names_in(sql[sql.index("(") :])
    ]


def refuse_users(db: Database, before: Table, after: Table, dropped: Sequence[str]) -> None:
    """Refuse to drop columns that a generated column, a trigger or a view names.

    SQLite sees for itself whether a view or a trigger still makes sense; what it does not see is
    an ``UPDATE OF`` a column that is gone, and a quoted name that turns into a string.

    :raises MigratorError: naming what uses the column.
    """
    gone = {fold(c) for c in dropped}
    if not gone:
        return
    for column in after.columns:
        if column.generated and gone & names_in(column.generated.expression):
            raise MigratorError(
                f'The generated column "{column.name}" of "{after.name}" is computed from '
                f"{', '.join(dropped)}: drop it first."
            )
    for kind in ("trigger", "view"):
        for name, sql in db.objects(kind).items():
            if fold(before.name) in names_in(sql) and gone & _names_at_risk(sql, before.name):
                raise MigratorError(
                    f'The {kind} "{name}" still uses {", ".join(dropped)} of "{before.name}": '
                    f"drop it before, and make it anew after."
                )


def _names_at_risk(sql: str, table: str) -> set[str]:
    """Quoted names, and those of an ``UPDATE OF … ON table``."""
    tokens = scan(sql)
    found = {fold(t.name) for t in tokens if t.kind == "quoted"} - {fold(table)}
    keys = [t.key for t in tokens]
    for at in range(len(keys) - 1):
        if keys[at : at + 2] == ["UPDATE", "OF"] and "ON" in keys[at:]:
            stop = keys.index("ON", at)
            if fold(tokens[stop + 1].name) == fold(table):
                found.update(fold(t.name) for t in tokens[at + 2 : stop])
    return found


def broken(db: Database, table: str) -> DBAPIError | None:
    """Let SQLite read every view and trigger, by a rename that is undone; return its error."""
    error = None
    db.rows("SAVEPOINT reading")
    try:
        db.rows(f"ALTER TABLE {db.name(table)} RENAME TO {quote('_migrator_' + table)}")
    except DBAPIError as found:
        error = found
    db.rows("ROLLBACK TO reading")
    db.rows("RELEASE reading")
    return error


def _referrers(db: Database, after: Table) -> Iterator[tuple[str, list[str]]]:
    """Yield, for every foreign key that points at *after*, whose it is and the columns it needs."""
    for constraint in after.every_constraint():
        if constraint.kind == "foreignkey" and fold(constraint.referred_table) == fold(after.name):
            yield after.name, [fold(c) for c in constraint.referred_columns]
    for name in db.objects("table"):
        keys: dict[int, list[str]] = {}
        for number, _, parent, _, to, *_ in db.pragma("foreign_key_list", name):
            if fold(parent) == fold(after.name) != fold(name):
                keys.setdefault(number, []).append(to)
        for columns in keys.values():
            yield name, [fold(c) for c in columns if c is not None]


def _keys(db: Database, table: Table, dropped: Sequence[str]) -> set[frozenset[str]]:
    """Return the sets of columns of which *table* holds no values twice."""
    found = {
        frozenset(map(fold, c.columns))
        for c in table.every_constraint()
        if c.kind in ("primary", "unique")
    }
    gone = own_indexes(db, table, dropped)
    for _, name, unique, origin, partial in db.pragma("index_list", table.name):
        if unique and origin == "c" and not partial and name not in gone:
            columns = [row[2] for row in db.pragma("index_info", name)]
            found.add(frozenset(fold(c) for c in columns if c is not None))
    return found


def check_referrers(db: Database, before: Table, after: Table, dropped: Sequence[str]) -> None:
    """Refuse to take from foreign keys the columns or the key they point at.

    :raises MigratorError: naming the tables whose foreign keys they are.
    """
    had, has = _keys(db, before, ()), _keys(db, after, dropped)
    gone = {fold(c) for c in dropped}
    if had <= has and not gone:
        return
    for name, needed in _referrers(db, after):
        needs = frozenset(needed) or frozenset(map(fold, before.primary_key))
        if needs & gone or (needs in had and needs not in has):
            raise MigratorError(
                f'A foreign key of table "{name}" points at {", ".join(sorted(needs))} of '
                f'"{before.name}": drop that foreign key first.'
            )
