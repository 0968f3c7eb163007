"""Rules for SQLite: what it cannot hold, and what would undo the safety of the rest."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alembic.ddl.postgresql import CreateExcludeConstraintOp
from alembic.operations import ops
from sqlalchemy import BigInteger, Column
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ExcludeConstraint

from ...run.recorder import Batch
from ...schema import dialect_support
from ...statements import read
from ..finding import NOT_ON_SQLITE, ON_POSTGRESQL, Operation, Verdict, is_comment
from . import Match, ReviewContext, rule

_SQLITE: Any = sqlite.dialect()


@rule(
    "not-on-sqlite",
    ["sqlite"],
    Verdict.STRIP,
    bad="""
    op.create_exclude_constraint(
        "ex_booking_room", "booking", ("room", "="), ("during", "&&"), using="gist"
    )
    """,
    good="""
    if op.get_context().dialect.name == "postgresql":
        op.create_exclude_constraint(
            "ex_booking_room", "booking", ("room", "="), ("during", "&&"), using="gist"
        )
    """,
    what="{subject} needs {detail}, which SQLite does not have.",
    cost="The revision would fail on SQLite.",
    remedy="It is left out on SQLite; the other databases get it.",
)
def not_on_sqlite(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Guard what SQLite cannot hold by dialect; take it out of what it can hold."""
    op = operation.forward
    if schema := getattr(op, "schema", None) or getattr(op, "kw", {}).get("source_schema"):
        yield Match(
            operation.subject, f"the schema {schema}", [replace(operation, databases=NOT_ON_SQLITE)]
        )
        return
    if isinstance(op, ops.CreateTableCommentOp | ops.DropTableCommentOp):
        yield Match(op.table_name, "a comment", [Operation(op, databases=NOT_ON_SQLITE)])
    elif is_comment(op):
        yield Match(operation.subject, "a comment", [Operation(op, databases=NOT_ON_SQLITE)])
    elif isinstance(op, CreateExcludeConstraintOp) or _drops_exclusion(op):
        yield Match(
            operation.subject, "an exclusion constraint", [Operation(op, databases=ON_POSTGRESQL)]
        )
    elif isinstance(op, ops.CreateIndexOp | ops.DropIndexOp):
        reason = dialect_support.only_postgresql(op.to_index())
        if reason:
            yield Match(operation.subject, reason, [Operation(op, databases=ON_POSTGRESQL)])
    elif isinstance(op, ops.CreateTableOp):
        exclusions = [item for item in op.columns if isinstance(item, ExcludeConstraint)]
        if exclusions:
            names = ", ".join(str(item.name) for item in exclusions)
            yield Match(names, "an exclusion constraint", _exclusions_apart(op, exclusions))
    # The models say it already: only the remark is missing.
    for name, type_ in _types(op):
        collation = dialect_support.foreign_collation(type_)
        if collation and not dialect_support.foreign_collation(type_.dialect_impl(_SQLITE)):
            yield Match(f"{op.table_name}.{name}", f"the collation {collation}")


def _types(op: Any) -> Iterator[tuple[str, Any]]:
    """Yield the columns that *op* makes or changes, with their types."""
    if isinstance(op, ops.AlterColumnOp):
        yield op.column_name, op.modify_type
    elif isinstance(op, ops.AddColumnOp):
        yield op.column.name, op.column.type
    elif isinstance(op, ops.CreateTableOp):
        yield from ((item.name, item.type) for item in op.columns if isinstance(item, Column))


def _drops_exclusion(op: Any) -> bool:
    reverse = getattr(op, "_reverse", None)
    return isinstance(reverse, CreateExcludeConstraintOp)


def _exclusions_apart(op: ops.CreateTableOp, exclusions: list[Any]) -> list[Operation]:
    table = copy.copy(op)
    table.columns = [item for item in op.columns if not isinstance(item, ExcludeConstraint)]
    # The operation's own table carries the constraints too, attached to it.
    whole = op.to_table()
    attached = [item for item in whole.constraints if isinstance(item, ExcludeConstraint)]
    after = [CreateExcludeConstraintOp.from_constraint(item) for item in attached]
    return [Operation(table), *(Operation(item, databases=ON_POSTGRESQL) for item in after)]


@rule(
    "partial-index",
    ["sqlite", "mysql"],
    Verdict.REWRITE,
    on=ops.CreateIndexOp,
    bad="""
    op.create_index(
        "ix_account_email", "account", ["email"], postgresql_where=sa.text("deleted IS NULL")
    )
    """,
    good="""
    where = sa.text("deleted IS NULL")
    op.create_index(
        "ix_account_email", "account", ["email"], postgresql_where=where, sqlite_where=where
    )
    """,
    what="{subject} has its condition for PostgreSQL alone.",
    cost="Elsewhere it would become a full index, and a unique one would refuse good rows.",
    remedy="{detail}",
)
def partial_index(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Give the condition to SQLite too; MySQL and MariaDB have no partial indexes."""
    op: Any = operation.forward
    if op.kw.get("postgresql_where") is None:
        return
    if "mysql" in context.databases and op.unique:
        remedy = "MySQL and MariaDB have no partial index: enforce the rule in another way there."
        yield Match(operation.subject, remedy, verdict=Verdict.STOP)
    if "sqlite" in context.databases:
        where = op.kw["postgresql_where"]
        missing = op.kw.get("sqlite_where") is None
        if missing or isinstance(op.kw["sqlite_where"], dialect_support.InheritedCondition):
            op.kw["sqlite_where"] = where if missing else op.kw["sqlite_where"]
            yield Match(
                operation.subject, "SQLite gets the same condition (sqlite_where).", [operation]
            )


#: What SQLite has no word for, or what would undo that its revisions are whole.
_FOREIGN = {
    *("ALTER", "RENAME", "COMMENT", "SET", "RESET", "USE", "PRAGMA", "VACUUM", "DO", "CALL"),
    *("TRUNCATE", "MERGE", "COPY", "LOAD", "LOCK", "UNLOCK", "GRANT", "REVOKE", "REFRESH"),
}
_OBJECTS = ("TABLE", "INDEX", "VIEW", "TRIGGER")


@rule(
    "raw-sql",
    ["sqlite"],
    Verdict.STOP,
    on=ops.ExecuteSQLOp,
    bad="""
    op.execute("ALTER TABLE account ALTER COLUMN city TYPE text")
    """,
    good="""
    op.alter_column("account", "city", existing_type=sa.String(50), type_=sa.Text())
    """,
    what="Raw SQL: {detail}.",
    cost="On SQLite it fails, or it undoes what makes the revision safe.",
    remedy="Use Alembic's operation, or guard it: "
    'if op.get_context().dialect.name == "postgresql":',
)
def raw_sql(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Refuse raw SQL that alters a table, sets a pragma or speaks another database's words."""
    for statement in read(str(operation.forward.sqltext), "sqlite"):
        is_foreign = statement.verb in ("CREATE", "DROP") and (
            statement.object not in _OBJECTS or statement.has("OR", "REPLACE")
        )
        if is_foreign or statement.verb in _FOREIGN:
            yield Match("the database", " ".join(statement.text.split())[:60])
            return


@rule(
    "batch-options",
    ["sqlite"],
    Verdict.REWRITE,
    on=Batch,
    bad="""
    with op.batch_alter_table("account", recreate="always") as batch_op:
        batch_op.alter_column("email", existing_type=sa.String(50), nullable=True)
    """,
    good="""
    with op.batch_alter_table("account") as batch_op:
        batch_op.alter_column("email", existing_type=sa.String(50), nullable=True)
    """,
    what="The batch on {subject} has the option {detail}.",
    cost="Stock Alembic rebuilds the table from what it reflects, and loses or doubles the rest.",
    remedy="Leave the option out: the table is rebuilt where it has to be.",
)
def batch_options(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Name the options that force Alembic's own rebuild, or add what is there already."""
    for name, value in operation.forward.options.items():
        # With table_kwargs it is the way to change a table's options.
        always = (
            name == "recreate"
            and value == "always"
            and "table_kwargs" not in operation.forward.options
        )
        if always or (name == "table_args" and value):
            yield Match(operation.forward.table_name, f"{name}={value!r}")


@rule(
    "sqlite-rowid",
    ["sqlite"],
    Verdict.KEEP,
    bad="""
    op.create_table("visit", sa.Column("id", sa.BigInteger(), primary_key=True))
    """,
    good="""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table("visit", sa.Column("id", number, primary_key=True))
    """,
    what="{subject} is a primary key of BigInteger.",
    cost="SQLite numbers rows only in an INTEGER PRIMARY KEY.",
    remedy='Where rows are to be numbered: BigInteger().with_variant(Integer, "sqlite").',
)
def sqlite_rowid(operation: Operation, context: ReviewContext) -> Iterator[Match]:
    """Say which primary key will not number its rows on SQLite."""
    op: Any = operation.forward
    if isinstance(op, ops.AlterColumnOp) and isinstance(op.modify_type, BigInteger):
        table = context.table(op.table_name)
    else:
        table = op.to_table() if isinstance(op, ops.CreateTableOp) else None
    keys = list(table.primary_key.columns) if table is not None else []
    names = [key.name for key in keys]
    if len(keys) != 1 or names != [getattr(op, "column_name", names[0])]:
        return
    counts = not keys[0].foreign_keys and keys[0].autoincrement is not False
    if counts and isinstance(keys[0].type.dialect_impl(_SQLITE), BigInteger):
        yield Match(f"{op.table_name}.{keys[0].name}")
