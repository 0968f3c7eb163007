"""What a revision's file accepts: the made rows that it is about are left out, and no others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import SQLAlchemyError

from . import diagnose
from .diagnose import Blame
from .fixtures import held_back
from .put import Copied, drop_orphans


@dataclass
class Excused:
    """What the *consents* of a file have met so far."""

    consents: Mapping[str, str]
    #: By consent, what finds its rows.
    found: dict[str, Blame] = field(default_factory=dict)
    #: The consent for which a table gets no rows: they cannot be told apart, or not taken out.
    tables: dict[str, str] = field(default_factory=dict)

    def takes(self, about: Blame) -> bool:
        """Tell whether the file accepts *about*, and note what to leave out the next time."""
        consent, table = about.consent, about.table
        if not self.consents.get(consent) or table in self.tables:
            return False
        if about.query is None or consent in self.found:
            self.found.pop(consent, None)
            self.tables[table] = consent
        else:
            self.found[consent] = about
        return True

    def notes(self) -> Iterator[str]:
        """Say what is left out."""
        for table, consent in self.tables.items():
            yield f"no rows were made for {table}, {_ACCEPTED}: {self.consents[consent]}"
        for consent in self.found:
            yield f"without rows that break {consent}, {_ACCEPTED}: {self.consents[consent]}"

    def rows(self, connection: Connection) -> list[list[dict[str, Any]]]:
        """Return the rows that are there, by consent."""
        return [diagnose.rows(connection, about.query) for about in self.found.values()]

    def take_out(
        self, connection: Connection, tables: MetaData, of_chain: Sequence[list[dict[str, Any]]]
    ) -> None:
        """Take these rows out, and those that point to them; they stay where that fails.

        :param of_chain: the rows that every database has, because the chain puts them in.
        """
        for about, kept in zip(self.found.values(), of_chain, strict=True):
            rows = [row for row in diagnose.rows(connection, about.query) if row not in kept]
            _take_out(connection, tables, about.table, rows)


_ACCEPTED = "as accepted in the file"


def _take_out(
    connection: Connection, tables: MetaData, name: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    table = next(one for one in tables.tables.values() if one.name.casefold() == name.casefold())
    keys = [key for one in tables.tables.values() for key in one.foreign_key_constraints]
    try:
        with held_back(connection, keys):
            for row in rows:
                connection.execute(sa.delete(table).where(_is(table, row)))
            drop_orphans(connection, keys, Copied())
            connection.commit()
    except SQLAlchemyError:  # a foreign key that lets nothing go
        connection.rollback()


def _is(table: Table, row: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    """Return what *row*, or, where it has no key, every row but the first that is like it, meets.

    Values are as the driver gave them: a column of no type takes them back.
    """
    key: list[Any] = [sa.column(column.name) for column in table.primary_key.columns]
    if key and all(column.name in row for column in key):
        return sa.and_(*(column == row[column.name] for column in key))
    like = sa.and_(*(sa.column(c.name) == row[c.name] for c in table.columns if c.name in row))
    if len(key) != 1:
        return like
    # A table of its own: MySQL does not read the one that it deletes from.
    first = sa.select(sa.func.min(key[0])).select_from(table).where(like).subquery()
    return sa.and_(like, key[0] != sa.select(first).scalar_subquery())
