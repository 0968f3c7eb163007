"""What MySQL and MariaDB do in one statement, or around another, where a drop and an add fail.

They let no index go that a foreign key needs, unless the same statement brings another. A column
that counts has to be a key as long as it does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import sqlalchemy as sa

from ...checklist.data_operations import ReplaceIndexes, TableSQL
from ...checklist.finding import Guard, Step
from ...quoting import qualified, quote
from ...schema.diff import Difference
from ...schema.model import Key, Schema
from ..comparison import ComparedDatabase, Lookup
from ..reverse import columns_of, unchanged_foreign_keys, without_backticks

#: How a column's default is printed that numbers the rows.
AUTO_INCREMENT = "auto_increment"

_PRIMARY = "PRIMARY KEY"

Items = dict[Key, Difference]


def replace_indexes(items: Items, database: ComparedDatabase, early: bool) -> Iterator[Step]:
    """Change primary keys, and the indexes that foreign keys need, in one statement a table.

    MySQL makes such an index by itself, and drops it by itself when there is another; one that a
    revision made it keeps. A statement that names both does the same to either. A table without a
    primary key, be it for a moment, some servers do not take (``sql_require_primary_key``).

    :param items: what differs; what the statements change is taken out of it.
    :param early: whether columns have still to change: a primary key comes after that.
    """
    tables: dict[str, set[Key]] = {}
    for key, item in items.items():
        if _is_primary(item.actual) and _is_primary(item.expected):
            tables[key.table] = {key}
            yield from () if early else _stop_counting_outside(key.table, database)
    for table, columns in _foreign_keys(items, database.expected):
        here = [key for key in database.expected if key.table == table]
        if any(_serves(database.expected[key], columns) for key in here if key not in items):
            continue
        own = [key for key in items if key.table == table]
        old = {key for key in own if _serves(items[key].actual, columns)}
        new = [key for key in own if _serves(items[key].expected, columns)]
        if old and new:
            tables.setdefault(table, set()).update(old, new[:1])
    for table, keys in tables.items():
        found = {key.name: items[key].actual for key in sorted(keys)}
        wanted = {key.name: items[key].expected for key in sorted(keys)}
        later = early and any(_is_primary(items[key].actual) for key in keys)
        for key in keys:
            del items[key]
        if later:
            continue
        others = {key.name: database.other_names(key) for key in keys}
        forward = _replacement(table, found, wanted, database, others)
        yield Step(forward, Guard.MYSQL, _replacement(table, wanted, found, database))


def _replacement(
    table: str,
    before: dict[str, str | None],
    after: dict[str, str | None],
    database: ComparedDatabase,
    others: Mapping[str, Sequence[str]] | None = None,
) -> ReplaceIndexes:
    """Return the statement that puts the indexes *after* in the place of those *before*.

    :param before: each index by its name, as the server prints it; None where it is not there.
    :param others: what databases that were made at another time call these.
    """
    named = partial(qualified, database.connection.dialect)
    dropped = {name: without_backticks(text) for name, text in before.items() if text}
    added = {name: without_backticks(text) for name, text in after.items() if text}
    clauses = []
    for name in dropped:
        names = [name, *(others or {}).get(name, ())]
        exists = "IF EXISTS " if len(names) > 1 and database.server == "mariadb" else ""
        drops = [f"DROP INDEX {exists}{named(each)}" for each in (names if exists else [name])]
        clauses += [f"DROP {_PRIMARY}"] if name == _PRIMARY else drops
    for name, text in added.items():
        kind, _, columns = text.partition("(")
        what = kind if name == _PRIMARY else f"{kind}{named(name)} "
        clauses.append(f"ADD {what}({columns.replace(',', ', ')}")
    sql = f"ALTER TABLE {named(table)} {', '.join(clauses)}"
    words = f"on {table} put {_words(added)} in the place of {_words(dropped)}"
    freed = {
        f"{table}.{column}"
        for column in columns_of(dropped.get(_PRIMARY))
        if column not in columns_of(added.get(_PRIMARY))
    }
    return ReplaceIndexes(table, sql, words, freed)


def _words(keys: dict[str, str]) -> str:
    named = (
        f"primary key ({', '.join(columns_of(text))})" if name == _PRIMARY else f"index {name}"
        for name, text in keys.items()
    )
    return " and ".join(named)


def _stop_counting_outside(table: str, database: ComparedDatabase) -> Iterator[Step]:
    """Let a column stop counting that is not to count, before it leaves the primary key."""
    for step in stop_counting(database.lookup(), table):
        default = Key(table, "default", step.op.column_name)
        if database.expected.get(default) != AUTO_INCREMENT:
            yield step


def _foreign_keys(items: Items, wanted: Schema) -> Iterator[tuple[str, list[str]]]:
    """Yield what each foreign key that stays as it is needs an index for, on both its sides."""
    for key, foreign in unchanged_foreign_keys(items, wanted):
        yield key.table, list(foreign.local_cols)
        yield foreign.referent_table, list(foreign.remote_cols)


def _serves(printed: str | None, columns: list[str]) -> bool:
    is_key = is_index(printed) or _is_primary(printed)
    return is_key and columns_of(printed)[: len(columns)] == columns


def _is_primary(printed: str | None) -> bool:
    return (printed or "").startswith("PRIMARY KEY ")


def is_index(printed: str | None) -> bool:
    """Tell whether a constraint or an index as *printed* is an index, not the primary key."""
    return (printed or "").startswith(("UNIQUE ", "KEY "))


def rename_statement(lookup: Lookup, key: Key, name: str) -> str:
    """Return the statement that gives the index *key* another *name*."""
    old, new = lookup.quote(key.name), lookup.quote(name)
    return f"ALTER TABLE {lookup.quoted(key.table)} RENAME INDEX {old} TO {new}"


def change_counter(lookup: Lookup, item: Difference) -> Iterator[Step]:
    """Yield the step that lets a column count (AUTO_INCREMENT), or stops it.

    :param item: the difference of the column's default.
    """
    counts = item.expected == AUTO_INCREMENT
    key = sa.inspect(lookup.connection).get_pk_constraint(*lookup.place(item.key.table))
    # What is no key yet comes in the next round.
    if item.key.name in key["constrained_columns"] or not counts:
        yield _count(lookup, item.key, counts)


def stop_counting(lookup: Lookup, table: str) -> Iterator[Step]:
    """Yield the step that stops a column from counting: else its primary key cannot be dropped."""
    for column in sa.inspect(lookup.connection).get_columns(table):
        if column.get("autoincrement") is True:
            yield _count(lookup, Key(table, "default", column["name"]), False)


def _count(lookup: Lookup, key: Key, counts: bool) -> Step:
    forward = lookup.alter_column(key, autoincrement=counts)
    backward = lookup.alter_column(key, autoincrement=not counts)
    return Step(forward.op, Guard.MYSQL, backward.op)


def change_options(items: Items, database: ComparedDatabase) -> Iterator[Step]:
    """Yield the steps that give tables the options of the models, and take them out of *items*.

    The collations of their columns go with them; what else differs of a column is left. CONVERT TO
    CHARACTER SET would take along the columns that keep a collation of their own, and make a
    MEDIUMTEXT of a TEXT: each column that changes is named instead, in the same statement.
    """
    both = {
        key: (item.actual, item.expected)
        for key, item in items.items()
        if item.actual and item.expected
    }
    for key in [key for key in both if key.kind == "table"]:
        columns = {
            other.name: (_parts(str(found)), _parts(str(wanted)))
            for other, (found, wanted) in both.items()
            if (other.table, other.kind) == (key.table, "column")
        }
        columns = {name: pair for name, pair in columns.items() if pair[0][1] != pair[1][1]}
        sql = f"SHOW CREATE TABLE {quote(key.table, 'mysql')}".replace("%", "%%")
        lines = database.connection.exec_driver_sql(sql).one()[1].splitlines()
        forward, backward = (
            _alter(
                qualified(database.connection.dialect, key.table),
                _altered(_options(both[key][1 - after]), _options(both[key][after])),
                {name: pair[after][1] for name, pair in columns.items()},
                {name: _definition(lines, name, pair[0][0]) for name, pair in columns.items()},
            )
            for after in (1, 0)
        )
        yield Step(TableSQL(key.table, *forward), Guard.MYSQL, TableSQL(key.table, *backward))
        del items[key]
        for name, (old, new) in columns.items():
            if old[0] == new[0]:
                del items[Key(key.table, "column", name)]


def _alter(
    table: str, options: list[str], collations: dict[str, str], definitions: dict[str, str]
) -> tuple[str, str]:
    """Return the statement, and what it does in words."""
    modified = [f"MODIFY {definitions[name].format(to)}" for name, to in collations.items()]
    named = [f"{name} {to}" for name, to in collations.items()]
    sql = f"ALTER TABLE {table} {', '.join(options + modified)}"
    return sql, f"table {table}: {', '.join(options + named)}"


def _parts(printed: str) -> tuple[str, str]:
    """Return the type and the collation of a column."""
    match = re.fullmatch(r"(.*?)(?: COLLATE (\w+))?(?: CHECK \(.*)?", printed, re.DOTALL)
    assert match
    return match[1], match[2] or ""


def _options(printed: str | None) -> dict[str, str]:
    return dict(re.findall(r"([A-Z_ ]+?)=('(?:[^']|'')*'|\S+)\s*", str(printed)))


def _altered(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Return what ALTER TABLE says of the options; a character set comes with its collation."""
    names = found.keys() | wanted.keys()
    changed = {name for name in names if found.get(name) != wanted.get(name)}
    if changed & {"DEFAULT CHARSET", "COLLATE"}:
        changed |= {"DEFAULT CHARSET", "COLLATE"} & wanted.keys()
    return [f"{name}={wanted.get(name, 'DEFAULT')}" for name in sorted(changed, reverse=True)]


def _definition(lines: list[str], name: str, kind: str) -> str:
    """Return what *lines* say of one column, with its collation left open."""
    column = re.escape(f"{quote(name, 'mysql')} {kind}")
    pattern = re.compile(rf"\s*({column})(?: CHARACTER SET \w+)?(?: COLLATE \w+)?(.*?),?")
    match = next(match for line in lines if (match := pattern.fullmatch(line)))
    before, after = (
        without_backticks(part).replace("{", "{{").replace("}", "}}") for part in match.groups()
    )
    return f"{before} COLLATE {{}}{after}"
