"""Completes a proposal: what two databases still have otherwise becomes operations too."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops

from ..checklist.data_operations import (
    DropConstraintByAnyName,
    DropIndexByAnyName,
    LateSQL,
    TableSQL,
)
from ..checklist.finding import ON_MYSQL, Operation, is_comment, is_rename
from ..errors import MigrationError
from ..run.recorder import whole_name
from ..schema import dialect_support, diff
from ..schema.model import (
    ColumnType,
    Constraint,
    Index,
    Key,
    PrimaryKey,
    Unique,
    columns_of,
    words_of,
)
from . import render
from .comparison import ComparedDatabase
from .dialects import mysql, postgresql
from .order import ordered
from .to_operations import operations_for

Items = dict[Key, diff.Change]
Review = Callable[[Sequence[Operation]], list[Operation]]


def complete(
    operations: Sequence[Operation],
    databases: Sequence[ComparedDatabase],
    review: Review,
    first: Sequence[Operation] = (),
    last: Sequence[Operation] = (),
) -> list[Operation]:
    """Apply *operations* everywhere and add what the comparison finds missing, until nothing is.

    :param review: the checklist, which gives back the operations as they are to be written.
    :param first: what a project's own hook put before the proposal: written as it is.
    :param last: what it put behind.
    :return: all the operations, as they ran.
    :raises MigrationError: for a difference that no operation ends, or one that does not run.
    """
    whole: list[Operation] = []

    def run(proposed: Sequence[Operation]) -> bool:
        return apply(review([_by_any_name(operation, databases) for operation in proposed]))

    def apply(more: Sequence[Operation]) -> bool:
        if more:
            text, imports = render.body(more, databases[0].context)
            for database in databases:
                database.apply(text, imports)
            whole.extend(more)
        return bool(more)

    apply(first)
    # A server carries a new name into what speaks of it: what differs then is less.
    run(ordered([operation for operation in operations if is_rename(operation.forward)]))
    run([operation for operation in operations if operation.on_enum_values])
    operations = [
        operation
        for operation in operations
        if not (is_rename(operation.forward) or operation.on_enum_values)
    ]
    drops = (ops.DropConstraintOp, ops.DropIndexOp, ops.ExecuteSQLOp)
    early = [
        s
        for s in _missing_operations(databases, early=True)
        if s.databases == ON_MYSQL
        or (isinstance(s.forward, drops) and not isinstance(s.forward, LateSQL))
    ]
    late = _in_a_key(operations, databases)
    run(ordered([*early, *(operation for operation in operations if operation not in late)]))
    for _ in range(3):
        if not run(_missing_operations(databases)):
            break
    run(ordered(late))
    apply(last)
    for database in databases:
        for item in database.differences():
            raise MigrationError(
                f"On {database.kind} the migrations and the models would still differ: {item}. "
                "No migration was written; write this revision by hand (empty=yes)."
            )
    return whole


def _by_any_name(operation: Operation, databases: Sequence[ComparedDatabase]) -> Operation:
    """Let what drops a constraint or an index find it by each name that databases have."""
    op = operation.forward
    if isinstance(op, ops.DropConstraintOp):
        kind, name = "constraint", str(op.constraint_name)
    elif isinstance(op, ops.DropIndexOp):
        kind, name = "index", str(op.index_name)
    else:
        return operation
    key = Key(whole_name(op), kind, name)
    names = {
        database.server: [name, *database.other_names(key)]
        for database in databases
        if operation.runs_on(database.kind)
    }
    if all(len(each) == 1 for each in names.values()):
        return operation
    if isinstance(op, ops.DropConstraintOp):
        return replace(operation, forward=DropConstraintByAnyName(op, names))
    return replace(operation, forward=DropIndexByAnyName(op, names))


def _in_a_key(
    operations: Sequence[Operation], databases: Sequence[ComparedDatabase]
) -> list[Operation]:
    """Return the operations about columns that go and are in a primary key, which changes first."""
    gone = {
        _column(operation)
        for operation in operations
        if isinstance(operation.forward, ops.DropColumnOp)
    }
    keyed = {
        f"{item.key.table}.{column}"
        for database in (databases if gone else ())
        for item in database.differences()
        if isinstance(item.actual, PrimaryKey)
        for column in item.actual.columns
    }
    return [operation for operation in operations if _column(operation) in gone & keyed]


def _column(operation: Operation) -> str | None:
    op = operation.either
    column = getattr(op, "column_name", None)
    return f"{whole_name(op)}.{column}" if column else None


def _is_in_the_way(item: diff.Change) -> bool:
    """Tell what goes before tables and columns change, or comes before they do."""
    if item.key.kind == "sequence":
        return item.actual is None
    if item.key.kind == "type":
        return item.is_alteration
    return isinstance(item.actual, Constraint | Index) and not isinstance(item.actual, PrimaryKey)


def _missing_operations(
    databases: Sequence[ComparedDatabase], early: bool = False
) -> list[Operation]:
    """Return the operations for what still differs: unguarded where it differs on every database.

    :param early: only for what is in the way of tables and columns.
    """
    operations: list[Operation] = []
    differing: dict[str, Items] = {}
    for database in databases:
        items = {item.key: item for item in database.differences()}
        shown = {key: item for key, item in items.items() if not early or _is_in_the_way(item)}
        between = _foreign_keys_of_retyped(shown, database) | _around_generated(shown, database)
        operations += _in_one_statement(items, database, early)
        shown = {key: item for key, item in shown.items() if key in items}
        differing[database.kind] = shown | between | _foreign_keys_to_changed_keys(shown, database)
    everywhere = set.intersection(*(set(items) for items in differing.values()))
    for database in databases:
        lookup = database.lookup()
        for key, item in differing[database.kind].items():
            converted = operations_for(item, lookup)
            if key in everywhere or len(databases) == 1:
                operations += converted if database is databases[0] else []
            else:
                only = frozenset({database.kind})
                operations += [
                    s if _has_a_rule(s.forward) else replace(s, databases=s.databases & only)
                    for s in converted
                ]
    return ordered(operations)


def _has_a_rule(op: Any) -> bool:
    """Tell whether a rule says where *op* runs, and why."""
    if isinstance(op, ops.CreateIndexOp):
        return dialect_support.only_postgresql(op.to_index()) is not None
    return is_comment(op) or isinstance(
        op, ops.CreateTableCommentOp | ops.DropTableCommentOp | CreateExcludeConstraintOp
    )


def _in_one_statement(items: Items, database: ComparedDatabase, early: bool) -> Iterator[Operation]:
    """Yield the operations for what a server does in one statement, and take it out of *items*.

    :param early: whether columns have still to change: a primary key comes after that.
    """
    if database.kind != "sqlite":
        yield from _rename_indexes(items, database)
    if database.kind == "mysql":
        yield from mysql.replace_indexes(items, database, early)
        if not early:
            yield from mysql.change_options(items, database)


def _rename_indexes(items: Items, database: ComparedDatabase) -> Iterator[Operation]:
    """Rename the indexes and constraints that differ by their names alone."""
    dropped = {
        (key.table, key.kind, item.actual): key
        for key, item in items.items()
        if item.expected is None and key.kind in ("constraint", "index")
    }
    lookup = database.lookup()
    for new in [key for key, item in items.items() if item.actual is None]:
        definition = items[new].expected
        old = dropped.get((new.table, new.kind, definition))
        if old is None or (database.kind == "mysql" and not _renames_on_mysql(items[new], items)):
            continue
        if database.other_names(old):
            continue  # a rename would need the one name that it has
        del items[old], items[new], dropped[new.table, new.kind, definition]
        dialect = mysql if database.kind == "mysql" else postgresql
        forward, backward = (
            TableSQL(
                new.table,
                dialect.rename_statement(lookup, before, after.name),
                f"rename {before.kind} {before.name} to {after.name} on {new.table}",
            )
            for before, after in ((old, new), (new, old))
        )
        yield Operation(forward, backward, databases=frozenset({database.kind}))


def _renames_on_mysql(item: diff.Change, items: Items) -> bool:
    """Tell whether MySQL renames it: not the index of a new foreign key, which it names itself."""
    of_foreign_key = item.key.kind == "index" and item.key._replace(kind="constraint") in items
    return mysql.is_index(item.expected) and not of_foreign_key


def _foreign_keys_of_retyped(items: Items, database: ComparedDatabase) -> Items:
    """Return the foreign keys that have to go while the type of their columns changes.

    PostgreSQL needs that where the two sides would not compare with each other meanwhile.
    """
    changed = {
        (key.table, key.name)
        for key, item in items.items()
        if key.kind == "column" and item.is_alteration
        if database.kind == "mysql" or (database.kind == "postgresql" and not _compare(item))
    }
    return {
        key: diff.Change(key, database.expected[key], database.expected[key])
        for key, foreign in diff.unchanged_foreign_keys(items, database.expected)
        if changed & {(key.table, column) for column in foreign.columns}
        or changed & {(foreign.referred_table, column) for column in foreign.referred_columns}
    }


def _compare(item: diff.Change) -> bool:
    """Tell whether PostgreSQL compares values of both types with each other."""
    comparable = (
        ("smallint", "integer", "bigint", "numeric"),
        ("character", "text"),
        ("timestamp",),
    )
    types = [side.type for side in (item.actual, item.expected) if isinstance(side, ColumnType)]
    return any(all(type_.startswith(kinds) for type_ in types) for kinds in comparable)


def _around_generated(items: Items, database: ComparedDatabase) -> Items:
    """Return what goes with a generated column that is made anew, and the generated columns that
    PostgreSQL has to make anew because the type changes that they are computed from."""
    changed: dict[str, set[tuple[str, str]]] = {"generated": set(), "column": set()}
    for key, item in items.items():
        if key.kind in changed and item.is_alteration:
            changed[key.kind].add((key.table, key.name))
    types = changed["column"] if database.kind == "postgresql" else set()
    generated = changed["generated"]
    concerned = {"generated": types, "index": generated, "constraint": generated}
    return {
        key: diff.Change(key, definition, definition)
        for key, definition in database.expected.items()
        if key not in items
        for table, name in concerned.get(key.kind, ())
        if table == key.table and name in words_of(definition)
    }


def _foreign_keys_to_changed_keys(items: Items, database: ComparedDatabase) -> Items:
    """Return the foreign keys that have to go while the key that they point to changes.

    MySQL has them point to any index; PostgreSQL and SQLite to a key, which they do not let go.
    """
    keys = {
        (key.table, frozenset(columns_of(item.actual)))
        for key, item in items.items()
        if isinstance(item.actual, PrimaryKey | Unique)
        or (isinstance(item.actual, Index) and item.actual.unique)
    }
    if database.kind == "mysql" or not keys:
        return {}
    return {
        key: diff.Change(key, database.expected[key], database.expected[key])
        for key, foreign in diff.unchanged_foreign_keys(items, database.expected)
        if (foreign.referred_table, frozenset(foreign.referred_columns)) in keys
    }
