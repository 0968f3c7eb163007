"""What uses a table's columns and keys: its indexes, triggers, views and other tables."""

import re
from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from ..quoting import quote
from ..tokens import scan
from .database import SQLiteDatabase
from .parser import ParsedConstraint, ParsedTable, fold, names_in

#: SQLITE_ERROR and SQLITE_CONSTRAINT: what was asked for is refused, and nothing else is wrong.
_REFUSALS = (1, 19)


class RefusedBySQLite(MigrationError):
    """What SQLite refused, in our words.

    :param final: whether carrying the change out in another way would be no better.
    """

    def __init__(self, message: str, *, final: bool) -> None:
        super().__init__(message)
        self.final = final


def explain(table: ParsedTable, error: DBAPIError) -> RefusedBySQLite:
    """Turn an error of SQLite's into one sentence.

    :param table: the table that was to be changed.
    :param error: what SQLite raised.
    :return: the sentence, to be raised.
    """
    reason = str(error.orig)
    broken_object = re.match(r"error in (view|trigger) (.+?)( after .+?)?: (.*)", reason)
    if broken_object is None:
        final = getattr(error.orig, "sqlite_errorcode", 1) & 0xFF not in _REFUSALS
        message = f'SQLite refuses the change of table "{table.name}": {reason}.'
        return RefusedBySQLite(message, final=final)
    kind, name, after, detail = broken_object.groups()
    if after:
        message = (
            f'The {kind} "{name}" still uses what is dropped or renamed in "{table.name}" '
            f"({detail}): drop it before, and make it anew after."
        )
    else:
        message = f'The {kind} "{name}" is broken already ({detail}): fix or drop it first.'
    return RefusedBySQLite(message, final=True)


def own_indexes(db: SQLiteDatabase, table: ParsedTable, columns: Sequence[str]) -> list[str]:
    """Find the indexes of a table that use a column.

    :param db: where the table is.
    :param table: as it is.
    :param columns: names of columns.
    :return: the names of the indexes that use one of them.
    """
    gone = {fold(c) for c in columns}
    return [
        name
        for name, sql in (db.objects("index", table.name).items() if gone else ())
        if gone & names_in(sql[next(t.start for t in scan(sql) if t.key == "(") :])
    ]


def refuse_strings(table: ParsedTable, sql: str) -> None:
    """Refuse a name in quotes that is no column: SQLite would take it for a string.

    :param table: whose columns are meant.
    :param sql: an expression.
    :raises MigrationError: naming it.
    """
    tokens = scan(sql)
    keys = ["", *(t.key for t in tokens), ""]
    for token, before, after in zip(tokens, keys, keys[2:], strict=False):
        if token.kind == "quoted" and after != "." and before != "COLLATE":
            table.require_column(token.name)


def _indexed(index: sa.Index) -> str:
    """Return what CREATE INDEX writes after the table's name."""
    text = str(sa.schema.CreateIndex(index).compile(dialect=sqlite.dialect()))
    return text[next(t.start for t in scan(text) if t.key == "(") :]


def index_uses(index: sa.Index, column: str) -> bool:
    """Tell whether an index names a column, itself or in an expression.

    :param index: SQLAlchemy's.
    :param column: the name of the column.
    :return: True where the index would go with the column.
    """
    return fold(column) in names_in(_indexed(index))


def refuse_unknown_columns(table: ParsedTable, index: sa.Index) -> None:
    """Refuse an index of columns that are not there.

    :param table: as it is.
    :param index: SQLAlchemy's.
    :raises MigrationError: naming the first; SQLite would make an index of the word.
    """
    for column in index.expressions:
        if isinstance(column, sa.Column):
            table.require_column(column.name)
    refuse_strings(table, _indexed(index))


def refuse_users(
    db: SQLiteDatabase, before: ParsedTable, after: ParsedTable, dropped: Sequence[str]
) -> None:
    """Refuse to drop columns that a generated column, a trigger or a view names.

    SQLite sees for itself whether a view or a trigger still makes sense; what it does not see is
    an ``UPDATE OF`` a column that is gone, and a quoted name that turns into a string.

    :param db: where the table is.
    :param before: the table as it is.
    :param after: the table as it is to be.
    :param dropped: names of columns.
    :raises MigrationError: naming what uses the column.
    """
    gone = {fold(c) for c in dropped}
    if not gone:
        return
    for column in after.columns:
        if column.generated and gone & names_in(column.generated.expression):
            raise MigrationError(
                f'The generated column "{column.name}" of "{after.name}" is computed from '
                f"{', '.join(dropped)}: drop it first."
            )
    for kind in ("trigger", "view"):
        for name, sql in db.objects(kind).items():
            if fold(before.name) in names_in(sql) and gone & _names_at_risk(sql, before.name):
                raise MigrationError(
                    f'The {kind} "{name}" still uses {", ".join(dropped)} of "{before.name}": '
                    f"drop it before, and make it anew after."
                )


def _names_at_risk(sql: str, table: str) -> set[str]:
    """Names in double quotes that stand alone, and those of an ``UPDATE OF … ON table``."""
    tokens = scan(sql)
    keys = [t.key for t in tokens]
    names = {
        fold(token.name)
        for token, before, after in zip(tokens, ["", *keys], [*keys[1:], ""], strict=False)
        if token.text[0] == '"' and "." not in (before, after)
    }
    names.discard(fold(table))
    for at in range(len(keys) - 1):
        if keys[at : at + 2] == ["UPDATE", "OF"] and "ON" in keys[at:]:
            stop = keys.index("ON", at)
            if fold(tokens[stop + 1].name) == fold(table):
                names.update(fold(t.name) for t in tokens[at + 2 : stop])
    return names


def broken(db: SQLiteDatabase, table: str, dropped: Sequence[str]) -> dict[str, str]:
    """Let SQLite read the views and triggers that name a table and its dropped columns.

    ALTER TABLE does not see all of it: a trigger that sets a column which is gone, for one.

    :param db: where the table is.
    :param table: its name.
    :param dropped: the columns.
    :return: SQLite's error for each that it cannot read, by its kind and name.
    """
    errors = {}
    for kind in ("view", "trigger"):
        for name, sql in db.objects(kind).items():
            names = names_in(sql)
            if fold(table) in names and ("*" in sql or names & {fold(c) for c in dropped}):
                target = db.name(db.table_of(kind, name) or name)
                try:
                    for statement in _statements(db, target, kind):
                        db.rows(statement)
                except DBAPIError as error:
                    errors[f'{kind} "{name}"'] = str(error.orig)
    return errors


def _statements(db: SQLiteDatabase, target: str, kind: str) -> Iterator[str]:
    """Statements that touch no row and make SQLite compile a view, or a table's triggers."""
    yield f"SELECT * FROM {target} LIMIT 0"
    if kind == "trigger":
        schema, name = target.split(".", 1)
        rows = db.rows(f"PRAGMA {schema}.table_xinfo({name})")
        columns = [quote(row[1]) for row in rows if not row[6]]
        listed = ", ".join(columns)
        yield f"INSERT INTO {target} ({listed}) SELECT {listed} FROM {target} WHERE 0"
        yield f"UPDATE {target} SET {', '.join(f'{c} = {c}' for c in columns)} WHERE 0"
        yield f"DELETE FROM {target} WHERE 0"


def refuse_broken(
    db: SQLiteDatabase, table: str, dropped: Sequence[str], before: Mapping[str, str]
) -> None:
    """Refuse to drop columns where that broke a view or trigger.

    :param db: where the table is, its columns dropped.
    :param table: its name.
    :param dropped: names of columns.
    :param before: what :func:`broken` returned before they were dropped.
    :raises MigrationError: naming it.
    """
    for what, error in broken(db, table, dropped).items():
        if what not in before:
            raise MigrationError(
                f'The {what} still uses what is dropped from "{table}" ({error}): drop it before, '
                f"and make it anew after."
            )


def _referrers(db: SQLiteDatabase, after: ParsedTable) -> Iterator[tuple[str, list[str]]]:
    """Yield, for every foreign key that points at *after*, whose it is and the columns it needs."""
    for constraint in after.constraints_of("foreignkey"):
        if fold(constraint.referred_table) == fold(after.name):
            yield after.name, [fold(c) for c in constraint.referred_columns]
    for name in db.objects("table"):
        keys: dict[int, list[str]] = {}
        for number, _, parent, _, to, *_ in db.pragma("foreign_key_list", name):
            if fold(parent) == fold(after.name) != fold(name):
                keys.setdefault(number, []).append(to)
        for columns in keys.values():
            yield name, [fold(c) for c in columns if c is not None]


def _keys(db: SQLiteDatabase, table: ParsedTable, dropped: Sequence[str]) -> set[frozenset[str]]:
    """Return the sets of columns of which *table* holds no values twice."""
    keys = {frozenset(map(fold, c.columns)) for c in table.constraints_of("primary", "unique")}
    gone = own_indexes(db, table, dropped)
    for _, name, unique, origin, partial in db.pragma("index_list", table.name):
        if unique and origin == "c" and not partial and name not in gone:
            columns = [row[2] for row in db.pragma("index_info", name)]
            keys.add(frozenset(fold(c) for c in columns if c is not None))
    return keys


def has_parent_key(db: SQLiteDatabase, constraint: ParsedConstraint) -> bool:
    """Tell whether the columns that a foreign key points at are a key.

    :param db: where both tables are.
    :param constraint: the foreign key.
    :return: True also of any other constraint.
    """
    if constraint.kind != "foreignkey":
        return True
    parent = db.table(constraint.referred_table)
    columns = constraint.referred_columns or parent.primary_key
    return frozenset(map(fold, columns)) in _keys(db, parent, ())


def refuse_orphaned_keys(
    db: SQLiteDatabase, before: ParsedTable, after: ParsedTable, dropped: Sequence[str]
) -> None:
    """Refuse to take from foreign keys the columns or the key they point at.

    :param db: where the table is.
    :param before: the table as it is.
    :param after: the table as it is to be.
    :param dropped: names of columns.
    :raises MigrationError: naming the tables whose foreign keys they are.
    """
    had, has = _keys(db, before, ()), _keys(db, after, dropped)
    gone = {fold(c) for c in dropped}
    if had <= has and not gone:
        return
    for name, needed in _referrers(db, after):
        key = frozenset(map(fold, before.primary_key))
        needs = frozenset(needed) or key
        moved = not needed and key != frozenset(map(fold, after.primary_key))
        if needs & gone or moved or (needs in had and needs not in has):
            raise MigrationError(
                f'A foreign key of table "{name}" points at {", ".join(sorted(needs))} of '
                f'"{before.name}": drop that foreign key first.'
            )
