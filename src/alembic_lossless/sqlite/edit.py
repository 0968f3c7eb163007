"""Edits of one CREATE TABLE statement: a :class:`ParsedTable` goes in, another comes out.

Every byte that an edit does not name is kept, comments and layout included. What comes out has
been read again, so that a text which SQLite could not read never leaves this module.
"""

import re
from collections.abc import Collection, Sequence

from ..quoting import quote
from ..tokens import scan
from .parser import (
    CreateTableError,
    ParsedColumn,
    ParsedConstraint,
    ParsedTable,
    fold,
    parse,
)

#: A place in a text, and what comes there instead.
Cut = tuple[int, int, str]


def _splice(table: ParsedTable, *cuts: Cut) -> ParsedTable:
    text = table.text
    for start, end, new in sorted(cuts, reverse=True):
        text = text[:start] + new + text[end:]
    return parse(text)


def _separator(table: ParsedTable) -> str:
    """What stands between two definitions of this table, so that a new one looks like them."""
    items: list[ParsedColumn | ParsedConstraint] = [*table.columns, *table.constraints]
    between = table.text[items[-2].end : items[-1].start] if len(items) > 1 else ""
    return between if re.fullmatch(r"\s*,\s*", between) else ", "


def _remove_item(table: ParsedTable, item: ParsedColumn | ParsedConstraint) -> ParsedTable:
    tokens = scan(table.text)
    before = next(t for t in reversed(tokens) if t.end <= item.start)
    after = next(t for t in tokens if t.start >= item.end)
    cuts = [(item.start, item.end, "")]
    gap = (before.end, item.start, "")
    if after.key == ",":
        cuts.append((after.start, after.end, ""))
    elif before.key == "," and after.key == ")":
        cuts.append((before.start, before.end, ""))
    elif before.key == ",":
        gap = (item.end, after.start, "")  # this comma divides columns from constraints
    if table.text[gap[0] : gap[1]].isspace():
        cuts.append(gap)
    return _splice(table, *cuts)


def _remove_inline(table: ParsedTable, item: ParsedConstraint) -> Cut:
    space = len(table.text[: item.start]) - len(table.text[: item.start].rstrip())
    before = table.text[: item.start - space].rsplit("\n", 1)[-1]
    # A comment that runs to the end of its line needs that end.
    return (item.start - (0 if "--" in before else space), item.end, "")


def add_column(
    table: ParsedTable, definition: str, *, before: str | None = None, after: str | None = None
) -> ParsedTable:
    """Add a column, last among the columns or beside another.

    :param table: as it is.
    :param definition: the column's, as it is to be written.
    :param before: the column that it is put before.
    :param after: the column that it is put after.
    :return: the table as it is to be.
    """
    separator = _separator(table)
    if before is not None:
        place = table.require_column(before).start
        return _splice(table, (place, place, definition + separator))
    place = (table.require_column(after) if after is not None else table.columns[-1]).end
    return _splice(table, (place, place, separator + definition))


def drop_column(table: ParsedTable, name: str) -> ParsedTable:
    """Drop a column's definition, and nothing else that may name it.

    :param table: as it is.
    :param name: the column's.
    :return: the table as it is to be.
    :raises CreateTableError: where it is the only column.
    """
    if len(table.columns) == 1:
        raise CreateTableError(
            f'Column "{name}" is the only one of table "{table.name}": drop the table instead.'
        )
    return _remove_item(table, table.require_column(name))


def add_constraint(table: ParsedTable, definition: str) -> ParsedTable:
    """Add a constraint of the table, last.

    :param table: as it is.
    :param definition: the constraint's, as it is to be written.
    :return: the table as it is to be.
    """
    place = (table.constraints or table.columns)[-1].end
    return _splice(table, (place, place, _separator(table) + definition))


def drop_constraint(table: ParsedTable, constraint: ParsedConstraint) -> ParsedTable:
    """Drop a constraint, the table's or a column's.

    :param table: as it is.
    :param constraint: one of *table*'s.
    :return: the table as it is to be.
    """
    if constraint.inline:
        return _splice(table, _remove_inline(table, constraint))
    return _remove_item(table, constraint)


def set_constraint_name(table: ParsedTable, constraint: ParsedConstraint, name: str) -> ParsedTable:
    """Give a constraint that has no name this one.

    :param table: as it is.
    :param constraint: one of *table*'s.
    :param name: the constraint's from now on.
    :return: the table as it is to be.
    """
    return _splice(table, (constraint.start, constraint.start, f"CONSTRAINT {quote(name)} "))


def set_type(table: ParsedTable, name: str, type_: str) -> ParsedTable:
    """Give a column another declared type.

    :param table: as it is.
    :param name: the column's.
    :param type_: as it is to be written.
    :return: the table as it is to be.
    """
    column = table.require_column(name)
    if column.type:
        return _splice(table, (column.type_end - len(column.type), column.type_end, type_))
    return _splice(table, (column.name_end, column.name_end, " " + type_))


def set_not_null(table: ParsedTable, name: str, not_null: bool) -> ParsedTable:
    """Add NOT NULL to a column, or take it away.

    :param table: as it is.
    :param name: the column's.
    :param not_null: whether it is to be there.
    :return: the table as it is to be.
    """
    column = table.require_column(name)
    unwanted = [c for c in column.constraints if c.kind in ("null", "notnull")]
    if not_null and column.not_null:
        return table
    cuts = [_remove_inline(table, c) for c in unwanted]
    if not_null:
        cuts.append((column.end, column.end, " NOT NULL"))
    return _splice(table, *cuts)


def _set_single(
    table: ParsedTable, name: str, kind: str, text: str | None, *, last: bool
) -> ParsedTable:
    """Replace, add or drop the only constraint of this kind that a column has."""
    column = table.require_column(name)
    standing = [c for c in column.constraints if c.kind == kind]
    cuts = [_remove_inline(table, c) for c in standing]
    if text is not None and standing:
        cuts[-1] = (standing[-1].start, standing[-1].end, text)
    elif text is not None:
        place = column.end if last else column.type_end
        cuts.append((place, place, " " + text))
    return _splice(table, *cuts)


def set_default(table: ParsedTable, name: str, default: str | None) -> ParsedTable:
    """Give a column this default, or none.

    :param table: as it is.
    :param name: the column's.
    :param default: what follows DEFAULT; None for none.
    :return: the table as it is to be.
    """
    text = None if default is None else f"DEFAULT {default}"
    return _set_single(table, name, "default", text, last=False)


def set_collation(table: ParsedTable, name: str, collation: str | None) -> ParsedTable:
    """Give a column this collation, or SQLite's own.

    :param table: as it is.
    :param name: the column's.
    :param collation: its name; None for SQLite's own.
    :return: the table as it is to be.
    """
    text = None if collation is None else f"COLLATE {collation}"
    return _set_single(table, name, "collate", text, last=False)


def set_generated(table: ParsedTable, name: str, generated: str | None) -> ParsedTable:
    """Make a column a generated one, ``GENERATED ALWAYS AS (…)``, or an ordinary one.

    :param table: as it is.
    :param name: the column's.
    :param generated: the clause; None for an ordinary column.
    :return: the table as it is to be.
    """
    return _set_single(table, name, "generated", generated, last=True)


def set_autoincrement(table: ParsedTable) -> ParsedTable:
    """Make the one INTEGER column of the primary key AUTOINCREMENT, which stands inline only.

    :param table: as it is.
    :return: the table as it is to be.
    :raises CreateTableError: where the primary key is not one INTEGER column.
    """
    if table.autoincrement:
        return table
    alias = table.rowid_alias
    key = table.key
    if alias is None or key is None:
        raise CreateTableError(f'Table "{table.name}" has no INTEGER PRIMARY KEY to count up.')
    name = table.text[key.start : key.end].split("PRIMARY", 1)[0] if key.name else ""
    table = drop_constraint(table, key)
    place = table.require_column(alias).end
    return _splice(table, (place, place, f" {name}PRIMARY KEY AUTOINCREMENT"))


def drop_autoincrement(table: ParsedTable) -> ParsedTable:
    """Let the primary key be without AUTOINCREMENT.

    :param table: as it is.
    :return: the table as it is to be.
    """
    key = table.key
    if key is None or not table.autoincrement:
        return table
    words = scan(table.text[: key.end])
    word = next(t for t in reversed(words) if t.key == "AUTOINCREMENT")
    return _splice(table, (words[words.index(word) - 1].end, word.end, ""))


def set_options(table: ParsedTable, options: Collection[str]) -> ParsedTable:
    """Let the table have exactly these options: STRICT, WITHOUT ROWID.

    :param table: as it is.
    :param options: in capitals.
    :return: the table as it is to be.
    """
    if table.options == set(options):
        return table
    words = [t for t in scan(table.text) if t.key != ";"]
    end = next(t for t in reversed(words) if t.key == ")").end
    written = " " + ", ".join(sorted(options)) if options else ""
    return _splice(table, (end, words[-1].end, written))


def move_constraint(table: ParsedTable, at: int, to: int) -> ParsedTable:
    """Move one of the table's constraints to another place among them.

    :param table: as it is.
    :param at: its place, counted from 0.
    :param to: the place that it gets.
    :return: the table as it is to be.
    """
    order = [*table.constraints]
    order.insert(to, order.pop(at))
    return _permuted(table, table.constraints, order)


def reorder(table: ParsedTable, order: Sequence[str]) -> ParsedTable:
    """Put the columns in this order; what stands between the definitions stays in its place.

    :param table: as it is.
    :param order: the names of all columns.
    :return: the table as it is to be.
    :raises CreateTableError: where some are left out.
    """
    columns = [table.require_column(name) for name in order]
    if {fold(c.name) for c in columns} != {fold(c.name) for c in table.columns}:
        raise CreateTableError(f'The order of the columns of "{table.name}" leaves some out.')
    return _permuted(table, table.columns, columns)


def _permuted(
    table: ParsedTable,
    slots: Sequence[ParsedColumn | ParsedConstraint],
    items: Sequence[ParsedColumn | ParsedConstraint],
) -> ParsedTable:
    pairs = zip(slots, items, strict=True)
    return _splice(table, *((s.start, s.end, table.text[i.start : i.end]) for s, i in pairs))
