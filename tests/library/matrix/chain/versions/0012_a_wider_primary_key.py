"""A wider primary key."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade():
    op.execute("UPDATE book_tag SET role = 'main' WHERE role IS NULL")
    op.drop_constraint("book_tag_pkey", "book_tag", type_="primary")
    op.create_primary_key("book_tag_pkey", "book_tag", ["book_id", "tag_id", "role"])


def downgrade():
    op.drop_constraint("book_tag_pkey", "book_tag", type_="primary")
    op.create_primary_key("book_tag_pkey", "book_tag", ["book_id", "tag_id"])
    op.alter_column("book_tag", "role", existing_type=sa.String(length=20), nullable=True)
