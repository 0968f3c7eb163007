"""Foreign key dropped by the server's name, and made again."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade():
    op.drop_constraint("book_author_id_fkey", "book", type_="foreignkey")
    op.create_foreign_key(
        "fk_book_author", "book", "author", ["author_id"], ["id"], ondelete="SET NULL"
    )


def downgrade():
    op.drop_constraint("fk_book_author", "book", type_="foreignkey")
    op.create_foreign_key("book_author_id_fkey", "book", "author", ["author_id"], ["id"])
