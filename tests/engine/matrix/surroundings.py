"""What can stand around a table: indexes, triggers, views, other tables, odd texts and rows."""

from .features import feature
from .model import Column, Database, Table

# -- indexes


@feature
def index_collated_and_descending(db: Database) -> None:
    db.around["ix"] = "CREATE INDEX ix_both ON {book} ({title} COLLATE NOCASE, {isbn} DESC)"


@feature
def index_partial(db: Database) -> None:
    db.around["ix"] = "CREATE INDEX ix_part ON {book} ({isbn}) WHERE {pages} > 10"


@feature
def index_partial_unique(db: Database) -> None:
    db.around["ix"] = "CREATE UNIQUE INDEX ix_one ON {book} ({title}) WHERE {note} IS NULL"


@feature
def index_of_expression(db: Database) -> None:
    db.around["ix"] = "CREATE INDEX ix_low ON {book} (lower({title}), {price} + 1)"


@feature
def index_unique(db: Database) -> None:
    db.around["ix"] = "CREATE UNIQUE INDEX if not exists ix_u ON {book}({isbn},{note}) -- twice"


# -- triggers and views


@feature
def trigger_on_insert(db: Database) -> None:
    db.around["tr"] = (
        "CREATE TRIGGER tr AFTER INSERT ON {book} BEGIN\n"
        "  INSERT INTO {log} VALUES ('new ' || new.{title}); -- said; loudly\nEND"
    )


@feature
def trigger_on_update_of_column(db: Database) -> None:
    db.around["tr"] = (
        "CREATE TRIGGER tr BEFORE UPDATE OF {price} ON {book} WHEN new.{price} <> old.{price} "
        "BEGIN INSERT INTO {log} VALUES (old.{price}); END"
    )


@feature
def trigger_on_delete(db: Database) -> None:
    db.around["tr"] = (
        "CREATE TRIGGER tr AFTER DELETE ON {book} BEGIN "
        "INSERT INTO {log} SELECT old.{note} || count(*) FROM {book}; END"
    )


@feature
def trigger_of_another_table(db: Database) -> None:
    db.around["tr"] = (
        "CREATE TRIGGER tr AFTER UPDATE ON {author} BEGIN "
        "UPDATE {book} SET {price} = {price} + 1 WHERE {author_id} = new.{aid}; END"
    )


@feature
def view(db: Database) -> None:
    db.around["v"] = "CREATE VIEW cheap AS SELECT {title}, {price} FROM {book} WHERE {price} < 10"


@feature
def view_of_everything(db: Database) -> None:
    db.around["v"] = "CREATE VIEW every AS SELECT * FROM {book}"


@feature
def view_of_a_view(db: Database) -> None:
    db.around["v"] = (
        "CREATE VIEW wrote AS SELECT b.{title} AS t, a.{who} AS w FROM {book} AS b "
        "JOIN {author} AS a ON a.{aid} = b.{author_id}"
    )
    db.around["w"] = "CREATE VIEW wrote_much AS SELECT w, count(t) AS n FROM wrote GROUP BY w"


@feature
def view_with_trigger(db: Database) -> None:
    db.around["v"] = "CREATE VIEW shown AS SELECT {id} AS i, {note} AS s FROM {book}"
    db.around["tr"] = (
        "CREATE TRIGGER tr INSTEAD OF UPDATE ON shown BEGIN "
        "UPDATE {book} SET {note} = new.s WHERE {id} = new.i; END"
    )


# -- other tables


def _child(db: Database, words: str, parent: str = "{book} ({id})", held: str = "id") -> None:
    db.tables["review"] = Table(
        {
            "rid": Column("INTEGER", "NOT NULL", clauses={"pk": "PRIMARY KEY"}),
            "of": Column("INTEGER", default="1", clauses={"fk": f"REFERENCES {parent} {words}"}),
        },
        rows=[
            {"rid": number, "of": row[held]}
            for number, row in enumerate(db.book.rows * 2)
            if row[held] is not None
        ],
    )
    db.names |= {"rid": "id", "of": "book_id"}


@feature
def child_cascades(db: Database) -> None:
    _child(db, "ON DELETE CASCADE ON UPDATE CASCADE")


@feature
def child_set_null(db: Database) -> None:
    _child(db, "ON DELETE SET NULL")


@feature
def child_set_default_deferred(db: Database) -> None:
    _child(db, "ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED")


@feature
def child_restricts(db: Database) -> None:
    _child(db, "ON DELETE RESTRICT", parent="{book}")


@feature
def child_of_the_unique(db: Database) -> None:
    _child(db, "ON DELETE CASCADE", parent="{book} ({isbn})", held="isbn")


@feature
def self_reference_cascades(db: Database) -> None:
    db.book.columns["after"] = Column("INTEGER")
    db.book.constraints["fk_after"] = (
        "CONSTRAINT fk_book_after FOREIGN KEY ({after}) REFERENCES {book} ({id}) ON DELETE CASCADE"
    )
    for row, after in zip(db.book.rows, (None, 1, 2, 7), strict=True):
        row["after"] = after


CHILDREN_OF_ID = frozenset(
    {"child_cascades", "child_set_null", "child_set_default_deferred", "child_restricts"}
    | {"self_reference_cascades"}
)


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
    db.book.constraints["ck_quoted"] = 'CONSTRAINT ck_quoted CHECK ("{price}" > 0)'


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
