"""Batch that always makes the table anew."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade():
    sqlite = op.get_bind().dialect.name == "sqlite"
    with op.batch_alter_table("draft", recreate="always" if sqlite else "auto") as batch_op:
        batch_op.alter_column("state", existing_type=sa.String(length=9), server_default="new")
        batch_op.add_column(sa.Column("made", sa.String(length=10), nullable=True))


def downgrade():
    with op.batch_alter_table("draft") as batch_op:
        batch_op.drop_column("made")
        batch_op.alter_column("state", existing_type=sa.String(length=9), server_default=None)
