"""A new migration for several databases: each is compared, reviewed and rehearsed by itself."""

import re
from pathlib import Path

from tests.conftest import Databases
from tests.library.flask.binds import BindsProject, sqlite_project, table

OURS, STOCK = "from alembic_lossless.flask import Migrate", "from flask_migrate import Migrate"

NAME = "    name = db.Column(db.String(50), nullable=False)\n"
EMAIL = "    email = db.Column(db.String(50), nullable=False)\n"
AGE = "    age = db.Column(db.Integer)\n"


def written(project: BindsProject) -> list[str]:
    """The texts of the files that the project has beside its chain, oldest first."""
    files = (project.migrations / "versions").glob("*.py")
    new = [file for file in files if not re.fullmatch(r"\d{4}_\.py", file.name)]
    return [file.read_text() for file in sorted(new, key=lambda file: file.stat().st_mtime_ns)]


def functions(text: str) -> dict[str, str]:
    """The functions of a file, by their names."""
    parts = text.split("\ndef ")[1:]
    return {part.partition("(")[0]: part for part in parts}


def test_check_says_which_database_a_line_is_about(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    output = project.flask("check")
    assert "✓ default (sqlite): models and migrations agree" in output
    assert "✓ users (sqlite): models and migrations agree" in output
    assert "Not looked at" not in output
    project.edit("app.py", EMAIL, EMAIL + AGE)
    output = project.flask("check", code=4)
    assert "✓ default (sqlite): models and migrations agree" in output
    assert "✗ users (sqlite): person.age" in output

    assert "users (sqlite): 1 difference" in project.flask("check", "--write-baseline")
    output = project.flask("check")
    assert "✓ users (sqlite): models and migrations agree, but for 1 difference" in output
    assert "Nothing changed" in project.flask("migrate", "-m", "nothing")


def test_migration_has_a_part_for_each_database_and_is_rehearsed_on_each(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.change_import(OURS, STOCK)
    project.flask("upgrade")
    project.change_import()
    project.edit("app.py", EMAIL, EMAIL + AGE)
    output = project.flask("migrate", "-m", "add age")
    assert "✓ users: add column person.age" in output
    assert output.count("✓ rehearsed on SQLite with") == 2
    assert output.index("Database default") < output.index("Database users")
    assert "Next: flask db upgrade" in output
    (text,) = written(project)
    assert "Reviewed for SQLite (default), SQLite (users)." in text
    assert "- users: add column person.age" in text
    assert "pass" in functions(text)["upgrade_"]
    assert "add_column" in functions(text)["upgrade_users"]
    assert "drop_column" in functions(text)["downgrade_users"]

    assert "rehearsed" in project.flask("rehearse")
    assert "users: Applied 1 revision" in project.flask("upgrade")
    assert "✓ users: rehearsed: 1 unreleased revision" in project.flask("check")
    assert project.rows_of_users("SELECT email, age FROM person") == [("ada@example.com", None)]
    project.flask("downgrade", "0002", "--force")

    project.change_import(OURS, STOCK)
    project.flask("upgrade")
    assert project.at()[0] == project.at()[1] != "0002"
    project.flask("downgrade", "0002")
    project.flask("upgrade")
    assert project.rows_of_users("SELECT email, age FROM person") == [("ada@example.com", None)]


def test_phases_are_divided_after_the_last_database(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.flask("upgrade")
    project.edit("app.py", NAME, NAME.replace("name =", "full_name ="))
    project.edit("app.py", EMAIL, EMAIL + AGE)
    output = project.flask("migrate", "-m", "names", code=1)
    assert '--rename "customer.name:full_name"' in output
    output = project.flask(
        "migrate",
        *("-m", "names", "--accept", "drop-column customer.name: unused"),
        *("--fill", "customer.full_name='Ada'"),
    )
    first, second = written(project)
    assert "add_column" in functions(first)["upgrade_"]
    assert "add_column" in functions(first)["upgrade_users"]
    assert "drop_column" in functions(second)["upgrade_"]
    assert "pass" in functions(second)["upgrade_users"]
    assert 'accepted = {"drop-column customer.name": "unused"}' in second
    default, _, users = project.flask("plan").partition("Database users")
    assert "customer.full_name is new and NOT NULL" in default
    assert "is new and NOT NULL" not in users
    output = project.flask("upgrade", "--phase", "expand")
    assert "default: Applied 1 revision" in output
    assert "users: Applied 1 revision" in output
    assert re.search(r"waits  \w+  names \(contract\) \(drop customer.name\)", output)
    project.flask("upgrade")
    assert project.rows("SELECT full_name FROM customer") == [("Ada",)]
    assert "agree" in project.flask("check")


def test_answer_that_fits_no_database_is_refused(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.edit("app.py", EMAIL, EMAIL + AGE)
    output = project.flask("migrate", "-m", "age", "--accept", "drop-column x.y: no", code=2)
    assert "answers nothing that changed" in output
    output = project.flask("migrate", "-m", "age", "--tables", "nobody", code=2)
    assert "They have customer, person." in output
    assert not written(project)


def test_empty_migration_keeps_its_imports_and_has_a_part_for_each(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    output = project.flask("revision", "-m", "by hand")
    assert "Next: write the migration into it" in output
    (text,) = written(project)
    assert "from alembic import op" in text
    assert {"upgrade_", "upgrade_users", "downgrade_users"} <= functions(text).keys()


MOOD = """op.execute("CREATE TYPE mood AS ENUM ('good')")
    op.add_column("person", sa.Column("mood", sa.Enum("good", name="mood")))
    op.add_column("person", sa.Column("note", sa.String(20)))"""


def test_what_leaves_the_transaction_on_postgresql_stays_in_it_for_a_bind(
    tmp_path: Path, postgresql: Databases
) -> None:
    """Stock Alembic fails in an autocommit block, because env.py begins a transaction."""
    project = BindsProject(tmp_path / "project", f"sqlite:///{tmp_path}/shop.db", postgresql())
    project.add("0003", users=MOOD)
    project.flask("upgrade")
    project.change_import()
    mood = '    mood = db.Column(db.Enum("good", "bad", name="mood"))\n'
    note = "    note = db.Column(db.String(20), nullable=False)\n"
    project.edit("app.py", EMAIL, EMAIL.replace(")\n", ", index=True)\n") + mood + note)
    output = project.flask("migrate", "-m", "index", "--fill", "person.note='-'")
    assert "users: create index ix_person_email on person" in output
    assert "It stays in the transaction of this revision" in output
    assert "ADD VALUE IF NOT EXISTS 'bad' AFTER 'good', in its transaction. (enum)" in output
    assert "rehearsed on PostgreSQL" in output
    text, validated = written(project)
    assert "Reviewed for SQLite (default), PostgreSQL (users)." in text
    assert "autocommit_block" not in text + validated
    assert "create_index" in functions(text)["upgrade_users"]
    assert "A migration written for" not in project.flask("check")
    project.change_import(OURS, STOCK)
    project.flask("upgrade")
    index = "SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_person_email'"
    assert project.rows_of_users(index) == [(1,)]
    assert project.rows_of_users("SELECT unnest(enum_range(NULL::mood))::text") == [
        ("good",),
        ("bad",),
    ]


TAGS = """

class Tag(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    crew = db.Column(db.Integer, nullable=False)


class PersonalTag(db.Model):
    __bind_key__ = "users"
    __tablename__ = "tag"
    id = db.Column(db.Integer, primary_key=True)
    title = db.Column(db.String(50), nullable=False)
    crew = db.Column(db.Integer, nullable=False)


def create_app("""


def test_answer_names_its_database_where_two_have_the_same_table(tmp_path: Path) -> None:
    project = sqlite_project(tmp_path)
    project.add("0003", table("tag", "label"), table("tag", "label"))
    project.flask("upgrade")
    project.edit("app.py", "\n\ndef create_app(", TAGS)
    refused = project.flask("migrate", "-m", "tags", code=1)
    assert [line.strip() for line in refused.splitlines()[1:]] == [
        'either  --rename "users/tag.label:title"',
        'or      --accept "drop-column users/tag.label: the reason" --fill "tag.title=\'?\'"',
        '--fill "default/tag.crew=1"',
        '--fill "users/tag.crew=1"',
        '--accept "drop-column default/tag.label: the reason"',
    ]
    words = [
        *("--rename", "users/tag.label:title"),
        *("--fill", "default/tag.crew=1", "--fill", "users/tag.crew=2"),
        *("--accept", "drop-column default/tag.label: unused"),
    ]
    output = project.flask("migrate", "-m", "tags", *words, "--fill", "other/tag.crew=3", code=2)
    assert '--fill "other/tag.crew…" answers nothing that changed' in output
    assert "users: rename column tag.label to title" in project.flask(
        "migrate", "-m", "tags", *words
    )
    first = functions(written(project)[0])
    assert 'sa.text("1")' in first["upgrade_"]
    assert 'sa.text("2")' in first["upgrade_users"]
