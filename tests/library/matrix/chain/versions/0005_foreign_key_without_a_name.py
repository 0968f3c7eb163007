"""Foreign key without a name."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade():
    op.create_foreign_key(None, "review", "author", ["author_id"], ["id"])


def downgrade():
    op.drop_constraint("review_author_id_fkey", "review", type_="foreignkey")
