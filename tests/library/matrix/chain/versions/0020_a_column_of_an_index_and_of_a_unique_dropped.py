"""A column of an index and of a UNIQUE dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade():
    op.create_index("ix_review_stars", "review", ["stars"])
    op.drop_column("review", "stars")
    op.drop_column("book", "isbn")


def downgrade():
    op.add_column("book", sa.Column("isbn", sa.String(length=13), nullable=True))
    op.create_unique_constraint("uq_book_title_isbn", "book", ["name", "isbn"])
    op.add_column("review", sa.Column("stars", sa.Integer(), server_default=sa.text("3")))
    op.create_check_constraint("ck_review_stars", "review", "stars <= 5")
