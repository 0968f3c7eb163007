"""Columns of a special kind: generated, collated, of odd types and defaults."""

from .features import feature
from .model import Column, Database


@feature
def generated_virtual(db: Database) -> None:
    db.book.columns["twice"] = Column("INTEGER", clauses={"generated": "AS ({pages} * 2)"})


@feature
def generated_stored(db: Database) -> None:
    clause = "GENERATED ALWAYS AS ({note} || ', ' || {title}) STORED"
    db.book.columns["shown"] = Column("TEXT", clauses={"generated": clause})
    db.around["ix_shown"] = "CREATE INDEX ix_shown ON {book} ({shown})"


@feature
def collation(db: Database) -> None:
    for key in ("title", "isbn", "note"):
        db.book.columns[key].clauses["collate"] = "COLLATE NOCASE"


@feature
def unique_on_conflict(db: Database) -> None:
    db.book.constraints["uq_isbn"] += " ON CONFLICT REPLACE"


@feature
def not_null_on_conflict(db: Database) -> None:
    db.set("title", not_null="NOT NULL ON CONFLICT IGNORE")


@feature
def primary_key_on_conflict(db: Database) -> None:
    db.book.constraints["pk"] += " ON CONFLICT REPLACE"


@feature
def unknown_types(db: Database) -> None:
    db.book.columns["sum"] = Column("MONEY(3, 2)", "NOT NULL", "0")
    db.book.columns["any"] = Column("")
    db.book.columns["long"] = Column("UNSIGNED BIG INT")
    values: list[object] = [b"\x00\xff", 1.5, "1.50", None]
    for row, value in zip(db.book.rows, values, strict=True):
        row |= {"sum": 3, "any": value, "long": 2**63 - 1}


@feature
def odd_defaults(db: Database) -> None:
    db.book.columns["made"] = Column("TIMESTAMP", "NOT NULL", "CURRENT_TIMESTAMP")
    db.book.columns["words"] = Column("TEXT", default="'a, b) -- it''s'")
    db.book.columns["sum"] = Column("INTEGER", default="(1 + (2 * 3))")
    db.book.columns["low"] = Column("REAL", default="-1.5e3")
    for row in db.book.rows:
        row |= {"made": "2024-05-01 07:08:09", "words": None, "sum": 1, "low": 0.5}


@feature
def named_not_null_and_default(db: Database) -> None:
    db.set("title", not_null="CONSTRAINT needs_title NOT NULL")
    db.set("price", default="+7")
