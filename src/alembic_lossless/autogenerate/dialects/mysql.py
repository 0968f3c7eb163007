"""What a server does in one statement, or around another, where a drop and an add would not do.

PostgreSQL and MySQL give an index another name in no time. MySQL lets no index go that a foreign
key needs, unless the same statement brings another; nor does it change a column's type under one.
"""

import re
from collections.abc import Iterator
from typing import Any

from ...checklist.finding import Guard, Step
from ...schema.diff import Difference
from ...schema.model import Key, Schema
from ..data_operations import Exchange, TableSQL
from ..proposal import Database
from ..reverse import columns_of, constraint_as_printed
from . import collations, identity

Items = dict[Key, Difference]


def taken_out(items: Items, database: Database, early: bool) -> Iterator[Step]:
    """Yield the steps for what one statement does, and take it out of *items*.

    :param early: whether columns have still to change: a primary key comes after that.
    """
    if database.kind != "sqlite":
        yield from _renamed(items, database)
    if database.kind == "mysql":
        yield from _exchanged(items, database, early)
        yield from () if early else collations.changed(items, database)


def _renamed(items: Items, database: Database) -> Iterator[Step]:
    """Rename what differs by its name alone."""
    gone = {
        (key.table, key.kind, item.actual): key
        for key, item in items.items()
        if item.expected is None and key.kind in ("constraint", "index")
    }
    for new in [key for key, item in items.items() if item.actual is None]:
        printed = items[new].expected or ""
        old = gone.get((new.table, new.kind, printed))
        if old is None or (database.kind == "mysql" and not _has_a_name(new, printed, items)):
            continue
        del items[old], items[new], gone[new.table, new.kind, printed]
        there, back = (
            TableSQL(
                new.table,
                _rename(database, one, other.name),
                f"rename {one.kind} {one.name} to {other.name} on {new.table}",
            )
            for one, other in ((old, new), (new, old))
        )
        yield Step(there, Guard.only(database.kind), back)


def _has_a_name(key: Key, printed: str, items: Items) -> bool:
    """Tell whether MySQL can rename it; the index that comes with a new foreign key it names."""
    foreign = key.kind == "index" and key._replace(kind="constraint") in items
    return _is_index(printed) and not foreign


def _rename(database: Database, key: Key, name: str) -> str:
    mender = database.mender
    quote, table, (_, schema) = mender.quote, mender.quoted(key.table), mender.place(key.table)
    was, now = quote(key.name), quote(name)
    if database.kind == "mysql":
        return f"ALTER TABLE {table} RENAME INDEX {was} TO {now}"
    if key.kind == "index":
        return f"ALTER INDEX {quote(schema) + '.' if schema else ''}{was} RENAME TO {now}"
    return f"ALTER TABLE {table} RENAME CONSTRAINT {was} TO {now}"


def _exchanged(items: Items, database: Database, early: bool) -> Iterator[Step]:
    """Change a primary key, and the indexes that foreign keys need, in one statement a table.

    MySQL makes such an index by itself, and drops it by itself when there is another; one that a
    revision made it keeps. A statement that names both does the same to either. A table without a
    primary key, be it for a moment, some servers do not take (``sql_require_primary_key``).
    """
    tables: dict[str, set[Key]] = {}
    for key, item in items.items():
        if _is_primary(item.actual) and _is_primary(item.expected):
            tables[key.table] = {key}
            yield from () if early else _stopped(key.table, database)
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
        quote = database.connection.dialect.identifier_preparer.quote
        found = {key.name: items[key].actual for key in sorted(keys)}
        wanted = {key.name: items[key].expected for key in sorted(keys)}
        later = early and any(_is_primary(items[key].actual) for key in keys)
        for key in keys:
            del items[key]
        if later:
            continue
        there = Exchange(table, found, wanted, quote)
        yield Step(there, Guard.MYSQL, Exchange(table, wanted, found, quote))


def _stopped(table: str, database: Database) -> Iterator[Step]:
    """Let a column count no more that is not to, before it leaves the primary key."""
    for step in identity.stopped(database.mender, table):
        default = Key(table, "default", step.op.column_name)
        if database.expected.get(default) != "auto_increment":
            yield step


def _foreign_keys(items: Items, wanted: Schema) -> Iterator[tuple[str, list[str]]]:
    """Yield what each foreign key that stays as it is needs an index for, on both its sides."""
    for key, made in _staying(items, wanted):
        yield key.table, list(made.local_cols)
        yield made.referent_table, list(made.remote_cols)


def _staying(items: Items, wanted: Schema) -> Iterator[tuple[Key, Any]]:
    for key, text in wanted.items():
        if text.startswith("FOREIGN KEY") and key not in items:
            yield key, constraint_as_printed(key, text)


def _serves(printed: str | None, columns: list[str]) -> bool:
    is_key = _is_index(printed) or _is_primary(printed)
    return is_key and columns_of(printed)[: len(columns)] == columns


def _is_primary(printed: str | None) -> bool:
    return (printed or "").startswith("PRIMARY KEY ")


def _is_index(printed: str | None) -> bool:
    return (printed or "").startswith(("UNIQUE ", "KEY "))


def retyped(items: Items, database: Database) -> Items:
    """Return the foreign keys that have to go while the type of their columns changes.

    PostgreSQL needs that where the two sides would not compare with each other meanwhile.
    """
    changed = {
        (key.table, key.name)
        for key, item in items.items()
        if key.kind == "column" and None not in _both(item)
        if database.kind == "mysql" or (database.kind == "postgresql" and not _compare(item))
    }
    return {
        key: Difference(key, database.expected[key], database.expected[key])
        for key, made in (_staying(items, database.expected) if changed else ())
        if changed & {(key.table, column) for column in made.local_cols}
        or changed & {(made.referent_table, column) for column in made.remote_cols}
    }


def _compare(item: Difference) -> bool:
    alike = (("smallint", "integer", "bigint", "numeric"), ("character", "text"), ("timestamp",))
    return any(all(str(text).startswith(kinds) for text in _both(item)) for kinds in alike)


def computed(items: Items, database: Database) -> Items:
    """Return what goes with a generated column that is made anew, and the generated columns that
    PostgreSQL has to make anew because the type changes that they are computed from."""
    of: dict[str, set[tuple[str, str]]] = {"generated": set(), "column": set()}
    for key, item in items.items():
        if key.kind in of and None not in _both(item):
            of[key.kind].add((key.table, key.name))
    types = of["column"] if database.kind == "postgresql" else set()
    concerned = {"generated": types, "index": of["generated"], "constraint": of["generated"]}
    return {
        key: Difference(key, text, text)
        for key, text in database.expected.items()
        if key not in items
        for table, name in concerned.get(key.kind, ())
        if table == key.table and name in re.findall(r"\w+", text)
    }


def repointed(items: Items, database: Database) -> Items:
    """Return the foreign keys that have to go while the key that they point to changes.

    MySQL has them point to any index; PostgreSQL and SQLite to a key, which they do not let go.
    """
    keys = {
        (key.table, frozenset(columns_of(item.actual)))
        for key, item in items.items()
        if (item.actual or "").startswith(("PRIMARY KEY", "UNIQUE"))
    }
    if database.kind == "mysql" or not keys:
        return {}
    return {
        key: Difference(key, database.expected[key], database.expected[key])
        for key, made in _staying(items, database.expected)
        if (made.referent_table, frozenset(made.remote_cols)) in keys
    }


def _both(item: Difference) -> tuple[str | None, str | None]:
    return item.actual, item.expected
