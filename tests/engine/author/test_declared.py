"""The way back of a revision is written as the chain's own files are."""

from migrator import scratch
from migrator.author import declared
from sqlalchemy import Boolean, Column, DateTime, Integer, String, Table, false, func

from tests.engine.author.project import Project


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


def test_what_was_not_run_is_read_from_the_files(project: Project) -> None:
    """A database that was kept from an earlier run saw no operation."""
    table = Table("person", project.metadata, Column("id", Integer, primary_key=True))
    table.append_column(Column("name", String(9)))
    project.new("people")
    project.by_hand('op.get_bind().execute(sa.text("SELECT 1")).scalar_one()')
    project.by_hand('op.rename_table("person", "human")')
    project.by_hand('op.alter_column("human", "name", new_column_name="title")')
    with scratch.from_chain(project.script, scratch.Source("sqlite")) as ran:
        seen = declared.columns(ran)
    with scratch.empty(scratch.Source("sqlite")) as kept:
        read = declared.columns(kept, project.script)
    assert set(read) == {("human", "id"), ("human", "title")}
    assert {key: repr(column) for key, column in read.items()} == {
        key: repr(column) for key, column in seen.items()
    }
