"""Batch with arguments of the table."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade():
    sqlite = op.get_bind().dialect.name == "sqlite"
    unique = sa.UniqueConstraint("book_id", "state", name="uq_draft_book_state")
    with op.batch_alter_table(
        "draft", recreate="always" if sqlite else "auto", table_args=(unique,)
    ) as batch_op:
        batch_op.alter_column("words", existing_type=sa.Integer(), server_default="0")
    if not sqlite:
        op.create_unique_constraint("uq_draft_book_state", "draft", ["book_id", "state"])


def downgrade():
    with op.batch_alter_table("draft") as batch_op:
        batch_op.drop_constraint("uq_draft_book_state", type_="unique")
        batch_op.alter_column("words", existing_type=sa.Integer(), server_default=None)
