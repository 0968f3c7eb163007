"""Backfill, then NOT NULL."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade():
    op.add_column("book", sa.Column("slug", sa.String(length=80), nullable=True))
    book = sa.table("book", sa.column("id"), sa.column("name"), sa.column("slug"))
    op.execute(book.update().values(slug=sa.func.lower(book.c.name)))
    op.alter_column("book", "slug", existing_type=sa.String(length=80), nullable=False)
    op.create_unique_constraint("uq_book_slug", "book", ["slug"])


def downgrade():
    op.drop_column("book", "slug")
