"""What the rows and keys of a table on disk depend on."""

from collections.abc import Sequence

from .parser import ParsedColumn, ParsedTable, fold, normal
from .rows import affinity


def shape(table: ParsedTable, but: Sequence[str] = (), defaults_of: Sequence[str] = ()) -> object:
    """Return all of a table that the rows and keys on disk depend on.

    Two texts of one shape are two names for the same bytes. A primary key, a generated column and
    a STRICT table are compared to the letter; elsewhere NOT NULL, CHECK, FOREIGN KEY, names and
    the type within its affinity are free.

    :param but: columns to leave out.
    :param defaults_of: columns whose default does not count, its values being stored.
    """
    gone = {fold(name) for name in but}
    free = {fold(name) for name in defaults_of}

    def of(column: ParsedColumn) -> object:
        name = fold(column.name)
        generated = column.generated
        exact = table.strict or generated or name in map(fold, table.primary_key)
        return (
            name,
            normal(column.type) if exact else affinity(column.declared),
            bool(exact) and column.not_null,
            fold(column.collate or "binary"),
            generated and (normal(generated.expression), generated.options),
            None if name in free or column.default is None else normal(column.default),
        )

    columns = tuple(of(c) for c in table.columns if fold(c.name) not in gone)
    keys = [
        (c.kind, tuple(map(fold, c.columns)), c.options)
        for c in table.constraints_of("primary", "unique")
    ]
    if table.rowid_alias:  # it has no index, so its place among those that have does not count
        keys.sort(key=lambda key: key[0] != "primary")
    return columns, keys, table.options
