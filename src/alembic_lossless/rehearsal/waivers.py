"""What a revision's file accepts: fixture rows that it is about are left out, and no others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import SQLAlchemyError

from . import diagnose
from .diagnose import Diagnosis
from .fixtures import delete_orphans, keys_deferred


@dataclass
class Waivers:
    """The *consents* of a file, and what each of them leaves out."""

    consents: Mapping[str, str]
    #: What the file is called in a note.
    file: str = "the file"
    #: By consent, the failure that it accepts; its query finds the rows to delete.
    rows: dict[str, Diagnosis] = field(default_factory=dict)
    #: The consent for which a table gets no rows: no query finds them, or they cannot be deleted.
    tables: dict[str, str] = field(default_factory=dict)

    def accept(self, diagnosis: Diagnosis) -> bool:
        """Tell whether the file accepts a failure, and note what to leave out from now on.

        :param diagnosis: of the failure.
        :return: whether the rehearsal is to be played again, without its rows.
        """
        consent, table = diagnosis.consent, diagnosis.table
        if not self.consents.get(consent) or table in self.tables:
            return False
        if diagnosis.query is None or consent in self.rows:
            self.rows.pop(consent, None)
            self.tables[table] = consent
        else:
            self.rows[consent] = diagnosis
        return True

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each thing that is left out."""
        for table, consent in self.tables.items():
            yield f"no fixture rows for {table}, {self._accepted(consent)}"
        for consent in self.rows:
            yield f"without rows that break {consent}, {self._accepted(consent)}"

    def _accepted(self, consent: str) -> str:
        return f"as accepted in {self.file}: {self.consents[consent]}"

    def existing_rows(self, connection: Connection) -> list[list[dict[str, Any]]]:
        """Return the rows already in the database that each consent is about."""
        return [diagnose.rows(connection, waived.query) for waived in self.rows.values()]

    def delete_rows(
        self, connection: Connection, tables: MetaData, of_chain: Sequence[list[dict[str, Any]]]
    ) -> None:
        """Delete the rows that are accepted, and those that point to them; not where that fails.

        :param connection: to the scratch database.
        :param tables: its tables, from :func:`fixtures.reflect`.
        :param of_chain: the rows that every database has, because the chain inserts them.
        """
        for waived, existing in zip(self.rows.values(), of_chain, strict=True):
            rows = [r for r in diagnose.rows(connection, waived.query) if r not in existing]
            _delete(connection, tables, waived.table, rows)


def _delete(
    connection: Connection, tables: MetaData, name: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    all_tables = tables.tables.values()
    table = next(table for table in all_tables if table.name.casefold() == name.casefold())
    keys = [key for table in all_tables for key in table.foreign_key_constraints]
    try:
        with keys_deferred(connection, keys):
            for row in rows:
                connection.execute(sa.delete(table).where(_matches(table, row)))
            delete_orphans(connection, keys)
            connection.commit()
    except SQLAlchemyError:  # a foreign key that lets nothing be deleted
        connection.rollback()


def _matches(table: Table, row: Mapping[str, Any]) -> sa.ColumnElement[bool]:
    """Return the condition of *row*; without its key, that of all rows like it but the first.

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
