"""Several databases on different servers: each by its own rules, and one sentence about all."""

from pathlib import Path

from tests.conftest import Databases
from tests.library.flask.binds import BindsProject

COLUMN = 'op.add_column("{}", sa.Column("note", sa.String(length=9), nullable=True))'


def test_bind_that_is_half_applied_is_named_and_goes_on(
    tmp_path: Path, postgresql: Databases, mariadb: Databases
) -> None:
    project = BindsProject(tmp_path / "project", postgresql(), mariadb())
    project.change_import()
    output = project.flask("upgrade")
    assert "default: Applied 2 revisions: at 0002." in output
    assert "users: Applied 2 revisions: at 0002." in output
    project.add(
        "0003",
        COLUMN.format("customer"),
        f'{COLUMN.format("person")}\n    op.create_index("ix_email", "person", ["email"])\n'
        '    op.execute("INSERT INTO person (id, email) VALUES (1, NULL)")',
    )
    output = project.flask("upgrade", code=7)
    assert "exit 7: users: Revision 0003 failed at statement 3 of 3" in output
    assert "statements 1 and 2 are in place" in output
    assert output.rstrip().endswith("default is at 0003, users is at 0002 (half applied 0003).")
    file = project.migrations / "versions" / "0003_.py"
    file.write_text(file.read_text().replace("(1, NULL)", "(2, 'grace')"))
    output = project.flask("upgrade")
    assert "default: Nothing to do: at 0003." in output
    assert "users: Applied 1 revision: at 0003." in output
    assert project.rows_of_users("SELECT id FROM person ORDER BY id") == [(1,), (2,)]

    output = project.flask("downgrade", "0001", "--force")
    assert "users: Downgraded 2 revisions: at 0001." in output
    assert project.at() == ("0001", "0001")
