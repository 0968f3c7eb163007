"""Random revisions written by hand, valid and broken: each is applied whole, or not at all, or half
with what is in place named correctly. The database is dumped before and after, and compared with
another one on which the same statements ran one by one."""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from alembic_lossless.errors import MigrationError
from tests.support.handwritten import Handwritten, dump

BASE = [
    "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n INTEGER)",
    "INSERT INTO t (id, n) VALUES (1, 1), (2, 2), (3, 3)",
    "CREATE TABLE log (n INTEGER)",
]

PROCEDURES = [
    "CREATE PROCEDURE rows_only(k int) BEGIN INSERT INTO log VALUES (k); END",
    "CREATE PROCEDURE with_ddl(k int) BEGIN INSERT INTO log VALUES (k); CREATE TABLE IF NOT EXISTS"
    " made (n int); INSERT INTO log VALUES (k + 1); END",
    "CREATE PROCEDURE fails(k int) BEGIN INSERT INTO log VALUES (k); CREATE TABLE IF NOT EXISTS"
    " made (n int); INSERT INTO nowhere VALUES (1); END",
    "CREATE PROCEDURE fails_in_rows(k int) BEGIN INSERT INTO log VALUES (k);"
    " INSERT INTO nowhere VALUES (1); END",
]


@dataclass(frozen=True)
class Item:
    """A piece of a revision.

    :param code: as a person writes it.
    :param statements: what each statement of it does, one by one.
    :param is_trouble: whether it ends or fails the revision, on one database or another.
    :param block: the autocommit block that it stands in; 0 for none.
    :param in_block: what its statements do in such a block, where that is something else.
    """

    code: str
    statements: Sequence[str]
    is_trouble: bool = False
    block: int = 0
    in_block: Sequence[str] | None = None

    def placed(self, block: int) -> "Item":
        """Return it as it stands in an autocommit block, or in none."""
        if "begin_nested" in self.code:  # which needs a transaction
            return self
        statements = self.in_block if block and self.in_block is not None else self.statements
        return replace(self, block=block, statements=statements)


def sql(statement: str) -> str:
    return f"op.execute({statement!r})"


def plain(code: str) -> Item:
    return Item(code, [code])


def trouble(
    code: str, statements: Sequence[str] = (), in_block: Sequence[str] | None = None
) -> Item:
    return Item(code, statements, is_trouble=True, in_block=in_block)


VALID: list[Callable[[int], Item]] = [
    lambda k: plain(sql(f"INSERT INTO t (id, n) VALUES ({100 + k}, {k})")),
    lambda k: plain(sql(f"INSERT INTO log (n) VALUES ({k})")),
    lambda k: plain(sql("UPDATE t SET n = n + 1")),
    lambda k: plain(sql(f"UPDATE t SET n = CASE WHEN n = {k} THEN 0 ELSE n END")),
    lambda k: plain(f'op.add_column("t", sa.Column("c{k}", sa.Integer))'),
    lambda k: plain(f'op.create_index("ix{k}", "t", ["n"])'),
    lambda k: plain(f'op.create_table("made{k}", sa.Column("n", sa.Integer))'),
    lambda k: plain(
        'op.bulk_insert(sa.table("log", sa.column("n", sa.Integer)),'
        f' [{{"n": {k}}}, {{"n": {k + 1}}}])'
    ),
    lambda k: Item(
        f'for i in range(3):\n    op.create_table(f"loop{k}_{{i}}", sa.Column("n", sa.Integer))',
        [f'op.create_table("loop{k}_{i}", sa.Column("n", sa.Integer))' for i in range(3)],
    ),
    lambda k: Item('op.get_bind().scalar(sa.text("SELECT count(*) FROM t"))', []),
    lambda k: Item(
        f"with op.get_bind().begin_nested():\n    {sql(f'INSERT INTO log VALUES ({k})')}",
        [sql(f"INSERT INTO log VALUES ({k})")],
    ),
]

BROKEN: list[Callable[[int], Item]] = [
    lambda k: trouble(sql("UPDATE nowhere SET n = 1")),
    lambda k: trouble(sql("INSERT INTO t (id) VALUES (1)")),
    lambda k: trouble('raise ValueError("no")'),
    lambda k: trouble("sys.exit(0)"),
    lambda k: trouble(sql("COMMIT"), ["pass"]),
    lambda k: trouble(sql("-- pasted\nCOMMIT"), ["pass"]),
    lambda k: trouble(sql("ROLLBACK"), in_block=["pass"]),
    lambda k: trouble(sql("BEGIN"), ["pass"]),
    lambda k: trouble(
        f"try:\n    {sql('ROLLBACK')}\nexcept Exception:\n    pass", in_block=["pass"]
    ),
    lambda k: trouble("op.get_bind().commit()"),
    lambda k: trouble("op.get_bind().rollback()"),
    lambda k: trouble("op.get_bind().connection.dbapi_connection.commit()"),
    lambda k: trouble("op.get_bind().connection.dbapi_connection.rollback()"),
    lambda k: trouble("op.get_bind().get_transaction().rollback()"),
    lambda k: trouble(
        f"with op.get_bind().engine.begin() as other:\n"
        f"    other.exec_driver_sql('INSERT INTO log VALUES ({k})')"
    ),
]


def call(statement: str, effect: str | None = None) -> Callable[[int], Item]:
    """Return what makes an item of *statement*; without an *effect* it fails."""

    def make(k: int) -> Item:
        code = sql(statement.format(k=k))
        if effect is None:
            return Item(code, [], is_trouble=True)
        return Item(code, [sql(effect.format(k=k))])

    return make


SCRIPTED = {
    "INSERT INTO log VALUES ({k}); COMMIT; BEGIN; INSERT INTO log VALUES ({k})": (
        "INSERT INTO log VALUES ({k}), ({k})"
    ),
    "-- pasted\nBEGIN; CREATE TABLE script{k} (n int); COMMIT;": "CREATE TABLE script{k} (n int)",
    "DO $$ BEGIN INSERT INTO log VALUES ({k}); END $$": "INSERT INTO log VALUES ({k})",
}
SCRIPTS_THAT_FAIL = [
    "-- pasted\nBEGIN; CREATE TABLE script{k} (n int); COMMIT; SELECT 1/0;",
    "INSERT INTO log VALUES ({k}); END; SELECT 1/0",
    "ROLLBACK; BEGIN; INSERT INTO log VALUES ({k}); COMMIT; SELECT 1/0",
    "INSERT INTO log VALUES ({k}); SELECT 1/0",
    "DO $$ BEGIN INSERT INTO log VALUES ({k}); PERFORM 1/0; END $$",
    "ROLLBACK AND CHAIN",
]
CALLS = [
    "CALL rows_only({k})",
    "CALL with_ddl({k})",
    "BEGIN NOT ATOMIC CALL with_ddl({k}); END",
    "EXECUTE IMMEDIATE 'CALL with_ddl({k})'",
    "SET STATEMENT max_statement_time = 9 FOR INSERT INTO log VALUES ({k})",
]
CALLS_THAT_FAIL = [
    "CALL fails({k})",
    "CALL fails_in_rows({k})",
    "BEGIN NOT ATOMIC CALL fails({k}); END",
]

OWN = {
    "sqlite": [
        lambda k: trouble(
            "op.get_bind().connection.driver_connection.executescript("
            f"'INSERT INTO log VALUES ({k}); COMMIT; SELECT nope()')"
        ),
        lambda k: trouble(
            "try:\n    op.execute('INSERT OR ROLLBACK INTO t (id) VALUES (1)')\n"
            "except Exception:\n    pass"
        ),
    ],
    "postgresql": [
        *(call(script, effect) for script, effect in SCRIPTED.items()),
        *map(call, SCRIPTS_THAT_FAIL),
        lambda k: trouble(
            sql(f"ROLLBACK; CREATE TABLE script{k} (n int)"),
            in_block=[sql(f"CREATE TABLE script{k} (n int)")],
        ),
    ],
    "mariadb": [
        *(call(words, words) for words in CALLS),
        *map(call, CALLS_THAT_FAIL),
        lambda k: trouble(sql("SET autocommit = 1")),
    ],
}


def draw(kind: str, dice: random.Random) -> list[Item]:
    """Draw a revision: mostly what works, now and then what does not, some in autocommit blocks."""
    items = []
    block = 0
    for k in range(dice.randint(2, 8)):
        menu = dice.choices([VALID, BROKEN, OWN[kind]], [6, 1.2, 2])[0]
        if dice.random() < 0.25:
            block = 0 if block else k + 1
        items.append(dice.choice(menu)(10 * k + 10).placed(block))
    return items


def text(items: Sequence[Item]) -> str:
    """Write the items as the body of a revision."""
    parts = []
    for block, members in groupby(items, lambda item: item.block):
        body = "\n".join(item.code for item in members)
        opened = "with op.get_context().autocommit_block():\n"
        parts.append(opened + indent(body, "    ") if block else body)
    return "\n".join(parts)


class Bench:
    """A chain on one database, and another database to compare with."""

    def __init__(self, kind: str, folder: Path, url: str, expected_url: str) -> None:
        self.kind, self.folder, self.url = kind, folder, url
        self.number = 0
        # A table is another one in each trial: nothing prepared for it may be used again.
        options = {"prepare_threshold": None} if kind == "postgresql" else {}
        self.actual, self.other = (
            sa.create_engine(
                database,
                isolation_level="AUTOCOMMIT",
                poolclass=sa.NullPool,
                connect_args=options,
            ).connect()
            for database in (url, expected_url)
        )
        if kind == "mariadb":
            for connection in (self.actual, self.other):
                run(connection, PROCEDURES)

    def start(self) -> Handwritten:
        """Empty the database, and give a chain that is at its first revision."""
        self.number += 1
        clear(self.actual)
        chain = Handwritten(self.folder / f"chain{self.number}", self.url)
        chain.add("a1", "\n".join(map(sql, BASE)))
        chain.upgrade()
        return chain

    def dump(self) -> dict[str, Any]:
        return dump(self.actual)

    def at(self) -> list[str]:
        return list(
            self.actual.exec_driver_sql("SELECT version_num FROM alembic_version").scalars()
        )

    def expected(self, statements: Sequence[str]) -> dict[str, Any]:
        """Return what the database holds after these statements, each committed by itself."""
        clear(self.other)
        run(self.other, BASE)
        op = Operations(MigrationContext.configure(self.other))
        for statement in statements:
            exec(statement, {"op": op, "sa": sa})
        return dump(self.other)

    def close(self) -> None:
        self.actual.close()
        self.other.close()


def run(connection: sa.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)


def clear(connection: sa.Connection) -> None:
    tables = ", ".join(sa.inspect(connection).get_table_names())
    if connection.dialect.name == "sqlite":
        run(connection, [f"DROP TABLE {table}" for table in filter(None, tables.split(", "))])
    elif tables:
        connection.exec_driver_sql(f"DROP TABLE {tables}")


def holds(after: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Tell whether all tables and rows that are expected are there, and maybe more."""
    return all(
        name in after and set(table["rows"]) <= set(after[name]["rows"])
        for name, table in expected.items()
    )


def trial(bench: Bench, items: list[Item]) -> str:
    """Run one revision; check what is said of it, and that fixing it finishes it; return which."""
    chain = bench.start()
    before = bench.dump()
    chain.add("a2", text(items))
    statements = [statement for item in items for statement in item.statements]
    try:
        chain.upgrade()
    except MigrationError as error:
        message, code = str(error), error.exit_code
    else:
        assert bench.at() == ["a2"]
        assert bench.dump() == bench.expected(statements)
        return "whole"
    after = bench.dump()
    assert "a2" in message
    assert bench.at() == ["a1"]
    assert code in (1, 7), message
    if code == 1:
        assert "nothing of it is in the database" in message
        assert after == before, message
        place, outcome = 0, "not at all"
    else:
        named = re.search(r"statements? 1(?: (?:and|to) (\d+))? (?:is|are) in place", message)
        place = int(named[1] or 1) if named else 0
        if "it did after that may be in the database" in message:
            assert holds(after, {name: {"rows": []} for name in bench.expected(statements[:place])})
            return "may be"
        if "in whole or in part" in message:
            assert holds(after, bench.expected(statements[:place])), message
            return "in part"
        assert place, message
        assert after == bench.expected(statements[:place]), message
        outcome = "half"
    fixed, seen = [], 0
    for item in items:
        seen += len(item.statements)
        is_there = seen <= place and item.statements
        keeps = is_there or not item.is_trouble
        fixed.append(item if keeps else replace(item, code="pass", statements=[]))
    chain.write("a2", "a1", text(fixed))
    chain.upgrade()
    assert bench.at() == ["a2"]
    assert bench.dump() == bench.expected([s for item in fixed for s in item.statements])
    return outcome


@pytest.fixture
def bench(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    if kind == "sqlite":
        urls = [f"sqlite:///{tmp_path}/{name}.db" for name in ("actual", "expected")]
    else:
        databases = request.getfixturevalue(kind)
        urls = [databases(), databases()]
    bench = Bench(kind, tmp_path, *urls)
    yield bench
    bench.close()


def trials(bench: Bench, seeds: Sequence[int]) -> str:
    """Run one revision for each seed; return how many ended in which way."""
    outcomes: dict[str, int] = {}
    for seed in seeds:
        items = draw(bench.kind, random.Random(seed))
        try:
            outcome = trial(bench, items)
        except Exception as error:
            raise AssertionError(f"seed {seed}:\n{text(items)}\n{error}") from error
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
    return f"{bench.kind}, {len(seeds)} random revisions: {counted}"


def test_a_dozen_random_revisions(bench: Bench) -> None:
    trials(bench, range(12))


@pytest.mark.trial
def test_two_hundred_random_revisions(bench: Bench, figure: Callable[[str], None]) -> None:
    figure(trials(bench, range(1000, 1200)))
