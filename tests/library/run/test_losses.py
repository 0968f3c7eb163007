"""What a rollback would lose is told, and nothing else."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from alembic_lossless.run import losses
from alembic_lossless.run.connection import private
from tests.library.autogenerate.project import Project

KINDS = {"sqlite": "sqlite", "postgresql": "postgresql", "mariadb": "mysql"}
FIRST = """op.create_table("t", sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("n", sa.Integer), sa.Column("empty", sa.Integer), sa.Column("s", sa.String(9)))
op.create_table("bare", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("filled", sa.Column("id", sa.Integer, primary_key=True))
op.create_index("ix_t_n", "t", ["n"])"""
BACK = """op.drop_index("ix_t_n", "t")
with op.batch_alter_table("t") as batch_op:
    batch_op.alter_column("s", existing_type=sa.String(9), comment=None, existing_comment="x")
    batch_op.drop_column("n")
    batch_op.drop_column("empty")
op.drop_table("bare")
op.drop_table("filled")
op.execute("DROP VIEW IF EXISTS nothing")
op.execute("DELETE FROM t WHERE id > 1")
op.execute(sa.table("t", sa.column("s")).update().values(s=""))"""


@pytest.mark.parametrize("kind", KINDS)
def test_what_holds_something_is_listed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = None if kind == "sqlite" else request.getfixturevalue(kind)()
    project = Project(tmp_path, url=url, kinds=(KINDS[kind],))
    project.by_hand(FIRST)
    project.upgrade()
    project.run("INSERT INTO t (id, n) VALUES (1, 7), (2, 8)", "INSERT INTO filled VALUES (1)")
    project.by_hand("pass", BACK)
    with private(make_url(project.url)).connect() as connection:
        assert losses.find(project.script, connection, ["hand2"]) == [
            "column t.n (2 values)",
            "table filled (1 row)",
            "what this changes: DELETE FROM t WHERE id > 1",
            "what this changes: UPDATE t SET s=:s",
        ]
