"""Looks for the rows that stand in the way of a change, and refuses it with their keys."""

from collections.abc import Sequence

from sqlalchemy.exc import DBAPIError, IntegrityError

from ..errors import MigrationError, plural
from ..quoting import quote
from .change import Requirement, TableChange
from .database import SQLiteDatabase
from .parser import ParsedConstraint, ParsedTable, fold
from .references import explain, has_parent_key

#: How many rows a refusal names.
_SHOWN = 5


def refuse_missing_values(change: TableChange) -> None:
    """Refuse a new column that may not be NULL and has no value for the rows there are.

    :param change: before it is carried out.
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
                raise _refusal(change.before, count, problem, "all", remedy)


def refuse_violations(db: SQLiteDatabase, table: ParsedTable, requirement: Requirement) -> None:
    """Look at every row.

    :param db: where the table is.
    :param table: as it is.
    :param requirement: what its rows have to satisfy.
    :raises MigrationError: with the count and first keys of those that do not.
    """
    source = f"FROM {db.name(table.name)} WHERE {requirement.violation}"
    if not db.rows(f"SELECT 1 {source} LIMIT 1"):
        return
    count = db.rows(f"SELECT count(*) {source}")[0][0]
    names = _key_names(table)
    keys = ", ".join(names.values())
    first = db.rows(f"SELECT {keys} {source} ORDER BY {keys} LIMIT {_SHOWN}")
    which = f"{', '.join(names)} = {_listed(first)}"
    raise _refusal(table, count, requirement.problem, which, requirement.remedy)


def refuse_orphans(change: TableChange) -> None:
    """Look for rows without a parent, once the new foreign keys stand in the schema.

    :param change: as it is carried out.
    :raises MigrationError: with the count and first keys of the rows, or where a foreign key
        points at columns that are no key.
    """
    constraints = list(change.after.all_constraints())
    new = [k for k in change.new_foreign_keys if any(k.equals(c) for c in constraints)]
    for key in new:
        try:
            _refuse_orphans_of(change, key)
        except DBAPIError as error:
            if "mismatch" not in str(error.orig):
                raise explain(change.before, error) from error
            keyless = (k for k in [key, *constraints] if not has_parent_key(change.db, k))
            culprit = next(keyless, key)
            needed = ", ".join(culprit.referred_columns) or "its primary key"
            columns = ", ".join(culprit.columns)
            raise MigrationError(
                f'Table "{culprit.referred_table}" has no PRIMARY KEY or UNIQUE of exactly '
                f'{needed}, which the foreign key {columns} of "{change.before.name}" needs.'
            ) from error


def _refuse_orphans_of(change: TableChange, key: ParsedConstraint) -> None:
    """Ask SQLite itself: what it compares, and how, depends on the parent's collation and type."""
    db, table = change.db, change.after
    columns_by_number: dict[int, list[str]] = {}
    for number, _, parent, column, *_ in db.pragma("foreign_key_list", table.name):
        if fold(parent) == fold(key.referred_table):
            columns_by_number.setdefault(number, []).append(fold(column))
    key_columns = [fold(c) for c in key.columns]
    number = next(n for n, columns in columns_by_number.items() if columns == key_columns)
    where = "FROM pragma_foreign_key_check(?, ?) WHERE fkid = ?"
    arguments = (table.name, db.schema, number)
    count = db.rows(f"SELECT count(*) {where}", *arguments)[0][0]
    if not count:
        return
    first = db.rows(f"SELECT rowid {where} LIMIT {_SHOWN}", *arguments)
    names = {"rowid": "rowid"}
    if first[0][0] is not None and table.primary_key:
        names = _key_names(table)
        rowids = ", ".join(str(row[0]) for row in first)
        source = f"{db.name(table.name)} WHERE {rowid_name(table)} IN ({rowids})"
        first = db.rows(f"SELECT {', '.join(names.values())} FROM {source}")
    which = f"{', '.join(names)} = {_listed(first)}"
    problem = f'{", ".join(key.columns)} has no parent row in "{key.referred_table}"'
    remedy = "Delete the rows, or point them at a row that is there, in a migration before."
    raise _refusal(table, count, problem, which, remedy)


def explain_rows(change: TableChange, error: DBAPIError) -> None:
    """After SQLite has refused rows, look for them.

    :param change: that was refused, and undone.
    :param error: what SQLite raised.
    :raises MigrationError: with their count and first keys, where they are found.
    """
    if not isinstance(error, IntegrityError):
        return
    for requirement in change.requirements:
        refuse_violations(change.db, change.before, requirement)
    for constraint in change.after.constraints_of("primary", "unique"):
        if all(change.before.column(c) for c in constraint.columns):
            _refuse_duplicates(change.db, change.before, constraint.columns)


def _refuse_duplicates(db: SQLiteDatabase, table: ParsedTable, columns: Sequence[str]) -> None:
    names = ", ".join(map(quote, columns))
    present = " AND ".join(f"{quote(c)} IS NOT NULL" for c in columns)
    twice = f"FROM {db.name(table.name)} WHERE {present} GROUP BY {names} HAVING count(*) > 1"
    count = db.rows(f"SELECT count(*) FROM (SELECT 1 {twice})")[0][0]
    if count:
        first = db.rows(f"SELECT {names} {twice} LIMIT {_SHOWN}")
        times = "1 value stands" if count == 1 else f"{count} values stand"
        raise MigrationError(
            f'Table "{table.name}": {times} more than once in {", ".join(columns)} '
            f"({_listed(first)}). The table is as it was. Make the rows differ in a migration "
            "before."
        )


def rowid_name(table: ParsedTable) -> str | None:
    """Return a name by which the rowid can be had.

    :param table: the table.
    :return: None for WITHOUT ROWID, or where columns hide it.
    """
    if table.without_rowid:
        return None
    return next((n for n in ("rowid", "_rowid_", "oid") if table.column(n) is None), None)


def _key_names(table: ParsedTable) -> dict[str, str]:
    """Return what identifies a row for a person: the primary key, else the rowid.

    :return: each name, and how it stands in SQL.
    """
    rowid = rowid_name(table) or "1"
    return {name: quote(name) for name in table.primary_key} or {rowid: rowid}


def _listed(rows: Sequence[tuple[object, ...]]) -> str:
    values = [row[0] if len(row) == 1 else row for row in rows]
    return ", ".join(repr(value) for value in values) + (", …" if len(rows) == _SHOWN else "")


def _refusal(
    table: ParsedTable, count: int, problem: str, which: str, remedy: str
) -> MigrationError:
    return MigrationError(
        f'Table "{table.name}": {problem} in {plural(count, "row")} ({which}). '
        f"The table is as it was. {remedy}"
    )
