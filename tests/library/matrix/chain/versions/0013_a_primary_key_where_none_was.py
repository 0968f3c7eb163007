"""A primary key where none was."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade():
    op.create_primary_key("pk_setting", "setting", ["key"])


def downgrade():
    op.drop_constraint("pk_setting", "setting", type_="primary")
    op.alter_column("setting", "key", existing_type=sa.String(length=40), nullable=True)
