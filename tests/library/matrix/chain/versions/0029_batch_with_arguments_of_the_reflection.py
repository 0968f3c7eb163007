"""Batch with arguments of the reflection."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade():
    with op.batch_alter_table(
        "draft", reflect_args=[sa.Column("state", sa.String(length=9))], reflect_kwargs={}
    ) as batch_op:
        batch_op.alter_column(
            "state", existing_type=sa.String(length=9), type_=sa.String(length=12)
        )
        batch_op.create_check_constraint("ck_draft_state", "state <> 'none'")


def downgrade():
    with op.batch_alter_table("draft") as batch_op:
        batch_op.drop_constraint("ck_draft_state", type_="check")
        batch_op.alter_column(
            "state", existing_type=sa.String(length=12), type_=sa.String(length=9)
        )
