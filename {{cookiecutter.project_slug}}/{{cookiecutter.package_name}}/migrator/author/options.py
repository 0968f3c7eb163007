"""A table's options: SQLite's need its text written anew, MySQL's an ALTER TABLE."""

import re
from collections.abc import Iterator

from sqlalchemy import Dialect

from ..schema import Difference
from .finding import Guard, Step
from .operations import Rebuild, TableSQL

_ROWID = "WITHOUT ROWID"
_SQLITE = {
    "AUTOINCREMENT": "sqlite_autoincrement",
    "STRICT": "sqlite_strict",
    _ROWID: "sqlite_with_rowid",
}


def changed(item: Difference, dialect: Dialect) -> Iterator[Step]:
    """Yield the step that gives a table the options of the models."""
    if item.found is None or item.wanted is None:
        return
    if dialect.name == "sqlite":
        there, back = {}, {}
        for word, option in _SQLITE.items():
            before, after = word in item.found, word in item.wanted
            if before != after:
                # WITHOUT ROWID is said the other way round.
                there[option], back[option] = after != (word == _ROWID), before != (word == _ROWID)
        yield Step(Rebuild(item.key.table, there), Guard.SQLITE, Rebuild(item.key.table, back))
    elif dialect.name in ("mysql", "mariadb"):
        table, quoted = item.key.table, dialect.identifier_preparer.quote(item.key.table)
        pair = _mysql(item.found), _mysql(item.wanted)
        changes = [_altered(*both) for both in (pair, pair[::-1])]
        sql = [TableSQL(table, f"ALTER TABLE {quoted} {c}", f"table {table}: {c}") for c in changes]
        yield Step(sql[0], Guard.MYSQL, sql[1])


def _mysql(printed: str) -> dict[str, str]:
    return dict(re.findall(r"([A-Z_ ]+?)=('(?:[^']|'')*'|\S+)\s*", printed))


def _altered(found: dict[str, str], wanted: dict[str, str]) -> str:
    """Return what ALTER TABLE says; the columns take part in another character set."""
    charset, collation = "DEFAULT CHARSET", "COLLATE"
    others = (found.keys() | wanted.keys()) - {charset, collation}
    said = [
        f"{name}={wanted.get(name, 'DEFAULT')}"
        for name in sorted(others)
        if found.get(name) != wanted.get(name)
    ]
    if any(found.get(name) != wanted.get(name) for name in (charset, collation)):
        collate = f" COLLATE {wanted[collation]}" if collation in wanted else ""
        said.append(f"CONVERT TO CHARACTER SET {wanted[charset]}{collate}")
    return ", ".join(said)
