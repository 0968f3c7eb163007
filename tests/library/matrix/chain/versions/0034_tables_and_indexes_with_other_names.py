"""Tables and indexes with other names."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade():
    op.rename_table("book", "work")
    op.alter_column("review", "book_id", new_column_name="work_id", existing_type=sa.Integer())
    op.create_foreign_key("fk_review_work", "review", "work", ["work_id"], ["id"])
    op.alter_column("draft", "book_id", nullable=True, new_column_name="work_id")
    op.drop_index("ix_review_book_id", table_name="review")
    op.create_index("ix_review_work_id", "review", ["work_id"], unique=False)


def downgrade():
    op.drop_index("ix_review_work_id", "review")
    op.create_index("ix_review_book_id", "review", ["work_id"])
    op.alter_column("draft", "work_id", nullable=True, new_column_name="book_id")
    op.drop_constraint("fk_review_work", "review", type_="foreignkey")
    op.alter_column("review", "work_id", new_column_name="book_id", existing_type=sa.Integer())
    op.rename_table("work", "book")
