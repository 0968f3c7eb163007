"""The operations that Alembic does not have: they give rows values, run SQL, or drop by any name.

Each comes with its renderer, which writes it as plain Alembic: a revision's file needs nothing of
this module.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Boolean, Column, Date, DateTime, Enum, Numeric, String, Time
from sqlalchemy.dialects import mysql, postgresql

from ..quoting import literal, qualified
from ..schema.dialect_support import without_parameters

_POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
_MYSQL: Any = mysql.dialect()


class Statements(ops.ExecuteSQLOp):
    """Several statements, one after the other, in one transaction."""

    is_whole = True

    def __init__(self, *statements: str) -> None:
        super().__init__("; ".join(statements))
        self.statements = statements


@renderers.dispatch_for(Statements)
def _render_statements(_: AutogenContext, op: Statements) -> list[str]:
    return [f"op.execute({without_parameters(statement)!r})" for statement in op.statements]


class DescribedSQL(Statements):
    """Statements that the checklist describes by *words*."""

    def __init__(self, words: str, *statements: str) -> None:
        super().__init__(*statements)
        self.words = words


class LateSQL(DescribedSQL):
    """Statements that run after the columns have changed."""


class TableSQL(ops.ExecuteSQLOp):
    """A statement about one *table*: *early*, before its columns change, or after that."""

    def __init__(self, table: str, sql: str, words: str, early: bool = True) -> None:
        self.table_name, self.words, self.early = table, words, early
        super().__init__(sql)


class ReplaceIndexes(TableSQL):
    """Puts indexes of MySQL in the place of others, in one statement.

    :param freed: the columns that leave the primary key, as ``table.column``: they may be NULL
        from then on.
    """

    def __init__(self, table: str, sql: str, words: str, freed: set[str]) -> None:
        super().__init__(table, sql, words, early=False)
        self.freed = freed


class RebuildTable(ops.MigrateOperation):
    """A batch that changes a table's options on SQLite, and nothing else."""

    def __init__(self, rebuilt: str, options: dict[str, bool]) -> None:
        self.rebuilt = rebuilt
        self.options = options

    def __str__(self) -> str:
        options = ", ".join(
            f"{name.removeprefix('sqlite_')} {on}" for name, on in self.options.items()
        )
        return f"rebuild table {self.rebuilt}: {options.lower()}"


@renderers.dispatch_for(RebuildTable)
def _render_rebuild(_: AutogenContext, op: RebuildTable) -> str:
    arguments = f"{op.rebuilt!r}, recreate='always', table_kwargs={op.options!r}"
    return f"with op.batch_alter_table({arguments}):\n    pass"


class Fill(ops.ExecuteSQLOp):
    """Gives a *value*, an SQL literal, to the rows that hold *old*, or none.

    It goes *beside* another operation where that holds the whole table up anyhow.
    """

    def __init__(
        self,
        table: str,
        column: str,
        value: str,
        old: str | None = None,
        beside: bool = False,
        schema: str | None = None,
    ) -> None:
        self.table_name, self.column_name, self.value, self.old = table, column, value, old
        self.beside, self.schema = beside, schema
        what = f"change {old!r} to {value} in" if old is not None else "fill"
        self.words = f"{what} {table}.{column}"
        super().__init__(self.words)


class LateFill(Fill):
    """A :class:`Fill` of a column that the same revision adds."""


class PythonExpression(str):
    """A value that is written as Python, not as SQL."""


@renderers.dispatch_for(Fill)
def _render_fill(_: AutogenContext, op: Fill) -> str:
    table = f"sa.table({op.table_name!r}, sa.column({op.column_name!r}){_in_schema(op)})"
    where = f"sa.column({op.column_name!r}).is_(None)"
    if op.old is not None:
        where = f"sa.column({op.column_name!r}) == sa.literal_column({literal(op.old)!r})"
    value = op.value
    if not isinstance(value, PythonExpression):
        value = f"sa.literal_column({op.value!r})"
    values = f"{{{op.column_name!r}: {value}}}"
    return f"op.execute(\nsa.update({table}).where({where}).values({values})\n)"


def _in_schema(op: Any) -> str:
    return f", schema={op.schema!r}" if op.schema else ""


class NumberRows(TableSQL):
    """Gives the rows of a *table* numbers in *column*, in the order of the columns of its *key*.

    One text for all databases: SQLAlchemy spells UPDATE with FROM as each of them does.

    :param type_: the column's, where numbers have to be made text.
    :param points_to: the table and column that it refers to: it gets the values there, in turn.
    """

    def __init__(
        self,
        table: str,
        column: str,
        key: Sequence[str],
        type_: Any = None,
        points_to: tuple[str, str] | None = None,
        schema: str | None = None,
    ) -> None:
        self.column_name, self.key, self.type, self.points_to = column, key, type_, points_to
        self.schema = schema
        words = f"number the rows of {table} in {column}, by {', '.join(key)}"
        if points_to:
            words = f"give {table}.{column} the values of {'.'.join(points_to)}, each once"
        super().__init__(table, words, words, early=False)


@renderers.dispatch_for(NumberRows)
def _render_number_rows(_: AutogenContext, op: NumberRows) -> list[str]:
    columns = ", ".join(f"sa.column({name!r})" for name in (op.column_name, *op.key))
    key = ", ".join(f"rows.c[{name!r}]" for name in op.key)
    same = [f"rows.c[{name!r}] == numbers.c[{name!r}]" for name in op.key]
    value = "numbers.c.number"
    lines = [
        f"rows = sa.table({op.table_name!r}, {columns}{_in_schema(op)})",
        f"number = sa.func.row_number().over(order_by=[{key}]).label('number')",
        f"numbers = sa.select({key}, number).subquery('numbers')",
    ]
    if op.points_to:
        referred = f"others.c[{op.points_to[1]!r}]"
        lines += [
            f"others = sa.table({op.points_to[0]!r}, sa.column({op.points_to[1]!r}))",
            f"number = sa.func.row_number().over(order_by=[{referred}]).label('number')",
            f"values = sa.select({referred}.label('value'), number).subquery('others')",
        ]
        same, value = [*same, "numbers.c.number == values.c.number"], "values.c.value"
    elif op.type is not None:
        value = f"sa.cast({value}, sa.{op.type!r})"
    changed = f"sa.update(rows).where({', '.join(same)}).values({{{op.column_name!r}: {value}}})"
    return [*lines, f"op.execute({changed})"]


class FillInBatches(ops.ExecuteSQLOp):
    """A :class:`Fill` on PostgreSQL that leaves the rows free between one batch and the next.

    It reads the table's pages once (a TID range scan), with a transaction for each 8 MB.
    """

    def __init__(self, fill: Fill) -> None:
        self.table_name, self.fill = fill.table_name, fill
        self.words = f"{fill.words}, in batches"
        super().__init__(self.words)


@renderers.dispatch_for(FillInBatches)
def _render_batches(_: AutogenContext, op: FillInBatches) -> str:
    table = qualified(_POSTGRESQL, op.fill.table_name, op.fill.schema)
    column = qualified(_POSTGRESQL, op.fill.column_name)
    where = "IS NULL" if op.fill.old is None else f"= {literal(op.fill.old)}"
    sql = f"""
DO $$
DECLARE pages bigint DEFAULT pg_relation_size({literal(table)}) / 8192;
BEGIN
  FOR page IN 0..pages BY 1000 LOOP
    UPDATE {table} SET {column} = {op.fill.value} WHERE {column} {where}
      AND ctid >= ('(' || page || ',0)')::tid AND ctid < ('(' || page + 1000 || ',0)')::tid;
    COMMIT;
  END LOOP;
END $$
"""
    sql = escaped(textwrap.indent(without_parameters(sql), "    "))
    return f'op.execute(\n"""{sql}"""\n)'


def escaped(text: str) -> str:
    """Return *text* as it can stand between the quotes of a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")


_PLACEHOLDERS: list[tuple[Any, str]] = [
    (Boolean, "false"),
    ((sa.Integer, Numeric), "1"),
    (String, "'?'"),
    (DateTime, "'1970-01-01 00:00:00'"),
    (Date, "'1970-01-01'"),
    (Time, "'00:00:00'"),
    (sa.JSON, "'{}'"),
    (sa.Uuid, "'00000000-0000-0000-0000-000000000000'"),
]


def placeholder(
    column: Column[Any], key: str | None = None, points_to: tuple[str, str] | None = None
) -> str:
    """Return what a row may hold in *column* whose value is gone.

    :param key: the table's key, where no two rows may hold the same.
    :param points_to: the table and column that it refers to.
    """
    if key:
        key_column = f"sa.column({key!r})"
        if is_text(column):
            return PythonExpression(f"sa.cast({key_column}, sa.{column.type!r})")
        return PythonExpression(key_column)
    if points_to:
        smallest = f"sa.func.min(sa.column({points_to[1]!r}))"
        table = f"sa.table({points_to[0]!r})"
        return PythonExpression(f"sa.select({smallest}).select_from({table}).scalar_subquery()")
    if isinstance(column.type, Enum):
        return literal(column.type.enums[0])
    return next((value for kind, value in _PLACEHOLDERS if isinstance(column.type, kind)), "''")


def is_text(column: Column[Any]) -> bool:
    """Tell whether any text may stand in *column*."""
    return isinstance(column.type, String) and not isinstance(column.type, Enum)


def is_number(column: Column[Any]) -> bool:
    """Tell whether any number may stand in *column*."""
    return isinstance(column.type, sa.Integer | Numeric)


class DropConstraintByAnyName(ops.DropConstraintOp):
    """Drops a constraint that has another name where the database was made at another time.

    :param drop: what drops it from a database that is made today.
    :param names: its names by the database: sqlite, postgresql, mysql, mariadb. Today's is first.
    """

    def __init__(self, drop: ops.DropConstraintOp, names: Mapping[str, Sequence[str]]) -> None:
        super().__init__(
            drop.constraint_name,
            drop.table_name,
            drop.constraint_type,
            schema=drop.schema,
            _reverse=drop._reverse,
        )
        self.names = names


class DropIndexByAnyName(ops.DropIndexOp):
    """Drops an index as :class:`DropConstraintByAnyName` drops a constraint."""

    def __init__(self, drop: ops.DropIndexOp, names: Mapping[str, Sequence[str]]) -> None:
        super().__init__(
            drop.index_name,
            drop.table_name,
            schema=drop.schema,
            _reverse=drop._reverse,
            **drop.kw,
        )
        self.names = names


DropByAnyName = DropConstraintByAnyName | DropIndexByAnyName


def other_names(op: DropByAnyName) -> list[str]:
    """Return the names that *op* drops by, beside the one of a database that is made today."""
    return list(dict.fromkeys(name for names in op.names.values() for name in names[1:]))


@renderers.dispatch_for(DropConstraintByAnyName)
@renderers.dispatch_for(DropIndexByAnyName)
def _render_drop_by_any_name(_: AutogenContext, op: DropByAnyName) -> list[str]:
    databases: dict[str, list[str]] = {}
    # Those with one name come last, as what is done otherwise.
    for database, names in sorted(op.names.items(), key=lambda item: len(item[1]) == 1):
        text = "\n".join(_drop_by_any_name(op, database, names))
        databases.setdefault(text, []).extend(_DIALECTS.get(database, [database]))
    listed = " or ".join(other_names(op))
    lines = [f"# A database that was made at another time calls it {listed}."]
    if len(databases) == 1:
        return [*lines, *databases]
    *texts, last = databases
    for number, text in enumerate(texts):
        which = ", ".join(repr(name) for name in databases[text])
        condition = f"== {which}" if len(databases[text]) == 1 else f"in ({which})"
        word = "elif" if number else "if"
        lines.append(f"{word} op.get_context().dialect.name {condition}:")
        lines.append(textwrap.indent(text, "    "))
    return [*lines, "else:", textwrap.indent(last, "    ")]


#: What SQLAlchemy calls the servers of one kind.
_DIALECTS = {"mysql": ["mysql", "mariadb"], "mariadb": ["mysql", "mariadb"]}


def _drop_by_any_name(op: DropByAnyName, database: str, names: Sequence[str]) -> list[str]:
    """Return the lines that drop on one *database* what has one of *names* there."""
    table, schema = repr(op.table_name), f", schema={op.schema!r}" if op.schema else ""
    is_index = isinstance(op, ops.DropIndexOp)
    kind = None if isinstance(op, ops.DropIndexOp) else op.constraint_type
    type_ = f", type_={kind!r}" if kind else ""
    drop = "drop_index(" if is_index else "drop_constraint("
    batch = f"with op.batch_alter_table({table}{schema}) as batch_op:"
    if len(names) == 1:
        return [batch, f"    batch_op.{drop}op.f({names[0]!r}){type_})"]
    if is_index and database != "mysql":
        options = f"table_name={table}{schema}, if_exists=True"
        return [f"op.drop_index(op.f({name!r}), {options})" for name in names]
    if database == "postgresql":
        options = f"{table}{type_}{schema}, if_exists=True"
        return [f"op.drop_constraint(op.f({name!r}), {options})" for name in names]
    if database == "mariadb":
        # SQLAlchemy leaves IF EXISTS out there. One statement is whole, also where it is repeated.
        words = {"unique": "INDEX", "foreignkey": "FOREIGN KEY"}.get(str(kind), "CONSTRAINT")
        drops = [f"DROP {words} IF EXISTS {qualified(_MYSQL, name)}" for name in names]
        sql = f"ALTER TABLE {qualified(_MYSQL, str(op.table_name))} {', '.join(drops)}"
        return [f"op.execute({without_parameters(sql)!r})"]
    # MySQL has no IF EXISTS for either, and SQLite has constraints in a batch alone.
    listed = "get_indexes" if is_index else _LISTED[str(kind)]
    names_there = f"{{item['name'] for item in sa.inspect(op.get_bind()).{listed}({table})}}"
    options = f"table_name={table}" if is_index else f"{table}{type_}"
    if database == "mysql":
        dropped = [f"op.{drop}op.f(name), {options})"]
    else:
        dropped = [batch, f"    batch_op.{drop}op.f(name){type_})"]
    return [
        f"names = {names_there}",
        f"for name in names & {{{', '.join(map(repr, names))}}}:",
        *(f"    {line}" for line in dropped),
    ]


#: What of an inspector lists the constraints of each type.
_LISTED = {
    "unique": "get_unique_constraints",
    "foreignkey": "get_foreign_keys",
    "check": "get_check_constraints",
}
