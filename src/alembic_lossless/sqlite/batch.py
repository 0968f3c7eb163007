"""What a batch asks for: its operations, how they fit into one edit, and its options."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl

from ..errors import MigrationError
from .names import text_of
from .parser import ParsedTable, fold, names_in
from .render import Render, addable, read_column

#: The name of a method of Alembic's implementation, its arguments, its keyword arguments.
Operation = tuple[str, tuple[Any, ...], dict[str, Any]]


@dataclass
class Options:
    """What ``batch_alter_table`` was told beside its operations."""

    force_rebuild: bool = False
    conventions: Sequence[Mapping[str, Any]] = ()
    #: Constraints that ``copy_from``, ``table_args`` and ``reflect_args`` say are there.
    said: Sequence[sa.Constraint] = ()
    #: Those of ``table_args``, which are added where they are not.
    wanted: Sequence[sa.Constraint] = ()
    order: Sequence[Sequence[str]] = ()
    #: Whether the table is STRICT and WITHOUT ROWID from now on; what is not said stays.
    table_options: Mapping[str, bool] = field(default_factory=dict)
    autoincrement: bool | None = None
    #: By table, the numbers in MySQL's names of its unnamed foreign keys: they outlive each other.
    numbers: dict[str, list[int]] = field(default_factory=dict)
    #: In a batch, a new column may say that it is the primary key.
    batch: bool = False

    @property
    def beside_operations(self) -> bool:
        """Whether the table has to change in a way that no operation says."""
        asked = self.force_rebuild or self.wanted or self.order or self.table_options
        return bool(asked) or self.autoincrement is not None


def _constraints(items: Any) -> list[sa.Constraint]:
    return [item for item in items if isinstance(item, sa.Constraint)]


def options_of(batch: Any) -> Options:
    """Read what ``batch_alter_table`` was told; it loses nothing, so little of it is needed."""
    copied = batch.copy_from
    said = [*_constraints(batch.table_args), *_constraints(batch.reflect_args)]
    if copied is not None:
        said += [*copied.constraints, *(k for c in copied.c for k in c.constraints)]
    recreates = batch.recreate == "always" or SQLiteImpl.requires_recreate_in_batch(
        batch.impl, batch
    )
    kwargs = batch.table_kwargs if recreates else {}
    table_options = {}
    if "sqlite_with_rowid" in kwargs:
        table_options["WITHOUT ROWID"] = not kwargs["sqlite_with_rowid"]
    if "sqlite_strict" in kwargs:
        table_options["STRICT"] = bool(kwargs["sqlite_strict"])
    return Options(
        force_rebuild=batch.recreate == "always",
        conventions=[batch.naming_convention] if batch.naming_convention else [],
        said=said,
        wanted=_constraints(batch.table_args) if recreates else [],
        order=batch.partial_reordering,
        table_options=table_options,
        autoincrement=kwargs.get("sqlite_autoincrement"),
        batch=True,
    )


def new_name(operation: Operation) -> str | None:
    """Return the name that an operation gives a column, None where it renames nothing."""
    name, arguments, keywords = operation
    new = keywords.get("name") if name == "alter_column" else None
    return str(new) if new and new != arguments[1] else None


def may_join(operation: Operation, todo: Sequence[Operation], table: ParsedTable) -> bool:
    """Whether an operation may be part of one edit with those before it.

    A new column's default has to be in its rows before it is changed; a column that takes the name
    of one that goes is another; a rename is done first.
    """
    name, arguments, keywords = operation
    if name == "alter_column" and keywords.get("server_default", False) is not False:
        added = [o[1][1].name for o in todo if o[0] == "add_column"]
        if arguments[1] in added:
            return False
    if name == "add_column":
        dropped = [fold(o[1][1].name) for o in todo if o[0] == "drop_column"]
        if fold(arguments[1].name) in dropped:
            return False
    return new_name(operation) is None or _may_go_first(operation, todo, table)


def _may_go_first(rename: Operation, todo: Sequence[Operation], table: ParsedTable) -> bool:
    others = [operation for operation in todo if not new_name(operation)]
    if not others:
        return True
    added = [fold(o[1][1].name) for o in others if o[0] == "add_column"]
    old, new = rename[1][1], new_name(rename) or ""
    free = table.column(old) is not None and table.column(new) is None
    named = any(fold(old) in names_in(text) for o in others for text in _expressions(o))
    indexed = any(o[0] == "create_index" for o in others)
    return free and fold(new) not in added and not named and not indexed


def _expressions(operation: Operation) -> Iterator[str]:
    """Yield the expressions of an operation that name columns: SQLite's text, not ours."""
    _, arguments, keywords = operation
    if isinstance(arguments[0], sa.CheckConstraint):
        yield text_of(arguments[0])
    computed = [getattr(item, "computed", None) for item in arguments[1:]]
    for one in [*computed, keywords.get("server_default")]:
        if isinstance(one, sa.Computed):
            yield text_of(one)


def is_native(operation: Operation, dialect: Any) -> bool:
    """Whether SQLite's own ALTER TABLE can do this on any table, so that it can be printed."""
    name, arguments, keywords = operation
    told = {key for key, value in keywords.items() if value not in (None, False)}
    if name == "alter_column":
        kept = keywords.get("nullable") is None and keywords.get("server_default", False) is False
        return "name" in told and "type_" not in told and kept
    if name != "add_column":
        return name in ("drop_column", "create_index", "drop_index") or name.endswith("_comment")
    placed = told & {"insert_before", "insert_after", "if_not_exists", "inline_primary_key"}
    return addable(read_column(Render(dialect).column(arguments[1]))) and not placed


def arranged(columns: Sequence[str], chains: Sequence[Sequence[str]]) -> list[str]:
    """Sort columns so that each tuple of ``partial_reordering`` stands in its order."""
    before: dict[str, set[str]] = {fold(c): set() for c in columns}
    for chain in chains:
        folded = [fold(c) for c in chain]
        for one, two in itertools.pairwise(folded):
            before[two].add(one)
    result: list[str] = []
    rest = list(columns)
    while rest:
        ready = [c for c in rest if before[fold(c)] <= set(map(fold, result))]
        if not ready:
            raise MigrationError(
                "partial_reordering asks for an order that goes round in a circle."
            )
        result.append(ready[0])
        rest.remove(ready[0])
    return result
