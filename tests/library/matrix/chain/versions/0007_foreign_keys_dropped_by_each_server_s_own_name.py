"""Foreign keys dropped by each server's own name."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade():
    mysql_wrote_it = op.get_bind().dialect.name != "postgresql"
    name = "book_tag_ibfk_2" if mysql_wrote_it else "book_tag_tag_id_fkey"
    op.drop_constraint(name, "book_tag", type_="foreignkey")
    name = "book_tag_ibfk_1" if mysql_wrote_it else "book_tag_book_id_fkey"
    op.drop_constraint(name, "book_tag", type_="foreignkey")


def downgrade():
    op.create_foreign_key(None, "book_tag", "book", ["book_id"], ["id"])
    op.create_foreign_key(None, "book_tag", "tag", ["tag_id"], ["id"])
