"""CHECK, and one dropped by the server's name."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade():
    op.drop_constraint("book_pages_check", "book", type_="check")
    op.create_check_constraint("ck_book_pages", "book", "pages > 1")
    op.create_check_constraint("ck_review_stars", "review", sa.column("stars") <= 5)


def downgrade():
    op.drop_constraint("ck_review_stars", "review", type_="check")
    op.drop_constraint("ck_book_pages", "book", type_="check")
    op.create_check_constraint("book_pages_check", "book", "pages > 0")
