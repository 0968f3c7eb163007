"""Moves a SQLite database to a server: every row, in one transaction, compared at the end.

The target is migrated the ordinary way first; then all rows are converted, and only when all fit,
are they sent. Nobody sees what is not yet committed, so a move that was interrupted leaves a
migrated target without rows, which the next attempt goes on with. A table of ours allows that: it
exists from the first look at the empty target until the rows are in.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError
from ..hints import command
from ..run import status
from ..schema.own_tables import MOVE_TABLE, without_own
from . import target as server
from .rows import (
    Checksum,
    Progress,
    Refused,
    check,
    converted,
    orphans,
    refused_by_server,
    require_place,
)
from .source import SQLiteSource
from .target import TargetTable, quoted, run

Result = TypeVar("Result")


class OnTarget(Protocol):
    """Calls a function with a connection to the target, and returns what it returns."""

    def __call__(self, work: Callable[[Connection], Result], /) -> Result: ...


@dataclass
class TransferResult:
    """What arrived, table by table; *already* when an earlier move had brought it."""

    sums: Mapping[str, Checksum]
    already: bool = False
    notes: list[str] = field(default_factory=list)


def count_rows(file: Path) -> int:
    """Return how many rows a move of *file* would move.

    :raises MigrationError: where there is no such file.
    """
    with closing(SQLiteSource(file)) as source:
        return sum(source.count(name) for name in without_own(source.tables))


def move(
    file: Path,
    on_target: OnTarget,
    script: ScriptDirectory,
    migrate: Callable[[], None],
    accepted: Collection[str] = (),
    progress: Progress = lambda stage, rows: None,
) -> TransferResult:
    """Move the SQLite database *file* to a server's.

    :param file: the SQLite database.
    :param on_target: calls a function with a connection to the target, as the role that migrates
        it, holding the migration lock; it is not used while *migrate* runs.
    :param script: the chain.
    :param migrate: brings the target to the head, the ordinary way.
    :param accepted: tables and columns (``book.created_at``) that may be left behind, or whose
        values may be cut to what the target holds.
    :param progress: is told how far it is.
    :return: what arrived.
    :raises Refused: naming and counting what the target does not take.
    :raises MigrationError: when the move cannot begin or end; nothing was moved then.
    """
    with closing(SQLiteSource(file)) as source:
        if status.pending(script, source.revisions()):
            raise MigrationError(
                f"{file} is not at the head of its migrations, so its tables are not those of the "
                f"target. Upgrade it first: {command('upgrade')}"
            )
        if refusals := orphans(source):
            raise Refused(refusals)
        try:
            if arrived := on_target(lambda t: _begin(source, t, script, accepted, progress)):
                return arrived
            migrate()
            return on_target(lambda target: _fill(source, target, accepted, progress))
        except DBAPIError as error:
            raise server.server_failed(error) from None


def _begin(
    source: SQLiteSource,
    target: Connection,
    script: ScriptDirectory,
    accepted: Collection[str],
    progress: Progress,
) -> TransferResult | None:
    """Claim the target; return what an earlier move has brought, where it brought every row."""
    server.require_unicode(target)
    arrived = _arrived(source, target, script, accepted, progress)
    if arrived is None:
        _claim(target, script)
    return arrived


def _fill(
    source: SQLiteSource, target: Connection, accepted: Collection[str], progress: Progress
) -> TransferResult:
    _note_migrated(target)
    tables, sums = _checked(source, target, accepted, progress)
    _copy(source, target, tables, sums, accepted, progress)
    return TransferResult(sums, notes=_not_compared(tables))


def _checked(
    source: SQLiteSource, target: Connection, accepted: Collection[str], progress: Progress
) -> tuple[list[TargetTable], Mapping[str, Checksum]]:
    """Return the target's tables, and the checksums of the rows that are to be in them.

    :raises Refused: naming and counting what they do not take.
    """
    tables = server.tables(target)
    require_place(source, tables, accepted)
    return tables, check(source, tables, accepted, progress)


def _arrived(
    source: SQLiteSource,
    target: Connection,
    script: ScriptDirectory,
    accepted: Collection[str],
    progress: Progress,
) -> TransferResult | None:
    """Tell whether an earlier move has brought every row there."""
    names = set(inspect(target).get_table_names())
    counts = _counts(target)
    if not (_at_head(target, script) and counts and counts == _source_counts(source, names)):
        return None
    tables, sums = _checked(source, target, accepted, progress)
    if _sums(target, tables, progress) != sums:
        return None
    if MOVE_TABLE in names:  # it ended between its last row and this
        server.commit(target, source.highest_numbers())
    return TransferResult(sums, already=True, notes=_not_compared(tables))


def _at_head(target: Connection, script: ScriptDirectory) -> bool:
    return bool(status.current(target)) and status.current(target) == set(script.get_heads())


def _source_counts(source: SQLiteSource, names: Collection[str]) -> dict[str, int]:
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
    names = set(inspect(target).get_table_names())
    counts = _counts(target)
    if MOVE_TABLE not in names:
        if counts or (names and not _at_head(target, script)):
            raise MigrationError(
                f"The target is not empty ({_some(counts or names)}). Nothing was moved, because "
                "its rows would be lost. Name an empty database, or one that does not exist yet: "
                + command("move", to="postgresql://user@host/database")
            )
        run(target, f"CREATE TABLE {MOVE_TABLE} (made_by_migrations TEXT)")
    else:
        noted = run(target, f"SELECT made_by_migrations FROM {MOVE_TABLE}").scalar()
        if noted is not None and json.loads(noted) != counts:
            raise MigrationError(
                f"Rows came into the target since a move that did not end ({_some(counts)}). "
                "Nothing was moved, because they would be lost. Look at them, and name an empty "
                "database: " + command("move", to="postgresql://user@host/database")
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
        raise MigrationError(
            "Another move to this target has just ended. Run this one again, to compare the rows."
        )
    run(target, f"DELETE FROM {MOVE_TABLE}")
    insert = text(f"INSERT INTO {MOVE_TABLE} VALUES (:made)")
    target.execute(insert, {"made": json.dumps(_counts(target), sort_keys=True)})
    target.commit()


def _copy(
    source: SQLiteSource,
    target: Connection,
    tables: Sequence[TargetTable],
    sums: Mapping[str, Checksum],
    accepted: Collection[str],
    progress: Progress,
) -> None:
    highest = source.highest_numbers()
    with server.emptied(target, tables):
        for number, table in enumerate(tables):
            rows = converted(source, table, {}, accepted)
            try:
                server.send(target, table, table.name, rows, lambda n: progress("copy", n))
            except Exception as error:  # of the driver, whose classes differ
                rest = tables[number:]
                raise refused_by_server(source, target, rest, error, accepted) from None
        server.set_counters(target, tables, highest)
    arrived = _sums(target, tables, progress)
    different = [
        f"{name}: {sums[name]} in the source, {arrived[name]} in the target"
        for name in sums
        if sums[name] != arrived[name]
    ]
    if different:
        raise MigrationError(
            f"What arrived differs ({'; '.join(different)}). Nothing was moved. Look for a trigger "
            "or a rule of the target that changes rows."
        )
    with source.unchanged():
        server.commit(target, highest)


def _sums(
    target: Connection, tables: Sequence[TargetTable], progress: Progress
) -> dict[str, Checksum]:
    sums = {}
    for table in tables:
        sums[table.name] = total = Checksum()
        for rows in server.read(target, table):
            for row in rows:
                total.add(table.comparable(row))
            progress("compare", len(rows))
    return sums


def _not_compared(tables: Sequence[TargetTable]) -> list[str]:
    return [
        f"{table.name}.{column.name} ({column.type}) was moved, and not compared"
        for table in tables
        for column in table.columns
        if not column.conversion.compared
    ]
