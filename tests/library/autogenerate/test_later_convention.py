"""A naming convention that came later: databases that are older call their constraints otherwise.

Stock writes a drop by the one name that today's convention gives, and fails on the others.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless.checklist.unnamed import unnamed
from alembic_lossless.schema import diff
from tests.library.autogenerate.project import Project, models
from tests.library.autogenerate.stock import stock
from tests.library.rehearsal.stage import rehearsed

#: As stock writes it for models without a convention.
FIRST = """op.create_table("team", sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("name", sa.String(50)), sa.Column("size", sa.Integer()),
    sa.CheckConstraint("size > 0", name="positive"),
    sa.PrimaryKeyConstraint("id"), sa.UniqueConstraint("name"))
op.create_table("member", sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("team_id", sa.Integer()), sa.ForeignKeyConstraint(["team_id"], ["team.id"]),
    sa.PrimaryKeyConstraint("id"))"""
BACK = 'op.drop_table("member")\nop.drop_table("team")'

ROWS = ("INSERT INTO team VALUES (1, 'a', 2)", "INSERT INTO member VALUES (1, 1)")
REFUSED = (
    "INSERT INTO team VALUES (2, 'a', 2)",
    "INSERT INTO team VALUES (3, 'b', -2)",
    "INSERT INTO member VALUES (2, 99)",
)


def define(project: Project, constrained: bool = True, team: str = "team") -> None:
    """Define a team and a member, with the naming convention, with constraints or without."""
    project.metadata = models()
    checks = [sa.CheckConstraint("size > 0", name="positive")] if constrained else []
    sa.Table(
        team,
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), unique=constrained),
        sa.Column("size", sa.Integer),
        *checks,
    )
    target = [sa.ForeignKey(f"{team}.id")] if constrained else []
    sa.Table(
        "member",
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("team_id", sa.Integer, *target),
    )


def of_both_ages(project: Project, older: str) -> list[str]:
    """Let stock make two databases with rows: one before the convention came, one today."""
    project.by_hand(FIRST, BACK)
    define(project)
    today = project.url
    assert stock(project, older, "head", convention=None) == ""
    assert stock(project, today, "head") == ""
    for url in (older, today):
        on(project, url).run(*ROWS)
    return [older, today]


def on(project: Project, url: str) -> Project:
    """Turn to another database of the project."""
    project.url = url
    return project


def refuses(project: Project) -> list[bool]:
    """Tell for each row that breaks a constraint whether the database refuses it."""

    def is_refused(row: str) -> bool:
        try:
            project.run(row)
        except SQLAlchemyError:
            return True
        return False

    return [is_refused(row) for row in REFUSED]


def clear(project: Project) -> None:
    """Delete the rows that break a constraint."""
    project.run("DELETE FROM member WHERE id > 1", "DELETE FROM team WHERE id > 1")


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Databases on each server."""
    databases: Callable[[], str] = request.getfixturevalue(request.param)
    return databases


def test_drops_run_on_databases_of_both_ages_and_back(
    server: Callable[[], str], tmp_path: Path
) -> None:
    project = Project(tmp_path, url=server())
    urls = of_both_ages(project, server())
    assert not any(project.verify().differences.values())
    define(project, constrained=False)
    report = project.new("drop")
    assert len(report.paths) == 1
    assert {finding.rule for finding in report.findings} == {"other-name"}
    listed = " ".join(project.last().split())
    assert "may have another name in an older database" in listed
    assert not rehearsed(project).failures
    for url in urls:
        assert stock(project, url, "head", "-1", "head") == ""
        assert refuses(on(project, url)) == [False, False, False]
        clear(project)
        project.downgrade()
        assert refuses(project) == [True, True, True]
        project.upgrade()
        assert project.run("SELECT name, size, team_id FROM team, member") == [("a", 2, 1)]
    assert not any(project.verify().differences.values())


def test_drop_and_rename_of_table_run_on_databases_of_both_ages(
    server: Callable[[], str], tmp_path: Path
) -> None:
    """The names of an older table outlive its own."""
    project = Project(tmp_path, url=server())
    urls = of_both_ages(project, server())
    define(project, constrained=False, team="club")
    project.new("club", rename="team:club")
    for url in urls:
        on(project, url).upgrade()
        rows = [row.replace("team ", "club ") for row in REFUSED]
        project.run(*rows, "DELETE FROM member WHERE id > 1", "DELETE FROM club WHERE id > 1")
        project.downgrade()
        assert refuses(project) == [True, True, True]
        assert project.run("SELECT name, size, team_id FROM team, member") == [("a", 2, 1)]


def test_checks_of_an_older_sqlite_database_are_dropped(project: Project, tmp_path: Path) -> None:
    """What has no name there is found by any; a CHECK has the name without the prefix."""
    urls = of_both_ages(project, f"sqlite:///{tmp_path}/older.sqlite")
    define(project, constrained=False)
    project.new("drop")
    assert not rehearsed(project).failures
    for url in urls:
        on(project, url).upgrade()
        assert refuses(project)[:2] == [False, False]
        clear(project)
        project.downgrade()
        assert refuses(project)[:2] == [True, True]
        clear(project)
        assert project.run("SELECT name, size, team_id FROM team, member") == [("a", 2, 1)]
        project.upgrade()
    assert stock(project, project.url, "-1", "head") == ""


def test_primary_key_of_an_older_postgresql_database_changes(
    postgresql: Callable[[], str], tmp_path: Path
) -> None:
    project = Project(tmp_path, url=postgresql())
    project.by_hand(
        'op.create_table("town", sa.Column("id", sa.Integer(), nullable=False),\n'
        '    sa.Column("code", sa.Integer(), nullable=False), sa.PrimaryKeyConstraint("id"))'
    )
    older, today = postgresql(), project.url

    def town(*keys: str) -> None:
        project.metadata = models()
        columns = [sa.Column(n, sa.Integer, autoincrement=False) for n in ("id", "code")]
        key = sa.PrimaryKeyConstraint(*keys)
        nullable = [sa.Column(c.name, c.type, nullable=False, autoincrement=False) for c in columns]
        sa.Table("town", project.metadata, *nullable, key)

    town("id")
    project.upgrade()
    project.metadata = sa.MetaData()
    on(project, older).upgrade()
    town("id", "code")
    project.new("key")
    for url in (older, today):
        on(project, url).run("INSERT INTO town (id, code) VALUES (1, 1)")
        project.upgrade()
        project.run("INSERT INTO town (id, code) VALUES (1, 2)")
        project.run("DELETE FROM town WHERE code = 2")
        project.downgrade()
        with pytest.raises(SQLAlchemyError):
            project.run("INSERT INTO town (id, code) VALUES (1, 2)")
        project.upgrade()


def test_name_of_the_development_database_is_dropped_too(
    postgresql: Callable[[], str], tmp_path: Path
) -> None:
    project = Project(tmp_path, url=postgresql())
    project.by_hand(FIRST, BACK)
    define(project)
    project.upgrade()
    project.run(*ROWS)
    project.run("ALTER TABLE team RENAME CONSTRAINT uq_team_name TO by_hand")
    project.development = True
    define(project, constrained=False)
    project.new("drop")
    for name in ("uq_team_name", "team_name_key", "by_hand"):
        assert f'op.drop_constraint(op.f("{name}"), "team", type_="unique", if_exists=True)' in (
            project.last()
        )
    project.upgrade()
    assert refuses(project)[0] is False


def test_drop_by_one_name_in_a_file_of_a_person_is_reported(
    postgresql: Callable[[], str], tmp_path: Path
) -> None:
    project = Project(tmp_path, url=postgresql())
    project.by_hand(FIRST, BACK)
    define(project, constrained=False)
    file = project.by_hand(
        'op.drop_constraint("uq_team_name", "team", type_="unique")\n'
        'op.drop_constraint(op.f("ck_team_positive"), "team", type_="check")\n'
        'op.drop_constraint("fk_member_team_id_team", "member", if_exists=True)'
    )
    # What stands before the first file with a checklist is released.
    file.write_text(file.read_text().replace("by hand", "Reviewed for PostgreSQL."))
    remarks = project.verify().remarks
    assert ["uq_team_name" in line or "ck_team_positive" in line for line in remarks] == [True] * 2
    assert all("leaves it to the naming convention" in line for line in remarks)


def test_what_a_chain_gives_no_name_is_found_in_each_operation(project: Project) -> None:
    project.by_hand(
        FIRST.replace(
            'sa.Column("size"', 'sa.Column("code", sa.Integer, unique=True),\nsa.Column("size"'
        )
        + '\nop.rename_table("member", "player")'
    )
    project.by_hand(
        'op.create_unique_constraint(None, "player", ["team_id"])\n'
        'op.create_unique_constraint("uq_player_id", "player", ["id"])\n'
        'op.add_column("player", sa.Column("rival_id", sa.Integer(), sa.ForeignKey("team.id")))'
    )
    chain = reversed(list(project.script.walk_revisions()))
    found = unnamed(chain, sqlite.dialect(), models().naming_convention)
    assert found.is_whole
    assert found.names == {
        ("team", "pk_team"),
        ("team", "uq_team_name"),
        ("team", "uq_team_code"),
        ("team", "ck_team_positive"),
        ("player", "pk_member"),
        ("player", "fk_member_team_id_team"),
        ("player", "uq_player_team_id"),
        ("player", "fk_player_rival_id_team"),
    }


def test_names_that_have_one_counterpart_are_paired() -> None:
    key = diff.Key("t", "constraint", "a")
    other = key._replace(name="b")
    assert diff.called_otherwise({other: "UNIQUE (x)"}, {key: "UNIQUE (x)"}) == {key: "b"}
    both = {key: "UNIQUE (x)", key._replace(name="c"): "UNIQUE (x)"}
    assert diff.called_otherwise({other: "UNIQUE (x)"}, both) == {}
    assert diff.called_otherwise(both, both) == {}
