"""What a server does in one statement, or around another, where a drop and an add would not do.

PostgreSQL and MySQL give an index another name in no time. MySQL lets no index go that a foreign
key needs, unless the same statement brings another; nor does it change a column's type under one.
"""

from collections.abc import Iterator
from typing import Any

from ..schema import Difference, Key, Schema
from .back import columns_of, constraint_as_printed
from .detect import Database
from .finding import Guard, Step
from .operations import Exchange, TableSQL

Items = dict[Key, Difference]


def taken_out(items: Items, database: Database) -> Iterator[Step]:
    """Yield the steps for what one statement does, and take it out of *items*."""
    if database.kind != "sqlite":
        yield from _renamed(items, database)
    if database.kind == "mysql":
        yield from _exchanged(items, database)
        converted = {key.table for key in items if key.kind == "table"}
        for key in [key for key in items if key.kind == "column" and key.table in converted]:
            before, after = (str(text).partition(" COLLATE ") for text in _both(items[key]))
            if before[0] == after[0]:
                del items[key]  # the table takes its columns along


def _renamed(items: Items, database: Database) -> Iterator[Step]:
    """Rename what differs by its name alone."""
    gone = {
        (key.table, key.kind, item.found): key
        for key, item in items.items()
        if item.wanted is None and key.kind in ("constraint", "index")
    }
    for new in [key for key, item in items.items() if item.found is None]:
        printed = items[new].wanted or ""
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
    quote = database.connection.dialect.identifier_preparer.quote
    table, was, now = quote(key.table), quote(key.name), quote(name)
    if database.kind == "mysql":
        return f"ALTER TABLE {table} RENAME INDEX {was} TO {now}"
    if key.kind == "index":
        return f"ALTER INDEX {was} RENAME TO {now}"
    return f"ALTER TABLE {table} RENAME CONSTRAINT {was} TO {now}"


def _exchanged(items: Items, database: Database) -> Iterator[Step]:
    """Let another index take the place of one that a foreign key needs, in one statement.

    MySQL makes such an index by itself, and drops it by itself when there is another; one that a
    revision made it keeps. A statement that names both does the same to either.
    """
    tables: dict[str, set[Key]] = {}
    for table, columns in _foreign_keys(items, database.wanted):
        here = [key for key in database.wanted if key.table == table]
        if any(_serves(database.wanted[key], columns) for key in here if key not in items):
            continue
        own = [key for key in items if key.table == table]
        new = [k for k in own if _is_index(items[k].wanted) and _serves(items[k].wanted, columns)]
        old = {key for key in own if _serves(items[key].found, columns)}
        primary = {key for key in old if str(items[key].found).startswith("PRIMARY")}
        if old and new:
            tables.setdefault(table, set()).update(old - primary, new[:1])
    for table, keys in tables.items():
        quote = database.connection.dialect.identifier_preparer.quote
        found = {key.name: items[key].found for key in sorted(keys)}
        wanted = {key.name: items[key].wanted for key in sorted(keys)}
        for key in keys:
            del items[key]
        there = Exchange(table, found, wanted, quote)
        yield Step(there, Guard.MYSQL, Exchange(table, wanted, found, quote))


def _foreign_keys(items: Items, wanted: Schema) -> Iterator[tuple[str, list[str]]]:
    """Yield the table and the columns of each foreign key that stays as it is."""
    for key, text in wanted.items():
        if text.startswith("FOREIGN KEY") and key not in items:
            yield key.table, columns_of(text)


def _serves(printed: str | None, columns: list[str]) -> bool:
    is_key = _is_index(printed) or (printed or "").startswith("PRIMARY KEY ")
    return is_key and columns_of(printed)[: len(columns)] == columns


def _is_index(printed: str | None) -> bool:
    return (printed or "").startswith(("UNIQUE ", "KEY "))


def in_between(items: Items, database: Database) -> Items:
    """Return the foreign keys that have to go while the type of a column of theirs changes."""
    changed = {
        (key.table, key.name)
        for key, item in items.items()
        if key.kind == "column" and None not in _both(item)
    }
    found: Items = {}
    for key, text in database.wanted.items() if database.kind == "mysql" and changed else ():
        if text.startswith("FOREIGN KEY") and key not in items:
            made: Any = constraint_as_printed(key, text)
            own = {(key.table, column) for column in made.local_cols}
            other = {(made.referent_table, column) for column in made.remote_cols}
            if changed & (own | other):
                found[key] = Difference(key, text, text)
    return found


def _both(item: Difference) -> tuple[str | None, str | None]:
    return item.found, item.wanted
