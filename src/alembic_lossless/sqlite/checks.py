"""What the rows have to satisfy before a change is kept, as a whole."""

from sqlalchemy.exc import DBAPIError, IntegrityError

from ..errors import MigrationError
from .change import Change
from .parser import ParsedConstraint, fold
from .references import explain, has_parent_key
from .rows import SHOWN, insist, insist_unique, key_columns, refuse, rowid_name, shown


def insist_values(change: Change) -> None:
    """Refuse a new column that may not be NULL and has no value for the rows there are.

    :raises MigrationError: with the count of the rows.
    """
    table = f"FROM {change.db.name(change.before.name)}"
    for name in change.added:
        column = change.column(name)
        empty = column.default is None or column.default.upper() == "NULL"
        numbered = name in change.numbered or fold(name) == fold(change.after.rowid_alias or "")
        if column.not_null and empty and not column.generated and not numbered:
            count = change.db.rows(f"SELECT count(*) {table}")[0][0]
            if count:
                remedy = "Add it with a server default, which can be dropped afterwards."
                problem = f"{name}, NOT NULL, would have no value"
                refuse(change.before, count, problem, "all", remedy)


def insist_foreign_keys(change: Change) -> None:
    """Look for rows without a parent, once the new foreign keys stand in the schema.

    :raises MigrationError: with the count and first keys of the rows, or where a foreign key
        points at columns that are no key.
    """
    there = list(change.after.all_constraints())
    for key in [k for k in change.parents if any(k.equals(c) for c in there)]:
        try:
            _insist_parents(change, key)
        except DBAPIError as error:
            if "mismatch" not in str(error.orig):
                raise explain(change.before, error) from error
            blamed = next((k for k in [key, *there] if not has_parent_key(change.db, k)), key)
            needed = ", ".join(blamed.referred_columns) or "its primary key"
            own = ", ".join(blamed.columns)
            raise MigrationError(
                f'Table "{blamed.referred_table}" has no PRIMARY KEY or UNIQUE of exactly '
                f'{needed}, which the foreign key {own} of "{change.before.name}" needs.'
            ) from error


def _insist_parents(change: Change, key: ParsedConstraint) -> None:
    """Ask SQLite itself: what it compares, and how, depends on the parent's collation and type."""
    db, table = change.db, change.after
    listed: dict[int, list[str]] = {}
    for number, _, parent, own, *_ in db.pragma("foreign_key_list", table.name):
        if fold(parent) == fold(key.referred_table):
            listed.setdefault(number, []).append(fold(own))
    columns = [fold(c) for c in key.columns]
    number = next(n for n, own in listed.items() if own == columns)
    where = "FROM pragma_foreign_key_check(?, ?) WHERE fkid = ?"
    arguments = (table.name, db.schema, number)
    count = db.rows(f"SELECT count(*) {where}", *arguments)[0][0]
    if not count:
        return
    first = db.rows(f"SELECT rowid {where} LIMIT {SHOWN}", *arguments)
    keys = ["rowid"]
    if first[0][0] is not None and table.primary_key:
        keys = key_columns(table)
        rowids = ", ".join(str(row[0]) for row in first)
        source = f"{db.name(table.name)} WHERE {rowid_name(table)} IN ({rowids})"
        first = db.rows(f"SELECT {', '.join(keys)} FROM {source}")
    which = f"{', '.join(keys).replace(chr(34), '')} = {shown(first)}"
    problem = f'{", ".join(key.columns)} has no parent row in "{key.referred_table}"'
    remedy = "Delete the rows, or point them at a row that is there, in a migration before."
    refuse(table, count, problem, which, remedy)


def explain_rows(change: Change, error: DBAPIError) -> None:
    """After SQLite's refusal of rows, look for them.

    :raises MigrationError: with their count and first keys, where they are found.
    """
    if not isinstance(error, IntegrityError):
        return
    for demand in change.demands:
        insist(change.db, change.before, demand)
    for constraint in change.after.constraints_of("primary", "unique"):
        if all(change.before.column(c) for c in constraint.columns):
            insist_unique(change.db, change.before, constraint.columns)
