"""Rows on their way: converted, refused, counted and summed up."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from sqlalchemy import JSON, Connection, inspect

from ..errors import MigrationError, plural
from ..schema.own_tables import is_own, without_own
from ..sqlite.parser import quote
from . import fit
from .misfit import Misfit
from .source import Source
from .statements import is_postgresql, quoted, run

#: Is told how far it is: the stage ("check", "copy" or "compare"), and how many rows more.
Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Table:
    """One table that is moved, as the target has it."""

    name: str
    fields: Sequence[fit.Field]
    key: Sequence[str]

    def spelled(self, values: Sequence[Any]) -> bytes:
        """Spell a row of the target's values in a way that is the same on both sides."""
        row = [
            value if value is None or column.same is None else column.same(value)
            for column, value in zip(self.fields, values, strict=True)
            if column.compared
        ]
        return repr(row).encode("utf-8", "surrogatepass")


@dataclass
class Sum:
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
        where = f" (first {'; '.join(self.first)})" if self.first else ""
        way = f'; to move without that: accept="{self.what}"' if self.may_be_accepted else ""
        return f"{self.what}: {plural(self.count, self.noun)} {self.reason}{where}{way}"


class Refused(MigrationError):
    """The target does not take everything, and nothing was moved."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        values = plural(sum(refusal.count for refusal in refusals), "value")
        super().__init__(
            f"The target refuses {values}, so nothing was moved: change them, or the models, and "
            "run move again."
        )
        self.refusals = list(refusals)


def tables(source: Source, target: Connection, accepted: Collection[str]) -> list[Table]:
    """Return the target's tables in the order of their foreign keys.

    :param accepted: tables and columns of the source that may be left behind.
    :raises Refused: where the source has values that the target has no place for.
    :raises MigrationError: where the source lacks what its migrations make.
    """
    inspector = inspect(target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a type that SQLAlchemy does not know
        ordered = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name]
        found = [_table(inspector, name, target) for name in ordered if not is_own(name)]
    refusals = [r for r in _without_place(source, found) if r.count and r.what not in accepted]
    if refusals:
        raise Refused(refusals)
    return found


def _table(inspector: Any, name: str, target: Connection) -> Table:
    columns = [c for c in inspector.get_columns(name) if "computed" not in c]
    if not is_postgresql(target):
        # MariaDB's JSON is a text with a CHECK.
        made = run(target, f"SHOW CREATE TABLE {quoted(target, name)}").one()[1]
        for column in columns:
            if f"json_valid({quoted(target, column['name'])})" in made:
                column["type"] = JSON()
    key = inspector.get_pk_constraint(name)["constrained_columns"]
    return Table(name, [fit.field(column, target.dialect) for column in columns], key)


def _without_place(source: Source, found: Sequence[Table]) -> Iterator[Refusal]:
    places = {table.name: {column.name for column in table.fields} for table in found}
    here = {name: source.columns(name) for name in without_own(source.tables)}
    for name, columns in places.items():
        missing = columns - here.get(name, set())
        if missing:
            raise MigrationError(
                f"The source has no {name}.{min(missing)}, though its migrations make it; "
                "make check says what was changed by hand."
            )
    for name in sorted(here):
        if name not in places:
            no_table = "without a table in the target"
            yield Refusal(name, no_table, source.count(name), may_be_accepted=True)
            continue
        for column in sorted(here[name] - places[name]):
            count = source.count(name, f"WHERE {quote(column)} IS NOT NULL")
            yield Refusal(
                f"{name}.{column}",
                "without a column in the target",
                count,
                noun="value",
                may_be_accepted=True,
            )


def orphans(source: Source) -> list[Refusal]:
    """Find the rows of the source that point to nothing."""
    found: dict[str, Refusal] = {}
    for table, rowid, parent in source.orphans():
        refusal = found.setdefault(table, Refusal(table, f"pointing to no row of {parent}"))
        refusal.count += 1
        refusal.first += [f"rowid {rowid}"] * (len(refusal.first) < 3)
    return list(found.values())


Refusals = dict[tuple[str, str], Refusal]


def converted(
    source: Source, table: Table, refusals: Refusals, accepted: Collection[str]
) -> Iterator[list[list[Any]]]:
    """Give the rows of *table* as the target's driver takes them, in batches.

    :param refusals: what does not fit is noted here.
    :param accepted: columns whose values may be cut to what the target holds.
    """
    takes = [column.take for column in table.fields]
    empties = [column.empty for column in table.fields]
    for batch in source.rows(table.name, [column.name for column in table.fields]):
        rows = []
        for stored in batch:
            try:
                row = [
                    take(value) if value is not None else empty(value)
                    for take, empty, value in zip(takes, empties, stored, strict=True)
                ]
            except Misfit:
                row = _one_by_one(table, stored, refusals, accepted)
            rows.append(row)
        yield rows


def _one_by_one(
    table: Table, stored: Sequence[Any], refusals: Refusals, accepted: Collection[str]
) -> list[Any]:
    row = []
    for column, value in zip(table.fields, stored, strict=True):
        try:
            row.append(column.empty(value) if value is None else column.take(value))
        except Misfit as misfit:
            row.append(misfit.near)
            what = f"{table.name}.{column.name}"
            if misfit.near is None or what not in accepted:
                why = f"in which the value {misfit}; the column is {column.type}"
                new = Refusal(what, why, may_be_accepted=misfit.near is not None)
                refusal = refusals.setdefault((what, why), new)
                refusal.count += 1
                if len(refusal.first) < 3:
                    refusal.first.append(_shown(table, stored, value))
    return row


def _shown(table: Table, stored: Sequence[Any], value: Any) -> str:
    at = [column.name for column in table.fields]
    key = ", ".join(f"{name}={stored[at.index(name)]!r}" for name in table.key if name in at)
    shown = repr(value)
    return f"{key}: {shown if len(shown) < 40 else shown[:37] + '…'}"


def look(
    source: Source, found: Sequence[Table], accepted: Collection[str], progress: Progress
) -> dict[str, Sum]:
    """Look at every row of the source, and sum them up.

    :raises Refused: naming and counting what does not fit.
    """
    refusals: Refusals = {}
    sums = {}
    for table in found:
        sums[table.name] = total = Sum()
        for rows in converted(source, table, refusals, accepted):
            for row in () if refusals else rows:
                total.add(table.spelled(row))
            progress("check", len(rows))
    if refusals:
        raise Refused(list(refusals.values()))
    return sums
