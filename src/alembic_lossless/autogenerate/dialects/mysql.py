"""What MySQL and MariaDB do in one statement, or around another, where a drop and an add fail.

They let no index go that a foreign key needs, unless the same statement brings another. A column
that counts has to be a key as long as it does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import sqlalchemy as sa

from ...checklist.data_operations import ReplaceIndexes, TableSQL
from ...checklist.finding import ON_MYSQL, Operation
from ...quoting import qualified, quote
from ...schema.diff import Change, unchanged_foreign_keys
from ...schema.model import (
    ColumnType,
    Counter,
    Definition,
    Index,
    Key,
    PrimaryKey,
    Schema,
    Table,
    Unique,
    columns_of,
)
from ...schema.mysql import AUTO_INCREMENT, without_backticks
from ..comparison import ComparedDatabase, Lookup

_PRIMARY = "PRIMARY KEY"

Items = dict[Key, Change]


def replace_indexes(items: Items, database: ComparedDatabase, early: bool) -> Iterator[Operation]:
    """Change primary keys, and the indexes that foreign keys need, in one statement a table.

    MySQL makes such an index by itself, and drops it by itself when there is another; one that a
    revision made it keeps. A statement that names both does the same to either. A table without a
    primary key, be it for a moment, some servers do not take (``sql_require_primary_key``).

    :param items: what differs; what the statements change is taken out of it.
    :param early: whether columns have still to change: a primary key comes after that.
    """
    tables: dict[str, set[Key]] = {}
    for key, item in items.items():
        if isinstance(item.actual, PrimaryKey) and isinstance(item.expected, PrimaryKey):
            tables[key.table] = {key}
            yield from () if early else _stop_counting_outside(key.table, database)
    for table, columns in _foreign_keys(items, database.expected):
        staying = [key for key in database.expected if key.table == table and key not in items]
        if any(_serves(database.expected[key], columns) for key in staying):
            continue
        changed = [key for key in items if key.table == table]
        old = {key for key in changed if _serves(items[key].actual, columns)}
        new = [key for key in changed if _serves(items[key].expected, columns)]
        if old and new:
            tables.setdefault(table, set()).update(old, new[:1])
    for table, keys in tables.items():
        actual = {key.name: items[key].actual for key in sorted(keys)}
        expected = {key.name: items[key].expected for key in sorted(keys)}
        later = early and any(isinstance(items[key].actual, PrimaryKey) for key in keys)
        for key in keys:
            del items[key]
        if later:
            continue
        other_names = {key.name: database.other_names(key) for key in keys}
        forward = _replacement(table, actual, expected, database, other_names)
        yield Operation(
            forward, _replacement(table, expected, actual, database), databases=ON_MYSQL
        )


def _replacement(
    table: str,
    before: dict[str, Definition | None],
    after: dict[str, Definition | None],
    database: ComparedDatabase,
    other_names: Mapping[str, Sequence[str]] | None = None,
) -> ReplaceIndexes:
    """Return the statement that puts the indexes *after* in the place of those *before*.

    :param before: each index by its name; None where it is not there.
    :param other_names: what databases that were made at another time call these.
    """
    named = partial(qualified, database.connection.dialect)
    dropped = {name: index for name, index in before.items() if index is not None}
    added = {name: index for name, index in after.items() if index is not None}
    clauses = []
    for name in dropped:
        names = [name, *(other_names or {}).get(name, ())]
        exists = "IF EXISTS " if len(names) > 1 and database.server == "mariadb" else ""
        drops = [f"DROP INDEX {exists}{named(each)}" for each in (names if exists else [name])]
        clauses += [f"DROP {_PRIMARY}"] if name == _PRIMARY else drops
    for name, index in added.items():
        columns = ", ".join(
            named(column) if re.fullmatch(r"[^`()\s]+", column) else column
            for column in columns_of(index)
        )
        what = _PRIMARY if isinstance(index, PrimaryKey) else f"{_kind(index)} {named(name)}"
        clauses.append(f"ADD {what} ({columns})")
    sql = f"ALTER TABLE {named(table)} {', '.join(clauses)}"
    words = f"on {table} put {_words(added)} in the place of {_words(dropped)}"
    freed = {
        f"{table}.{column}"
        for column in columns_of(dropped.get(_PRIMARY))
        if column not in columns_of(added.get(_PRIMARY))
    }
    return ReplaceIndexes(table, sql, words, freed)


def _kind(definition: Definition) -> str:
    if isinstance(definition, Index):
        return "UNIQUE KEY" if definition.unique else f"{definition.method} KEY".strip()
    return "UNIQUE"


def _words(keys: Mapping[str, Definition]) -> str:
    named = (
        f"primary key ({', '.join(index.columns)})"
        if isinstance(index, PrimaryKey)
        else f"index {name}"
        for name, index in keys.items()
    )
    return " and ".join(named)


def _stop_counting_outside(table: str, database: ComparedDatabase) -> Iterator[Operation]:
    """Let a column stop counting that is not to count, before it leaves the primary key."""
    for operation in stop_counting(database.lookup(), table):
        default = Key(table, "default", operation.forward.column_name)
        if database.expected.get(default) != Counter(AUTO_INCREMENT):
            yield operation


def _foreign_keys(items: Items, expected: Schema) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what each foreign key that stays as it is needs an index for, on both its sides."""
    for key, foreign in unchanged_foreign_keys(items, expected):
        yield key.table, foreign.columns
        yield foreign.referred_table, foreign.referred_columns


def _serves(definition: Definition | None, columns: tuple[str, ...]) -> bool:
    is_key = is_index(definition) or isinstance(definition, PrimaryKey)
    return is_key and columns_of(definition)[: len(columns)] == columns


def is_index(definition: Definition | None) -> bool:
    """Tell whether a constraint or an index is one that finds rows, not the primary key."""
    is_plain = isinstance(definition, Index) and not definition.method
    return is_plain or isinstance(definition, Unique)


def rename_statement(lookup: Lookup, key: Key, name: str) -> str:
    """Return the statement that gives the index *key* another *name*."""
    old, new = lookup.quote(key.name), lookup.quote(name)
    return f"ALTER TABLE {lookup.quoted(key.table)} RENAME INDEX {old} TO {new}"


def change_counter(lookup: Lookup, item: Change) -> Iterator[Operation]:
    """Yield the operation that lets a column count (AUTO_INCREMENT), or stops it.

    :param item: the difference of the column's default.
    """
    counts = item.expected == Counter(AUTO_INCREMENT)
    key = sa.inspect(lookup.connection).get_pk_constraint(*lookup.place(item.key.table))
    # What is no key yet comes in the next round.
    if item.key.name in key["constrained_columns"] or not counts:
        yield _count(lookup, item.key, counts)


def stop_counting(lookup: Lookup, table: str) -> Iterator[Operation]:
    """Yield what stops a column from counting: else its primary key cannot be dropped."""
    for column in sa.inspect(lookup.connection).get_columns(table):
        if column.get("autoincrement") is True:
            yield _count(lookup, Key(table, "default", column["name"]), False)


def _count(lookup: Lookup, key: Key, counts: bool) -> Operation:
    forward = lookup.alter_column(key, autoincrement=counts)
    backward = lookup.alter_column(key, autoincrement=not counts)
    return Operation(forward.forward, backward.forward, databases=ON_MYSQL)


def change_options(items: Items, database: ComparedDatabase) -> Iterator[Operation]:
    """Yield what gives tables the options of the models, and take it out of *items*.

    The collations of their columns go with them; what else differs of a column is left. CONVERT TO
    CHARACTER SET would take along the columns that keep a collation of their own, and make a
    MEDIUMTEXT of a TEXT: each column that changes is named instead, in the same statement.
    """
    for key, item in list(items.items()):
        if not (isinstance(item.actual, Table) and isinstance(item.expected, Table)):
            continue
        columns = _recollated(key.table, items)
        sql = f"SHOW CREATE TABLE {quote(key.table, 'mysql')}".replace("%", "%%")
        lines = database.connection.exec_driver_sql(sql).one()[1].splitlines()
        definitions = {
            name: _definition(lines, name, old.type) for name, (old, _) in columns.items()
        }
        forward, backward = (
            _alter(
                qualified(database.connection.dialect, key.table),
                _altered(dict(before.settings), dict(after.settings)),
                {name: str(pair[side].collation or "") for name, pair in columns.items()},
                definitions,
            )
            for side, before, after in (
                (1, item.actual, item.expected),
                (0, item.expected, item.actual),
            )
        )
        yield Operation(
            TableSQL(key.table, *forward), TableSQL(key.table, *backward), databases=ON_MYSQL
        )
        del items[key]
        for name, (old, new) in columns.items():
            if (old.type, old.check) == (new.type, new.check):
                del items[Key(key.table, "column", name)]


def _recollated(table: str, items: Items) -> dict[str, tuple[ColumnType, ColumnType]]:
    """Return the columns of *table* whose collation changes, before and after."""
    return {
        key.name: (item.actual, item.expected)
        for key, item in items.items()
        if key.table == table
        if isinstance(item.actual, ColumnType) and isinstance(item.expected, ColumnType)
        if item.actual.collation != item.expected.collation
    }


def _alter(
    table: str, options: list[str], collations: dict[str, str], definitions: dict[str, str]
) -> tuple[str, str]:
    """Return the statement, and what it does in words."""
    modified = [f"MODIFY {definitions[name].format(to)}" for name, to in collations.items()]
    named = [f"{name} {to}" for name, to in collations.items()]
    sql = f"ALTER TABLE {table} {', '.join(options + modified)}"
    return sql, f"table {table}: {', '.join(options + named)}"


def _altered(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return what ALTER TABLE says of the options; a character set comes with its collation."""
    names = before.keys() | after.keys()
    changed = {name for name in names if before.get(name) != after.get(name)}
    if changed & {"DEFAULT CHARSET", "COLLATE"}:
        changed |= {"DEFAULT CHARSET", "COLLATE"} & after.keys()
    return [f"{name}={after.get(name, 'DEFAULT')}" for name in sorted(changed, reverse=True)]


def _definition(lines: list[str], name: str, kind: str) -> str:
    """Return what *lines* say of one column, with its collation left open."""
    column = re.escape(f"{quote(name, 'mysql')} {kind}")
    pattern = re.compile(rf"\s*({column})(?: CHARACTER SET \w+)?(?: COLLATE \w+)?(.*?),?")
    match = next(match for line in lines if (match := pattern.fullmatch(line)))
    before, after = (
        without_backticks(part).replace("{", "{{").replace("}", "}}") for part in match.groups()
    )
    return f"{before} COLLATE {{}}{after}"
