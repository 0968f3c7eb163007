"""NOT NULL."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.alter_column("book", "title", existing_type=sa.String(length=80), nullable=False)
    op.alter_column("author", "name", existing_type=sa.String(length=80), nullable=False)


def downgrade():
    op.alter_column("author", "name", existing_type=sa.String(length=80), nullable=True)
    op.alter_column("book", "title", existing_type=sa.String(length=80), nullable=True)
