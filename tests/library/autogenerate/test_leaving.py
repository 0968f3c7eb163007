"""Files that autogenerate writes run under stock Alembic: who leaves keeps the chain.

Each change is written here and run in a process that knows nothing of this library, with the
models' naming convention as Alembic documents it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, Enum, ForeignKey, Index, Integer, MetaData, String

from alembic_lossless.run.connection import private
from alembic_lossless.schema import diff
from tests.library.autogenerate.project import Project
from tests.library.autogenerate.stock import CONVENTION, stock

Models = Callable[[MetaData], object]


@dataclass(frozen=True)
class Change:
    """Models before and after, and the answers to what is asked."""

    before: Models
    after: Models
    answers: dict[str, Any] = field(default_factory=dict)


def user(*items: Any, **options: Any) -> Models:
    """One table with *items* beside its key."""

    def make(metadata: MetaData) -> None:
        sa.Table(
            "user",
            metadata,
            Column("id", Integer, primary_key=True),
            *(item() if callable(item) else item._copy() for item in items),
            **options,
        )

    return make


def both(*models: Models) -> Models:
    def make(metadata: MetaData) -> None:
        for model in models:
            model(metadata)

    return make


def town(*items: Any) -> Models:
    def make(metadata: MetaData) -> None:
        columns = (item() if callable(item) else item._copy() for item in items)
        sa.Table("town", metadata, Column("id", Integer, primary_key=True), *columns)

    return make


def column(name: str, type_: Any = String, **options: Any) -> Callable[[], Column[Any]]:
    return lambda: Column(name, type_, **options)


def mood(*values: str, **options: Any) -> Callable[[], Column[Any]]:
    """A column of an enum with a CHECK."""
    return lambda: Column(
        "mood",
        Enum(*values, name="mood", native_enum=False, create_constraint=True, length=20),
        **options,
    )


def check(text: str, name: str) -> Callable[[], CheckConstraint]:
    return lambda: CheckConstraint(text, name=name)


def unique(*names: str, name: str | None = None) -> Callable[[], sa.UniqueConstraint]:
    return lambda: sa.UniqueConstraint(*names, name=name)


def index(name: str, *names: str, **options: Any) -> Callable[[], Index]:
    return lambda: Index(name, *names, **options)


def points_to(name: str, **options: Any) -> Callable[[], Column[Any]]:
    return lambda: Column(f"{name}_id", ForeignKey(f"{name}.id", **options))


RENAME = {"rename": "user.name:full_name"}

CHANGES = {
    "rename": Change(user(column("name")), user(column("full_name")), RENAME),
    "rename and type": Change(user(column("name")), user(column("full_name", String(90))), RENAME),
    "rename and default": Change(
        user(column("name")), user(column("full_name", server_default="x")), RENAME
    ),
    "rename and NOT NULL": Change(
        user(column("name")),
        user(column("full_name", nullable=False)),
        {**RENAME, "fill": "user.full_name='x'"},
    ),
    "rename and index": Change(
        user(column("name", index=True)), user(column("full_name", index=True)), RENAME
    ),
    "rename and new index": Change(
        user(column("name")), user(column("full_name", index=True)), RENAME
    ),
    "rename and unique": Change(
        user(column("name"), unique("name")), user(column("full_name"), unique("full_name")), RENAME
    ),
    "rename and check": Change(
        user(column("name"), check("name <> ''", "named")),
        user(column("full_name"), check("full_name <> ''", "named")),
        RENAME,
    ),
    "rename and its old name again": Change(
        user(column("name")), user(column("full_name", Integer), column("name")), {}
    ),
    "rename of two that keep their index": Change(
        user(column("name"), column("note"), index("ix_both", "name", "note")),
        user(column("full_name"), column("remark"), index("ix_both", "full_name", "remark")),
        {"rename": "user.name:full_name, user.note:remark"},
    ),
    "rename of table": Change(
        user(column("name")),
        lambda metadata: sa.Table(
            "person", metadata, Column("id", Integer, primary_key=True), Column("name", String(20))
        ),
        {"rename": "user:person"},
    ),
    "rename of a foreign key's column": Change(
        both(town(), user(points_to("town"))),
        both(town(), user(lambda: Column("home_id", ForeignKey("town.id")))),
        {"rename": "user.town_id:home_id"},
    ),
    "add column": Change(user(), user(column("name"))),
    "add NOT NULL column": Change(
        user(), user(column("name", nullable=False)), {"fill": "user.name='x'"}
    ),
    "add column with index and unique": Change(
        user(), user(column("name", index=True), column("mail", unique=True))
    ),
    "drop column": Change(
        user(column("name", nullable=False)), user(), {"accept": "drop-column user.name: unused"}
    ),
    "drop column with index": Change(
        user(column("name", index=True)), user(), {"accept": "drop-column user.name: unused"}
    ),
    "drop column with unique": Change(
        user(column("name"), unique("name")), user(), {"accept": "drop-column user.name: unused"}
    ),
    "drop column with check": Change(
        user(column("age", Integer), check("age > 0", "old")),
        user(),
        {"accept": "drop-column user.age: unused"},
    ),
    "drop column with foreign key": Change(
        both(town(), user(points_to("town"))),
        both(town(), user()),
        {"accept": "drop-column user.town_id: unused"},
    ),
    "drop table": Change(
        both(town(), user(column("age", Integer), points_to("town"), check("age > 0", "old"))),
        town(),
        {"accept": "drop-table user: unused"},
    ),
    "type": Change(user(column("name", String(20))), user(column("name", String(90)))),
    "type and default": Change(
        user(column("age", Integer, server_default="7")),
        user(column("age", String(9), server_default="x")),
    ),
    "NOT NULL": Change(
        user(column("name")), user(column("name", nullable=False)), {"fill": "user.name='x'"}
    ),
    "NULL": Change(user(column("name", nullable=False)), user(column("name"))),
    "default": Change(user(column("name")), user(column("name", server_default="x"))),
    "index": Change(user(column("name")), user(column("name", index=True))),
    "index changed": Change(
        user(column("name"), index("ix_one", "name")),
        user(column("name"), index("ix_one", "name", "id", unique=True)),
    ),
    "unique": Change(user(column("name")), user(column("name"), unique("name"))),
    "unique changed": Change(
        user(column("name"), column("note"), unique("name", name="uq_one")),
        user(column("name"), column("note"), unique("name", "note", name="uq_one")),
    ),
    "check": Change(
        user(column("age", Integer)), user(column("age", Integer), check("age > 0", "old"))
    ),
    "check changed": Change(
        user(column("age", Integer), check("age > 0", "old")),
        user(column("age", Integer), check("age > 1", "old")),
    ),
    "check dropped": Change(
        user(column("age", Integer), check("age > 0", "old")), user(column("age", Integer))
    ),
    "check with a long name": Change(
        user(column("age", Integer)), user(column("age", Integer), check("age > 0", "old" * 9))
    ),
    "foreign key": Change(
        both(town(), user(column("town_id", Integer))), both(town(), user(points_to("town")))
    ),
    "foreign key changed": Change(
        both(town(), user(points_to("town"))),
        both(town(), user(points_to("town", ondelete="CASCADE"))),
    ),
    "tables that point to each other": Change(
        town(), both(town(points_to("user", use_alter=True)), user(points_to("town")))
    ),
    "enum value renamed": Change(
        user(mood("fine", "sad")),
        user(mood("fine", "blue")),
        {"rename": "user.mood.sad:blue"},
    ),
    "enum value dropped": Change(
        user(mood("fine", "sad")), user(mood("fine")), {"fill": "user.mood.sad='fine'"}
    ),
    "enum value added": Change(user(mood("fine")), user(mood("fine", "sad"))),
    "primary key": Change(
        user(column("code", Integer, nullable=False)),
        lambda metadata: sa.Table(
            "user",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("code", Integer, primary_key=True),
        ),
    ),
    "generated column": Change(
        user(column("age", Integer), lambda: Column("next", Integer, sa.Computed("age + 1"))),
        user(column("age", Integer), lambda: Column("next", Integer, sa.Computed("age + 2"))),
    ),
}


def write(project: Project, change: Change) -> None:
    """Write the revisions of *change*, as the commands do."""
    for models, answers in ((change.before, {}), (change.after, change.answers)):
        project.metadata = MetaData(naming_convention=CONVENTION)
        models(project.metadata)
        project.new("change", **answers)


#: Stock copies the table with its CHECK as it is, which then names a column that is gone.
BEYOND_STOCK = {"rename and check": "no such column: name"}


@pytest.mark.parametrize("name", CHANGES)
def test_change_runs_under_stock_on_sqlite(project: Project, name: str) -> None:
    write(project, CHANGES[name])
    error = stock(project, project.url, "head", "base", "head")
    if name in BEYOND_STOCK:
        assert BEYOND_STOCK[name] in error
        return
    assert error == ""
    with private(sa.make_url("sqlite://")).connect() as connection:
        project.metadata.create_all(connection)
        assert diff.differences(project.schema(), diff.describe(connection)) == []


UNNAMED = """
op.execute("CREATE TABLE town (id INTEGER NOT NULL PRIMARY KEY)")
op.execute(
    "CREATE TABLE user (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR, note VARCHAR, "
    "home_id INTEGER REFERENCES town (id), town_id INTEGER REFERENCES town (id), "
    "UNIQUE (name), UNIQUE (note))"
)
"""
HOME = Column("home_id", ForeignKey("town.id"))


@pytest.mark.parametrize(
    "items",
    [
        (unique("note"), HOME, points_to("town")),
        (unique("name", "note"), unique("note"), HOME, points_to("town")),
        (unique("name"), unique("note"), column("home_id", Integer), points_to("town")),
        (unique("name"), unique("note"), HOME, points_to("town", ondelete="CASCADE")),
    ],
    ids=["unique dropped", "unique changed", "foreign key dropped", "foreign key changed"],
)
def test_constraint_without_a_name_is_dropped_under_stock(
    project: Project, items: tuple[Any, ...]
) -> None:
    """Where models have no convention, stock's own revisions name none of them."""
    project.by_hand(UNNAMED.strip(), 'op.drop_table("user")\nop.drop_table("town")')
    both(town(), user(column("name"), column("note"), *items))(project.metadata)
    project.new("change")
    assert stock(project, project.url, "head", "-1", "head") == ""
    project.run("DROP TABLE user", "DROP TABLE town", "DROP TABLE alembic_version")
    assert stock(project, project.url, "head", "-1") == ""
    # What stock has named meanwhile is found by its name here, and what nobody named is too.
    project.upgrade()
    project.downgrade("-1")
    project.upgrade()


def test_new_columns_get_their_values_under_stock(project: Project) -> None:
    columns = [column(name, Integer, nullable=False) for name in ("age", "size")]
    change = Change(user(), user(*columns), {"fill": "user.age=30, user.size=7"})
    project.metadata = MetaData(naming_convention=CONVENTION)
    change.before(project.metadata)
    project.new("tables")
    assert stock(project, project.url, "head") == ""
    project.run("INSERT INTO user (id) VALUES (1)")
    project.metadata = MetaData(naming_convention=CONVENTION)
    change.after(project.metadata)
    project.new("change", **change.answers)
    assert stock(project, project.url, "head") == ""
    assert project.run("SELECT id, age, size FROM user") == [(1, 30, 7)]


def on_server(metadata: MetaData, changed: bool) -> None:
    """Tables of which each changes in one way, most of them in revisions of their own."""
    new = [Column("note", String, comment="new")] if changed else []
    moods = ["fine", "sad", *(["blue"] if changed else [])]
    sa.Table(
        "town",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("name", String(20), nullable=not changed),
        Column("code", String(90 if changed else 20), unique=changed),
        Column("full_name" if changed else "title", String(90 if changed else 20), index=True),
        Column("mood", Enum(*moods, name="mood")),
        Column("size", Enum("s", "l", name="size", native_enum=False, create_constraint=True)),
        Column("age", Integer, index=changed),
        *([CheckConstraint("age > 0", "old")] if changed else [CheckConstraint("age > 1", "aged")]),
        *new,
        comment="towns" if changed else None,
    )
    key = ForeignKey("town.id", ondelete="CASCADE") if changed else None
    sa.Table(
        "user",
        metadata,
        Column("id", Integer, primary_key=True),
        *([Column("town_id", Integer, key)] if key else [Column("town_id", Integer)]),
        *(
            []
            if changed
            else [Column("age", Integer, nullable=False), CheckConstraint("age > 0", "x")]
        ),
    )
    if not changed:
        sa.Table(
            "old", metadata, Column("id", Integer, primary_key=True), Column("at", sa.DateTime)
        )


def test_changes_split_for_postgresql_run_under_stock(on_both: Project) -> None:
    change = Change(
        lambda metadata: on_server(metadata, False),
        lambda metadata: on_server(metadata, True),
        {
            "rename": "town.title:full_name",
            "fill": "town.name='x'",
            "accept": "drop-column user.age: unused; drop-table old: unused",
        },
    )
    write(on_both, change)
    assert len(list((on_both.folder / "versions").glob("*.py"))) > 4
    assert stock(on_both, on_both.url, "head", "base", "head") == ""
    by_stock = on_both.schema()
    on_both.downgrade("base")
    on_both.upgrade()
    assert on_both.schema() == by_stock
    sqlite = f"sqlite:///{on_both.folder / 'stock.sqlite'}"
    assert stock(on_both, sqlite, "head", "base", "head") == ""
