"""A new name and NOT NULL."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade():
    op.execute("UPDATE review SET body = '' WHERE body IS NULL")
    op.alter_column(
        "review",
        "body",
        new_column_name="text",
        existing_type=sa.String(length=500),
        nullable=False,
    )
    op.alter_column("book", "title", new_column_name="name")


def downgrade():
    op.alter_column("book", "name", new_column_name="title")
    op.alter_column(
        "review",
        "text",
        new_column_name="body",
        existing_type=sa.String(length=500),
        nullable=True,
    )
