"""The columns, constraints and indexes as the chain's own files declare them.

What a server prints is its own spelling of a type, a default or a condition, and often runs nowhere
else. The way back of a new revision is written as the earlier revisions were: ``sa.Boolean()``, not
``mysql.TINYINT(display_width=1)``.
"""

import copy
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from alembic.script import Script, ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, Dialect
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.schema import conv

from .. import naming
from ..checklist.columns import Columns, apply_to_columns
from ..run.recorder import followed, table_of
from ..schema.dialect_support import kind_of, without_parameters
from ..scratch import snapshot


@dataclass
class Declared:
    """What the chain made last under each name, by table and name."""

    columns: Columns = field(default_factory=dict)
    #: The operations that make indexes and constraints.
    objects: dict[tuple[str, str], Any] = field(default_factory=dict)
    #: How the project names what its files give no name.
    convention: Mapping[str, Any] = field(default_factory=lambda: naming.convention)

    def follow(self, operations: Iterable[Any], dialect: Dialect) -> None:
        """Take in what *operations* declare."""
        for op in operations:
            apply_to_columns(op, self.columns)
            _follow_objects(op, self, dialect)

    def forget(self, table: str, name: str | None = None) -> None:
        """Forget what spoke of *table*, or of one object of it."""
        for key, op in list(self.objects.items()):
            refers = name is None and getattr(op, "referent_table", None) == table
            if refers or (key[0] == table and name in (None, key[1])):
                del self.objects[key]


def read(
    connection: Connection,
    done: list[tuple[str, Any]],
    script: ScriptDirectory | None = None,
    convention: Mapping[str, Any] = naming.convention,
) -> Declared:
    """Return the last declaration of each thing, of the chain that ran on *connection*.

    :param done: what :func:`recorder.invoked` returned then.
    :param script: the chain; it is asked where its database was kept from an earlier run.
    :param convention: the models' naming convention.
    """
    declared = Declared(convention=convention)
    chain = list(script.walk_revisions()) if script else []
    if {revision.revision for revision in chain} - {revision for revision, _ in done}:
        if "declared" not in connection.info:
            covered = snapshot.covered(script, kind_of(connection.engine.url)) if script else set()
            declared = _read(chain, connection.dialect, convention, covered)
            connection.info["declared"] = declared
        of_chain: Declared = connection.info["declared"]
        declared = Declared(dict(of_chain.columns), dict(of_chain.objects), convention)
        # What is tried on top of the chain has no revision yet.
        done = [item for item in done if not item[0]]
    declared.follow([op for _, op in done], connection.dialect)
    return declared


def _read(
    newest_first: list[Script],
    dialect: Dialect,
    convention: Mapping[str, Any],
    covered: Collection[str],
) -> Declared:
    """Read a chain without executing an operation of it; what reads rows is passed over.

    :param covered: the revisions that a snapshot stands for. One of them that cannot be followed
        may have changed anything: what was declared before it does not count.
    """
    declared = Declared(convention=convention)
    chain = newest_first[::-1]
    for revision, (done, error) in zip(chain, followed(chain, dialect), strict=True):
        if error is not None and revision.revision in covered:
            declared = Declared(convention=convention)
        else:
            declared.follow(done, dialect)
    return declared


def _follow_objects(op: Any, declared: Declared, dialect: Dialect) -> None:
    if isinstance(op, ops.CreateTableOp):
        table = naming.with_convention(op.to_table(), declared.convention)
        for constraint in table.constraints - table.foreign_key_constraints:
            name = name_of(constraint, dialect)
            if name:  # a foreign key does not know its other table here, and reads alike anyhow
                op_of_constraint = add_operation(op.table_name, name, constraint, dialect)
                declared.objects[op.table_name, name] = op_of_constraint
    elif isinstance(op, ops.CreateIndexOp | ops.AddConstraintOp):
        again: Any = copy.copy(op)  # not how it was made beside those who read and write
        passing = ("postgresql_concurrently", "postgresql_not_valid")
        again.kw = {key: value for key, value in again.kw.items() if key not in passing}
        again.if_not_exists = None
        declared.objects[str(table_of(op)), _name(op)] = again
    elif isinstance(op, ops.DropIndexOp | ops.DropConstraintOp):
        declared.forget(str(op.table_name), _name(op))
    elif isinstance(op, ops.DropTableOp | ops.RenameTableOp) or getattr(op, "modify_name", None):
        declared.forget(op.table_name)


def name_of(constraint: Any, dialect: Dialect) -> str | None:
    """Return the name that *constraint* gets, by the convention too."""
    if constraint.name is None:
        return None
    name: str | None = dialect.identifier_preparer.format_constraint(constraint)
    return name and name.strip('"`')


def _name(op: Any) -> str:
    return str(getattr(op, "index_name", None) or getattr(op, "constraint_name", None))


def add_operation(table: str, name: str | None, constraint: Any, dialect: Dialect) -> Any:
    """Return the operation that makes *constraint* under *name*."""
    named = name and conv(name)
    if isinstance(constraint, CheckConstraint):
        # As text: with the model's own columns in it, it would attach itself to the model.
        options = {"literal_binds": True, "include_table": False}
        text = str(constraint.sqltext.compile(dialect=dialect, compile_kwargs=options))
        doubled = dialect.identifier_preparer._double_percents
        condition = sa.text(without_parameters(text.replace("%%", "%") if doubled else text))
        schema = constraint.table.schema
        return ops.CreateCheckConstraintOp(named, table, condition, schema=schema)
    if isinstance(constraint, ExcludeConstraint):
        return CreateExcludeConstraintOp.from_constraint(constraint)
    add: Any = ops.AddConstraintOp.from_constraint(constraint)
    add.constraint_name = named
    return add
