"""Raw statements for one server."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade():
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE draft ADD CONSTRAINT ck_draft_first CHECK (first > 0)")
    else:
        op.create_check_constraint("ck_draft_first", "draft", "first > 0")
    op.execute("UPDATE draft SET first = id WHERE words > 5")


def downgrade():
    op.drop_constraint("ck_draft_first", "draft", type_="check")
