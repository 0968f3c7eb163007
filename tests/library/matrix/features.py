"""What a schema can hold: the plain database, and one small change to it for every feature."""

from collections.abc import Callable

from .model import Column, Database, Table

FEATURES: dict[str, Callable[[Database], None]] = {}


def feature(change: Callable[[Database], None]) -> Callable[[Database], None]:
    FEATURES[change.__name__] = change
    return change


def with_feature(name: str) -> Database:
    """Return the plain database with the feature *name*."""
    database = plain_database()
    FEATURES[name](database)
    return database


def plain_database() -> Database:
    author = Table(
        {
            "aid": Column("INTEGER", "NOT NULL", clauses={"pk": "PRIMARY KEY"}),
            "who": Column("TEXT"),
        },
        rows=[{"aid": 1, "who": "Herbert"}, {"aid": 2, "who": None}, {"aid": 3, "who": "Sand"}],
    )
    book = Table(
        {
            "id": Column("INTEGER", "NOT NULL"),
            "title": Column("TEXT", "NOT NULL"),
            "isbn": Column("VARCHAR(13)"),
            "pages": Column("INTEGER"),
            "price": Column("INTEGER", default="7"),
            "author_id": Column("INTEGER"),
            "note": Column("TEXT"),
        },
        {
            "pk": "CONSTRAINT pk_book PRIMARY KEY ({id})",
            "uq_isbn": "CONSTRAINT uq_book_isbn UNIQUE ({isbn})",
            "ck_pages": "CONSTRAINT ck_book_pages CHECK ({pages} > 0)",
            "fk_author": "CONSTRAINT fk_book_author_id_author "
            "FOREIGN KEY ({author_id}) REFERENCES {author} ({aid})",
        },
        rows=[
            _book(1, "Dune", "a1", 412, 9, 1, "sand"),
            _book(2, "Emma", None, None, 7, None, None),
            _book(3, "Indiana", "c3", 2**53 + 1, 7, 3, ""),
            _book(7, "Lélia", "0042", 1, 12, 3, 'it\'s; -- "odd", (yes)'),
        ],
    )
    return Database(
        {"author": author, "book": book, "log": Table({"said": Column("TEXT")})},
        {"ix_title": "CREATE INDEX ix_book_title ON {book} ({title})"},
        {"aid": "id"},
    )


def _book(*values: object) -> dict[str, object]:
    keys = ("id", "title", "isbn", "pages", "price", "author_id", "note")
    return dict(zip(keys, values, strict=True))


@feature
def plain(db: Database) -> None:
    """Nothing but what SQLAlchemy itself would write."""


# -- where constraints stand, and what they are called


@feature
def unnamed_constraints(db: Database) -> None:
    for key, text in db.book.constraints.items():
        db.book.constraints[key] = text.split(maxsplit=2)[2]


@feature
def inline_constraints(db: Database) -> None:
    db.inline("isbn", "uq_isbn", "UNIQUE")
    db.inline("pages", "ck_pages", "CHECK ({pages} > 0)")
    db.inline("author_id", "fk_author", "REFERENCES {author} ({aid})")


@feature
def inline_named_constraints(db: Database) -> None:
    db.inline("isbn", "uq_isbn", "CONSTRAINT uq_book_isbn UNIQUE")
    db.inline("pages", "ck_pages", "CONSTRAINT ck_book_pages CHECK ({pages} > 0)")
    db.inline(
        "author_id",
        "fk_author",
        "CONSTRAINT fk_book_author_id_author REFERENCES {author} ({aid})",
    )


@feature
def constraints_without_commas(db: Database) -> None:
    db.book.between_constraints = "\n  "


@feature
def two_unnamed_checks(db: Database) -> None:
    db.book.constraints["ck_a"] = "CHECK (length({title}) < 90)"
    db.book.constraints["ck_b"] = "CHECK ({title} <> 'a, b) CHECK (')"


@feature
def check_of_two_columns(db: Database) -> None:
    db.book.constraints["ck_two"] = "CONSTRAINT ck_book_two CHECK ({pages} > 0 OR {price} > 0)"


@feature
def unique_of_two_columns(db: Database) -> None:
    db.book.constraints["uq_two"] = "CONSTRAINT uq_book_two UNIQUE ({isbn}, {title})"


@feature
def reference_without_columns(db: Database) -> None:
    db.inline("author_id", "fk_author", "REFERENCES {author}")


@feature
def two_keys_to_one_parent(db: Database) -> None:
    db.book.columns["editor_id"] = Column("INTEGER")
    db.book.constraints["fk_editor"] = (
        "CONSTRAINT fk_book_editor_id_author FOREIGN KEY ({editor_id}) REFERENCES {author} ({aid})"
    )


def _foreign_key_with(name: str, words: str) -> None:
    def change(db: Database) -> None:
        db.book.constraints["fk_author"] += f" {words}"

    FEATURES[name] = change


_foreign_key_with("fk_set_null_cascade", "ON DELETE SET NULL ON UPDATE CASCADE")
_foreign_key_with("fk_deferred", "DEFERRABLE INITIALLY DEFERRED")
_foreign_key_with("fk_cascade_not_deferrable", "ON DELETE CASCADE NOT DEFERRABLE")
_foreign_key_with("fk_set_default", "ON DELETE SET DEFAULT")


@feature
def composite_foreign_key(db: Database) -> None:
    db.tables["author"].constraints["uq"] = "UNIQUE ({aid}, {who})"
    db.book.columns["who_id"] = Column("TEXT")
    db.book.constraints["fk_both"] = (
        "CONSTRAINT fk_both FOREIGN KEY ({author_id}, {who_id}) REFERENCES {author} ({aid}, {who})"
    )
    db.book.rows[0]["who_id"] = "Herbert"


# -- primary keys and tables of a special kind


@feature
def inline_primary_key(db: Database) -> None:
    db.inline("id", "pk", "PRIMARY KEY")


@feature
def primary_key_without_not_null(db: Database) -> None:
    db.set("id", not_null="")
    db.inline("id", "pk", "PRIMARY KEY")


@feature
def autoincrement(db: Database) -> None:
    db.inline("id", "pk", "PRIMARY KEY AUTOINCREMENT")
    db.book.sequence = 90


@feature
def text_primary_key(db: Database) -> None:
    db.set("id", type="VARCHAR(9)")
    for row in db.book.rows:
        row["id"] = f"k{row['id']}"


@feature
def composite_primary_key(db: Database) -> None:
    db.book.constraints["pk"] = "CONSTRAINT pk_book PRIMARY KEY ({id}, {title})"


@feature
def no_primary_key(db: Database) -> None:
    db.drop_clause("pk")


@feature
def descending_primary_key(db: Database) -> None:
    db.inline("id", "pk", "PRIMARY KEY DESC")


@feature
def without_rowid(db: Database) -> None:
    db.book.options = "WITHOUT ROWID"


@feature
def strict(db: Database) -> None:
    db.book.options = "STRICT"
    db.set("isbn", type="TEXT")


@feature
def strict_without_rowid(db: Database) -> None:
    db.book.options = "STRICT, WITHOUT ROWID"
    db.set("isbn", type="TEXT")
