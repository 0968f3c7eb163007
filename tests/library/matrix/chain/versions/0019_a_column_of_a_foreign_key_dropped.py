"""A column of a foreign key dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade():
    op.drop_column("book", "editor_id")


def downgrade():
    op.add_column("book", sa.Column("editor_id", sa.Integer(), nullable=True))
    op.create_foreign_key(None, "book", "author", ["editor_id"], ["id"])
