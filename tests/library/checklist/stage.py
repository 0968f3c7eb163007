"""What the tests of the rules share: models in two versions, and what stock would do."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.dialects import mysql

from tests.library.autogenerate.project import Project, models

Models = Callable[[MetaData], object]
ADA = """INSERT INTO "user" (nickname) VALUES ('Ada')"""
NULL = """INSERT INTO "user" (nickname) VALUES (NULL)"""
ROWS = 'SELECT * FROM "user" ORDER BY id'


def nickname(**options: Any) -> Column[Any]:
    return Column("nickname", String(30), **options)


def table(*columns: Column[Any], name: str = "user") -> Models:
    """Return what puts one table with these columns beside an id into the models."""

    def make(metadata: MetaData) -> None:
        copies = (column._copy() for column in columns)
        Table(name, metadata, Column("id", Integer, primary_key=True), *copies)

    return make


def write(project: Project, message: str, *wanted: Models, **answers: Any) -> Any:
    """Set the models and write a revision as ``flask db migrate`` does."""
    project.metadata = models()
    for one in wanted:
        one(project.metadata)
    return project.new(message, **answers)


def started(project: Project, *wanted: Models, rows: Sequence[str] = ()) -> Project:
    """Migrate the real database to the first models, and put *rows* in."""
    write(project, "first", *wanted)
    project.upgrade()
    project.run(*rows)
    return project


def there_and_back(project: Project, *wanted: Models, rows: str, **answers: Any) -> Any:
    """Write and apply a change, undo it, and apply it again; what *rows* selects stays.

    :return: the report.
    """
    first, kept = project.schema(), project.run(rows)
    report = write(project, "change", *wanted, **answers)
    project.upgrade()
    second = project.schema()
    assert project.verify().agrees
    for _ in report.paths:
        project.downgrade()
    assert project.schema() == first
    project.upgrade()
    assert project.schema() == second
    assert project.run(rows) == kept
    return report


def texts(report: Any) -> list[str]:
    """Return the text of each file that was written."""
    return [Path(path).read_text() for path in report.paths]


def found(report: Any) -> set[tuple[str, str, str]]:
    """Return each rule with what it is about and its verdict."""
    return {(f.rule, f.subject, f.verdict.name) for f in report.findings}


def stock(url: str, *wanted: Models) -> None:
    """Do to the database what stock autogenerate would write for these models.

    On a connection as stock's env.py opens it; the error of the database comes through.
    """
    metadata = MetaData()
    for one in wanted:
        one(metadata)
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
            change = produce_migrations(context, metadata).upgrade_ops
            assert change is not None
            change.ops = [op for op in change.ops if getattr(op, "table_name", "") not in _OWN]
            names = {"sa": sa, "op": Operations(context), "mysql": mysql}
            exec("def upgrade():\n    " + render_python_code(change), names)
            names["upgrade"]()
    finally:
        engine.dispose()


_OWN = {"alembic_version", "alembic_lossless_log"}


def sent(project: Project) -> list[str]:
    """Upgrade the real database; return what was sent to change it, with its transactions."""
    by_connection: dict[int, list[str]] = defaultdict(list)

    def add(connection: Connection, statement: str) -> None:
        by_connection[id(connection.connection.driver_connection)].append(statement.strip())

    def note(connection: Connection, _: Any, statement: str, *args: Any) -> None:
        add(connection, statement)

    def noting(word: str) -> Callable[[Connection], None]:
        def transaction(connection: Connection) -> None:
            if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
                add(connection, word)

        return transaction

    events: list[tuple[str, Any]] = [("before_cursor_execute", note)]
    events += [("begin", noting("BEGIN")), ("commit", noting("COMMIT"))]
    events += [("rollback", noting("ROLLBACK"))]
    for name, listener in events:
        event.listen(Engine, name, listener)
    try:
        project.upgrade()
    finally:
        for name, listener in events:
            event.remove(Engine, name, listener)
    own = ("alembic_version", "alembic_lossless_log", "pg_", "information_schema")
    words = ("ALTER", "CREATE", "DROP", "UPDATE", "COMMIT", "BEGIN", "ROLLBACK")
    return [
        statement
        for statements in by_connection.values()
        if any(
            statement.startswith("ALTER TABLE") or "INDEX" in statement for statement in statements
        )
        for statement in statements
        if statement.startswith(words) and not any(name in statement for name in own)
    ]


ALEMBIC = """
import sys
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
engine = sa.create_engine(sys.argv[1])
sa.event.listen(engine, "connect", lambda c, _: "sqlite" in sys.argv[1]
                and c.execute("PRAGMA foreign_keys = ON"))
with engine.begin() as connection:
    op = Operations(MigrationContext.configure(connection))
    exec(sys.argv[2])
"""


def plain_alembic(url: str, upgrade: str) -> str:
    """Run *upgrade* under stock Alembic, in a process without this engine; return its last word."""
    command = [sys.executable, "-W", "ignore", "-c", ALEMBIC, url, upgrade]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip()
