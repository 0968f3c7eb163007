"""The pending migrations and the SQL they will run; nothing is changed.

On SQLite they really run, on a throwaway copy of the schema without rows, because what is sent
depends on what is there. For servers Alembic writes the SQL without a connection.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, event

from . import compat
from .checklist import handwritten
from .checklist.locks import Locks
from .errors import MigrationError
from .quoting import literal
from .run import binds, history, journal, recorder, status
from .run.chain import read_chain
from .run.lines import line_of, running_line
from .schema.dialect_support import kind_of
from .schema.own_tables import VERSION_TABLE, version_table
from .schema.sqlite import tables
from .scratch import databases, snapshot
from .scratch.sources import Source, empty_database
from .sqlite import applied_changes
from .statements import Statement, read
from .tokens import scan

#: How many rows of one INSERT are shown.
_SHOWN = 5


@dataclass
class Planned:
    """One pending revision: the statements it sends, and on SQLite the way each change took.

    *checks* is what the checklist says of it; *locks* what each statement holds up on a server;
    *in_place* how many of the statements an earlier run has left there already.
    """

    revision: str
    message: str
    statements: list[str] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    in_place: int = 0


def pending(
    script: ScriptDirectory, connection: Connection, metadata: MetaData
) -> tuple[list[Planned], int]:
    """Return the revisions that the database behind *connection* lacks, in their order.

    :param connection: to the real database; it is only read.
    :param metadata: the models', whose naming convention the operations take, as in env.py.
    :return: the revisions, and how many findings about those that are released are not listed.
    :raises MigrationError: where a revision cannot run.
    """
    heads = tuple(sorted(status.current(connection)))
    status.require_known(heads, read_chain(script).known)
    steps = script._upgrade_revs("heads", heads)  # type: ignore[arg-type]  # Alembic gives it so
    planned = [Planned(str(step.info.up_revision_id), step.doc or "") for step in steps]
    if planned and connection.dialect.name == "sqlite":
        _run_on_copy(script, connection, planned, metadata)
    elif planned:
        _offline(script, connection, heads, planned, metadata)
    revisions = [plan.revision for plan in planned]
    checks, unlisted = (
        handwritten.checklists_of_pending(script, connection, revisions, metadata)
        if planned
        else ({}, 0)
    )
    held = Locks(kind_of(connection.engine.url))
    begun = journal.read(connection) if history.half_applied(connection) else {}
    for plan in planned:
        if entry := begun.get(plan.revision):
            plan.in_place = entry.count_in_place(plan.statements, connection.dialect.name)
            plan.ways.insert(
                0, f"half applied: {journal.in_place(entry.done)}; the rest is to come"
            )
        plan.checks = checks.get(plan.revision, [])
        plan.locks = [held.of(statement) for statement in plan.statements]
    return planned, unlisted


def _run_on_copy(
    script: ScriptDirectory, connection: Connection, planned: list[Planned], metadata: MetaData
) -> None:
    start, covered = snapshot.read(script, "sqlite"), snapshot.covered(script, "sqlite")
    early = [plan for plan in planned if plan.revision in covered]
    with empty_database(Source("sqlite")) as copy:
        if start is not None and early:
            start.load(copy)
        else:
            _copy_schema(connection, copy)
        for plan in early:
            plan.ways.append("not shown: scratch databases start at a later revision, or at this")
        steps = applied_changes(copy)
        for plan in [plan for plan in planned if plan not in early]:
            begun = len(steps)
            with _recorded(copy, plan, script.get_revision(plan.revision).path):
                databases.upgrade(script, copy, plan.revision, metadata)
            plan.ways += [f"{step.table}: {step.way}" for step in steps[begun:]]


def _copy_schema(connection: Connection, copy: Connection) -> None:
    """Make the objects of *connection*'s schema in *copy*, and note its revisions there."""
    shadows = tables(connection, "shadow")
    query = (
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'view', rowid"
    )
    rows = connection.exec_driver_sql(query).all()
    driver: Any = copy.connection.driver_connection
    for name, sql in rows:
        if name not in shadows and not name.startswith("sqlite_"):
            driver.execute(sql)
    at = status.current(connection)
    if at and version_table().name != VERSION_TABLE:  # here it is Alembic's own
        driver.execute(f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) PRIMARY KEY)")
    for version in at:
        driver.execute(f"INSERT INTO {VERSION_TABLE} VALUES (?)", (version,))


def _is_own(sql: str, kind: str) -> bool:
    """Tell whether a statement is no part of a migration: it asks, or notes where it is."""
    return all(
        statement.verb in ("SELECT", "PRAGMA", "BEGIN", "COMMIT")
        or any(name.name == VERSION_TABLE for name in statement.names)
        for statement in read(sql, kind)
    )


def _reads_rows(statement: Statement) -> bool:
    """Tell whether a statement asks for rows, not for the schema."""
    is_schema = any(word.startswith("SQLITE_") for word in statement.words)
    return statement.verb in ("SELECT", "VALUES") and not is_schema


@contextmanager
def _recorded(connection: Connection, plan: Planned, file: str) -> Iterator[None]:
    """Collect the migration's own statements, and of the engine's those that its steps tell.

    Where the *file* reads rows, say so: here are none, so what it does with them is not seen.
    """
    steps, statements = applied_changes(connection), plan.statements
    count = len(steps)

    def tell_steps() -> None:
        nonlocal count
        for step in steps[count:]:
            statements.extend(sql for sql in step.statements if not _is_own(sql, "sqlite"))
        count = len(steps)

    def note(_: Any, __: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        tell_steps()
        line = running_line(file)
        is_written = line and not recorder.is_of_operation()
        if is_written and not plan.ways and any(map(_reads_rows, read(sql, "sqlite"))):
            plan.ways.append(f"line {line} reads rows: what it does with them is not shown")
        if not _is_own(sql, "sqlite") and not context.execution_options.get("alembic_lossless_own"):
            rows = parameters if many else [parameters]
            statements.extend(_filled_in(sql.strip(), row) for row in rows[:_SHOWN])
            if rows[_SHOWN:]:
                statements.append(f"-- and {len(rows) - _SHOWN} more like it")

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", note)
    tell_steps()


def _filled_in(sql: str, values: Any) -> str:
    """Put the values in a statement's text, where they go by their place."""
    marks = [token for token in scan(sql) if token.text == "?"]
    if len(marks) == len(values):
        for mark, value in reversed([*zip(marks, values, strict=True)]):
            sql = f"{sql[: mark.start]}{literal(value)}{sql[mark.end :]}"
    return sql


def _offline(
    script: ScriptDirectory,
    connection: Connection,
    heads: tuple[str, ...],
    planned: list[Planned],
    metadata: MetaData,
) -> None:
    for plan in planned:
        output = io.StringIO()
        try:
            _write_sql(script, connection, heads, plan.revision, output, metadata)
        except MigrationError:
            raise
        except Exception as error:
            path = script.get_revision(plan.revision).path
            plan.ways.append(
                f"line {line_of(error, path) or 0} cannot be followed without running it: what it "
                "does, and what comes after it, is not shown"
            )
        heads = (plan.revision,)
        statements = (part.strip() for part in output.getvalue().split(";\n\n"))
        plan.statements += [
            compat.single_percents(statement, connection.dialect)
            for statement in map(_without_comments, statements)
            if statement and not _is_own(statement, connection.dialect.name)
        ]


def _without_comments(sql: str) -> str:
    """Return what Alembic wrote without the lines by which it says which revision it is."""
    return "\n".join(line for line in sql.splitlines() if not line.startswith("--")).strip()


def _write_sql(
    script: ScriptDirectory,
    connection: Connection,
    heads: tuple[str, ...],
    revision: str,
    output: io.StringIO,
    metadata: MetaData,
) -> None:
    def steps(current: Any, _: MigrationContext) -> Any:
        return script._upgrade_revs(revision, current)

    options = {
        "as_sql": True,
        "fn": steps,
        "output_buffer": output,
        "script": script,
        "starting_rev": heads,
        "literal_binds": True,
        "target_metadata": metadata,
    }
    with recorder.quiet():
        context = MigrationContext.configure(dialect=connection.dialect, opts=options)
        with recorder.alone(connection, lambda: revision), Operations.context(context):
            context.run_migrations(**binds.arguments())
