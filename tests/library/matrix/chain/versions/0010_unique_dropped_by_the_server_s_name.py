"""UNIQUE dropped by the server's name."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade():
    op.drop_constraint("author_email_key", "author", type_="unique")
    name = "tag_word_key" if op.get_bind().dialect.name == "postgresql" else "word"
    op.drop_constraint(name, "tag", type_="unique")


def downgrade():
    op.create_unique_constraint("tag_word_key", "tag", ["word"])
    op.create_unique_constraint("author_email_key", "author", ["email"])
