"""A table's options on MySQL, and the collations of its columns, which follow them or do not.

CONVERT TO CHARACTER SET would take along the columns that keep a collation of their own, and make
a MEDIUMTEXT of a TEXT: each column that changes is named instead, in the same statement.
"""

import re
from collections.abc import Iterator

from ...checklist.finding import Guard, Step
from ...schema.diff import Difference
from ...schema.model import Key
from ..data_operations import TableSQL
from ..proposal import Database
from ..reverse import without_backticks


def changed(items: dict[Key, Difference], database: Database) -> Iterator[Step]:
    """Yield the steps that give tables the options of the models, and take them out of *items*.

    The collations of their columns go with them; what else differs of a column is left.
    """
    quote = database.connection.dialect.identifier_preparer.quote
    both = {
        key: (one.actual, one.expected) for key, one in items.items() if one.actual and one.expected
    }
    for key in [key for key in both if key.kind == "table"]:
        columns = {
            other.name: (_parts(str(found)), _parts(str(wanted)))
            for other, (found, wanted) in both.items()
            if (other.table, other.kind) == (key.table, "column")
        }
        columns = {name: pair for name, pair in columns.items() if pair[0][1] != pair[1][1]}
        sql = f"SHOW CREATE TABLE {quote(key.table)}".replace("%", "%%")
        lines = database.connection.exec_driver_sql(sql).one()[1].splitlines()
        there, back = (
            _alter(
                quote(key.table),
                _altered(_options(both[key][1 - after]), _options(both[key][after])),
                {name: pair[after][1] for name, pair in columns.items()},
                {name: _definition(lines, name, pair[0][0]) for name, pair in columns.items()},
            )
            for after in (1, 0)
        )
        yield Step(TableSQL(key.table, *there), Guard.MYSQL, TableSQL(key.table, *back))
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
    column = re.escape(f"`{name.replace('`', '``')}` {kind}")
    pattern = re.compile(rf"\s*({column})(?: CHARACTER SET \w+)?(?: COLLATE \w+)?(.*?),?")
    match = next(match for line in lines if (match := pattern.fullmatch(line)))
    before, after = (
        without_backticks(part).replace("{", "{{").replace("}", "}}") for part in match.groups()
    )
    return f"{before} COLLATE {{}}{after}"
