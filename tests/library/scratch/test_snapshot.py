"""Scratch databases start from a snapshot of the schema where the chain does not run any more."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from alembic_lossless.errors import MigrationError
from alembic_lossless.schema import diff
from alembic_lossless.scratch import databases, snapshot
from alembic_lossless.scratch.sources import Source
from tests.library.autogenerate.project import Project
from tests.library.rehearsal.stage import stock
from tests.library.scratch.test_cache import MORE

SQLITE = Source("sqlite")

TABLES = """op.create_table("book", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.String(90), nullable=False))
op.create_index("ix_book_title", "book", ["title"])"""

#: A revision that runs where the project's own database is, and nowhere else.
SITUATIONS = {
    "inspects the application's engine": """url = {url!r}
engine = sa.create_engine(url, poolclass=sa.NullPool)
if not sa.inspect(engine).has_table("imported"):
    raise ValueError("nothing was imported")
engine.dispose()""",
    "imports a model that has moved": "from imported_models import Person",
    "names what somebody made by hand": {
        "sqlite": 'op.execute("INSERT INTO search SELECT title FROM imported")',
        "postgresql": 'op.execute("REFRESH MATERIALIZED VIEW summary")',
        "mysql": 'op.execute("CALL tidy()")',
    },
}

#: Servers go through each situation in `make trials`.
LONG = [pytest.mark.trial]

BY_HAND = {
    "sqlite": ["CREATE VIRTUAL TABLE search USING fts5(title)"],
    "postgresql": ["CREATE MATERIALIZED VIEW summary AS SELECT 1 AS id"],
    "mysql": ["CREATE PROCEDURE tidy() BEGIN DELETE FROM book; DELETE FROM book; END"],
}


@pytest.fixture
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A project on each kind of database, whose models are those of the chain."""
    if request.param == "sqlite":
        project = Project(tmp_path)
    else:
        databases: Callable[[], str] = request.getfixturevalue(request.param)
        project = Project(tmp_path, url=databases())
    define(project)
    return project


def define(project: Project, *more: sa.Column[object]) -> None:
    project.metadata = sa.MetaData()
    sa.Table(
        "book",
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.String(90), nullable=False, index=True),
        *more,
    )
    columns = sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(90))
    sa.Table("imported", project.metadata, *columns)


def source(project: Project) -> Source:
    (kind,) = project.kinds
    return Source(kind, None if kind == "sqlite" else sa.make_url(project.url))


def old_chain(project: Project, situation: str) -> None:
    """Bring the project's own database to the head with stock Alembic, years ago."""
    (kind,) = project.kinds
    project.by_hand(TABLES)
    project.by_hand(
        'op.create_table("imported", sa.Column("id", sa.Integer, primary_key=True),'
        ' sa.Column("title", sa.String(90)))'
    )
    project.upgrade_as_stock("head")
    project.run("INSERT INTO imported VALUES (7, 'Ada Lovelace')", *BY_HAND[kind])
    body = SITUATIONS[situation]
    body = body[kind] if isinstance(body, dict) else body.format(url=project.url)
    is_import = body.startswith("from ")
    path = project.by_hand("pass  # the model was there then" if is_import else body)
    project.upgrade_as_stock("head")
    if is_import:
        path.write_text(path.read_text().replace("pass  # the model was there then", body))


@pytest.mark.parametrize(
    ("project", "situation"),
    [
        pytest.param(kind, situation, marks=[] if first or "by hand" in situation else LONG)
        for kind, first in (("sqlite", True), ("postgresql", False), ("mariadb", False))
        for situation in SITUATIONS
    ],
    indirect=["project"],
)
def test_chain_that_does_not_run_starts_from_a_snapshot(project: Project, situation: str) -> None:
    old_chain(project, situation)
    for words in (["check"], ["migrate", "-m", "pages"]):
        refused = project.type(*words, code=1)
        assert "hand3" in refused
        assert refused.endswith("alembic-lossless baseline --from-database\n")
    taken = project.type("baseline", "--from-database")
    (path,) = project.folder.glob("snapshot.*")
    assert f"{path.name}\nCommit it: scratch databases start at hand3" in taken
    assert "Ada" not in path.read_text()
    assert "models and migrations agree" in project.type("check")

    define(project, sa.Column("pages", sa.Integer))
    written = project.type("migrate", "-m", "pages")
    assert "✓ add column book.pages" in written
    assert written.count("✓") == 2
    assert "✓ rehearsed on" in written
    assert "rehearsed on" in project.type("rehearse")
    assert "ADD COLUMN pages" in project.type("plan")
    assert "Applied 1 revision" in project.type("upgrade")
    assert project.run("SELECT id, pages FROM book") == []
    project.type("downgrade", "--force")
    if "by hand" in situation:
        assert stock(project, "upgrade", "head") == 0
        assert stock(project, "downgrade", "-1") == 0
    assert project.run("SELECT title FROM imported") == [("Ada Lovelace",)]


def test_import_at_the_top_of_a_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    project = Project(tmp_path)
    path = project.by_hand(TABLES)
    path.write_text(
        path.read_text().replace("import sqlalchemy", "import moved\nimport sqlalchemy")
    )
    for words in (["check"], ["baseline"], ["baseline", "--from-database"]):
        refused = project.type(*words, code=1)
        assert "hand1.py, line 3, cannot be imported" in refused
        assert "move its import into upgrade()" in refused


@pytest.mark.parametrize("kind", MORE)
def test_snapshot_holds_what_servers_have(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Functions, triggers and views; the rows that revisions inserted, and of people none."""
    databases_: Callable[[], str] = request.getfixturevalue(kind)
    project = Project(tmp_path, url=databases_())
    project.by_hand('op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    project.by_hand(
        'op.add_column("t", sa.Column("c2", sa.Integer))\n'
        'op.execute("CREATE INDEX ix_raw ON t (id)")'
    )
    project.by_hand(MORE[kind])
    project.upgrade()
    schema = project.schema()
    rows = {"mariadb": "child"}.get(kind, "beside.child")
    held = project.run(f"SELECT * FROM {rows}")
    for words, expected in ((["baseline"], held), (["baseline", "--from-database"], [])):
        project.type(*words)
        with databases.from_chain(project.script, source(project)) as connection:
            assert diff.describe(connection) == schema
            assert "ix_raw" in diff.made_by_raw_sql(connection)
            assert {"function one", "trigger up on t"} <= diff.catalogued_objects(connection)
            assert [*map(tuple, connection.execute(sa.text(f"SELECT * FROM {rows}")))] == expected
            heads = MigrationContext.configure(connection).get_current_heads()
            assert heads == ("hand3",)
    (path,) = project.folder.glob("snapshot.*")
    text = path.read_text()
    for secret in ("OWNER TO", "DEFINER=`", "alembic_version", "alembic_lossless", "Dumped by"):
        assert secret not in text
    project.type("baseline", "--from-database")
    assert path.read_text() == text


SQLITE_MORE = """op.execute("CREATE VIRTUAL TABLE search USING fts5(title)")
op.execute("CREATE TABLE \\"odd name\\" (a TEXT DEFAULT 'x;y', b INT AS (a || 1), c BLOB)")
op.execute("INSERT INTO \\"odd name\\" (a, c) VALUES ('it''s;\\nso', x'00ff')")
op.execute("CREATE VIEW titles AS SELECT title FROM book -- all of them")
op.execute("CREATE TRIGGER tidy AFTER INSERT ON book BEGIN DELETE FROM imported; SELECT 1; END")"""


def test_snapshot_holds_what_sqlite_has(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(TABLES)
    project.by_hand(SQLITE_MORE)
    project.upgrade()
    for words, rows in (["baseline"], 1), (["baseline", "--from-database"], 0):
        project.type(*words)
        with databases.from_chain(project.script, SQLITE) as connection:
            assert diff.describe(connection) == project.schema()
            assert {"view titles", "trigger tidy on book"} <= diff.catalogued_objects(connection)
            assert len(connection.execute(sa.text('SELECT * FROM "odd name"')).all()) == rows
            if rows:
                query = sa.text('SELECT a, b, c FROM "odd name"')
                assert connection.execute(query).one() == ("it's;\nso", "it's;\nso1", b"\x00\xff")


@pytest.fixture
def short(tmp_path: Path) -> Project:
    """A chain of three revisions on SQLite; the first two do not run, and there is a snapshot."""
    project = Project(tmp_path)
    project.by_hand(TABLES)
    project.by_hand(
        'op.add_column("book", sa.Column("pages", sa.Integer))', 'op.drop_column("book", "pages")'
    )
    project.by_hand(
        'op.add_column("book", sa.Column("isbn", sa.String(20)))', 'op.drop_column("book", "isbn")'
    )
    define(project, sa.Column("pages", sa.Integer), sa.Column("isbn", sa.String(20)))
    project.metadata.remove(project.metadata.tables["imported"])
    project.upgrade_as_stock("hand2")
    project.type("baseline", "hand2")
    for name in ("hand1", "hand2"):
        path = project.folder / "versions" / f"{name}.py"
        path.write_text(path.read_text().replace("    op.", "    raise SystemError\n    op.", 1))
        os.utime(path, (0, 0))
    return project


def test_revision_older_than_the_snapshot_is_not_rehearsed(short: Project) -> None:
    for revision in ("hand1", "hand2"):
        assert "! not rehearsed on SQLite: scratch databases start at revision hand2" in short.type(
            "rehearse", revision
        )
    assert "✓ rehearsed on SQLite" in short.type("rehearse", "hand3")


def test_commands_on_a_database_older_than_the_snapshot_end_in_a_sentence(short: Project) -> None:
    short.run(
        "ALTER TABLE book DROP COLUMN pages", "UPDATE alembic_version SET version_num = 'hand1'"
    )
    planned = short.type("plan")
    assert planned.count("-- not shown: scratch databases start at a later revision") == 1
    assert "ADD COLUMN isbn" in planned
    assert "Nothing to adopt: at hand1" in short.type("adopt")
    short.run("DROP TABLE alembic_version")
    assert "! not compared: scratch databases start at a later revision" in short.type(
        "stamp", "hand1"
    )
    short.run("DROP TABLE alembic_version")
    assert "not compared with the 1 revision before" in short.type("adopt")
    with pytest.raises(MigrationError, match="start at revision hand2, which is later"):
        snapshot.start(short.script, "sqlite", "hand1")
    refused = short.type("baseline", "hand1", code=2)
    assert "What revision hand1 makes is not known" in refused


def test_database_at_the_snapshots_revision_is_adopted(short: Project) -> None:
    short.run("DROP TABLE alembic_version")
    assert "Stamped: at hand2" in short.type("adopt")


def test_empty_database_is_upgraded_by_the_whole_chain(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(TABLES + "\nop.execute(\"INSERT INTO book VALUES (1, 'Emma')\")")
    project.type("baseline")
    path = project.folder / "snapshot.sqlite.sql"
    path.write_text("nothing of it is read")
    assert "Applied 1 revision" in project.type("upgrade")
    assert project.run("SELECT title FROM book") == [("Emma",)]


def test_development_database_older_than_the_snapshot_is_upgraded(short: Project) -> None:
    short.development = True
    short.run(
        "ALTER TABLE book DROP COLUMN pages", "UPDATE alembic_version SET version_num = 'hand1'"
    )
    path = short.folder / "versions" / "hand2.py"
    path.write_text(path.read_text().replace("raise SystemError", "pass", 1))
    os.utime(path, (0, 0))
    assert "Applied 2 revisions" in short.type("upgrade")


def test_snapshot_is_taken_again_at_a_later_revision(short: Project) -> None:
    before = (short.folder / "snapshot.sqlite.sql").read_text()
    assert "isbn" not in before
    short.type("baseline")
    after = (short.folder / "snapshot.sqlite.sql").read_text()
    assert "isbn" in after
    assert "-- revision: hand3\n" in after


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("title", "titel"),
        lambda text: "",
        lambda text: text[:-30],
        lambda text: f"<<<<<<< ours\n{text}",
    ],
)
def test_damaged_snapshot_is_refused(short: Project, damage: Callable[[str], str]) -> None:
    path = short.folder / "snapshot.sqlite.sql"
    path.write_text(damage(path.read_text()))
    for words in (["check"], ["rehearse"], ["plan"], ["migrate", "-m", "x"], ["baseline"]):
        refused = short.type(*words, code=2)
        assert "snapshot.sqlite.sql was edited or is damaged" in refused
        assert refused.endswith("take it again: alembic-lossless baseline\n")


def test_snapshot_of_a_revision_that_is_gone_is_refused(short: Project) -> None:
    for name in ("hand2", "hand3"):
        (short.folder / "versions" / f"{name}.py").unlink()
    refused = short.type("check", code=2)
    assert "is the schema at revision hand2, which is not among these migrations" in refused


def test_snapshot_that_a_database_does_not_take_is_refused(short: Project) -> None:
    path = short.folder / "snapshot.sqlite.sql"
    taken = snapshot.read(short.script, "sqlite")
    assert taken is not None
    script = "CREATE TABLE t (a) USING nothing;"
    broken = snapshot.Snapshot(path, "sqlite", taken.revisions, (), (), script)
    path.write_text(broken.text)
    assert "cannot be loaded into an empty sqlite database" in short.type("check", code=2)


def test_database_that_is_not_at_the_revision_is_refused(short: Project) -> None:
    before = (short.folder / "snapshot.sqlite.sql").read_text()
    refused = short.type("baseline", "--from-database", code=2)
    assert "The database is at hand2, and not at hand3" in refused
    assert refused.endswith("alembic-lossless baseline --from-database hand2\n")
    short.run("DELETE FROM alembic_version")
    assert "is at no revision, and not at" in short.type("baseline", "--from-database", code=2)
    short.run("INSERT INTO alembic_version VALUES ('hand2')")
    assert (short.folder / "snapshot.sqlite.sql").read_text() == before
    assert "Wrote" in short.type("baseline", "--from-database", "hand2")


def test_two_heads_start_from_the_snapshot_of_both(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(TABLES)
    for name, down in (("left", "hand1"), ("right", "hand1")):
        path = project.folder / "versions" / f"{name}.py"
        text = (project.folder / "versions" / "hand1.py").read_text()
        text = text.replace('"hand1"', f'"{name}"').replace("None\n", f"{down!r}\n", 1)
        path.write_text(text.replace("book", name))
    project.type("baseline")
    text = (project.folder / "snapshot.sqlite.sql").read_text()
    assert "-- revision: left, right\n" in text
    with databases.from_chain(project.script, SQLITE, "heads") as connection:
        assert set(MigrationContext.configure(connection).get_current_heads()) == {"left", "right"}
    with pytest.raises(MigrationError, match="revision left makes is not known"):
        snapshot.start(project.script, "sqlite", "left")


def test_database_is_only_read(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(TABLES)
    project.upgrade()
    file = tmp_path / "real.sqlite"
    before = file.read_bytes()
    project.type("baseline", "--from-database")
    assert file.read_bytes() == before
