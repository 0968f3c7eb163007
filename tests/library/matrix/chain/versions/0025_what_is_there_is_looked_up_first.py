"""What is there is looked up first."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade():
    inspector = sa.inspect(op.get_bind())
    if "country" not in [column["name"] for column in inspector.get_columns("author")]:
        op.add_column("author", sa.Column("country", sa.String(length=2), server_default="FR"))
    if "ix_author_name" not in [index["name"] for index in inspector.get_indexes("author")]:
        op.create_index("ix_author_name", "author", ["name", "country"])
    if "draft" not in inspector.get_table_names():
        op.create_table(
            "draft",
            sa.Column("id", sa.Integer(), primary_key=True),
            sa.Column("book_id", sa.BigInteger(), sa.ForeignKey("book.id")),
            sa.Column("state", sa.String(length=9), nullable=True),
            sa.Column("words", sa.Integer(), nullable=True),
            sa.CheckConstraint("words >= 0", name="ck_draft_words"),
        )
        op.execute("INSERT INTO draft VALUES (1, 1, 'new', 10), (2, NULL, NULL, 0)")
    for key in inspector.get_foreign_keys("review"):
        if key["referred_table"] == "author" and key["name"]:
            op.drop_constraint(key["name"], "review", type_="foreignkey")
            op.create_foreign_key(key["name"], "review", "author", ["author_id"], ["id"])


def downgrade():
    op.drop_table("draft")
    op.drop_index("ix_author_name", table_name="author")
    op.drop_column("author", "country")
