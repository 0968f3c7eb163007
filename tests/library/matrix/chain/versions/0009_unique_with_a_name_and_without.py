"""UNIQUE with a name and without."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade():
    op.create_unique_constraint("uq_book_title_isbn", "book", ["title", "isbn"])
    op.create_unique_constraint(None, "member", ["club", "person"])


def downgrade():
    op.drop_constraint("member_club_person_key", "member", type_="unique")
    op.drop_constraint("uq_book_title_isbn", "book", type_="unique")
