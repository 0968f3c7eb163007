"""An enum."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"


def upgrade():
    bind = op.get_bind()
    kind = sa.Enum("paper", "screen", name="book_kind")
    if bind.dialect.name == "postgresql":
        kind.create(bind, checkfirst=True)
    op.add_column("book", sa.Column("kind", kind, server_default="paper", nullable=False))


def downgrade():
    op.drop_column("book", "kind")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TYPE book_kind")
