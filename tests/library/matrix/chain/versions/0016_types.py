"""Types."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade():
    op.alter_column("review", "body", existing_type=sa.Text(), type_=sa.String(length=500))
    op.alter_column("book", "pages", existing_type=sa.Integer(), type_=sa.BigInteger())
    op.alter_column("book", "id", existing_type=sa.Integer(), type_=sa.BigInteger())
    op.alter_column(
        "setting",
        "rank",
        existing_type=sa.String(length=9),
        type_=sa.Integer(),
        postgresql_using="rank::integer",
    )


def downgrade():
    op.alter_column("setting", "rank", existing_type=sa.Integer(), type_=sa.String(length=9))
    op.alter_column("book", "id", existing_type=sa.BigInteger(), type_=sa.Integer())
    op.alter_column("book", "pages", existing_type=sa.BigInteger(), type_=sa.Integer())
    op.alter_column("review", "body", existing_type=sa.String(length=500), type_=sa.Text())
