"""A loop over rows."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade():
    op.add_column("author", sa.Column("initial", sa.String(length=1), nullable=True))
    bind = op.get_bind()
    author = sa.table("author", sa.column("id"), sa.column("name"), sa.column("initial"))
    for number, name in bind.execute(sa.select(author.c.id, author.c.name)).fetchall():
        bind.execute(author.update().where(author.c.id == number).values(initial=name[0]))
    op.alter_column("author", "initial", existing_type=sa.String(length=1), nullable=False)


def downgrade():
    op.drop_column("author", "initial")
