"""Rows on their way: converted, refused, counted and summed up."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError, plural, reason
from ..hints import command
from ..quoting import quote
from ..schema.own_tables import without_own
from ..schema.values import Misfit
from .source import SQLiteSource
from .target import TargetTable, quoted, run, send, server_failed

#: Is told how far it is: the stage ("check", "copy" or "compare"), and how many rows more.
Progress = Callable[[str, int], None]


@dataclass
class Checksum:
    """How many rows, and a checksum of them that does not depend on their order."""

    rows: int = 0
    digest: int = 0

    def add(self, row: bytes) -> None:
        """Count a row in."""
        self.rows += 1
        self.digest += int.from_bytes(blake2b(row, digest_size=16).digest())

    def __str__(self) -> str:
        return f"{plural(self.rows, 'row')}, checksum {self.digest % 2**128:032x}"


@dataclass
class Refusal:
    """Values that the target does not take, for one reason; the first few by their keys."""

    what: str
    reason: str
    count: int = 0
    first: list[str] = field(default_factory=list)
    noun: str = "row"
    #: Whether consent is enough: to leave them behind, or to cut them to what the target holds.
    may_be_accepted: bool = False

    def __str__(self) -> str:
        examples = f" (first {'; '.join(self.first)})" if self.first else ""
        consent = f'; to move without them: accept="{self.what}"' if self.may_be_accepted else ""
        return f"{self.what}: {plural(self.count, self.noun)} {self.reason}{examples}{consent}"


class Refused(MigrationError):
    """The target does not take everything, and nothing was moved."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        values = plural(sum(refusal.count for refusal in refusals), "value")
        super().__init__(
            f"The target refuses {values}. Nothing was moved, because they would be lost. Change "
            "them, or the models, and run the move again."
        )
        self.refusals = list(refusals)


def require_place(
    source: SQLiteSource, tables: Sequence[TargetTable], accepted: Collection[str]
) -> None:
    """Make sure that the target has a table and a column for each value of the source.

    :param source: the database that is moved.
    :param tables: the target's.
    :param accepted: tables and columns of the source that may be left behind.
    :raises Refused: where values have no place.
    :raises MigrationError: where the source lacks a column that its migrations make.
    """
    refusals = [r for r in _without_place(source, tables) if r.count and r.what not in accepted]
    if refusals:
        raise Refused(refusals)


def _without_place(source: SQLiteSource, tables: Sequence[TargetTable]) -> Iterator[Refusal]:
    places = {table.name: {column.name for column in table.columns} for table in tables}
    stored = {name: source.columns(name) for name in without_own(source.tables)}
    for name, columns in places.items():
        missing = columns - stored.get(name, set())
        if missing:
            raise MigrationError(
                f"The source has no column {name}.{min(missing)}, though its migrations make it: "
                f"it was changed by hand. To see what was: {command('check')}"
            )
    for name in sorted(stored):
        if name not in places:
            no_table = "without a table in the target"
            yield Refusal(name, no_table, source.count(name), may_be_accepted=True)
            continue
        for column in sorted(stored[name] - places[name]):
            count = source.count(name, f"WHERE {quote(column)} IS NOT NULL")
            yield Refusal(
                f"{name}.{column}",
                "without a column in the target",
                count,
                noun="value",
                may_be_accepted=True,
            )


def orphans(source: SQLiteSource) -> list[Refusal]:
    """Return the rows of the source that point to none."""
    refusals: dict[str, Refusal] = {}
    for table, rowid, parent in source.orphans():
        refusal = refusals.setdefault(table, Refusal(table, f"pointing to no row of {parent}"))
        refusal.count += 1
        if len(refusal.first) < 3:
            refusal.first.append(f"rowid {rowid}")
    return list(refusals.values())


Refusals = dict[tuple[str, str], Refusal]


def converted(
    source: SQLiteSource, table: TargetTable, refusals: Refusals, accepted: Collection[str]
) -> Iterator[list[list[Any]]]:
    """Yield the rows of *table* as the target's driver takes them, in batches.

    :param refusals: what does not fit is noted here.
    :param accepted: columns whose values may be cut to what the target holds.
    """
    converts = [column.convert for column in table.columns]
    for batch in source.rows(table.name, [column.name for column in table.columns]):
        rows = []
        for stored in batch:
            try:
                row = [convert(value) for convert, value in zip(converts, stored, strict=True)]
            except Misfit:
                row = _convert_one_by_one(table, stored, refusals, accepted)
            rows.append(row)
        yield rows


def _convert_one_by_one(
    table: TargetTable, stored: Sequence[Any], refusals: Refusals, accepted: Collection[str]
) -> list[Any]:
    row = []
    for column, value in zip(table.columns, stored, strict=True):
        try:
            row.append(column.convert(value))
        except Misfit as misfit:
            row.append(misfit.nearest)
            what = f"{table.name}.{column.name}"
            if misfit.nearest is None or what not in accepted:
                why = f"in which the value {misfit}; the column is {column.type}"
                new = Refusal(what, why, may_be_accepted=misfit.nearest is not None)
                refusal = refusals.setdefault((what, why), new)
                refusal.count += 1
                if len(refusal.first) < 3:
                    refusal.first.append(_shown(table, stored, value))
    return row


def _shown(table: TargetTable, stored: Sequence[Any], value: Any) -> str:
    names = [column.name for column in table.columns]
    key = ", ".join(f"{n}={stored[names.index(n)]!r}" for n in table.key if n in names)
    shown = repr(value)
    return f"{key}: {shown if len(shown) < 40 else shown[:37] + '…'}"


def check(
    source: SQLiteSource,
    tables: Sequence[TargetTable],
    accepted: Collection[str],
    progress: Progress,
) -> dict[str, Checksum]:
    """Convert every row of the source, and sum them up.

    :param source: the database that is moved.
    :param tables: the target's.
    :param accepted: columns whose values may be cut to what the target holds.
    :param progress: is told how far it is.
    :return: by table.
    :raises Refused: naming and counting what does not fit.
    """
    refusals: Refusals = {}
    sums = {}
    for table in tables:
        sums[table.name] = total = Checksum()
        for rows in converted(source, table, refusals, accepted):
            for row in () if refusals else rows:
                total.add(table.comparable(row))
            progress("check", len(rows))
    if refusals:
        raise Refused(list(refusals.values()))
    return sums


def refused_by_server(
    source: SQLiteSource,
    target: Connection,
    tables: Sequence[TargetTable],
    error: Exception,
    accepted: Collection[str],
) -> MigrationError:
    """Return the error to raise where the server refused a row: which it refuses, and how many.

    Its CHECKs and its collations' equality are not SQLite's, so it is asked: the rows are put into
    a temporary table without constraints, and each constraint is queried there.

    :param source: the database that is moved.
    :param target: the server.
    :param tables: from the one on, whose rows were refused.
    :param error: what the server raised then.
    :param accepted: columns whose values may be cut to what the target holds.
    """
    database_error = error if isinstance(error, DBAPIError) else DBAPIError(None, None, error)
    alive = False
    with suppress(Exception):
        target.rollback()
        alive = bool(run(target, "SELECT 1").scalar())
    if not alive:
        return server_failed(database_error)
    refusals: list[Refusal] = []
    # Where this fails too, the first error is reported.
    with suppress(Exception):
        for table in tables:
            target.rollback()
            copy = f"SELECT * FROM {quoted(target, table.name)} LIMIT 0"
            run(target, f"CREATE TEMPORARY TABLE refused_rows AS {copy}")
            send(target, table, "refused_rows", converted(source, table, {}, accepted))
            refusals += [refusal for refusal in _refusals(target, table) if refusal.count]
            run(target, "DROP TABLE refused_rows")
    if refusals:
        return Refused(refusals)
    return MigrationError(
        f"The target refuses rows of {tables[0].name}: {reason(database_error)}. Nothing was "
        "moved. Change these rows, or the models, and run the move again."
    )


def _refusals(target: Connection, table: TargetTable) -> Iterator[Refusal]:
    inspector = inspect(target)
    for check in inspector.get_check_constraints(table.name):
        rows = f"refused_rows WHERE NOT ({check['sqltext']})"
        yield _refusal(target, table, f"against CHECK ({check['sqltext']})", rows)
    uniques: list[Sequence[Any]] = [table.key]
    uniques += [unique["column_names"] for unique in inspector.get_unique_constraints(table.name)]
    uniques += [i["column_names"] for i in inspector.get_indexes(table.name) if i["unique"]]
    for columns in {tuple(columns) for columns in uniques if columns and None not in columns}:
        names = quoted(target, *columns)
        twice = f"SELECT {names} FROM refused_rows GROUP BY {names} HAVING count(*) > 1"
        why = f"equal to another in {', '.join(columns)}, as the target compares"
        yield _refusal(target, table, why, f"refused_rows WHERE ({names}) IN ({twice})")


def _refusal(target: Connection, table: TargetTable, why: str, rows: str) -> Refusal:
    count = run(target, f"SELECT count(*) FROM {rows}").scalar_one()
    key = quoted(target, *table.key) or "1"
    few = run(target, f"SELECT {key} FROM {rows} ORDER BY 1 LIMIT 3").all()
    first = [", ".join(f"{n}={v!r}" for n, v in zip(table.key, row, strict=False)) for row in few]
    return Refusal(table.name, why, count, [shown for shown in first if shown])
