"""Odd names, odd texts and odd rows."""

from .features import feature, text_primary_key
from .model import Database

# -- odd names and texts


@feature
def odd_names(db: Database) -> None:
    db.names |= {"book": "my books", "note": 'say "so"', "pages": "order", "isbn": "ISBN (13)"}


@feature
def names_in_brackets(db: Database) -> None:
    db.names |= {"book": "group", "title": "Título", "price": "a, b", "author_id": "author id"}
    db.quote = "[]"


@feature
def names_in_backticks(db: Database) -> None:
    db.names |= {"book": "schema.book", "id": "Id", "pages": "check", "note": "naïve - note"}
    db.quote = "``"


@feature
def quoted_check(db: Database) -> None:
    """SQLite takes a quoted name that is no column for a string, without a word."""
    db.always_quoted.add("price")
    db.book.constraints["ck_quoted"] = "CONSTRAINT ck_quoted CHECK ({price} > 0)"


@feature
def comments(db: Database) -> None:
    db.book.columns["pages"].clauses["comment"] = "/* of paper, (not screens) */"
    db.book.columns["title"].clauses["comment"] = "-- CHECK (this, that\n"
    db.book.constraints["uq_isbn"] += " /* UNIQUE (none) */"
    db.book.options = "/* the end; */"


@feature
def odd_writing(db: Database) -> None:
    db.set("id", type="iNtEgEr", not_null="not\n\tnull")
    db.book.constraints["uq_isbn"] = "constraint[uq_book_isbn]unique({isbn})"
    db.book.constraints["ck_pages"] = 'CONSTRAINT "ck_book_pages"check( {pages}>0 )'


# -- rows


@feature
def older_rows(db: Database) -> None:
    """The rows are older than price's and title's ADD COLUMN: they hold no value of their own."""
    db.set("title", default="'none'")
    db.book.late = ("price", "title")
    for row in db.book.rows:
        row |= {"price": 7, "title": "none"}


@feature
def odd_values(db: Database) -> None:
    odd: list[dict[str, object]] = [
        {"pages": "x9", "note": b"\x00\xff", "price": 1.5},
        {"pages": b"blob", "note": "2024-05-01 07:08", "price": "x9"},
        {"pages": 2.5, "note": "nul\x00inside", "price": 2**63 - 1},
        {"pages": 1e300, "note": "é\U0001f600", "price": -(2**63)},
    ]
    for row, values in zip(db.book.rows, odd, strict=True):
        row |= values


@feature
def rowids_in_use(db: Database) -> None:
    """Something outside keeps the rows' numbers, which no column holds."""
    text_primary_key(db)
    for row, number in zip(db.book.rows, (5, 9, 10, 4000), strict=True):
        row["rowid"] = number
    db.around["v"] = "CREATE VIEW numbers AS SELECT rowid AS r FROM {book}"


@feature
def utf_16(db: Database) -> None:
    db.pragmas = ("encoding = 'UTF-16le'", "page_size = 1024", "user_version = 7")


@feature
def no_rows(db: Database) -> None:
    db.book.rows.clear()


@feature
def orphans(db: Database) -> None:
    db.book.rows[1]["author_id"] = 99


@feature
def made_by_select(db: Database) -> None:
    """As CREATE TABLE … AS leaves it: types of its own, no constraint."""
    for key in tuple(db.book.constraints):
        db.drop_clause(key)
    for key, kind in {"id": "INT", "title": "TEXT", "isbn": "TEXT", "price": "INT"}.items():
        db.set(key, type=kind, not_null="", default="")
    db.around["ix"] = "CREATE UNIQUE INDEX one_id ON {book} ({id})"
