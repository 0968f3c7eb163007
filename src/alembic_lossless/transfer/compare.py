"""When a server refused a row: which rows it refuses, and how many, in its own judgement."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from ..errors import MigrationError, reason
from . import load
from .rows import Refusal, Refused, Table, converted
from .source import Source
from .statements import quoted, run


def judged(
    source: Source,
    target: Connection,
    tables: Sequence[Table],
    error: Exception,
    accepted: Collection[str],
) -> MigrationError:
    """Put the rows of *tables* where no constraint is, and let the server apply its own.

    Its CHECKs and its collations' equality are not SQLite's. The rows are in a temporary table.

    :param tables: from the one on, whose rows were refused.
    :param error: what the server said then.
    :return: the error to raise.
    """
    said = error if isinstance(error, DBAPIError) else DBAPIError(None, None, error)
    alive = False
    with suppress(Exception):
        target.rollback()
        alive = bool(run(target, "SELECT 1").scalar())
    if not alive:
        return gave_up(said)
    refusals: list[Refusal] = []
    # What cannot even be held so, or is not to be had any more, the first error has said.
    with suppress(Exception):
        for table in tables:
            target.rollback()
            copy = f"SELECT * FROM {quoted(target, table.name)} LIMIT 0"
            run(target, f"CREATE TEMPORARY TABLE judged AS {copy}")
            load.send(target, table, "judged", converted(source, table, {}, accepted))
            refusals += [refusal for refusal in _judge(target, table) if refusal.count]
            run(target, "DROP TABLE judged")
    if refusals:
        return Refused(refusals)
    return MigrationError(
        f"The target refuses rows of {tables[0].name}, so nothing was moved: {reason(said)}."
    )


def gave_up(error: DBAPIError) -> MigrationError:
    """Say that the server could not go on, whatever the rows are."""
    return MigrationError(
        f"The target gave up, and nothing was moved: {reason(error)}. Run move again."
    )


def _judge(target: Connection, table: Table) -> Iterator[Refusal]:
    inspector = inspect(target)
    for check in inspector.get_check_constraints(table.name):
        rows = f"judged WHERE NOT ({check['sqltext']})"
        yield _refusal(target, table, f"against CHECK ({check['sqltext']})", rows)
    uniques: list[Sequence[Any]] = [table.key]
    uniques += [unique["column_names"] for unique in inspector.get_unique_constraints(table.name)]
    uniques += [i["column_names"] for i in inspector.get_indexes(table.name) if i["unique"]]
    for columns in {tuple(columns) for columns in uniques if columns and None not in columns}:
        names = quoted(target, *columns)
        twice = f"SELECT {names} FROM judged GROUP BY {names} HAVING count(*) > 1"
        why = f"equal to another in {', '.join(columns)}, as the target compares"
        yield _refusal(target, table, why, f"judged WHERE ({names}) IN ({twice})")


def _refusal(target: Connection, table: Table, why: str, rows: str) -> Refusal:
    count = run(target, f"SELECT count(*) FROM {rows}").scalar_one()
    key = quoted(target, *table.key) or "1"
    few = run(target, f"SELECT {key} FROM {rows} ORDER BY 1 LIMIT 3").all()
    first = [", ".join(f"{n}={v!r}" for n, v in zip(table.key, row, strict=False)) for row in few]
    return Refusal(table.name, why, count, [one for one in first if one])
