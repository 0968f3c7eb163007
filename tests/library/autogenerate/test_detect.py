"""What a model can say and Alembic does not see, or gets wrong: it comes out right here.

Each case is two versions of a table. Stock Alembic, asked about the second with the first in the
database, proposes something else; after a new migration and an upgrade the schema is the one that
``create_all`` makes, a second new migration finds nothing, and the way back leads to the first.
"""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Computed,
    Enum,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    make_url,
    text,
)
from sqlalchemy.schema import SchemaItem

from alembic_lossless.autogenerate import migrate
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.run.connection import private
from alembic_lossless.schema import diff
from alembic_lossless.schema.model import Schema
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import Source
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import stock

Version = Callable[[MetaData], object]


def table(*items: Callable[[], SchemaItem], **options: object) -> Version:
    def add(metadata: MetaData) -> None:
        key = Column("id", Integer, primary_key=True)
        Table("t", metadata, key, *[item() for item in items], **options)

    return add


def indexed(make: Callable[[Table], Index]) -> Version:
    def add(metadata: MetaData) -> None:
        made = Table("t", metadata, Column("id", Integer, primary_key=True), Column("a", Integer))
        make(made)

    return add


def integer(*items: Callable[[], SchemaItem], **options: object) -> Callable[[], Column]:
    return lambda: Column("a", Integer, *[item() for item in items], **options)


def string(**options: object) -> Callable[[], Column]:
    return lambda: Column("a", String(9, **options))


def check(condition: str, name: str) -> Callable[[], CheckConstraint]:
    return lambda: CheckConstraint(condition, name=name)


def enum(*values: str) -> Callable[[], Column]:
    kind = {"name": "kind", "create_constraint": True, "native_enum": False, "length": 9}
    return lambda: Column("a", Enum(*values, **kind))


NOTHING_SEEN: dict[str, tuple[Version, Version]] = {
    "CHECK at a column added": (table(integer()), table(integer(check("a > 0", "a")))),
    "CHECK changed under its name": (
        table(integer(), check("a > 0", "a")),
        table(integer(), check("a > 9", "a")),
    ),
    "CHECK dropped": (table(integer(), check("a > 0", "a")), table(integer())),
    "one CHECK of two changed": (
        table(integer(), check("a > 0", "low"), check("a < 99", "high")),
        table(integer(), check("a > 0", "low"), check("a < 100", "high")),
    ),
    "enum value of the same length": (table(enum("red", "ada")), table(enum("red", "bob"))),
    "enum value renamed": (table(enum("one", "two")), table(enum("one", "six"))),
    "condition of a partial index": (
        indexed(lambda t: Index("i", t.c.a, sqlite_where=t.c.a > 1, postgresql_where=t.c.a > 1)),
        indexed(lambda t: Index("i", t.c.a, sqlite_where=t.c.a > 2, postgresql_where=t.c.a > 2)),
    ),
    "index on an expression": (
        table(integer()),
        indexed(lambda t: Index("i", func.abs(t.c.a))),
    ),
    "descending index": (
        indexed(lambda t: Index("i", t.c.a)),
        indexed(lambda t: Index("i", t.c.a.desc())),
    ),
    "computed expression": (
        table(integer(), lambda: Column("b", Integer, Computed("a + 1"))),
        table(integer(), lambda: Column("b", Integer, Computed("a + 2"))),
    ),
    "server default": (table(integer(server_default="7")), table(integer(server_default="8"))),
    "collation": (table(string()), table(string(collation="NOCASE"))),
    "AUTOINCREMENT": (table(integer()), table(integer(), sqlite_autoincrement=True)),
    "no AUTOINCREMENT": (table(integer(), sqlite_autoincrement=True), table(integer())),
    "STRICT": (table(integer()), table(integer(), sqlite_strict=True)),
    "no STRICT": (table(integer(), sqlite_strict=True), table(integer())),
    "WITHOUT ROWID": (table(integer()), table(integer(), sqlite_with_rowid=False)),
    "no WITHOUT ROWID": (table(integer(), sqlite_with_rowid=False), table(integer())),
}
SEEN_WRONGLY: dict[str, tuple[Version, Version]] = {
    "column joins the primary key": (
        table(integer(nullable=False)),
        table(integer(primary_key=True, autoincrement=False)),
    ),
    "column leaves the primary key": (
        table(integer(primary_key=True, autoincrement=False)),
        table(integer(nullable=False)),
    ),
    "STRICT and a type that it does not take": (
        table(lambda: Column("a", Text), sqlite_strict=True),
        table(string()),
    ),
}
CASES = {**NOTHING_SEEN, **SEEN_WRONGLY}
SERVER = sorted(name for name in CASES if name.upper() != name and "STRICT" not in name)
SERVER = [name for name in SERVER if name not in ("collation", "no AUTOINCREMENT")]


def answers() -> Answers:
    return Answers(ask=lambda question, otherwise: "x" if "Why" in question else otherwise)


def wanted(version: Version, project: Project) -> Schema:
    project.metadata.clear()
    version(project.metadata)
    url = make_url(project.url)
    source = Source("sqlite") if len(project.kinds) == 1 else Source("", url)
    with databases.from_models(project.metadata, source) as connection:
        return diff.describe(connection)


def migrated(project: Project, case: str) -> None:
    changed(project, *CASES[case])


def changed(project: Project, before: Version, after: Version) -> None:
    first = wanted(before, project)
    migrate.write_migration(project.config(), "first", answers=answers())
    project.upgrade()
    assert project.schema() == first

    second = wanted(after, project)
    report = migrate.write_migration(project.config(), "second", answers=answers())
    project.upgrade()
    assert project.schema() == second
    assert migrate.write_migration(project.config(), "third", answers=answers()).paths == []
    for _ in report.paths:
        project.downgrade()
    assert project.schema() == first


@pytest.mark.parametrize("case", CASES)
def test_on_sqlite(project: Project, case: str) -> None:
    migrated(project, case)


NUMBERED: dict[str, Version] = {
    "a sequence": lambda m: Table("t", m, Column("id", Integer, primary_key=True)),
    "a default": lambda m: Table(
        "t", m, Column("id", Integer, primary_key=True, server_default="7")
    ),
    "another type": lambda m: Table("t", m, Column("id", BigInteger, primary_key=True)),
}


@pytest.mark.parametrize("before", NUMBERED)
@pytest.mark.parametrize("after", NUMBERED)
def test_what_numbers_the_rows_changes_on_postgresql(
    on_both: Project, before: str, after: str
) -> None:
    if before != after:
        changed(on_both, NUMBERED[before], NUMBERED[after])


@pytest.mark.parametrize("case", SERVER)
def test_on_postgresql(on_both: Project, case: str) -> None:
    migrated(on_both, case)


def seen_by_stock(url: str, metadata: MetaData, **options: object) -> list[object]:
    """Return what stock autogenerate would make of the models, on the database as it is."""
    options = {"compare_type": True, **options}
    with private(make_url(url)).connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = MigrationContext.configure(connection, opts=options)
        seen = compare_metadata(context, metadata)
    return [item for item in seen if "alembic" not in str(item) and "log" not in str(item)]


def between(project: Project, before: Version, after: Version) -> None:
    """Bring the real database to the first version, and the models to the second."""
    wanted(before, project)
    migrate.write_migration(project.config(), "first", answers=answers())
    project.upgrade()
    wanted(after, project)


@pytest.mark.parametrize("case", NOTHING_SEEN)
def test_stock_sees_nothing(project: Project, case: str) -> None:
    between(project, *NOTHING_SEEN[case])
    assert seen_by_stock(project.url, project.metadata) == []


def test_stocks_plugin_sees_names_alone(project: Project) -> None:
    plugins = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"]
    between(project, *NOTHING_SEEN["CHECK changed under its name"])
    assert seen_by_stock(project.url, project.metadata, autogenerate_plugins=plugins) == []
    wanted(table(integer()), project)
    ((said, dropped),) = seen_by_stock(project.url, project.metadata, autogenerate_plugins=plugins)
    assert (said, dropped.name) == ("remove_constraint", "ck_t_a")


FIRST: dict[str, tuple[str, Version]] = {
    "index on an expression": ("index", indexed(lambda t: Index("i", func.abs(t.c.a)))),
    "CHECK at a column": ("constraint", table(integer(check("a > 0", "a")))),
}


@pytest.mark.parametrize(("kind", "version"), FIRST.values(), ids=FIRST)
@pytest.mark.filterwarnings("ignore:autogenerate skipping")
def test_stock_leaves_it_out_of_a_new_table(project: Project, kind: str, version: Version) -> None:
    whole = wanted(version, project)
    stock(project.url, version)
    assert [key.kind for key in whole.keys() - project.schema().keys()] == [kind]
    project.run("DROP TABLE t")
    migrate.write_migration(project.config(), "first", answers=answers())
    project.upgrade()
    assert project.schema() == whole


def test_a_comment_reaches_postgresql(on_both: Project, tmp_path: Path) -> None:
    """Stock, asked where one develops, sees none: SQLite has no comments."""
    bare = table(integer())
    said = table(integer(comment="years"), comment="People")
    between(on_both, bare, said)
    development = f"sqlite:///{tmp_path / 'development.sqlite'}"
    stock(development, bare)
    assert seen_by_stock(development, on_both.metadata) == []
    migrate.write_migration(on_both.config(), "comments", answers=answers())
    on_both.upgrade()
    assert on_both.run(
        "SELECT obj_description('t'::regclass), col_description('t'::regclass, 2)"
    ) == [("People", "years")]


def test_a_default_of_nothing_is_no_difference(project: Project) -> None:
    """Stock finds the empty default changed, again and again."""
    with_default = table(lambda: Column("a", String(9), server_default=""))
    between(project, with_default, with_default)
    seen = seen_by_stock(project.url, project.metadata, compare_server_default=True)
    assert "modify_default" in str(seen)
    assert migrate.write_migration(project.config(), "again", answers=answers()).paths == []


def test_a_changed_default_leaves_the_rows(project: Project) -> None:
    first = table(lambda: Column("a", String(9), server_default="old"))
    second = table(lambda: Column("a", String(9), server_default=text("'it''s'")))
    wanted(first, project)
    migrate.write_migration(project.config(), "first", answers=answers())
    project.upgrade()
    project.run("INSERT INTO t (id) VALUES (1)")
    wanted(second, project)
    migrate.write_migration(project.config(), "second", answers=answers())
    project.upgrade()
    project.run("INSERT INTO t (id) VALUES (2)")
    assert project.run("SELECT a FROM t ORDER BY id") == [("old",), ("it's",)]
