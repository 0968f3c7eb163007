"""A table copied by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade():
    op.create_table(
        "setting_new",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(length=40), nullable=False, unique=True),
        sa.Column("value", sa.String(length=60), server_default="none"),
        sa.Column("rank", sa.Integer()),
    )
    op.execute(
        "INSERT INTO setting_new (key, value, rank) "
        "SELECT key, value, rank FROM setting ORDER BY key"
    )
    op.drop_table("setting")
    op.rename_table("setting_new", "setting")


def downgrade():
    op.drop_column("setting", "id")
    op.drop_constraint("setting_new_key_key", "setting", type_="unique")
    op.create_primary_key("pk_setting", "setting", ["key"])
