"""Models without a naming convention, whose constraints have no names."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from alembic_lossless import naming
from tests.library.autogenerate.project import Project
from tests.library.autogenerate.stock import stock
from tests.library.rehearsal.stage import rehearsed


@pytest.fixture
def project(on_each: Project) -> Project:
    """A project on one kind of database, its models without a convention."""
    on_each.metadata = sa.MetaData()
    return on_each


def define(project: Project, *more: sa.Column[object], unique: bool = True) -> None:
    """Define a team and a member, without any name."""
    project.metadata = sa.MetaData()
    sa.Table(
        "team",
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(50), unique=unique),
        sa.CheckConstraint("name <> ''"),
    )
    sa.Table(
        "member",
        project.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("team_id", sa.Integer, sa.ForeignKey("team.id")),
        *more,
    )


STOCK = """op.create_table("team", sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("name", sa.String(50)), sa.CheckConstraint("name <> ''"),
    sa.PrimaryKeyConstraint("id"), sa.UniqueConstraint("name"))
op.create_table("member", sa.Column("id", sa.Integer(), nullable=False),
    sa.Column("team_id", sa.Integer()), sa.ForeignKeyConstraint(["team_id"], ["team.id"]),
    sa.PrimaryKeyConstraint("id"))"""


def test_equal_constraints_without_names_agree(project: Project) -> None:
    project.by_hand(STOCK)
    define(project)
    assert not any(project.verify().differences.values())


def test_new_constraints_get_names_and_old_ones_are_left_alone(project: Project) -> None:
    project.by_hand(STOCK)
    project.upgrade()
    project.run("INSERT INTO team VALUES (1, 'a')", "INSERT INTO member VALUES (1, 1)")
    mail = sa.Column("mail", sa.String(50), unique=True)
    rival = sa.Column("rival_id", sa.Integer, sa.ForeignKey("team.id"))
    define(project, mail, rival)
    report = project.new("mail")
    text = "".join(path.read_text().partition("def upgrade")[2] for path in report.paths)
    assert "uq_member_mail" in text
    assert "fk_member_rival_id_team" in text
    assert '"team_id"' not in text
    before = project.schema()
    project.upgrade()
    assert not any(project.verify().differences.values())
    project.downgrade()
    project.downgrade("hand1")
    assert project.run("SELECT * FROM team, member") == [(1, "a", 1, 1)]
    assert {key: before[key] for key in before if key.table == "team"} == {
        key: text for key, text in project.schema().items() if key.table == "team"
    }


def test_unnamed_unique_is_dropped_by_the_name_it_has(project: Project) -> None:
    project.by_hand(STOCK)
    project.upgrade()
    define(project, unique=False)
    project.new("drop")
    project.upgrade()
    assert not any(project.verify().differences.values())
    project.run("INSERT INTO team VALUES (1, 'a')", "INSERT INTO team VALUES (2, 'a')")


def test_a_renamed_column_and_table_agree_and_keep_their_rows(project: Project) -> None:
    """What a rename writes into SQLite's schema counts as little as what a server calls it."""
    project.by_hand(STOCK)
    project.upgrade()
    project.run("INSERT INTO team VALUES (1, 'a')", "INSERT INTO member VALUES (1, 1)")
    project.by_hand(
        'op.alter_column("team", "name", new_column_name="title", existing_type=sa.String(50))\n'
        'op.rename_table("team", "club")'
    )
    project.upgrade()

    def define(unique: bool) -> None:
        project.metadata = sa.MetaData()
        sa.Table(
            "club",
            project.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("title", sa.String(50), unique=unique),
            sa.CheckConstraint("title <> ''"),
        )
        sa.Table(
            "member",
            project.metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("team_id", sa.Integer, sa.ForeignKey("club.id")),
        )

    define(unique=True)
    assert not any(project.verify().differences.values())
    define(unique=False)
    project.new("drop")
    project.upgrade()
    assert not any(project.verify().differences.values())
    project.run("INSERT INTO club VALUES (2, 'a')")
    assert project.run("SELECT title, team_id FROM club, member") == [("a", 1), ("a", 1)]


BACK = 'op.drop_table("member")\nop.drop_table("team")'

#: What is new, by the rule that has a word on it and the name that it gets.
CHANGES: dict[str, Callable[[], sa.Constraint]] = {
    "add-unique uq_member_mail_team_id": lambda: sa.UniqueConstraint("mail", "team_id"),
    "add-foreign-key fk_member_rival_id_team": lambda: sa.ForeignKeyConstraint(
        ["rival_id"], ["team.id"]
    ),
    "add-check " + naming.check_of_text("member", "mail <> 'x'"): lambda: sa.CheckConstraint(
        "mail <> 'x'"
    ),
}


def test_new_constraint_is_the_only_change_and_chain_runs_under_stock(project: Project) -> None:
    """A stock project comes, changes one thing after the other, and leaves."""
    columns = 'sa.Column("mail", sa.String(50)), sa.Column("rival_id", sa.Integer()), '
    key = "sa.ForeignKeyConstraint("
    project.by_hand(STOCK.replace(key, columns + key), BACK)
    assert stock(project, project.url, "head", convention=None) == ""
    project.run("INSERT INTO team VALUES (1, 'a')", "INSERT INTO member VALUES (1, 1, 'm', 1)")
    for number, change in enumerate(CHANGES, 1):
        mail, rival = sa.Column("mail", sa.String(50)), sa.Column("rival_id", sa.Integer)
        define(project, mail, rival)
        for make in [*CHANGES.values()][:number]:
            project.metadata.tables["member"].append_constraint(make())
        report = project.new("new", accept=f"{change}: no database has such rows")
        subjects = {
            operation.subject for operation in report.operations if operation.forward is not None
        }
        assert subjects - {"the database"} == {change.partition(" ")[2]}
        assert not rehearsed(project).failures
    project.upgrade()
    assert not any(project.verify().differences.values())
    project.downgrade("hand1")
    assert project.run("SELECT * FROM team, member") == [(1, "a", 1, 1, "m", 1)]
    assert stock(project, project.url, "head", "base", "head", convention=None) == ""
