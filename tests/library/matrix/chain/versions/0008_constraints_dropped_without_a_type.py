"""Constraints dropped without a type."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade():
    op.drop_constraint("book_isbn_key", "book")
    op.drop_constraint("fk_review_book", "review")


def downgrade():
    op.create_foreign_key(
        "fk_review_book", "review", "book", ["book_id"], ["id"], ondelete="CASCADE"
    )
    op.create_unique_constraint("book_isbn_key", "book", ["isbn"])
