"""Indexes made without a lock."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("ix_review_book_id", "review", ["book_id"], postgresql_concurrently=True)
    with op.get_context().autocommit_block():
        op.execute("UPDATE review SET text = 'short' WHERE text = ''")


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("ix_review_book_id", "review", postgresql_concurrently=True)
