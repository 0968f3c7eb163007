"""Moving a SQLite database to a server: every row, in one transaction, compared at the end.

The target is migrated the ordinary way first; then all rows are looked at, and only when all fit,
are they sent. Nobody sees what is not yet committed, so a move that was interrupted leaves a
migrated target without rows, which the next attempt goes on with. A table of ours says that it
may: it is there from the first look at the empty target until the rows are in.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from ..run import status
from ..schema.own_tables import MOVE_TABLE, without_own
from . import load
from .compare import gave_up, judged
from .rows import Progress, Refused, Sum, Table, converted, look, orphans, tables
from .source import Source
from .statements import quoted, run

__all__ = ["Moved", "Refused", "move", "size"]


@dataclass
class Moved:
    """What arrived, table by table; *already* when an earlier move had brought it."""

    sums: Mapping[str, Sum]
    already: bool = False
    notes: list[str] = field(default_factory=list)


def size(file: Path) -> int:
    """Return how many rows a move of *file* would move."""
    with closing(Source(file)) as source:
        return sum(source.count(name) for name in without_own(source.tables))


def move(
    file: Path,
    connect: Callable[[], AbstractContextManager[Connection]],
    script: ScriptDirectory,
    migrate: Callable[[], None],
    accepted: Collection[str] = (),
    progress: Progress = lambda stage, rows: None,
) -> Moved:
    """Move the SQLite database *file* to the database that *connect* connects to.

    :param connect: to the target, as the role that migrates it, holding the migration lock; called
        more than once, and not while *migrate* runs.
    :param migrate: brings the target to the head, the ordinary way.
    :param accepted: tables and columns (``book.created_at``) that may be left behind, or whose
        values may be cut to what the target holds.
    :raises Refused: naming and counting what the target does not take.
    :raises MigrationError: when the move cannot begin or end; nothing was moved then.
    """
    with closing(Source(file)) as source:
        if status.pending(script, source.revisions()):
            raise MigrationError(
                f"{file} is not at the head of its migrations: make migrate first."
            )
        if lost := orphans(source):
            raise Refused(lost)
        try:
            with connect() as target:
                load.require_unicode(target)
                if arrived := _arrived(source, target, script, accepted, progress):
                    return arrived
                _claim(target, script)
            migrate()
            with connect() as target:
                _note_migrated(target)
                found = tables(source, target, accepted)
                sums = look(source, found, accepted, progress)
                _copy(source, target, found, sums, accepted, progress)
        except DBAPIError as error:
            raise gave_up(error) from None
    return Moved(sums, notes=_not_compared(found))


def _arrived(
    source: Source,
    target: Connection,
    script: ScriptDirectory,
    accepted: Collection[str],
    progress: Progress,
) -> Moved | None:
    """Tell whether an earlier move has brought every row there."""
    there = set(inspect(target).get_table_names())
    held = _counts(target)
    if not (_at_head(target, script) and held and held == _held(source, there)):
        return None
    found = tables(source, target, accepted)
    sums = look(source, found, accepted, progress)
    if _sums(target, found, progress) != sums:
        return None
    if MOVE_TABLE in there:  # it ended between its last row and this
        load.commit(target, source.highest_given())
    return Moved(sums, already=True, notes=_not_compared(found))


def _at_head(target: Connection, script: ScriptDirectory) -> bool:
    return bool(status.current(target)) and status.current(target) == set(script.get_heads())


def _held(source: Source, names: Collection[str]) -> dict[str, int]:
    counts = {name: source.count(name) for name in without_own(source.tables & set(names))}
    return {name: count for name, count in counts.items() if count}


def _counts(target: Connection) -> dict[str, int]:
    """Return the number of rows of each table that has any."""
    names = without_own(inspect(target).get_table_names())
    counts = {
        name: run(target, f"SELECT count(*) FROM {quoted(target, name)}").scalar_one()
        for name in names
    }
    return {name: int(count) for name, count in counts.items() if count}


def _claim(target: Connection, script: ScriptDirectory) -> None:
    """Mark the target as ours where it is empty, or what an unfinished move left.

    :raises MigrationError: when somebody else's tables or rows are there.
    """
    there = set(inspect(target).get_table_names())
    held = _counts(target)
    if MOVE_TABLE not in there:
        if held or (there and not _at_head(target, script)):
            raise MigrationError(
                f"The target is not empty ({_some(held or there)}), so nothing was moved: name an "
                "empty database, or one that is not there yet."
            )
        run(target, f"CREATE TABLE {MOVE_TABLE} (made_by_migrations TEXT)")
    else:
        made = run(target, f"SELECT made_by_migrations FROM {MOVE_TABLE}").scalar()
        if made is not None and json.loads(made) != held:
            raise MigrationError(
                f"Rows came into the target since a move that did not end ({_some(held)}), so "
                "nothing was moved: look at them, and name an empty database."
            )
    target.commit()


def _some(names: Collection[str]) -> str:
    few = sorted(names)[:3]
    return ", ".join(few) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _note_migrated(target: Connection) -> None:
    """Note which rows the migrations themselves made: they give way to the source's.

    :raises MigrationError: when another move has ended meanwhile.
    """
    if MOVE_TABLE not in inspect(target).get_table_names():
        raise MigrationError("Another move to this target has just ended: run move again.")
    run(target, f"DELETE FROM {MOVE_TABLE}")
    insert = text(f"INSERT INTO {MOVE_TABLE} VALUES (:made)")
    target.execute(insert, {"made": json.dumps(_counts(target), sort_keys=True)})
    target.commit()


def _copy(
    source: Source,
    target: Connection,
    found: Sequence[Table],
    sums: Mapping[str, Sum],
    accepted: Collection[str],
    progress: Progress,
) -> None:
    given = source.highest_given()
    with load.emptied(target, found):
        for at, table in enumerate(found):
            rows = converted(source, table, {}, accepted)
            try:
                load.send(target, table, table.name, rows, lambda n: progress("copy", n))
            except Exception as error:  # of the driver, whose classes differ
                raise judged(source, target, found[at:], error, accepted) from None
        load.set_counters(target, found, given)
    arrived = _sums(target, found, progress)
    different = [
        f"{name}: {sums[name]} here, {arrived[name]} there"
        for name in sums
        if sums[name] != arrived[name]
    ]
    if different:
        raise MigrationError(f"What arrived differs, so nothing was moved: {'; '.join(different)}.")
    with source.unchanged():
        load.commit(target, given)


def _sums(target: Connection, found: Sequence[Table], progress: Progress) -> dict[str, Sum]:
    sums = {}
    for table in found:
        sums[table.name] = total = Sum()
        for rows in load.read(target, table):
            for row in rows:
                total.add(table.spelled(row))
            progress("compare", len(rows))
    return sums


def _not_compared(found: Sequence[Table]) -> list[str]:
    return [
        f"{table.name}.{column.name} ({column.type}) was moved, and not compared"
        for table in found
        for column in table.fields
        if not column.compared
    ]
