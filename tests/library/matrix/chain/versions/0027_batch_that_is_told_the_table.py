"""Batch that is told the table."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade():
    told = sa.Table(
        "draft",
        sa.MetaData(),
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("book_id", sa.BigInteger(), sa.ForeignKey("book.id")),
        sa.Column("state", sa.String(length=9), server_default="new"),
        sa.Column("words", sa.Integer()),
        sa.Column("made", sa.String(length=10)),
    )
    op.execute("UPDATE draft SET state = 'new' WHERE state IS NULL")
    with op.batch_alter_table("draft", copy_from=told) as batch_op:
        batch_op.alter_column("state", existing_type=sa.String(length=9), nullable=False)


def downgrade():
    with op.batch_alter_table("draft") as batch_op:
        batch_op.alter_column("state", existing_type=sa.String(length=9), nullable=True)
