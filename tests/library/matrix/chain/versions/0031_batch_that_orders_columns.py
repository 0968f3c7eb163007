"""Batch that orders columns."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade():
    sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table(
        "draft",
        recreate="always" if sqlite else "auto",
        partial_reordering=[("words", "id"), ("made", "state")],
    ) as batch_op:
        batch_op.alter_column("made", existing_type=sa.String(length=10), nullable=True)


def downgrade():
    with op.batch_alter_table("draft") as batch_op:
        batch_op.alter_column("made", existing_type=sa.String(length=10), nullable=True)
