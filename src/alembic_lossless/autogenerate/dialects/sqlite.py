"""A table's options on SQLite, which need its text written anew."""

from ...checklist.data_operations import RebuildTable
from ...checklist.finding import ON_SQLITE, Operation
from ...schema.diff import Change
from ...schema.model import Definition, Table

_ROWID = "WITHOUT ROWID"
_OPTIONS = {
    "AUTOINCREMENT": "sqlite_autoincrement",
    "STRICT": "sqlite_strict",
    _ROWID: "sqlite_with_rowid",
}


def change_options(item: Change) -> Operation:
    """Return the operation that gives a table the options of the models.

    :param item: the difference of the table's options.
    """
    forward, backward = {}, {}
    for word, option in _OPTIONS.items():
        before, after = word in _words(item.actual), word in _words(item.expected)
        if before != after:
            # The option of WITHOUT ROWID is the other way round.
            inverted = word == _ROWID
            forward[option], backward[option] = after != inverted, before != inverted
    table = item.key.table
    return Operation(
        RebuildTable(table, forward), RebuildTable(table, backward), databases=ON_SQLITE
    )


def _words(definition: Definition | None) -> frozenset[str]:
    return definition.words if isinstance(definition, Table) else frozenset()
