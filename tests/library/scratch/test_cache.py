"""What a long chain built is kept, outside of the project, and found by its content alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, MetaData, event, inspect, make_url, text

from alembic_lossless.errors import MigrationError
from alembic_lossless.schema import diff
from alembic_lossless.schema.model import Key
from alembic_lossless.scratch import cache, databases, dump
from alembic_lossless.scratch.databases import from_chain
from alembic_lossless.scratch.sources import Source, empty_database
from tests.conftest import Databases
from tests.library.autogenerate.project import Project

SQLITE = Source("sqlite")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cached"
    monkeypatch.setattr(cache, "MIN_REVISIONS", 3)
    monkeypatch.setattr(cache, "folder", lambda: folder)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A chain of six revisions; the third makes an index by raw SQL."""
    project = Project(tmp_path / "project")
    project.by_hand('op.create_table("t", sa.Column("id", sa.Integer, primary_key=True))')
    for number in range(2, 7):
        raw = 'op.execute("CREATE INDEX ix_raw ON t (id)")' if number == 3 else ""
        project.by_hand(f'op.add_column("t", sa.Column("c{number}", sa.Integer))\n{raw}'.strip())
    return project


@contextmanager
def counted(project: Project, source: Source = SQLITE) -> Iterator[tuple[Connection, list[str]]]:
    """Give a database of the chain, and the names of the columns that were added to it."""
    added: list[str] = []

    def note(connection: Connection, _: object, statement: str, *args: object) -> None:
        if "ADD COLUMN" in statement.upper():
            added.append(statement.split()[-2].strip('"'))

    with pytest.MonkeyPatch.context() as patch:
        empty = databases.empty_database

        @contextmanager
        def listened(source: Source) -> Iterator[Connection]:
            with empty(source) as connection:
                event.listen(connection, "before_cursor_execute", note)
                yield connection

        patch.setattr(databases, "empty_database", listened)
        with from_chain(project.script, source, "heads", MetaData()) as connection:
            yield connection, added


def columns(project: Project) -> list[str]:
    """Run the chain and return the columns that had to be added."""
    with counted(project) as (_, added):
        return added


WHOLE = ["c2", "c3", "c4", "c5", "c6"]


def test_a_chain_runs_once(project: Project, folder: Path) -> None:
    with counted(project) as (connection, added):
        first, by_hand = diff.describe(connection), set(diff.made_by_raw_sql(connection))
    assert added == WHOLE
    assert not folder.is_relative_to(project.folder.parent)
    (file,) = folder.iterdir()
    with counted(project) as (connection, added):
        assert added == []
        assert diff.describe(connection) == first
        assert diff.made_by_raw_sql(connection) == by_hand == {"ix_raw"}
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "hand6"
        connection.rollback()
        connection.execute(text("INSERT INTO t (id) VALUES (1)"))  # it is a copy
        connection.commit()
    with counted(project) as (connection, _):
        assert connection.scalar(text("SELECT count(*) FROM t")) == 0
    assert list(folder.iterdir()) == [file]


def test_what_comes_after_runs_on_what_is_kept(project: Project) -> None:
    columns(project)
    project.by_hand('op.add_column("t", sa.Column("c7", sa.Integer))')
    assert columns(project) == ["c7"]


def test_one_process_runs_a_chain_once(project: Project) -> None:
    script = project.script
    for _ in range(2):
        with from_chain(script, SQLITE, "hand2") as connection:
            known = diff.describe(connection)
            connection.rollback()
            connection.execute(text("DROP TABLE t"))
            connection.commit()
        assert Key("t", "column", "c2") in known


@pytest.mark.parametrize("number", [1, 4, 6])
def test_an_edited_revision(project: Project, number: int) -> None:
    columns(project)
    file = project.folder / "versions" / f"hand{number}.py"
    file.write_text(file.read_text() + "\n# edited\n")
    assert columns(project) == WHOLE


def test_an_edited_module(project: Project, tmp_path: Path) -> None:
    package = tmp_path / "kept_types.py"
    package.write_text("LENGTH = 10")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        file = project.folder / "versions" / "hand6.py"
        file.write_text(f"from kept_types import LENGTH\n{file.read_text()}")
        columns(project)
        assert columns(project) == []
        package.write_text("LENGTH = 20")
        assert columns(project) == WHOLE
        sys.modules.pop("kept_types")


def test_another_naming_convention(project: Project) -> None:
    columns(project)
    other = MetaData(naming_convention={"ix": "index_%(column_0_label)s"})
    cached = cache.ChainCache(project.script, "heads", other, SQLITE)
    with empty_database(SQLITE) as connection:
        cached.restore(connection)
        assert diff.describe(connection) == {}

    script, names = project.script, []
    for metadata in (project.metadata, other):  # the memory of one process tells them apart as well
        with from_chain(script, SQLITE, metadata=metadata) as connection:
            names.append(inspect(connection).get_pk_constraint("t")["name"])
    assert names == ["pk_t", None]


@pytest.mark.parametrize("damage", [b"", b"{}\n", b'{"sum": "", "by hand": []}\nSQLite', None])
def test_a_damaged_file_is_passed_over(
    project: Project, folder: Path, damage: bytes | None
) -> None:
    columns(project)
    (file,) = folder.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"\x01" if damage is None else damage)
    assert columns(project) == WHOLE
    assert file.read_bytes() == content
    assert columns(project) == []


def test_without_a_place_to_keep_it(project: Project, folder: Path) -> None:
    folder.write_text("a file is in the way")
    assert columns(project) == WHOLE
    assert columns(project) == WHOLE


def test_a_chain_that_fails_is_not_kept(project: Project, folder: Path) -> None:
    project.by_hand("raise ValueError")
    with pytest.raises(MigrationError):
        columns(project)
    assert not folder.exists()


def test_the_oldest_are_removed(
    project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_DATABASES", 2)
    for number in range(4):
        file = project.folder / "versions" / "hand1.py"
        file.write_text(file.read_text() + f"\n# {number}\n")
        columns(project)
    assert len(list(folder.iterdir())) == 2
    assert columns(project) == []


MORE = {
    "postgresql": """op.execute("CREATE EXTENSION vector")
op.execute("CREATE SCHEMA beside")
op.execute("CREATE TYPE mood AS ENUM ('sad', 'it''s; ok')")
op.execute("ALTER TYPE mood ADD VALUE 'so so' BEFORE 'sad'")
op.execute("CREATE DOMAIN positive AS integer CHECK (value > 0)")
op.execute("CREATE SEQUENCE counter START 5")
op.execute("SELECT nextval('counter')")
op.execute("CREATE FUNCTION one() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
op.execute("CREATE FUNCTION up() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN new.c2 = 1; RETURN new; END; $$")
op.execute("CREATE VIEW z AS SELECT id, one() AS one FROM t")
op.execute("CREATE MATERIALIZED VIEW a AS SELECT * FROM z")
op.execute("CREATE TRIGGER up BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION up()")
op.execute("INSERT INTO t (id) VALUES (0)")
op.execute("REFRESH MATERIALIZED VIEW a")
op.execute("COMMENT ON TABLE t IS 'it''s 100%% ; so'")
op.create_table("child", sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("t_id", sa.Integer, sa.ForeignKey("t.id", name="fk")),
    sa.Column("status", sa.String(9), sa.CheckConstraint("status IN ('a', 'b')", "ck")),
    sa.Column("twice", sa.Integer, sa.Computed("t_id * 2")), sa.Column("raw", sa.LargeBinary),
    sa.Column("words", sa.JSON), sa.Column("per%cent", sa.String(9), comment="5 %"),
    sa.Column("gone", sa.Integer), schema="beside")
op.drop_column("child", "gone", schema="beside")
op.create_index("ix", "child", ["t_id"], schema="beside",
    postgresql_where=sa.text("status IN ('a', 'b')"))
op.execute("INSERT INTO beside.child (t_id, raw, words, status)"
    " VALUES (0, decode('00ff27', 'hex'), '[1]', 'a'), (0, NULL, NULL, NULL)")
op.execute("GRANT SELECT ON beside.child TO PUBLIC")
op.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
op.execute("CREATE POLICY mine ON t USING (id > 0)")""",
    "mariadb": """op.execute("CREATE FUNCTION one() RETURNS integer RETURN 1")
op.execute("CREATE VIEW z AS SELECT id, one() AS one FROM t WHERE 'a%%b' <> ''")
op.execute("CREATE VIEW a AS SELECT id, one FROM z")
op.execute("CREATE TRIGGER up BEFORE INSERT ON t FOR EACH ROW SET new.c2 = 1")
op.execute("INSERT INTO t (id) VALUES (1)")
op.execute("UPDATE t SET id = 0")
op.create_table("child", sa.Column("t_id", sa.Integer, sa.ForeignKey("t.id", name="fk")),
    sa.Column("twice", sa.Integer, sa.Computed("t_id * 2")), sa.Column("raw", sa.LargeBinary),
    sa.Column("words", sa.JSON), sa.Column("per%cent", sa.String(9)))
op.execute("INSERT INTO child (t_id, raw, words) VALUES (0, x'00ff27', '[1]')")""",
}


@pytest.mark.parametrize("kind", MORE)
def test_on_a_server(
    kind: str, project: Project, folder: Path, request: pytest.FixtureRequest
) -> None:
    databases: Databases = request.getfixturevalue(kind)
    project.by_hand(MORE[kind])
    source = Source("mysql" if kind == "mariadb" else kind, make_url(databases()))
    rows = {"mariadb": "child"}.get(kind, "beside.child")
    with counted(project, source) as (connection, added):
        first, by_hand = diff.describe(connection), set(diff.made_by_raw_sql(connection))
        kept = diff.unmanaged_objects(connection, MetaData())
        held = connection.execute(text(f"SELECT * FROM {rows}")).all()
        assert "ix_raw" in by_hand
        assert held
    assert added == WHOLE
    with counted(project, source) as (connection, added):
        assert diff.describe(connection) == first
        assert diff.made_by_raw_sql(connection) == by_hand
        assert diff.unmanaged_objects(connection, MetaData()) == kept
        assert connection.execute(text(f"SELECT * FROM {rows}")).all() == held
        assert connection.scalar(text("SELECT one FROM a")) == 1
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "hand7"
        connection.execute(text("INSERT INTO t (id) VALUES (8)"))
        connection.commit()
    assert added == []
    project.by_hand('op.add_column("t", sa.Column("c7", sa.Integer))')
    with counted(project, source) as (connection, added):
        assert connection.execute(text("SELECT id FROM t")).scalars().all() == [0]
    assert added == ["c7"]
    file = project.folder / "versions" / "hand1.py"
    file.write_text(file.read_text() + "\n# edited\n")
    with counted(project, source) as (_, added):
        pass
    assert added == [*WHOLE, "c7"]


@pytest.mark.parametrize("kind", MORE)
def test_a_block_without_a_transaction_in_a_long_chain(
    kind: str, project: Project, request: pytest.FixtureRequest
) -> None:
    databases: Databases = request.getfixturevalue(kind)
    source = Source("mysql" if kind == "mariadb" else kind, make_url(databases()))
    for column in ("c2", "c3"):  # the second on what was kept of the first
        project.by_hand(
            "with op.get_context().autocommit_block():\n"
            f'    op.create_index("ix_{column}", "t", ["{column}"], postgresql_concurrently=True)'
        )
        with counted(project, source) as (connection, _):
            assert f"ix_{column}" in {one["name"] for one in inspect(connection).get_indexes("t")}


DATABASES = {"postgresql": "SELECT datname FROM pg_database", "mariadb": "SHOW DATABASES"}


@pytest.mark.parametrize("kind", DATABASES)
def test_nothing_is_left_on_a_server(
    kind: str, project: Project, request: pytest.FixtureRequest
) -> None:
    """Neither by a short chain nor by a long one, which is kept elsewhere, nor by a failure."""
    databases: Databases = request.getfixturevalue(kind)
    source = Source("mysql" if kind == "mariadb" else kind, make_url(databases()))
    before = databases.server.run(DATABASES[kind])
    for revision in ("hand2", "heads"):
        with from_chain(project.script, source, revision):
            assert databases.server.run(DATABASES[kind]) != before
        assert databases.server.run(DATABASES[kind]) == before
    project.by_hand("raise ValueError")
    with pytest.raises(MigrationError), from_chain(project.script, source):
        pass
    assert databases.server.run(DATABASES[kind]) == before


@pytest.mark.parametrize(
    "odd",
    [
        # It is not in a dump.
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_raw'::regclass",
        # It comes out otherwise when it is parsed again.
        "ALTER TABLE t ADD n varchar, ADD d integer GENERATED ALWAYS AS"
        " (CASE WHEN n IN ('a', 'b') THEN 1 END) STORED",
    ],
)
def test_what_a_dump_does_not_make_again(
    odd: str, project: Project, postgresql: Databases, folder: Path
) -> None:
    project.by_hand(f"op.execute({odd!r})")
    source = Source("postgresql", make_url(postgresql()))
    for _ in range(2):
        with counted(project, source) as (_, added):
            assert added == WHOLE
    assert not folder.exists()


def test_without_a_dump_the_chain_runs(
    project: Project, postgresql: Databases, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump, "_programs", lambda: ["false"])  # as one too old for the server
    source = Source("postgresql", make_url(postgresql()))
    for _ in range(2):
        with counted(project, source) as (_, added):
            assert added == WHOLE
    assert not folder.exists()


def test_a_role_with_a_password(project: Project, postgresql: Databases, folder: Path) -> None:
    url = postgresql(user="kept", password="it's \\ a 'secret'")
    postgresql.server.run("ALTER ROLE kept CREATEDB")
    source = Source("postgresql", make_url(url))
    for expected in (WHOLE, []):
        with counted(project, source) as (_, added):
            assert added == expected
    (file,) = folder.iterdir()
    assert b"secret" not in file.read_bytes()


def test_a_sequence_is_not_kept(project: Project, mariadb: Databases, folder: Path) -> None:
    project.by_hand('op.execute("CREATE SEQUENCE s")')
    source = Source("mysql", make_url(mariadb()))
    for _ in range(2):
        with counted(project, source) as (_, added):
            assert added == WHOLE
    assert not folder.exists()
