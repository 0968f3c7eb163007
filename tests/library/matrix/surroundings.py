"""What can stand around a table: indexes, triggers, views, other tables."""

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


@feature
def words_to_be_searched(db: Database) -> None:
    """A table of another kind, with tables of its own that hold it, and a trigger that fills it."""
    db.around["fts"] = "CREATE VIRTUAL TABLE found USING fts5(words)"
    db.around["tr"] = (
        "CREATE TRIGGER tr AFTER INSERT ON {book} BEGIN "
        "INSERT INTO found (rowid, words) VALUES (new.{id}, new.{title}); END"
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
