"""What numbers the rows of PostgreSQL, and renames there."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from ...checklist.data_operations import DescribedSQL, LateSQL
from ...checklist.finding import ON_POSTGRESQL, Operation
from ...quoting import literal
from ...schema import model as schema
from ...schema.diff import Change
from ...schema.model import Counter, Definition, Key
from ..comparison import Lookup


def change_counter(lookup: Lookup, item: Change, default: Any) -> Iterable[Operation]:
    """Yield the operations that let a column number its rows, or stop it.

    :param item: the difference of the column's default.
    :param default: the model's, for a column that numbers its rows no more.
    """
    of_actual, of_expected = (
        counter_statements(lookup, item.key, side) for side in (item.actual, item.expected)
    )
    if of_expected[0] and item.actual and not of_actual[0]:
        yield lookup.alter_column(item.key, modify_server_default=None)
    # What stops numbering may get another type afterwards; what begins has it by then.
    forward, backward = (
        counter_operation(item.key, [*stops[1], *begins[0]], late=bool(of_expected[0]))
        for stops, begins in ((of_actual, of_expected), (of_expected, of_actual))
    )
    yield Operation(forward, backward, databases=ON_POSTGRESQL)
    if isinstance(default, sa.DefaultClause):
        yield lookup.alter_column(item.key, modify_server_default=default)


def counter_statements(
    lookup: Lookup, key: Key, definition: Definition | None
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the statements that let a column number its rows as defined, and that stop it."""
    if not isinstance(definition, Counter):
        return (), ()
    quote = lookup.quote
    column, table = quote(key.name), lookup.quoted(key.table)
    alter = f"ALTER TABLE {table} ALTER {column}"
    # Rows already in the table have numbers.
    continue_after = f"SELECT setval({{}}, max({column})) FROM {table}"
    if definition.kind == "SERIAL":
        table_name, schema = lookup.place(key.table)
        name = quote(f"{table_name}_{key.name}_seq", schema)
        make = f"CREATE SEQUENCE {name} OWNED BY {table}.{column}"
        give = f"{alter} SET DEFAULT nextval('{name}')"
        start = make, give, continue_after.format(f"'{name}'")
        return start, (f"{alter} DROP DEFAULT", f"DROP SEQUENCE {name}")
    when = "ALWAYS" if definition.kind.endswith("ALWAYS") else "BY DEFAULT"
    name = f"pg_get_serial_sequence({literal(table)}, {literal(key.name)})"
    make = f"{alter} ADD GENERATED {when} AS IDENTITY"
    return (make, continue_after.format(name)), (f"{alter} DROP IDENTITY",)


def counter_operation(key: Key, statements: Sequence[str], late: bool) -> DescribedSQL:
    """Return the operation of some of :func:`counter_statements`.

    :param late: whether the column changes too, and first.
    """
    starts = any(" setval(" in statement for statement in statements)
    column = f"{key.table}.{key.name}"
    words = f"let a sequence number {column}" if starts else f"number {column} no more"
    return (LateSQL if late else DescribedSQL)(words, *statements)


def create_sequence(name: str, sequence: schema.Sequence) -> ops.ExecuteSQLOp:
    """Return what makes a *sequence* again under this *name*."""
    sql = (
        f"CREATE SEQUENCE {name} AS {sequence.type} INCREMENT BY {sequence.increment} "
        f"MINVALUE {sequence.minimum} MAXVALUE {sequence.maximum} START WITH {sequence.start}"
    )
    return ops.ExecuteSQLOp(f"{sql} CYCLE" if sequence.cycle else sql)


def rename_statement(lookup: Lookup, key: Key, name: str) -> str:
    """Return the statement that gives the index or the constraint *key* another *name*."""
    new = lookup.quote(name)
    if key.kind == "index":
        _, schema = lookup.place(key.table)
        return f"ALTER INDEX {lookup.quote(key.name, schema)} RENAME TO {new}"
    table, old = lookup.quoted(key.table), lookup.quote(key.name)
    return f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}"
