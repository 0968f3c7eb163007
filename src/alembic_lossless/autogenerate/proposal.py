"""What changed in the models, whole: Alembic proposes, the comparison of two databases decides.

One database is at the head of the chain with the proposal applied, the other made by
``create_all``, both on each kind of server that the project uses. What they still have otherwise
becomes operations too, or a refusal that names it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import ForeignKeyConstraint, MetaData

from ..checklist.finding import ON_POSTGRESQL, Operation, flatten
from ..checklist.rules.enums import native
from ..run.recorder import whole_name
from ..schema import dialect_support, diff
from ..schema.own_tables import is_own
from ..schema.sqlite import virtual_tables
from .comparison import ComparedDatabase, Lookup
from .directives import key_of
from .drops import objects_of_dropped_table, reversible_drop
from .order import target


def proposal(container: ops.UpgradeOps, database: ComparedDatabase) -> list[Operation]:
    """Return what of Alembic's proposal is taken: tables and columns that come and go.

    What becomes of those that stay, and constraints and indexes, is left to the comparison:
    Alembic knows a CHECK by its name alone, passes over indexes with expressions, and sees
    phantoms in defaults. What a person made by hand stays.
    """
    by_hand = diff.made_by_raw_sql(database.connection) - diff.known_names(database.metadata)
    by_hand |= virtual_tables(database.connection)
    taken = (ops.CreateTableOp, ops.DropTableOp, ops.AddColumnOp, ops.DropColumnOp)
    operations = [
        operation
        for operation in flatten(container)
        if isinstance(operation.forward, taken)
        and operation.forward.table_name not in by_hand
        and not is_own(operation.forward.table_name)
        and not database.known.covers(key_of(operation.forward))
    ]
    lookup = database.lookup()
    schema = diff.describe(database.connection)
    created: set[str] = set()
    for operation in operations:
        if isinstance(operation.forward, ops.CreateTableOp):
            created.add(whole_name(operation.forward))
            _without_circles(
                operation.forward, created, {whole_name(s.forward) for s in operations}
            )
    gone = [operation for operation in operations if isinstance(operation.forward, ops.DropTableOp)]
    operations = [
        reversible_drop(lookup, s) if isinstance(s.forward, ops.DropColumnOp) else s
        for s in operations
    ]
    operations = [*_missing_schemas(operations, lookup), *operations]
    return [
        *(
            back
            for operation in gone
            for back in objects_of_dropped_table(lookup, operation.forward, schema)
        ),
        *operations,
    ]


def in_schemas(context: MigrationContext, metadata: MetaData) -> bool:
    """Let Alembic look into the schemas of the models and of the chain; tell if there are any."""
    if context.dialect.name != "postgresql" or context.connection is None:
        return False
    existing = {key.table for key in diff.describe(context.connection) if key.kind == "table"}
    names = sa.inspect(context.connection).get_schema_names()
    schemas = dialect_support.schemas(metadata)
    schemas |= {name for name in names if any(table.startswith(f"{name}.") for table in existing)}
    include_name = context.opts.get("include_name")

    def include(name: str | None, kind: str, parents: Any) -> bool:
        if include_name and not include_name(name, kind, parents):
            return False
        if kind == "schema":
            return name is None or name in schemas
        in_schema = kind == "table" and parents["schema_name"]
        return not in_schema or parents["schema_qualified_table_name"] in existing

    if schemas:
        context.opts |= {"include_schemas": True, "include_name": include}
    return bool(schemas)


def _missing_schemas(operations: Sequence[Operation], lookup: Lookup) -> Iterator[Operation]:
    """Yield what makes the schemas that tables come into.

    A database may have one already that no migration made, so that no downgrade drops it.
    """
    names = {
        operation.forward.schema
        for operation in operations
        if isinstance(operation.forward, ops.CreateTableOp)
    }
    existing = sa.inspect(lookup.connection).get_schema_names() if any(names) else []
    for name in sorted(str(name) for name in names if name and name not in existing):
        make = ops.ExecuteSQLOp(f"CREATE SCHEMA IF NOT EXISTS {lookup.quote(name)}")
        yield Operation(make, None, databases=ON_POSTGRESQL)


def types(databases: Sequence[ComparedDatabase], lookup: Lookup) -> set[str]:
    """Return the enum types that PostgreSQL has at the head of the chain."""
    for database in databases:
        if database.kind == "postgresql":
            keys = diff.describe(database.connection)
            return {key.name for key in keys if key.kind == "type"}
    declared = (native(column.type) for column in lookup.declared.columns.values())
    return {str(type_.name) for type_ in declared if type_ is not None}


def _without_circles(op: ops.CreateTableOp, created: set[str], all_names: set[str]) -> None:
    """Take out the foreign keys to tables that are made later: they are added at the end.

    So are those into a schema, where not every database has the table.
    """
    later = all_names - created
    op.columns = [
        item
        for item in op.columns
        if not (
            isinstance(item, ForeignKeyConstraint)
            and (target(item) in later or (not op.schema and dialect_support.only_postgresql(item)))
        )
    ]
