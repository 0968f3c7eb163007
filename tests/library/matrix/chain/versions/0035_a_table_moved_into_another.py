"""A table moved into another."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade():
    op.add_column("work", sa.Column("tag_id", sa.Integer(), sa.ForeignKey("tag.id")))
    op.execute(
        "UPDATE work SET tag_id = (SELECT min(tag_id) FROM book_tag WHERE book_id = work.id)"
    )
    op.drop_table("book_tag")
    op.drop_constraint("work_tag_id_fkey", "work", type_="foreignkey")
    op.create_foreign_key(None, "work", "tag", ["tag_id"], ["id"], ondelete="SET NULL")


def downgrade():
    op.create_table(
        "book_tag",
        sa.Column("book_id", sa.Integer(), nullable=False),
        sa.Column("tag_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("book_id", "tag_id", "role", name="book_tag_pkey"),
    )
    op.execute("INSERT INTO book_tag SELECT id, tag_id, 'main' FROM work WHERE tag_id IS NOT NULL")
    op.drop_constraint("work_tag_id_fkey", "work", type_="foreignkey")
    op.drop_column("work", "tag_id")
