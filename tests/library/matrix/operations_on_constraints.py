"""The operations on constraints, indexes, the table's name, and several at once in a batch."""

import sqlalchemy as sa

from .model import Column, Database
from .operations import Change, OutOfBatch, _constraint, _without, operation

# -- UNIQUE and CHECK

operation(
    "create_unique",
    lambda b, db: b.create_unique_constraint("uq_new", [db.name("title"), db.name("pages")]),
    _constraint("uq_new", "CONSTRAINT uq_new UNIQUE ({title}, {pages})"),
)
operation(
    "create_unique_on_duplicates",
    lambda b, db: b.create_unique_constraint("uq_new", [db.name("author_id")]),
    _constraint("uq_new", "CONSTRAINT uq_new UNIQUE ({author_id})"),
)
operation(
    "drop_unique",
    lambda b, db: b.drop_constraint("uq_book_isbn", type_="unique"),
    _without("uq_isbn"),
)
operation(
    "create_check",
    lambda b, db: b.create_check_constraint("ck_new", f"{db.quoted('price')} <> 6"),
    _constraint("ck_new", "CONSTRAINT ck_new CHECK ({price} <> 6)"),
)
operation(
    "create_check_on_violations",
    lambda b, db: b.create_check_constraint("ck_new", f"{db.quoted('title')} > 'F'"),
    _constraint("ck_new", "CONSTRAINT ck_new CHECK ({title} > 'F')"),
)
operation(
    "drop_check",
    lambda b, db: b.drop_constraint("ck_book_pages", type_="check"),
    _without("ck_pages"),
)

# -- foreign keys and primary keys


def _not_null(*keys: str) -> Change:
    """A primary key means NOT NULL, also where SQLite's text does not say so, and leaves it."""

    def change(db: Database) -> None:
        for key in keys:
            db.set(key, not_null=db.book.columns[key].not_null or "NOT NULL")

    return change


operation(
    "create_foreign_key",
    lambda b, db: b.create_foreign_key(
        "fk_new", "author", [db.name("author_id")], ["id"], ondelete="CASCADE", onupdate="RESTRICT"
    ),
    _constraint(
        "fk_new",
        "CONSTRAINT fk_new FOREIGN KEY ({author_id}) REFERENCES {author} ({aid}) "
        "ON DELETE CASCADE ON UPDATE RESTRICT",
    ),
)
operation(
    "create_foreign_key_unnamed",
    lambda b, db: b.create_foreign_key(
        None, "author", [db.name("author_id")], ["id"], deferrable=True, initially="DEFERRED"
    ),
    _constraint(
        "fk_new",
        "FOREIGN KEY ({author_id}) REFERENCES {author} ({aid}) DEFERRABLE INITIALLY DEFERRED",
    ),
)
operation(
    "create_foreign_key_on_orphans",
    lambda b, db: b.create_foreign_key("fk_new", "author", [db.name("pages")], ["id"]),
    _constraint("fk_new", "CONSTRAINT fk_new FOREIGN KEY ({pages}) REFERENCES {author} ({aid})"),
)
operation(
    "drop_foreign_key",
    lambda b, db: b.drop_constraint("fk_book_author_id_author", type_="foreignkey"),
    _without("fk_author"),
)
operation(
    "create_primary_key",
    lambda b, db: b.create_primary_key("pk_new", [db.name("id"), db.name("title")]),
    _without("pk"),
    _not_null("id", "title"),
    _constraint("pk", "CONSTRAINT pk_new PRIMARY KEY ({id}, {title})"),
)
operation(
    "drop_primary_key",
    lambda b, db: b.drop_constraint("pk_book", type_="primary"),
    _without("pk"),
    _not_null("id"),
)

# -- indexes and the table's name

operation(
    "create_index",
    lambda b, db: b.create_index("ix_new", [db.name("note")]),
    lambda db: db.around.update(ix_new="CREATE INDEX ix_new ON {book} ({note})"),
)
operation(
    "create_unique_index",
    lambda b, db: b.create_index("ix_new", [db.name("id"), db.name("note")], unique=True),
    lambda db: db.around.update(ix_new="CREATE UNIQUE INDEX ix_new ON {book} ({id}, {note})"),
)
operation(
    "drop_index",
    lambda b, db: b.drop_index("ix_book_title"),
    lambda db: db.around.pop("ix_title"),
)


def _rename_table(b: OutOfBatch, db: Database) -> None:
    b.operations.rename_table(db.name("book"), "volume")


operation("rename_table", _rename_table, lambda db: db.rename("book", "volume"))

# -- what only a batch can do


def _several(b: OutOfBatch, db: Database) -> None:
    b.add_column(sa.Column("extra", sa.Text, server_default="-", nullable=False))
    b.alter_column(db.name("price"), new_column_name="cost", nullable=False)
    b.drop_constraint("ck_book_pages", type_="check")
    b.create_check_constraint("ck_new", "extra <> ''")
    b.create_index("ix_new", ["extra"])
    b.drop_constraint("fk_book_author_id_author", type_="foreignkey")


def _several_expected(db: Database) -> None:
    db.add_column("extra", Column("TEXT", "NOT NULL", "'-'"), "-")
    db.rename("price", "cost")
    db.set("price", not_null="NOT NULL")
    db.drop_clause("ck_pages")
    db.drop_clause("fk_author")
    db.book.constraints["ck_new"] = "CONSTRAINT ck_new CHECK ({extra} <> '')"
    db.around["ix_new"] = "CREATE INDEX ix_new ON {book} ({extra})"


operation("batch_of_several", _several, _several_expected, recreate="auto")
operation("batch_of_several_recreated", _several, _several_expected, recreate="always")
operation("batch_of_nothing_recreated", lambda b, db: None, recreate="always")
operation(
    "batch_of_table_args",
    lambda b, db: b.add_column(sa.Column("extra", sa.Text), insert_after=db.name("id")),
    lambda db: db.add_column("extra", Column("TEXT")),
    _constraint("uq_extra", "CONSTRAINT uq_extra UNIQUE ({extra})"),
    recreate="always",
    table_args=(sa.UniqueConstraint("extra", name="uq_extra"),),
)
