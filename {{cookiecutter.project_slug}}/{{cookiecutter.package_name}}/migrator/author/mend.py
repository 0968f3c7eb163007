"""Makes operations of the differences that Alembic's proposal left."""

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy import CheckConstraint, Dialect, MetaData, Table
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import CreateSequence, DropSequence, Sequence

from ..schema import Difference, Key
from .finding import Guard, Step


def mend(difference: Difference, metadata: MetaData, dialect: Dialect) -> list[Step] | None:
    """Return the steps that end *difference* on *dialect*, or None where there are none."""
    mender = _MENDERS.get(difference.key.kind)
    return mender(difference, metadata, dialect) if mender else None


def _table(metadata: MetaData, name: str) -> Table | None:
    return next((t for t in metadata.tables.values() if name in (t.name, t.fullname)), None)


def _sequence(item: Difference, metadata: MetaData, dialect: Dialect) -> list[Step] | None:
    sequence = metadata._sequences.get(item.key.name) or Sequence(item.key.name)
    create = ops.ExecuteSQLOp(str(CreateSequence(sequence).compile(dialect=dialect)).strip())
    drop = ops.ExecuteSQLOp(str(DropSequence(sequence).compile(dialect=dialect)).strip())
    if item.found is None:
        return [Step(create, back=drop)]
    return [Step(drop, back=create)] if item.wanted is None else None


def _index(item: Difference, metadata: MetaData, dialect: Dialect) -> list[Step]:
    steps = []
    table, _, name = item.key
    if item.found is not None:
        steps.append(Step(ops.DropIndexOp(name, table), back=_as_printed(item.key, item.found)))
    if item.wanted is not None:
        model = _table(metadata, table)
        assert model is not None
        index = next(index for index in model.indexes if index.name == name)
        steps.append(Step(ops.CreateIndexOp.from_index(index)))
    return steps


def _as_printed(key: Key, printed: str) -> ops.CreateIndexOp:
    """Return the operation that makes an index again, from what the server printed of it."""
    start = printed.index("(")
    columns, rest = inside(printed[start:])
    where = re.fullmatch(r"\s*WHERE\s*(.*)", rest, re.IGNORECASE)
    using = re.search(r"USING (\w+)", printed[:start])
    options: dict[str, Any] = {}
    if where:
        options["postgresql_where"] = options["sqlite_where"] = sa.text(where[1])
    if using and using[1] != "btree":
        options["postgresql_using"] = using[1]
    unique = printed.startswith("UNIQUE")
    elements = [sa.text(column) for column in columns]
    return ops.CreateIndexOp(key.name, key.table, elements, unique=unique, **options)


def inside(text: str) -> tuple[list[str], str]:
    """Return the parts of the parenthesis that *text* begins with, and what follows it."""
    parts, depth, quoted = [""], 0, False
    for at, character in enumerate(text):
        quoted ^= character == "'"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return [part.strip() for part in parts], text[at + 1 :]
        if depth == 1 and character == "," and not quoted:
            parts.append("")
        elif depth > 1 or character != "(":
            parts[-1] += character
    return parts, ""


def _constraint(item: Difference, metadata: MetaData, dialect: Dialect) -> list[Step] | None:
    steps = []
    if item.found is not None:
        drop = _drop(item, dialect)
        if drop is None:
            return None
        steps.append(drop)
    if item.wanted is not None:
        wanted = _wanted(item, metadata, dialect)
        if wanted is None:
            return None
        steps.append(Step(_add(wanted, dialect)))
    return steps


def _drop(item: Difference, dialect: Dialect) -> Step | None:
    """Drop what is there, with the way back as the server printed it."""
    table, _, name = item.key
    text = item.found or ""
    check = re.fullmatch(r"CHECK \((.*)\)", text)
    if check:
        back: Any = ops.CreateCheckConstraintOp(name, table, sa.text(check[1]))
        return Step(ops.DropConstraintOp(name, table, "check"), back=back)
    if not text.startswith("EXCLUDE "):
        return None
    quote = dialect.identifier_preparer.quote
    back = ops.ExecuteSQLOp(f"ALTER TABLE {quote(table)} ADD CONSTRAINT {quote(name)} {text}")
    return Step(ops.DropConstraintOp(name, table), Guard.POSTGRESQL, back=back)


def _wanted(item: Difference, metadata: MetaData, dialect: Dialect) -> Any:
    table = _table(metadata, item.key.table)
    for constraint in table.constraints if table is not None else ():
        name = dialect.identifier_preparer.format_constraint(constraint)
        if name is not None and name.strip('"`') == item.key.name:
            return constraint
    return None


def _add(constraint: Any, dialect: Dialect) -> Any:
    table = constraint.table
    if isinstance(constraint, ExcludeConstraint):
        return CreateExcludeConstraintOp.from_constraint(constraint)
    if isinstance(constraint, CheckConstraint):
        # As text: with the model's own columns in it, it would attach itself to the model.
        options = {"literal_binds": True, "include_table": False}
        condition = str(constraint.sqltext.compile(dialect=dialect, compile_kwargs=options))
        name = constraint.name
        return ops.CreateCheckConstraintOp(
            name, table.name, sa.text(condition), schema=table.schema
        )
    return ops.AddConstraintOp.from_constraint(constraint)


_Mender = Callable[[Difference, MetaData, Dialect], list[Step] | None]
_MENDERS: dict[str, _Mender] = {
    "sequence": _sequence,
    "index": _index,
    "constraint": _constraint,
}
