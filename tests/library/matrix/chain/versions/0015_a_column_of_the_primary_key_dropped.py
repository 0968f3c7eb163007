"""A column of the primary key dropped."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade():
    op.drop_constraint("pk_member", "member", type_="primary")
    op.create_primary_key("member_pkey", "member", ["id"])
    op.drop_column("member", "id")
    op.create_primary_key("pk_member", "member", ["club", "person"])


def downgrade():
    op.drop_constraint("pk_member", "member", type_="primary")
    op.add_column("member", sa.Column("id", sa.Integer(), nullable=True))
    bind = op.get_bind()
    rows = bind.execute(sa.text("SELECT club, person FROM member ORDER BY club, person")).all()
    for number, (club, person) in enumerate(rows, start=1):
        bind.execute(
            sa.text("UPDATE member SET id = :number WHERE club = :club AND person = :person"),
            {"number": number, "club": club, "person": person},
        )
    op.create_primary_key("member_pkey", "member", ["id"])
    op.drop_constraint("member_pkey", "member", type_="primary")
    op.create_primary_key("pk_member", "member", ["club", "person"])
