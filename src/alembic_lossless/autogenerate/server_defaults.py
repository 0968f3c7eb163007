"""Server defaults that only the migrations have: most old chains do.

A column was added with a default for the rows of that day, and its model never had one. Such a
default is listed and stays, unless ``--tables`` names its table. One that a revision of ``migrate``
made was in the models then: somebody took it out since, and its drop is proposed. So is every drop
where env.py sets ``compare_server_default``.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from alembic.operations import ops
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Dialect

from ..checklist.file_header import is_reviewed
from ..run.recorder import followed, renamed_table, whole_name
from ..schema.diff import Change
from ..schema.model import Default

#: For each column with a server default, whether a revision of ``migrate`` gave it.
Origins = dict[tuple[str, str], bool]


def is_only_in_migrations(item: Change) -> bool:
    """Tell whether *item* is about a server default that the models do not have."""
    return isinstance(item.actual, Default) and item.expected is None


def left_over(
    differences: Iterable[Change],
    origins: Callable[[], Origins],
    tables: Collection[str] = (),
) -> list[Change]:
    """Return those of *differences* that are listed, and not proposed.

    :param differences: between the migrations and the models.
    :param origins: reads the chain; it is asked only where there is such a default.
    :param tables: whose server defaults are proposed all the same.
    """
    items = [item for item in differences if is_only_in_migrations(item)]
    by_migrate = origins() if items else {}
    return [
        item
        for item in items
        if not {item.key.table, item.key.table.rpartition(".")[2]} & {*tables}
        and not by_migrate.get((item.key.table, item.key.name), False)
    ]


def read_origins(script: ScriptDirectory, dialect: Dialect) -> Origins:
    """Read which revisions of a chain gave the server defaults, without executing one of them.

    :param script: the chain.
    :param dialect: of the database that it is for.
    """
    origins: Origins = {}
    revisions = [*script.walk_revisions()][::-1]
    of_each = followed(revisions, dialect)
    for revision, (operations, _) in zip(revisions, of_each, strict=True):
        for op in operations:
            follow(op, origins, by_migrate=is_reviewed(revision))
    return origins


def follow(op: Any, origins: Origins, *, by_migrate: bool) -> None:
    """Take in what *op* does to server defaults.

    :param op: an operation of Alembic's.
    :param origins: changed in place.
    :param by_migrate: whether it is of a revision that ``migrate`` wrote.
    """
    if isinstance(op, ops.CreateTableOp):
        for column in op.columns:
            if isinstance(column, Column) and column.server_default is not None:
                origins[whole_name(op), column.name] = by_migrate
    elif isinstance(op, ops.AddColumnOp) and op.column.server_default is not None:
        origins[whole_name(op), op.column.name] = by_migrate
    elif isinstance(op, ops.RenameTableOp):
        for table, name in [key for key in origins if key[0] == whole_name(op)]:
            origins[renamed_table(op), name] = origins.pop((table, name))
    elif isinstance(op, ops.AlterColumnOp):
        table, name = whole_name(op), op.column_name
        if op.modify_server_default is not False:
            origins[table, name] = by_migrate
        if op.modify_name and (table, name) in origins:
            origins[table, op.modify_name] = origins.pop((table, name))


def by_table(differences: Sequence[Change]) -> list[str]:
    """Return a line for each table: its columns and their defaults."""
    tables: dict[str, list[str]] = {}
    for item in differences:
        tables.setdefault(item.key.table, []).append(f"{item.key.name} {item.actual}")
    return [f"{table}: {', '.join(columns)}" for table, columns in tables.items()]
