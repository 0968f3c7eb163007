"""Revisions that a person wrote, or changed: check lays the same rules over what they do."""

import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table

from alembic_lossless.errors import MigrationError
from alembic_lossless.rehearsal.rehearse import rehearse
from alembic_lossless.scratch.sources import find_sources
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import found, nickname, started, table, write

BATCH = 'with op.batch_alter_table("user") as batch_op:\n    '


def refused(project: Project, upgrade: str) -> list[str]:
    """Return what check says against a hand-written revision behind the first."""
    started(project, table(nickname()))
    project.by_hand(upgrade)
    agreement = project.verify()
    assert not agreement.agrees
    return [line.partition(", ")[2] for line in agreement.unanswered]


def test_a_drop_without_consent(project: Project) -> None:
    line, _ = refused(project, f'{BATCH}batch_op.drop_column("nickname")')
    assert line.startswith("SQLite: The column user.nickname is dropped")
    assert line.endswith('accepted = {"drop-column user.nickname": "the reason"}')


@pytest.mark.parametrize(
    ("upgrade", "taken"),
    [
        (f'{BATCH}batch_op.drop_column("nickname")', "drop user.nickname"),
        ('op.rename_table("user", "person")', "rename user"),
        ('op.execute("/* gone */ DROP TABLE \\"user\\"")', "drop user"),
    ],
)
def test_file_that_takes_something_away_has_to_say_so(
    project: Project, upgrade: str, taken: str
) -> None:
    line = refused(project, upgrade)[-1]
    assert f"does not say that it takes something away: {taken}." in line
    assert line.endswith(
        'Write into the file, below down_revision: phase = "contract" (contract-phase)'
    )
    path = Path(project.script.get_revision("head").path)
    path.write_text(path.read_text().replace("def upgrade", 'phase = "contract"\n\n\ndef upgrade'))
    assert not any("(contract-phase)" in line for line in project.verify().unanswered)


def test_temporary_table_is_nothing_taken_away(project: Project) -> None:
    started(project, table(nickname()))
    project.by_hand(
        'op.execute("CREATE TABLE passing (id INTEGER)")\nop.execute("DROP TABLE passing")'
    )
    assert project.verify().unanswered == []


def test_not_null_without_a_value(project: Project) -> None:
    change = f'{BATCH}batch_op.alter_column("nickname", nullable=False)'
    (line,) = refused(project, change)
    assert "set-not-null" in line


def test_not_null_after_the_rows_are_filled(project: Project) -> None:
    started(project, table(nickname()))
    project.by_hand(
        """op.execute("UPDATE user SET nickname = '' WHERE nickname IS NULL")\n"""
        + f'{BATCH}batch_op.alter_column("nickname", nullable=False)'
    )
    assert project.verify().unanswered == []


@pytest.mark.parametrize("sql", ["PRAGMA legacy_file_format = 1", "ALTER TABLE user RENAME TO u"])
def test_raw_sql_that_undoes_the_safety(project: Project, sql: str) -> None:
    lines = refused(project, f'op.execute("{sql}")')
    (line,) = (line for line in lines if line.startswith("SQLite: Raw SQL: "))
    assert 'if op.get_context().dialect.name == "postgresql":' in line


@pytest.mark.parametrize(
    "statement",
    [
        'op.execute("COMMENT ON TABLE alembic_version IS NULL")',
        'op.get_bind().execute(\n    sa.text("COMMENT ON TABLE alembic_version IS NULL")\n)',
    ],
)
def test_sql_for_another_database_is_told_its_guard(on_both: Project, statement: str) -> None:
    """Stock fails on SQLite with forty lines, of which the last is SQLAlchemy's."""
    path = on_both.by_hand("op.get_bind()\n" + statement)
    line = 12
    said = rf"Revision hand1 \(line {line} of .*hand1.py\) does not run on an empty sqlite database"
    for ask in (on_both.verify, lambda: on_both.new("users")):
        with pytest.raises(MigrationError, match=said) as refused:
            ask()
    _, lines = str(refused.value).split("where sqlite is not to run it, write instead\n")
    as_written = statement.replace("\n", "\n    ")
    path.write_text(path.read_text().replace(f"    {as_written}\n", lines + "\n"))
    assert 'dialect.name != "sqlite":' in path.read_text()
    assert on_both.verify().agrees


def test_guarded_raw_sql(project: Project) -> None:
    started(project, table(nickname()))
    guard = 'if op.get_context().dialect.name == "postgresql":\n    '
    project.by_hand(f'{guard}op.execute("ALTER TABLE x SET (fillfactor = 70)")')
    assert project.verify().agrees


@pytest.fixture
def shop_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with a model, and with a column type."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "shop_models.py").write_text(
        "from sqlalchemy import String\n"
        "from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n"
        "class Base(DeclarativeBase): ...\n"
        "class Name(String): ...\n"
        "class Item(Base):\n"
        '    __tablename__ = "item"\n'
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        "    name: Mapped[str]\n"
    )


@pytest.mark.usefixtures("shop_models")
@pytest.mark.parametrize(
    "used",
    [
        "from shop_models import Item  # here\nassert Item",
        "import shop_models\nassert shop_models.Item  # here",
        "import shop_models as models\nassert models.Item  # here",
    ],
)
def test_an_imported_model(project: Project, used: str) -> None:
    """What the model says later is not what the table had when the revision was written."""
    started(project, table(nickname()))
    path = project.by_hand(used)
    (line,) = project.verify().unanswered
    assert 'sa.table("item", sa.column("id"), sa.column("name"))' in line
    assert "(model-import)" in line
    sources, _ = find_sources(project.kinds)
    (failure,) = rehearse(project.script, "hand1", project.metadata, sources).failures
    assert str(failure).startswith("checklist: ")
    assert line.endswith(failure.sentence)
    here = path.read_text().partition("# here")[0].count("\n") + 1
    assert str(failure).endswith(f"[{path.name}, line {here}]")


@pytest.mark.usefixtures("shop_models")
def test_a_type_from_a_module_of_models(project: Project) -> None:
    """A new migration imports none; in a hand-written one it is no model."""
    started(project, table(nickname()))
    type_ = import_module("shop_models").Name(20)
    project.metadata.tables["user"].append_column(Column("first", type_))
    project.new("first")
    assert "sa.String(length=20)" in project.last()
    assert "shop_models" not in project.last()
    project.metadata.tables["user"].append_column(Column("last", type_))
    project.by_hand(
        "import shop_models\nop.add_column('user', sa.Column('last', shop_models.Name(20)))"
    )
    assert project.verify().agrees


def test_a_consent_is_offered_beside_those_that_are_given(project: Project) -> None:
    started(project, table(nickname(), Column("age", Integer)))
    drops = 'batch_op.drop_column("nickname")\n    batch_op.drop_column("age")'
    path = project.by_hand(f"{BATCH}{drops}", phase="contract")
    path.write_text(path.read_text() + '\naccepted = {"drop-column user.nickname": "ungenützt"}\n')
    (line,) = project.verify().unanswered
    given = '"drop-column user.nickname": "ungenützt"'
    assert line.endswith(f'accepted = {{{given}, "drop-column user.age": "the reason"}}')


def test_options_that_force_stocks_rebuild(project: Project) -> None:
    started(project, table(nickname()))
    project.by_hand('with op.batch_alter_table("user", recreate="always") as b:\n    pass')
    (line,) = project.verify().remarks
    assert "The batch on user has the option recreate='always'" in line


def test_a_condition_for_postgresql_alone(project: Project) -> None:
    started(project, table(nickname()))
    project.by_hand(
        'op.create_index("ix_by_hand", "user", ["nickname"], unique=True,\n'
        '    postgresql_where=sa.text("nickname IS NOT NULL"))'
    )
    assert any("(partial-index)" in line for line in project.verify().remarks)


def test_what_a_release_holds_is_no_longer_asked(project: Project) -> None:
    started(project, table(nickname()))
    project.by_hand(f'{BATCH}batch_op.drop_column("nickname")')
    folder = project.folder.parent
    git = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "1"], ["tag", "v1"]):
        subprocess.run([*git, *arguments], check=True)
    assert project.verify().unanswered == []


def test_what_an_older_project_brought_along_is_not_asked(project: Project) -> None:
    """It was applied long before there was a checklist."""
    project.by_hand('op.create_table("user", sa.Column("id", sa.Integer, primary_key=True))')
    project.by_hand('op.create_table("gone", sa.Column("id", sa.Integer, primary_key=True))')
    project.by_hand('op.drop_table("gone")')
    write(project, "nickname", table(nickname()))
    assert project.verify().unanswered == []
    project.by_hand(f'{BATCH}batch_op.drop_column("nickname")', phase="contract")
    (line,) = project.verify().unanswered
    assert "drop-column user.nickname" in line


def test_locks_on_postgresql(on_both: Project) -> None:
    started(on_both, table(nickname(), Column("age", Integer)))
    on_both.by_hand('op.create_index("ix_by_hand", "user", ["nickname"])')
    said = on_both.verify().remarks
    assert any("(add-index)" in line and "PostgreSQL" in line for line in said)


def test_plain_unique_is_not_claimed_to_be_built_concurrently(on_both: Project) -> None:
    """The tool's own file for SQLite alone, where PostgreSQL is used from then on."""
    server, on_both.url = on_both.url, f"sqlite:///{on_both.folder}/first.sqlite"
    on_both.kinds = ("sqlite",)
    started(on_both, table(nickname()))
    write(on_both, "unique", table(Column("nickname", String(30), unique=True)))
    on_both.url, on_both.kinds = server, ("sqlite", "postgresql")
    (line,) = (line for line in on_both.verify().remarks if "PostgreSQL: " in line)
    start, _, rest = line.partition("This file leaves it so. ")
    assert "CONCURRENTLY" not in start
    assert rest.startswith("A migration written for PostgreSQL has instead: ")
    assert "(add-unique)" in rest


def test_rows_beside_a_change_on_postgresql(on_both: Project) -> None:
    started(on_both, table(nickname()))
    on_both.by_hand(
        """op.execute(sa.text("UPDATE \\"user\\" SET nickname = ''"))\n"""
        + f'{BATCH}batch_op.add_column(sa.Column("age", sa.Integer()))'
    )
    assert any("(backfill)" in line for line in on_both.verify().remarks)


def test_rows_beside_a_change_on_mariadb(on_mariadb: Project) -> None:
    """What the file says itself is not said again."""
    started(on_mariadb, table(nickname()))
    required = table(Column("nickname", String(30), nullable=False))
    write(on_mariadb, "required", required, fill="user.nickname='none'")
    assert on_mariadb.verify().remarks == []
    path = on_mariadb.by_hand(
        """op.execute(sa.text("DELETE FROM user"))\n"""
        + f'{BATCH}batch_op.add_column(sa.Column("age", sa.Integer()))'
    )
    assert f"{path.name}, MySQL: Rows of user are changed" in str(on_mariadb.verify().remarks)


def test_a_big_integer_does_not_number_rows(project: Project) -> None:
    def wanted(metadata: MetaData) -> None:
        Table("event", metadata, Column("id", BigInteger, primary_key=True))
        variant = BigInteger().with_variant(Integer, "sqlite")
        Table("visit", metadata, Column("id", variant, primary_key=True))

    report = write(project, "events", wanted)
    assert found(report) == {("sqlite-rowid", "event.id", "KEEP")}


def test_a_partial_index_serves_sqlite_too(project: Project) -> None:
    def wanted(metadata: MetaData) -> None:
        table(nickname())(metadata)
        column = metadata.tables["user"].c.nickname
        Index("ix_some", column, unique=True, postgresql_where=column != "")

    started(project, wanted)
    project.run(*["INSERT INTO user (nickname) VALUES ('')"] * 2)
    assert project.run("SELECT count(*) FROM user") == [(2,)]
