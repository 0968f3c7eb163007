"""What a database cannot hold is left out there: models made for one database serve the others."""

import re
from typing import Any

from sqlalchemy import (
    URL,
    CheckConstraint,
    Connection,
    Constraint,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    TextClause,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.exc import CompileError, DBAPIError, NoReferenceError, SQLAlchemyError
from sqlalchemy.schema import CreateSchema
from sqlalchemy.types import TypeEngine

from .. import compat
from ..errors import MigrationError

_POSTGRESQL: Any = postgresql.dialect()  # type: ignore[no-untyped-call]
_SQLITE: Any = sqlite.dialect()

_COLLATIONS = ("BINARY", "NOCASE", "RTRIM")


#: Models that are for a server serve SQLite too.
_OTHERWISE = {
    "sqlite": "; what is for another database alone says so: a type with .with_variant(JSON(), "
    '"sqlite"), a constraint or an index with .ddl_if(dialect="postgresql")'
}


def kind_of(url: URL) -> str:
    """Name the kind of database behind *url*; MariaDB is a mysql."""
    name = url.get_backend_name()
    return "mysql" if name == "mariadb" else name


class InheritedCondition(TextClause):
    """An index's condition for PostgreSQL that SQLite takes over."""

    inherit_cache = True


def create_all(metadata: MetaData, connection: Connection) -> None:
    """Create every table of the models, without what this database cannot hold.

    :param metadata: the models.
    :param connection: to an empty database.
    :raises MigrationError: for a foreign key to what is not there, or what the database refuses.
    """
    require_targets(metadata)
    make_portable(metadata)
    constraints = [item for table in metadata.tables.values() for item in table.constraints]
    try:
        with compat.create_rules_kept(constraints):
            metadata.create_all(connection, tables=_held(metadata, connection))
    except (SQLAlchemyError, NotImplementedError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        if isinstance(error, DBAPIError):
            statement = " ".join(str(error.statement).split("(")[0].split())
            why = f"{str(error.orig).strip().splitlines()[0]} ({statement} …)"
        elif isinstance(error, CompileError):
            why = re.sub(r"Compiler <.*> can't render element of type", "there is no", why)
        raise MigrationError(
            f"A {connection.dialect.name} database does not take the models: {why}."
            f" Correct the model{_OTHERWISE.get(connection.dialect.name, '')}."
        ) from error


def _held(metadata: MetaData, connection: Connection) -> list[Table]:
    """Return the tables that a database can hold, with PostgreSQL's schemas made for them."""
    if connection.dialect.name == "postgresql":
        for name in sorted(schemas(metadata)):
            connection.execute(CreateSchema(name, if_not_exists=True))
    tables = metadata.tables.values()
    return [t for t in tables if connection.dialect.name != "sqlite" or t.schema is None]


def schemas(metadata: MetaData) -> set[str]:
    """Return the schemas that the tables of models are in, beside the usual one.

    :param metadata: the models.
    :return: their names.
    """
    return {str(table.schema) for table in metadata.tables.values() if table.schema}


def require_targets(metadata: MetaData) -> None:
    """Refuse models with a foreign key to a table or column that no model has.

    :param metadata: the models.
    :raises MigrationError: which names the first.
    """
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            try:
                _ = key.column
            except NoReferenceError:
                raise MigrationError(
                    f"{table.name}.{key.parent.name} points to {key.target_fullname}, which no "
                    "model has: correct its ForeignKey, or load the module of that model."
                ) from None


def make_portable(metadata: MetaData) -> bool:
    """Complete models so that every database is asked for what it can hold; may be repeated.

    What only PostgreSQL holds is marked so (``ddl_if``), unless it says itself where it belongs;
    an index's ``postgresql_where`` counts for SQLite too, and a server's collation does not; a
    CHECK written at its column becomes the table's, where Alembic sees it.

    :param metadata: the models, which are changed.
    :return: whether anything was to be done.
    """
    changed = [_portable(table) for table in metadata.tables.values()]
    return any(changed)


def _portable(table: Table) -> bool:
    changed = False
    for column in table.columns:
        for check in [c for c in column.constraints if isinstance(c, CheckConstraint)]:
            column.constraints.discard(check)
            table.append_constraint(check)
            changed = True
        if foreign_collation(column.type) and not compat.has_variant(column.type, "sqlite"):
            plain: Any = column.type.copy()
            plain.collation = None
            column.type = column.type.with_variant(plain, "sqlite")
            changed = True
    items: list[Constraint | Index] = [*table.constraints, *table.indexes]
    for item in items:
        if not compat.is_conditional(item) and only_postgresql(item):
            item.ddl_if(dialect="postgresql")
            changed = True
    for index in table.indexes:
        for dialect in (_POSTGRESQL, _SQLITE):
            where = index.dialect_options[dialect.name]["where"]
            if where is not None and not isinstance(where, TextClause):
                index.dialect_kwargs[f"{dialect.name}_where"] = _condition(where, dialect)
                changed = True
        where = index.dialect_options["postgresql"]["where"]
        if where is not None and index.dialect_options["sqlite"]["where"] is None:
            borrowed = InheritedCondition(where.text)
            index.dialect_kwargs.update(postgresql_where=borrowed, sqlite_where=borrowed)
            changed = True
    return changed


def _condition(where: Any, dialect: Any) -> TextClause:
    """Return the condition of an index as text.

    Of a bare column Alembic would write the name, not a condition; and it spells one database's
    condition as another spells it.
    """
    options = {"literal_binds": True, "include_table": False}
    where = text(where) if isinstance(where, str) else where
    sql = str(where.compile(dialect=dialect, compile_kwargs=options))
    return text(without_parameters(compat.single_percents(sql, dialect)))


def without_parameters(sql: str) -> str:
    """Return *sql* so that SQLAlchemy takes no colon before a word for a parameter."""
    return re.sub(r"(?<![:\w\\]):(?=\w)", r"\:", sql)


def foreign_collation(type_: TypeEngine[Any]) -> str | None:
    """Return the collation of *type_* that SQLite does not have; None if it has it, or none."""
    collation: str | None = getattr(type_, "collation", None)
    return collation if collation and collation.upper() not in _COLLATIONS else None


def only_postgresql(item: object) -> str | None:
    """Tell why an index or a constraint is for PostgreSQL alone.

    :param item: SQLAlchemy's.
    :return: what it is that only PostgreSQL has; None where every database can hold it.
    """
    if isinstance(item, ExcludeConstraint):
        return "an exclusion constraint"
    if isinstance(item, ForeignKeyConstraint) and item.elements[0].target_fullname.count(".") == 2:
        return "a table in a schema"
    if isinstance(item, Index):
        method = item.dialect_options["postgresql"]["using"]
        if method and method != "btree":
            return f"an index by {method}"
        if item.dialect_options["postgresql"]["ops"]:
            return "an operator class"
    return None


def create_prerequisites(like: Connection, connection: Connection) -> None:
    """Create in a PostgreSQL database what models may need: extensions, schemas, functions.

    :param like: to a database where the migrations made them by raw SQL.
    :param connection: to the database that gets them.
    """
    outside = not like.in_transaction()
    statements = like.execute(
        text(
            "SELECT 'CREATE EXTENSION IF NOT EXISTS ' || quote_ident(extname) FROM pg_extension"
            " UNION ALL SELECT 'CREATE SCHEMA IF NOT EXISTS ' || quote_ident(nspname)"
            " FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
            " UNION ALL SELECT pg_get_functiondef(p.oid) FROM pg_proc p"
            " JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE p.prokind = 'f' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
            " AND NOT EXISTS (SELECT 1 FROM pg_depend d"
            " WHERE d.objid = p.oid AND d.deptype = 'e')"
        )
    ).scalars()
    connection.exec_driver_sql("SET LOCAL check_function_bodies = off")
    for statement in list(statements):
        # One that speaks of a table's row cannot be made before the table; models seldom need it.
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement.replace("%", "%%"))
        except SQLAlchemyError:
            continue
    if outside:
        like.rollback()
