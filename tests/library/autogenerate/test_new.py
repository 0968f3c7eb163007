"""A new migration: written whole, once, from what changed, and from nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    func,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import INT4RANGE, JSONB, ExcludeConstraint

from alembic_lossless.autogenerate import migrate
from alembic_lossless.run.connection import private
from alembic_lossless.schema import dialect_support, diff, model
from alembic_lossless.schema.model import Key, Schema
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import Source
from tests.library.autogenerate.project import Project


def user(project: Project, *columns: Column) -> Table:
    project.metadata.clear()
    return Table("user", project.metadata, Column("id", Integer, primary_key=True), *columns)


def wanted(project: Project) -> Schema:
    with databases.from_models(project.metadata, Source("sqlite")) as connection:
        return diff.describe(connection)


def test_a_column_reaches_the_rows_that_are_there(project: Project) -> None:
    user(project, Column("name", String(30), nullable=False))
    project.new("users")
    project.upgrade()
    project.run("INSERT INTO user (name) VALUES ('Ada')")

    user(project, Column("name", String(30), nullable=False), Column("nickname", String(30)))
    report = project.new("add nickname")
    project.upgrade()

    assert [str(operation) for operation in report.operations] == ["add column user.nickname"]
    assert project.run("SELECT name, nickname FROM user") == [("Ada", None)]
    assert project.schema() == wanted(project)


def test_nothing_changed_writes_nothing(project: Project) -> None:
    user(project)
    project.new("users")
    files = sorted(project.folder.rglob("*.py"))
    report = project.new("again")
    assert report.paths == []
    assert sorted(project.folder.rglob("*.py")) == files
    assert report.lines() == ["Nothing changed: the models and the migrations agree."]


def test_the_real_database_is_never_asked(project: Project, tmp_path: Path) -> None:
    """Stock compares with whatever the developer's database happens to hold."""
    user(project)
    project.run("CREATE TABLE leftover (id INTEGER)")
    before = (tmp_path / "real.sqlite").read_bytes()
    report = project.new("users")
    assert [str(operation) for operation in report.operations] == ["create table user"]
    assert (tmp_path / "real.sqlite").read_bytes() == before


def test_the_file_is_plain_formatted_and_reviewed(project: Project) -> None:
    user(
        project,
        Column("age", Integer, CheckConstraint("age > 0", name="old")),
        Column("nick", String(9)),
    )
    (path,) = project.new("first users").paths
    written = path.read_text()
    assert path.name.endswith("_first_users.py")
    assert written.startswith('"""first users\n')
    assert "Reviewed for SQLite.\n\n- create table user" in written
    assert "alembic_lossless" not in written
    assert "# ###" not in written
    imports = re.findall(r"(?m)^(?:from|import) (\w+)", written)
    assert set(imports) == {"sqlalchemy", "alembic"}
    ruff = [sys.executable, "-m", "ruff"]
    for check in (["format", "--check"], ["check", "--select=E,F,W,I", "--line-length=100"]):
        done = subprocess.run([*ruff, *check, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_what_is_not_used_is_not_imported(project: Project) -> None:
    """An empty one keeps what most people need."""
    user(project, Column("age", Integer, CheckConstraint("age > 0", name="age")))
    project.new("users")
    user(project, Column("age", Integer))
    project.new("any age")
    assert "import sqlalchemy" not in project.last()
    project.upgrade()
    migrate.write_migration(project.config(), "by hand", empty=True)
    assert "import sqlalchemy as sa\nfrom alembic import op" in project.last()


def test_it_is_readable_without_ruff(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    user(project)
    (path,) = project.new("users").paths
    assert "    op.create_table('user',\n        sa.Column('id'" in path.read_text()


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_stock_verbs_take_the_same_way(project: Project) -> None:
    """Alembic passes over expression indexes with a warning; the database would lack it."""
    table = user(project, Column("name", String(30)))
    Index("ix_lower", func.lower(table.c.name))
    project.new("first")
    table.indexes.clear()
    Index("ix_upper", func.upper(table.c.name))
    project.migrate()
    assert "# ###" not in project.last()
    assert "create index ix_upper on user" in project.last()
    project.upgrade()
    assert project.schema() == wanted(project)


def test_what_a_person_made_by_hand_stays(project: Project) -> None:
    """Stock proposes to drop the table and the index, and says nothing of the rest."""
    user(project, Column("name", String(30)))
    project.new("users")
    project.by_hand(
        'op.execute("CREATE INDEX ix_raw ON user (name)")\n'
        'op.execute("CREATE TABLE by_hand (id INTEGER)")\n'
        'op.execute("CREATE VIEW names AS SELECT name FROM user")\n'
        'op.execute("CREATE TRIGGER t AFTER INSERT ON user BEGIN SELECT 1; END")'
    )
    project.upgrade()
    for number in range(3):
        columns = [Column(f"c{n}", Integer) for n in range(number + 1)]
        user(project, Column("name", String(30)), *columns)
        report = project.new(f"add c{number}")
        assert [str(operation) for operation in report.operations] == [f"add column user.c{number}"]
    project.upgrade()
    kept = [
        "by_hand, made by raw SQL",
        "ix_raw, made by raw SQL",
        "trigger t on user",
        "view names",
    ]
    agreement = project.verify()
    assert agreement.agrees
    assert agreement.unmanaged == {"sqlite": kept}


def test_one_set_of_files_for_postgresql_and_sqlite(on_both: Project) -> None:
    """Stock renders a comment, a GIN index and an exclusion constraint that SQLite refuses."""
    project = on_both
    portable_models(project)
    report = project.new("bookings")
    table = project.metadata.tables["booking"]
    table.comment = "All bookings"
    table.c.room.comment = "The room's number"
    commented = project.new("comments")
    assert project.new("again").paths == []

    rules = {(finding.rule, finding.subject) for finding in report.findings}
    assert rules == {
        ("enum", "booking"),
        ("not-on-sqlite", "excl_booking"),
        ("not-on-sqlite", "ix_booking_tags"),
        ("partial-index", "ix_named"),
        ("partial-index", "ix_open"),
    }
    assert [finding.subject for finding in commented.findings] == ["booking.room", "booking"]
    assert 'if op.get_context().dialect.name != "sqlite":' in project.last()

    project.upgrade()
    with private(make_url(project.url)).connect() as connection:
        comments = (
            "SELECT obj_description('booking'::regclass), col_description('booking'::regclass, 2)"
        )
        assert connection.execute(text(comments)).one() == ("All bookings", "The room's number")
        found = diff.describe(connection)
    assert str(found[Key("", "sequence", "invoice")]).startswith("bigint START 100")
    assert found[Key("booking", "index", "ix_booking_tags")] == model.Index(("tags",), method="gin")
    assert "EXCLUDE USING gist" in str(found[Key("booking", "constraint", "excl_booking")])

    with databases.from_chain(project.script, Source("sqlite")) as chain:
        assert diff.describe(chain) == wanted(project)
    project.downgrade("base")
    assert project.schema() == {}


def portable_models(project: Project) -> None:
    metadata = project.metadata
    Sequence("invoice", start=100, metadata=metadata)
    Table(
        "booking",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("room", Integer, nullable=False),
        Column("during", String(40).with_variant(INT4RANGE(), "postgresql")),
        Column("tags", JSON().with_variant(JSONB(), "postgresql")),
        Column("open", Boolean),
        Column("mood", Enum("fine", "grumpy", name="mood")),
        Column("after", ForeignKey("booking.id")),
        ExcludeConstraint(("during", "&&"), name="excl_booking", using="gist"),
    )
    table = metadata.tables["booking"]
    Index("ix_booking_tags", table.c.tags, postgresql_using="gin")
    Index("ix_open", table.c.room, unique=True, postgresql_where=table.c.open)
    Index("ix_named", table.c.room, postgresql_where="room > 0")


def test_what_is_for_postgresql_is_passed_over_by_create_all(project: Project) -> None:
    """SQLAlchemy fails on the exclusion constraint, and indexes half as wanted."""
    portable_models(project)
    assert dialect_support.make_portable(project.metadata)
    assert not dialect_support.make_portable(project.metadata)
    found = wanted(project)
    assert Key("booking", "index", "ix_booking_tags") not in found
    ix_open = model.Index(("room",), unique=True, condition="open")
    assert found[Key("booking", "index", "ix_open")] == ix_open
    assert found[Key("booking", "index", "ix_named")] == model.Index(
        ("room",), condition="room > 0"
    )


def test_missing_scratch_database_is_reported(tmp_path: Path) -> None:
    project = Project(tmp_path, kinds=("sqlite", "mysql"))
    user(project)
    report = project.new("users")
    assert report.lines()[1] == (
        "  ! not reviewed on mysql: its server is not on this host, or no URL names it"
    )


def test_tables_that_point_at_each_other_come_and_go(on_both: Project) -> None:
    """Stock drops a parent before its child, and SQLAlchemy forgets the circle it closed."""
    project = on_both
    circle(project.metadata)
    project.new("circle")
    project.upgrade()
    assert project.verify().agrees
    before = project.schema()
    project.metadata.clear()
    Table("alone", project.metadata, Column("id", Integer, primary_key=True))
    gone = "drop-table ant: unused; drop-table bee: unused"
    report = project.new("no circle", accept=gone)
    project.upgrade()
    assert {key.table for key in project.schema()} == {"alone"}
    for _ in report.paths:
        project.downgrade()
    assert project.schema() == before


def circle(metadata: MetaData) -> None:
    for name, other in (("ant", "bee"), ("bee", "ant")):
        key = Column("other_id", ForeignKey(f"{other}.id"))
        Table(name, metadata, Column("id", Integer, primary_key=True), key)
