"""Foreign key with a name."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    op.create_foreign_key(
        "fk_review_book", "review", "book", ["book_id"], ["id"], ondelete="CASCADE"
    )


def downgrade():
    op.drop_constraint("fk_review_book", "review", type_="foreignkey")
