"""What a project's own ``process_revision_directives`` makes of Alembic's proposal.

It is called as stock calls it. What it takes out stays out, though the databases differ; what it
adds is written; the id that it gives is kept. How a change of the models is made is not its to say:
that is decided by the comparison of two databases.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from alembic.autogenerate import produce_migrations
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from ..checklist.finding import Operation, flatten
from ..errors import MigrationError
from ..run.recorder import whole_name
from ..schema.model import PROPERTIES, Key
from ..scratch.databases import configure

Hook = Callable[[MigrationContext, Any, list[Any]], None]


@dataclass
class HookResult:
    """What came of the hook.

    :param left_out: the objects that it took out of the proposal.
    :param first: the operations that it put before the proposal.
    :param last: the operations that it put behind.
    :param names_revision: whether it gave the revision an id.
    """

    left_out: set[Key] = field(default_factory=set)
    first: list[Operation] = field(default_factory=list)
    last: list[Operation] = field(default_factory=list)
    names_revision: bool = False


def call(
    hook: Hook | None, context: MigrationContext, revision: Any, directives: list[Any]
) -> HookResult:
    """Call the project's own *hook* on Alembic's proposal.

    :param hook: of env.py; None where it has none.
    :param context: of a scratch database at the head of the chain.
    :param revision: what Alembic hands to such a hook.
    :param directives: Alembic's proposal; empty afterwards where no revision is wanted.
    :return: what it changed.
    :raises MigrationError: where it makes several revisions of one.
    """
    if hook is None:
        return HookResult()
    script, metadata = directives[0], context.opts["target_metadata"]
    is_empty = all(container.is_empty() for container in script.upgrade_ops_list)
    rev_id, containers = script.rev_id, (script.upgrade_ops_list, script.downgrade_ops_list)
    # Of several databases, the last is the one in question.
    up, down = (_operations(container[-1]) for container in containers)
    columns = [column for table in metadata.tables.values() for column in table.columns]
    nullable = [column.nullable for column in columns]
    hook(context, revision, directives)
    # A hook that lets a new column be NULL first may do so on the model itself.
    for column, was in zip(columns, nullable, strict=True):
        column.nullable = was
    if not directives:
        if is_empty:  # as Flask-Migrate's does; the comparison sees more than Alembic
            directives[:] = [script]
        return HookResult({key_of(op) for op in up})
    if len(directives) > 1 or directives[0] is not script:
        raise MigrationError(
            "process_revision_directives in env.py makes other revisions of the one that is "
            "proposed, and these would be neither reviewed nor rehearsed, so nothing was written. "
            "Let it change directives[0] alone, or leave this project to stock."
        )
    after = _operations(script.upgrade_ops_list[-1])
    added = [op for op in after if not _has(up, op)]
    removed = [op for op in up if not _has(after, op)]
    result = HookResult(names_revision=script.rev_id != rev_id)
    gone = {key_of(op) for op in removed} - {key_of(op) for op in added}
    additions = [
        op for op in added if not isinstance(op, _PROPOSED) and not _is_of_models(op, metadata)
    ]
    result.left_out = {key for key in gone | {key_of(op) for op in additions} if key.table}
    undo = [op for op in _operations(script.downgrade_ops_list[-1]) if not _has(down, op)]
    undo = [op for op in undo if not isinstance(op, _PROPOSED)]
    first_proposed = next((i for i, op in enumerate(after) if _has(up, op)), 0)
    for operation in _paired(additions, undo):
        is_first = any(op is operation.forward for op in after[:first_proposed])
        (result.first if is_first else result.last).append(operation)
    return result


def left_out(
    options: Mapping[str, Any], connection: Connection, script: ScriptDirectory, metadata: MetaData
) -> set[Key]:
    """Return what the project's own hook would take out of a proposal now.

    :param options: what env.py gave to ``configure``.
    :param connection: to a scratch database.
    :param script: the chain.
    :param metadata: the models.
    """
    hook = options.get("process_revision_directives")
    if hook is None:
        return set()
    given = {name: options[name] for name in ("include_object", "include_name") if name in options}
    given |= {"target_metadata": metadata, "script": script, "compare_type": False}
    context = configure(connection, given)
    return call(hook, context, (), [produce_migrations(context, metadata)]).left_out


#: What Alembic proposes, and the comparison completes.
_PROPOSED = (ops.CreateTableOp, ops.DropTableOp, ops.AddColumnOp, ops.DropColumnOp)


def _operations(container: Any) -> list[Any]:
    return [operation.forward for operation in flatten(container)]


def _has(operations: list[Any], op: Any) -> bool:
    return any(op is known for known in operations)


def _paired(up: list[Any], down: list[Any]) -> Iterator[Operation]:
    """Yield what was added; the downgrade's undo the upgrade's from the end."""
    if len(up) == len(down):
        yield from (Operation(op, back) for op, back in zip(up, reversed(down), strict=True))
        return
    yield from (Operation(op, None) for op in up)
    yield from (Operation(None, op) for op in reversed(down))


def key_of(op: Any) -> Key:
    """Return the key of the object that an operation of Alembic's is about."""
    table = whole_name(op) if hasattr(op, "table_name") else ""
    if isinstance(op, ops.AddColumnOp):
        return Key(table, "column", op.column.name)
    if isinstance(op, ops.DropColumnOp):
        return Key(table, "column", op.column_name)
    if isinstance(op, ops.AlterColumnOp):
        return Key(table, "null", op.column_name)
    if isinstance(op, ops.CreateIndexOp | ops.DropIndexOp):
        return Key(table, "index", str(op.index_name))
    if isinstance(op, ops.AddConstraintOp | ops.DropConstraintOp):
        table = str(getattr(op, "source_table", None) or table)
        name = getattr(op, "constraint_name", None)
        return Key(table, "constraint", str(name))
    if isinstance(op, ops.CreateTableCommentOp | ops.DropTableCommentOp):
        return Key(table, "comment", "")
    return Key(table, "table", table)


def _is_of_models(op: Any, metadata: MetaData) -> bool:
    """Tell whether the models have the object that *op* changes, so that the comparison sees it."""
    key = key_of(op)
    table = next((t for t in metadata.tables.values() if t.fullname == key.table), None)
    if table is None or key.kind == "table":
        return False
    items: list[Any] = [*table.indexes, *table.constraints]
    if key.kind == "null":
        return key.name in table.columns
    return key.kind == "comment" or any(item.name == key.name for item in items)


def is_left_out(key: Key, keys: set[Key]) -> bool:
    """Tell whether the object that *key* names, or what it is a part of, is among *keys*."""
    table = Key(key.table, "table", key.table)
    column = Key(key.table, "column", key.name)
    return bool({key, table} & keys) or (key.kind in PROPERTIES and column in keys)
