"""The way back of a revision is written as the chain's own files are."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Enum,
    Index,
    Integer,
    String,
    Table,
    Text,
    false,
    func,
)

from alembic_lossless.autogenerate import replayed
from alembic_lossless.run import recorder
from alembic_lossless.schema import diff
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import Source, empty_database, find_sources
from tests.library.autogenerate.project import Project


def test_a_dropped_column_comes_back_as_it_was_declared(on_both: Project) -> None:
    """Stock writes what PostgreSQL reflects, a default of which does not run on SQLite."""
    project = on_both
    table = Table("person", project.metadata, Column("id", Integer, primary_key=True))
    table.append_column(Column("kind", String(9), nullable=False, server_default="it's"))
    table.append_column(Column("made", DateTime, server_default=func.now()))
    table.append_column(Column("off", Boolean, server_default=false()))
    project.new("people")
    project.metadata.clear()
    Table("person", project.metadata, Column("id", Integer, primary_key=True))
    columns = ("kind", "made", "off")
    consent = "; ".join(f"drop-column person.{name}: unused" for name in columns)
    project.new("fewer", accept=consent)
    back = project.last().partition("def downgrade")[2]
    assert "sa.String(length=9)" in back
    assert 'server_default="it\'s"' in back
    assert "server_default=sa.func.now()" in back
    assert "server_default=sa.false()" in back
    assert "::" not in back


def test_conditions_come_back_as_they_were_declared(on_both: Project) -> None:
    """Stock writes no way back at all; PostgreSQL's own text does not run on SQLite."""

    def book(*moods: str, longest: int) -> None:
        on_both.metadata.clear()
        kind = {"native_enum": False, "create_constraint": True, "length": 9}
        items = [
            Column("id", Integer, primary_key=True),
            Column("mood", Enum(*moods, name="mood", **kind)),
            Column("title", Text),
            CheckConstraint(f"length(title) < {longest} AND title IN ('a', 'b')", name="short"),
        ]
        table = Table("book", on_both.metadata, *items)
        Index("ix_lower", func.lower(table.c.title), unique=longest > 9)

    book("fine", longest=9)
    on_both.new("first")
    for number in (10, 11):  # made by create_table, then by operations of their own
        book("fine", *"abc"[: number - 8], longest=number)
        reports = on_both.new(f"longest {number}").paths
        for path in reports:
            back = path.read_text().partition("def downgrade")[2]
            assert "ARRAY" not in back
            assert "::" not in back
    on_both.upgrade()
    for kind in on_both.kinds:
        (source,) = [s for s in find_sources(on_both.kinds, on_both.url)[0] if s.kind == kind]
        with databases.from_chain(on_both.script, source, metadata=on_both.metadata) as connection:
            assert not schema_of_models(on_both, source, connection)
    on_both.downgrade("base")
    assert on_both.schema() == {}


def schema_of_models(project: Project, source: Source, found: Connection) -> list[str]:
    """Return how *found* differs from what the models make."""
    with databases.from_models(project.metadata, source) as wanted:
        differences = diff.differences(diff.describe(found), diff.describe(wanted))
    return [str(item) for item in differences]


def test_what_was_not_run_is_read_from_the_files(project: Project) -> None:
    """A database that was kept from an earlier run saw no operation."""
    table = Table("person", project.metadata, Column("id", Integer, primary_key=True))
    table.append_column(Column("name", String(9)))
    project.new("people")
    project.by_hand('op.get_bind().execute(sa.text("SELECT 1")).scalar_one()')
    project.by_hand('op.rename_table("person", "human")')
    project.by_hand('op.alter_column("human", "name", new_column_name="title")')
    with databases.from_chain(project.script, Source("sqlite")) as ran:
        seen = replayed.read(ran, recorder.invoked(ran)).columns
    with empty_database(Source("sqlite")) as kept:
        read = replayed.read(kept, [], project.script).columns
    assert set(read) == {("human", "id"), ("human", "title")}
    assert {key: repr(column) for key, column in read.items()} == {
        key: repr(column) for key, column in seen.items()
    }
