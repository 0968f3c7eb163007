"""A move from a SQLite file to a server."""

from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic_lossless.run import connection as connections
from alembic_lossless.run import lock
from alembic_lossless.schema.own_tables import MOVE_TABLE
from alembic_lossless.transfer import transfer
from alembic_lossless.transfer.rows import Refusal, Refused


class Mover:
    """A chain, the SQLite file at its head, and a server's empty database."""

    def __init__(self, chain, source: sa.URL, target: str, run=None) -> None:
        self.chain = chain
        self.source = source
        self.target = sa.make_url(target)
        self._run = run

    @contextmanager
    def connect(self):
        with (
            connections.private(self.target, connections.Limits(statement=0)).connect() as given,
            lock.hold(given, 30, print),
        ):
            yield given

    def on_target(self, work):
        with self.connect() as target:
            return work(target)

    def migrate(self) -> None:
        with self.connect():
            self.chain.upgrade(self.target)

    def __call__(self, accepted=(), progress=lambda stage, rows: None):
        return transfer.move(
            Path(self.source.database),
            self.on_target,
            self.chain.script,
            self.migrate,
            accepted,
            progress,
        )

    def table(self, columns: str) -> None:
        """Let the chain make a table "t" with a key and these, and bring the source there."""
        key = 'sa.Column("id", sa.Integer(), primary_key=True)'
        self.chain.add("1111", f'op.create_table("t", {key}, {columns})')
        self.chain.upgrade(self.source)

    def refusals(self) -> list[Refusal]:
        """Move, which is refused, and return why."""
        with pytest.raises(Refused) as refused:
            self()
        return refused.value.refusals

    def here(self, *statements):
        return self._run(self.source, *statements)

    def there(self, *statements):
        return self._run(self.target, *statements)

    def nothing_moved(self, *tables) -> bool:
        """No row is there, and another attempt may begin."""
        empty = all(self.there(f"SELECT count(*) FROM {table}") == [(0,)] for table in tables)
        return empty and MOVE_TABLE in self.tables()

    def tables(self) -> list[str]:
        engine = sa.create_engine(self.target, poolclass=sa.NullPool)
        return sa.inspect(engine).get_table_names()
