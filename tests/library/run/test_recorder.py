"""What a chain does on a scratch database is noted of that chain alone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations
from alembic.operations.base import AbstractOperations

from alembic_lossless.run import recorder
from alembic_lossless.scratch import databases
from tests.support.chain import Chain

#: Gives the other thread its turn after each table.
TABLES = """import time
    for number in range(10):
        op.create_table(f"{name}_{{number}}", sa.Column("a", sa.Integer()))
        with op.batch_alter_table(f"{name}_{{number}}") as batch:
            batch.add_column(sa.Column("b", sa.Integer()))
        time.sleep(0.005)"""


def engine_of(file: Path) -> sa.Engine:
    return sa.create_engine(f"sqlite:///{file}", poolclass=sa.NullPool)


def test_two_chains_in_two_threads_are_noted_apart(tmp_path: Path) -> None:
    begin = threading.Barrier(2)

    def run(name: str) -> tuple[list[str], set[str]]:
        chain = Chain(tmp_path / name)
        chain.add("1111", TABLES.format(name=name))
        with engine_of(tmp_path / f"{name}.sqlite").connect() as connection:
            begin.wait(30)
            databases.upgrade(chain.script, connection)
            names = [str(op.table_name) for _, op in recorder.invoked(connection)]
            return names, set(sa.inspect(connection).get_table_names())

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(run, ["cat", "dog"]))
    for name, (noted, tables) in zip(["cat", "dog"], results, strict=True):
        # Each is created, opened as a batch, and given a column.
        assert noted == [f"{name}_{number}" for number in range(10) for _ in range(3)]
        assert tables == {*noted, "alembic_version"}


def test_operations_of_another_thread_are_left_alone(tmp_path: Path) -> None:
    """An application may migrate something else, or serve, meanwhile."""

    def elsewhere() -> None:
        with engine_of(tmp_path / "elsewhere.sqlite").begin() as connection:
            operations = Operations(MigrationContext.configure(connection))
            operations.create_table("elsewhere", sa.Column("a", sa.Integer()))

    invoke = AbstractOperations.invoke
    with engine_of(tmp_path / "scratch.sqlite").connect() as connection:
        context = MigrationContext.configure(connection)
        done: list[str] = []
        with (
            recorder.watched(context, lambda operation: done.append(operation.table_name)),
            recorder.alone(connection, lambda: "1111"),
            ThreadPoolExecutor(1) as threads,
        ):
            threads.submit(elsewhere).result(30)
            assert AbstractOperations.invoke is invoke
    assert done == []


class Correct(MigrateOperation):
    """An operation of a project's own."""


@Operations.implementation_for(Correct)
def correct(operations: Operations, operation: Correct) -> None:
    operations.get_bind().exec_driver_sql("UPDATE t SET a = 2")
    operations.create_table("u", sa.Column("a", sa.Integer()))


def test_statements_of_an_operation_are_told_from_those_of_a_revision(tmp_path: Path) -> None:
    """A batch sends them at its end; ``op.execute`` sends the revision's own."""
    with engine_of(tmp_path / "scratch.sqlite").connect() as connection:
        context = MigrationContext.configure(connection)
        sent: list[tuple[str, bool]] = []

        @sa.event.listens_for(connection, "before_cursor_execute")
        def note(_: object, __: object, sql: str, *args: object) -> None:
            sent.append((sql.split()[0], recorder.is_of_operation()))

        with recorder.operations(context, lambda operation: None) as op:
            op.create_table("t", sa.Column("a", sa.Integer()))
            op.execute("INSERT INTO t VALUES (1)")
            connection.exec_driver_sql("DELETE FROM t")
            op.invoke(Correct())
            with op.batch_alter_table("t") as batch:
                connection.exec_driver_sql("SELECT 1")
                batch.add_column(sa.Column("b", sa.Integer()))
    assert [pair for pair in sent if pair[0] != "PRAGMA"] == [
        ("CREATE", True),
        ("INSERT", False),
        ("DELETE", False),
        ("UPDATE", False),
        ("CREATE", True),
        ("SELECT", False),
        ("ALTER", True),
    ]
