"""First rows."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.bulk_insert(
        sa.table("author", sa.column("id"), sa.column("name"), sa.column("email")),
        [
            {"id": 1, "name": "Herbert", "email": "h@example.org"},
            {"id": 2, "name": "Austen", "email": None},
            {"id": 3, "name": "Sand", "email": "s@example.org"},
        ],
    )
    op.execute(
        "INSERT INTO book (id, title, isbn, pages, author_id, editor_id) VALUES "
        "(1, 'Dune', 'a1', 412, 1, 2), (2, 'Emma', NULL, NULL, 2, NULL), "
        "(3, 'Lélia', 'c3', 9, 3, 1)"
    )
    op.execute("INSERT INTO tag (id, word) VALUES (1, 'sand'), (2, 'love')")
    op.execute("INSERT INTO book_tag VALUES (1, 1, 'main'), (2, 2, 'main'), (3, 2, 'side')")
    op.execute(
        "INSERT INTO review (id, book_id, author_id, stars, body) VALUES "
        "(1, 1, 2, 5, 'it''s good'), (2, 1, NULL, 3, NULL), (3, 3, 1, NULL, 'long')"
    )
    op.execute("INSERT INTO setting VALUES ('colour', 'red', '1'), ('size', NULL, '20')")
    op.execute(
        "INSERT INTO member VALUES (1, 'chess', 'ann'), (2, 'chess', 'bob'), (7, 'go', 'ann')"
    )


def downgrade():
    for table in ("member", "setting", "review", "book_tag", "tag", "book", "author"):
        op.execute(f"DELETE FROM {table}")
