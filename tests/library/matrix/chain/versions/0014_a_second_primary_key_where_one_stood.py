"""A second primary key where one stood."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE member DROP CONSTRAINT member_pkey")
    op.create_primary_key("pk_member", "member", ["club", "person"])


def downgrade():
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE member DROP CONSTRAINT pk_member")
    op.create_primary_key("member_pkey", "member", ["id"])
