"""A table's options on SQLite, which need its text written anew."""

from collections.abc import Iterator

from ...checklist.finding import Guard, Step
from ...schema.diff import Difference
from ..data_operations import Rebuild

_ROWID = "WITHOUT ROWID"
_OPTIONS = {
    "AUTOINCREMENT": "sqlite_autoincrement",
    "STRICT": "sqlite_strict",
    _ROWID: "sqlite_with_rowid",
}


def changed(item: Difference) -> Iterator[Step]:
    """Yield the step that gives a table the options of the models."""
    there, back = {}, {}
    for word, option in _OPTIONS.items():
        before, after = word in str(item.actual), word in str(item.expected)
        if before != after:
            # WITHOUT ROWID is said the other way round.
            there[option], back[option] = after != (word == _ROWID), before != (word == _ROWID)
    yield Step(Rebuild(item.key.table, there), Guard.SQLITE, Rebuild(item.key.table, back))
