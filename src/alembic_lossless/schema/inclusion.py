"""What env.py leaves out by ``include_object`` and ``include_name``, asked as Alembic asks."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table

from .model import PROPERTIES, Key


@dataclass
class Inclusion:
    """Tells which objects of a chain and of the models are compared and proposed.

    Alembic has no kind for a primary key, a CHECK, an enum type or a sequence: they are compared
    where their table is, an enum type where one of the models' tables that have it is.

    :param options: those of ``context.configure``.
    :param metadata: the models.
    :param connection: to the database at the head of the chain.
    """

    options: Mapping[str, Any]
    metadata: MetaData
    connection: Connection

    def __post_init__(self) -> None:
        self._include_object: Callable[..., bool] | None = self.options.get("include_object")
        self._include_name: Callable[..., bool] | None = self.options.get("include_name")
        self._of_models = {table.fullname: table for table in self.metadata.tables.values()}
        self._reflected = cache(self._reflect)
        self._includes_table = cache(self._ask_for_table)

    def includes(self, key: Key) -> bool:
        """Tell whether the object, or property of one, that *key* names is compared."""
        if self._include_object is None and self._include_name is None:
            return True
        if key.kind == "type":
            users = [name for name, table in self._of_models.items() if _has_type(table, key.name)]
            return not users or any(map(self._includes_table, users))
        if not key.table:
            return True
        if not self._includes_table(key.table):
            return False
        if key.kind == "column" or (key.kind in PROPERTIES and key.name):
            return self._includes_part(key, "column")
        if key.kind == "index":
            return self._includes_part(key, "index")
        if key.kind == "constraint":
            return self._includes_part(key, "unique_constraint") and self._includes_part(
                key, "foreign_key_constraint"
            )
        return True

    def _ask_for_table(self, name: str) -> bool:
        modelled, reflected = self._of_models.get(name), self._reflected(name)
        schema, _, bare = name.rpartition(".")
        parents = {"schema_name": schema or None, "schema_qualified_table_name": name}
        return self._ask(bare, "table", modelled, reflected, parents)

    def _includes_part(self, key: Key, kind: str) -> bool:
        modelled = _part(self._of_models.get(key.table), kind, key.name)
        reflected = _part(self._reflected(key.table), kind, key.name)
        schema, _, bare = key.table.rpartition(".")
        parents = {
            "schema_name": schema or None,
            "table_name": bare,
            "schema_qualified_table_name": key.table,
        }
        return self._ask(key.name, kind, modelled, reflected, parents)

    def _ask(
        self, name: str, kind: str, modelled: Any, reflected: Any, parents: dict[str, str | None]
    ) -> bool:
        """Ask as Alembic does: a name of what the database has, then an object of either."""
        by_name = self._include_name if reflected is not None else None
        if by_name and not by_name(name, kind, parents):
            return False
        subject = reflected if modelled is None else modelled
        if subject is None or self._include_object is None:
            return True
        against = None if modelled is None else reflected
        return bool(self._include_object(subject, name, kind, modelled is None, against))

    def _reflect(self, name: str) -> Table | None:
        schema, _, bare = name.rpartition(".")
        if not sa.inspect(self.connection).has_table(bare, schema=schema or None):
            return None
        table = Table(bare, MetaData(), schema=schema or None)
        sa.inspect(self.connection).reflect_table(table, None, resolve_fks=False)
        return table


def only_tables(names: Collection[str], include_object: Callable[..., bool] | None) -> Any:
    """Return an ``include_object`` that leaves out all tables but some.

    :param names: of the tables, with or without their schemas.
    :param include_object: the project's own, which is asked too.
    """

    def include(subject: Any, name: str, kind: str, reflected: bool, against: Any) -> bool:
        if kind == "table" and not {name, getattr(subject, "fullname", name)} & set(names):
            return False
        return include_object is None or include_object(subject, name, kind, reflected, against)

    return include


def _has_type(table: Table, name: str) -> bool:
    types = [getattr(column.type, "item_type", column.type) for column in table.columns]
    return any(getattr(type_, "name", None) == name for type_ in types)


def _part(table: Table | None, kind: str, name: str) -> Any:
    """Return the column, index or constraint of *table* that has this name."""
    if table is None:
        return None
    if kind == "column":
        return table.columns.get(name)
    classes = {
        "unique_constraint": sa.UniqueConstraint,
        "foreign_key_constraint": sa.ForeignKeyConstraint,
    }
    parts: Any = table.indexes
    if kind != "index":
        parts = [part for part in table.constraints if isinstance(part, classes[kind])]
    return next((part for part in parts if part.name == name), None)
