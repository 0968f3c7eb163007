"""Two versions of models with rows between them: the second is reached, nothing is left to find,
`check` agrees, and the way back and forth again changes neither schema nor rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    inspect,
    make_url,
    text,
)
from sqlalchemy import (
    Sequence as Counter,
)

from alembic_lossless.autogenerate import migrate
from alembic_lossless.autogenerate.report import Report
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.run.connection import private
from alembic_lossless.schema import diff
from alembic_lossless.schema.model import Schema
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import Source
from tests.library.autogenerate.project import Project, models

Models = Callable[[MetaData], object]


@dataclass
class Case:
    """What the models say before and after, and the rows that are there in between."""

    before: Sequence[Models]
    after: Sequence[Models]
    rows: Sequence[str] = ()
    #: Columns whose values are computed anew.
    computed: Sequence[str] = ()
    answers: dict[str, str] = field(default_factory=dict)


def table(name: str, *items: Callable[[], Any], key: bool = True) -> Models:
    def make(metadata: MetaData) -> None:
        own = [Column("id", Integer, primary_key=True)] if key else []
        Table(name, metadata, *own, *(item() for item in items))

    return make


def index(*columns: Callable[[Any], Any], of: Models, **options: Callable[[Any], Any]) -> Models:
    """Put an index on the table *t* that *of* makes."""

    def make(metadata: MetaData) -> None:
        of(metadata)
        columns_of = metadata.tables["t"].c
        said = {name: option(columns_of) for name, option in options.items()}
        Index("ix", *(column(columns_of) for column in columns), **said)

    return make


def integer(*items: Callable[[], Any], name: str = "a", **options: Any) -> Callable[[], Any]:
    return lambda: Column(name, Integer, *(item() for item in items), **options)


def string(name: str = "a", length: int = 20) -> Callable[[], Any]:
    return lambda: Column(name, String(length))


def check(condition: str, name: str) -> Callable[[], Any]:
    return lambda: CheckConstraint(condition, name=name)


def foreign(column: str, **options: Any) -> Callable[[], Any]:
    return lambda: ForeignKey(column, **options)


def computed(condition: str, **options: Any) -> Callable[[], Any]:
    return integer(lambda: Computed(condition, persisted=True), name="b", **options)


def flag() -> Column[Any]:
    return Column("b", Boolean)


def where(condition: Callable[[Any], Any]) -> dict[str, Callable[[Any], Any]]:
    return {"postgresql_where": condition, "sqlite_where": condition}


def counter(**options: Any) -> Models:
    return lambda metadata: Counter("counted", metadata=metadata, **options)


def many(*values: str) -> Callable[[], Any]:
    return lambda: Column("a", ARRAY(Enum(*values, name="mood")).with_variant(JSON(), "sqlite"))


def moods(*values: str, native: bool = True, name: str = "mood", **more: Any) -> Callable[[], Any]:
    options = {"native_enum": native, "name": name, "create_constraint": True}
    return lambda: Column("a", Enum(*values, **options), **more)


A = ["INSERT INTO t (id, a) VALUES (1, 5), (2, 7)"]
X = ["INSERT INTO t (id, a) VALUES (1, 'x')"]
PLAIN = table("t", integer())
TEXT = table("t", string())
FLAG = table("t", integer(), flag)
PARENT = table("p")
CHILD = ["INSERT INTO p (id) VALUES (5), (7)", *A]

CASES: dict[str, Case] = {
    "a CHECK with a per cent sign": Case(
        [TEXT],
        [table("t", string(), check("a LIKE '%x%'", "like"))],
        ["INSERT INTO t VALUES (1, 'ax')"],
    ),
    "a new table whose CHECK has a per cent sign and a colon": Case(
        [TEXT], [TEXT, table("u", string(), check("a LIKE '%x%' AND a <> ':y'", "like"))]
    ),
    "a value of an enum with a colon": Case(
        [table("t", moods("x", "y"))], [table("t", moods("x", "y", ":z", "10%"))], X
    ),
    "an index where a text begins": Case(
        [TEXT], [index(lambda c: c.id, of=TEXT, **where(lambda c: c.a.like("x%")))], X
    ),
    "an index where a flag is set": Case(
        [FLAG], [index(lambda c: c.a, of=FLAG, **where(lambda c: c.b))], A
    ),
    "an index where a flag is not set": Case(
        [FLAG], [index(lambda c: c.a, of=FLAG, **where(lambda c: ~c.b))], A
    ),
    "an index on a sum": Case([PLAIN], [index(lambda c: c.a + 1, lambda c: c.id, of=PLAIN)], A),
    "an index on an expression with a text": Case(
        [TEXT], [index(lambda c: func.coalesce(c.a, "x:y%"), of=TEXT)], X
    ),
    "a computed text with a per cent sign": Case(
        [TEXT],
        [table("t", string(), lambda: Column("b", String(30), Computed("a || '%x'", True)))],
        X,
    ),
    "a computed column goes": Case([table("t", integer(), computed("a * 2"))], [PLAIN], A),
    "a foreign key is deferred no more": Case(
        [PARENT, table("t", integer(foreign("p.id", deferrable=True, initially="DEFERRED")))],
        [PARENT, table("t", integer(foreign("p.id")))],
        CHILD,
    ),
    "a sequence counts otherwise": Case(
        [PLAIN, counter(start=5)], [PLAIN, counter(start=5, increment=10)], A
    ),
    "three tables that point at each other go": Case(
        [PLAIN, *(table(n, integer(foreign(f"{o}.id"))) for n, o in ("uv", "vw", "wu"))],
        [PLAIN],
        A,
    ),
}
ENUMS = {
    "an enum": table("t", moods("x", "y")),
    "an enum under another name": table("t", moods("x", "y", name="other")),
    "a text with a CHECK": table("t", moods("x", "y", native=False)),
    "a text": TEXT,
}
CASES |= {
    f"{before} becomes {after}": Case([ENUMS[before]], [ENUMS[after]], X)
    for before in ENUMS
    for after in ENUMS
    if before != after
}
CASES |= {
    "a value of an enum gets a longer name": Case(
        [table("t", moods("x", "y", native=False, server_default="x"))],
        [table("t", moods("y", "xxx", native=False, server_default="xxx"))],
        X,
        ["t.a"],
        {"rename": "t.a.x:xxx"},
    ),
    "an identity beside the key goes": Case(
        [table("t", integer(), lambda: Column("n", Integer, Identity()))], [PLAIN], A
    ),
    "an enum in an array gets a value": Case(
        [table("t", many("x", "y"))],
        [table("t", many("x", "y", "z"))],
        ["INSERT INTO t (id) VALUES (1)"],
    ),
    "a table is renamed, and a column without NULL goes and comes": Case(
        [PARENT, table("t", integer(), integer(foreign("p.id"), name="z", nullable=False))],
        [PARENT, table("u", integer(), integer(name="n", nullable=False))],
        ["INSERT INTO p (id) VALUES (5)", "INSERT INTO t (id, a, z) VALUES (1, 5, 5)"],
        answers={"rename": "t:u", "fill": "u.n=0", "accept": "drop-column u.z: unused"},
    ),
    "a table is renamed and its columns change": Case(
        [PARENT, table("t", integer(foreign("p.id"), index=True), string("z"))],
        [PARENT, table("u", integer(foreign("p.id"), index=True, name="b"), integer(name="n"))],
        CHILD,
        answers={"rename": "t:u, t.a:b", "accept": "drop-column u.z: unused"},
    ),
}
NATURAL = table("t", lambda: Column("a", String(20), primary_key=True), key=False)
NUMBERED = table("t", lambda: Column("a", String(20), unique=True, nullable=False))
KEYED = [*X, "INSERT INTO t (id, a) VALUES (2, 'y')"]
PAIR = table(
    "t",
    integer(foreign("p.id"), primary_key=True),
    integer(foreign("p.id"), name="b", primary_key=True),
    key=False,
)
PAIR_WITH_ID = table(
    "t",
    integer(foreign("p.id"), nullable=False),
    integer(foreign("p.id"), name="b", nullable=False),
)
PAIRS = ["INSERT INTO p (id) VALUES (5), (7)", "INSERT INTO t (a, b) VALUES (5, 7), (7, 7)"]
CASES |= {
    "a number takes over from a name as the key": Case(
        [NATURAL], [NUMBERED], ["INSERT INTO t (a) VALUES ('x'), ('y')"]
    ),
    "a name takes over from a number as the key": Case([NUMBERED], [NATURAL], KEYED),
    "a pair gets a number as its key": Case([PARENT, PAIR], [PARENT, PAIR_WITH_ID], PAIRS),
    "a number leaves a pair to be the key": Case([PARENT, PAIR_WITH_ID], [PARENT, PAIR], PAIRS),
    "a part of the key goes": Case([table("t", integer(primary_key=True))], [table("t")], A),
    "a key that others refer to is renamed": Case(
        [PLAIN, table("u", integer(foreign("t.id")))],
        [
            table("t", integer(name="key", primary_key=True), integer(), key=False),
            table("u", integer(foreign("t.key"))),
        ],
        [*A, "INSERT INTO u (id, a) VALUES (1, 2)"],
        answers={"rename": "t.id:key"},
    ),
}
COUNTERS = {
    "a sequence": PLAIN,
    "an identity": table(
        "t", lambda: Column("id", Integer, Identity(), primary_key=True), integer(), key=False
    ),
    "an identity that takes no other number": table(
        "t",
        lambda: Column("id", Integer, Identity(always=True), primary_key=True),
        integer(),
        key=False,
    ),
}
COUNTED = {
    f"{before} numbers the rows, then {after}": Case(
        [COUNTERS[before]], [COUNTERS[after]], ["INSERT INTO t (a) VALUES (5), (7)"]
    )
    for before in COUNTERS
    for after in COUNTERS
    if before != after
}
CASES |= COUNTED
CASES |= {
    "a computed column with an index and a CHECK changes": Case(
        [table("t", integer(), computed("a * 2", index=True), check("b > 0", "b"))],
        [table("t", integer(), computed("a * 3", index=True), check("b > 0", "b"))],
        A,
        ["t.b"],
    ),
    "what a column is computed from changes its type": Case(
        [table("t", integer(), computed("a * 2"))],
        [table("t", lambda: Column("a", BigInteger), computed("a * 2"))],
        A,
    ),
    "a computed column is computed no more": Case(
        [table("t", integer(), computed("a * 2"))], [table("t", integer(), integer(name="b"))], A
    ),
    "another key where others refer to the old one": Case(
        [table("p", string("code")), table("t", integer(foreign("p.id")))],
        [
            table(
                "p",
                integer(name="id", unique=True, nullable=False),
                lambda: Column("code", String(20), primary_key=True),
                key=False,
            ),
            table("t", integer(foreign("p.id"))),
        ],
        ["INSERT INTO p (id, code) VALUES (5, 'x'), (7, 'y')", *A],
        answers={"fill": "p.code='?'"},
    ),
    "a key that others refer to becomes a text": Case(
        [PARENT, table("t", integer(foreign("p.id")))],
        [
            table("p", lambda: Column("id", String(20), primary_key=True), key=False),
            table("t", lambda: Column("a", String(20), ForeignKey("p.id"))),
        ],
        CHILD,
        ["p.id", "t.a"],
    ),
}
#: Where SQLite holds nothing of it.
ON_SERVERS_ALONE = {
    *COUNTED,
    "a sequence counts otherwise",
    "an identity beside the key goes",
    "an enum in an array gets a value",
    "an enum becomes an enum under another name",
    "an enum under another name becomes an enum",
    "an enum becomes a text with a CHECK",
    "a text with a CHECK becomes an enum",
    "an enum under another name becomes a text with a CHECK",
    "a text with a CHECK becomes an enum under another name",
}
EVERYWHERE = [
    (kind, name)
    for name in CASES
    for kind in ("project", "on_both")
    if kind == "on_both" or name not in ON_SERVERS_ALONE
]


def wanted(project: Project, versions: Sequence[Models]) -> Schema:
    project.metadata = models()
    for version in versions:
        version(project.metadata)
    url = make_url(project.url)
    source = Source("sqlite") if len(project.kinds) == 1 else Source("", url)
    with databases.from_models(project.metadata, source) as connection:
        return diff.describe(connection)


def new(project: Project, message: str, answers: dict[str, str]) -> Report:
    def ask(question: str, otherwise: str) -> str:
        return "no one reads it" if "Why" in question else otherwise

    parsed = Answers.parse(**answers, ask=ask)
    return migrate.write_migration(project.config(), message, answers=parsed)


def rows(project: Project) -> dict[tuple[str, str], list[str]]:
    """Return what each column holds."""
    found = {}
    with private(make_url(project.url)).connect() as connection:
        names = inspect(connection).get_table_names()
        for name in set(names) - {"alembic_version", "alembic_lossless_log"}:
            result = connection.execute(text(f'SELECT * FROM "{name}"'))
            columns, held = list(result.keys()), result.all()
            for at, column in enumerate(columns):
                found[name, column] = sorted(repr(row[at]) for row in held)
    return found


def kept(before: dict[Any, list[str]], after: dict[Any, list[str]], case: Case) -> Iterator[str]:
    for key in before.keys() & after.keys():
        if ".".join(key) not in case.computed and before[key] != after[key]:
            yield f"{key}: {before[key]} → {after[key]}"


@pytest.mark.parametrize(("kind", "name"), EVERYWHERE)
def test_there_and_back(request: pytest.FixtureRequest, kind: str, name: str) -> None:
    case, either = CASES[name], request.getfixturevalue(kind)
    first = wanted(either, case.before)
    new(either, "first", {})
    either.upgrade()
    assert either.schema() == first
    either.run(*case.rows)
    before = rows(either)

    second = wanted(either, case.after)
    report = new(either, "second", case.answers)
    assert report.paths
    either.upgrade()
    assert either.schema() == second
    after_there = rows(either)
    assert list(kept(before, after_there, case)) == []
    assert new(either, "third", {}).paths == []
    agreement = either.verify()
    assert agreement.agrees, agreement.lines()

    for _ in report.paths:
        either.downgrade()
    assert either.schema() == first
    back = {key: held for key, held in rows(either).items() if key in after_there}
    assert list(kept(before, back, Case([], []))) == []
    either.upgrade()
    assert either.schema() == second


def test_a_key_counts_on_from_the_rows_that_are_there(on_both: Project) -> None:
    wanted(on_both, [table("t", integer(primary_key=True))])
    new(on_both, "first", {})
    on_both.upgrade()
    on_both.run(*A)
    wanted(on_both, [PLAIN])
    report = new(on_both, "second", {})
    assert {finding.rule for finding in report.findings} == set()
    on_both.upgrade()
    on_both.run("INSERT INTO t (a) VALUES (9)")
    assert on_both.run("SELECT id, a FROM t ORDER BY id") == [(1, 5), (2, 7), (3, 9)]
