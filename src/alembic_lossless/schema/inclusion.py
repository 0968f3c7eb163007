"""What env.py leaves out of comparisons, asked as Alembic asks: objects by ``include_object`` and
``include_name``, types and server defaults by ``compare_type`` and ``compare_server_default``."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, MetaData, Table

from .diff import Change, describe
from .model import PROPERTIES, Counter, Key, Schema


@dataclass
class Inclusion:
    """Tells which objects of a chain and of the models are compared and proposed.

    Alembic has no kind for a primary key, a CHECK, an enum type or a sequence: they are compared
    where their table is, an enum type where one of the models' tables that have it is.

    :param options: those of ``context.configure``.
    :param metadata: the models.
    :param connection: to the database that is compared, usually one at the head of the chain.
    :param chain: to one at the head of the chain, where *connection* is to another. A schema of
        PostgreSQL's that neither the models nor the chain have tables in is left out then, unless
        env.py sets ``include_schemas``.
    """

    options: Mapping[str, Any]
    metadata: MetaData
    connection: Connection
    chain: Connection | None = None

    def __post_init__(self) -> None:
        self._include_object: Callable[..., bool] | None = self.options.get("include_object")
        self._include_name: Callable[..., bool] | None = self.options.get("include_name")
        self._of_models = {table.fullname: table for table in self.metadata.tables.values()}
        self._reflected = cache(self._reflect)
        self._includes_table = cache(self._ask_for_table)
        self._includes_schema = cache(self._ask_for_schema)

    def compares(self, item: Change, context: MigrationContext) -> bool:
        """Tell whether a difference between the models and the database counts.

        :param item: the difference.
        :param context: given to a ``compare_type`` or ``compare_server_default`` of env.py's.
        """
        if not self.includes(item.key):
            return False
        if item.key.kind in ("column", "type") and item.is_alteration:
            setting = self.options.get("compare_type", True)
            return self._compares_column(item.key, setting, context, _types)
        counts = isinstance(item.actual, Counter) or isinstance(item.expected, Counter)
        if item.key.kind == "default" and not counts:
            setting = self.options.get("compare_server_default", True)
            return self._compares_column(item.key, setting, context, _defaults)
        return True

    def _compares_column(
        self,
        key: Key,
        setting: Any,
        context: MigrationContext,
        arguments: "Callable[[Column[Any], Column[Any], MigrationContext], tuple[Any, ...]]",
    ) -> bool:
        """Ask a setting that is a callable with a column as the database has it, and the models'.

        Its True counts where there is a difference: what two databases hold alike is not altered.
        """
        if not callable(setting):
            return bool(setting)
        reflected = _part(self._reflected(key.table), "column", key.name) if key.table else None
        modelled = _part(self._of_models.get(key.table), "column", key.name)
        if reflected is None or modelled is None:
            return True
        answer = setting(context, reflected, modelled, *arguments(reflected, modelled, context))
        return answer is None or bool(answer)

    def includes(self, key: Key) -> bool:
        """Tell whether the object, or property of one, that *key* names is compared."""
        if not self._includes_schema(self._schema_of(key)):
            return False
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

    def included(self, schema: Schema) -> Schema:
        """Return what is compared of *schema*."""
        return {key: definition for key, definition in schema.items() if self.includes(key)}

    def _schema_of(self, key: Key) -> str | None:
        """Return the schema of PostgreSQL's that an object is in; None for the usual one."""
        name = key.name if key.kind == "sequence" else key.table
        schema = name.partition(".")[0]
        return schema if "." in name and schema in self._schemas else None

    @cached_property
    def _schemas(self) -> set[str]:
        if self.connection.dialect.name != "postgresql":
            return set()
        connections = filter(None, (self.connection, self.chain))
        return {
            name for connection in connections for name in sa.inspect(connection).get_schema_names()
        }

    @cached_property
    def _of_chain(self) -> set[str]:
        """The schemas that the chain has made something in."""
        keys = describe(self.chain) if self.chain is not None else ()
        return {(key.table or key.name).partition(".")[0] for key in keys}

    def _ask_for_schema(self, name: str | None) -> bool:
        if self._include_name and not self._include_name(name, "schema", {}):
            return False
        if name is None or self.chain is None or self.options.get("include_schemas"):
            return True
        return name in self._of_chain or any(
            table.schema == name for table in self._of_models.values()
        )

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
        for connection in filter(None, (self.connection, self.chain)):
            inspector = sa.inspect(connection)
            if inspector.has_table(bare, schema=schema or None):
                table = Table(bare, MetaData(), schema=schema or None)
                inspector.reflect_table(table, None, resolve_fks=False)
                return table
        return None


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


def _types(reflected: Column[Any], modelled: Column[Any], _: MigrationContext) -> tuple[Any, ...]:
    return reflected.type, modelled.type


def _defaults(
    reflected: Column[Any], modelled: Column[Any], context: MigrationContext
) -> tuple[Any, ...]:
    """Return the database's default as text, the models' own, and that as text."""
    compiler = context.dialect.ddl_compiler(context.dialect, None)  # type: ignore[arg-type]
    in_database: Any = reflected.server_default
    return (
        in_database and str(in_database.arg),
        modelled.server_default,
        compiler.get_column_default_string(modelled),
    )


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
