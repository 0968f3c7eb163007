"""Batch that puts columns in places."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade():
    sqlite = op.get_bind().dialect.name == "sqlite"
    first, behind = sa.Column("first", sa.Integer()), sa.Column("behind", sa.Text())
    with op.batch_alter_table("draft", recreate="always" if sqlite else "auto") as batch_op:
        batch_op.add_column(first, **({"insert_before": "id"} if sqlite else {}))
        batch_op.add_column(behind, **({"insert_after": "state"} if sqlite else {}))


def downgrade():
    with op.batch_alter_table("draft") as batch_op:
        batch_op.drop_column("behind")
        batch_op.drop_column("first")
