"""Type and default, a default alone."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade():
    op.alter_column(
        "setting",
        "value",
        existing_type=sa.String(length=40),
        type_=sa.String(length=60),
        server_default="none",
    )
    op.alter_column("review", "stars", existing_type=sa.Integer(), server_default=sa.text("3"))
    op.execute("INSERT INTO setting (key, rank) VALUES ('new', 3)")
    op.execute("INSERT INTO review (id) VALUES (4)")


def downgrade():
    op.execute("DELETE FROM review WHERE id = 4")
    op.execute("DELETE FROM setting WHERE key = 'new'")
    op.alter_column("review", "stars", existing_type=sa.Integer(), server_default=None)
    op.alter_column(
        "setting",
        "value",
        existing_type=sa.String(length=60),
        type_=sa.String(length=40),
        server_default=None,
    )
