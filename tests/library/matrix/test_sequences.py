"""Operations that follow each other on the same column, in one batch and out of it."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)

from .cell import MODES, OPERATIONS, private, run
from .model import Column, Database
from .operations import Operation

FEATURES = ("plain", "odd_names", "names_in_backticks", "inline_constraints", "older_rows")
FEATURES += ("child_cascades", "without_rowid", "generated_virtual", "odd_values")


def swap_names(b: Any, db: Database) -> None:
    b.alter_column(db.name("note"), new_column_name="for a moment")
    b.alter_column(db.name("isbn"), new_column_name=db.name("note"))
    b.alter_column("for a moment", new_column_name=db.name("isbn"))


def names_swapped(db: Database) -> None:
    db.names |= {"note": db.name("isbn"), "isbn": db.name("note")}


def drop_and_add_again(b: Any, db: Database) -> None:
    b.drop_column(db.name("note"))
    b.add_column(sa.Column(db.name("note"), sa.Integer))


def dropped_and_added(db: Database) -> None:
    db.drop_column("note")
    db.add_column("note", Column("INTEGER"))


def give_name_to_another(b: Any, db: Database) -> None:
    b.alter_column(db.name("pages"), new_column_name="sheets")
    b.add_column(sa.Column(db.name("pages"), sa.Integer, server_default="3"))


def name_given_to_another(db: Database) -> None:
    db.names |= {"extra": db.name("pages"), "pages": "sheets"}
    db.add_column("extra", Column("INTEGER", default="'3'"), 3)


def foreign_key_and_drop_its_column(b: Any, db: Database) -> None:
    b.create_foreign_key("fk_new", "author", [db.name("author_id")], ["id"])
    b.drop_column(db.name("author_id"))


def index_and_drop_its_column(b: Any, db: Database) -> None:
    b.create_index("ix_new", [db.name("note"), db.name("id")])
    b.drop_column(db.name("note"))


def compute_and_rename(b: Any, db: Database) -> None:
    b.add_column(sa.Column("extra", sa.Integer, sa.Computed(f"{db.quoted('price')} + 1")))
    b.alter_column(db.name("price"), new_column_name="cost")


def computed_and_renamed(db: Database) -> None:
    clause = "GENERATED ALWAYS AS ({price} + 1)"
    db.add_column("extra", Column("INTEGER", clauses={"generated": clause}))
    db.rename("price", "cost")


def constraint_anew(b: Any, db: Database) -> None:
    b.drop_constraint("ck_book_pages", type_="check")
    b.create_check_constraint("ck_book_pages", f"{db.quoted('pages')} <> 0")


def constraint_is_new(db: Database) -> None:
    db.drop_clause("ck_pages")
    db.book.constraints["ck_pages"] = "CONSTRAINT ck_book_pages CHECK ({pages} <> 0)"


def everything_of_one_column(b: Any, db: Database) -> None:
    b.alter_column(
        db.name("price"),
        new_column_name="cost",
        type_=sa.BigInteger,
        nullable=False,
        server_default=sa.text("9"),
    )
    b.alter_column("cost", nullable=True)
    b.alter_column("cost", nullable=False, server_default=None)


def all_changed(db: Database) -> None:
    db.set("price", type="BIGINT", not_null="NOT NULL", default="")
    db.rename("price", "cost")


def default_twice(b: Any, db: Database) -> None:
    b.alter_column(db.name("price"), server_default=sa.text("8"))
    b.alter_column(db.name("price"), server_default=sa.text("7"))


SEQUENCES = {
    "swap_names": (swap_names, names_swapped),
    "drop_and_add_again": (drop_and_add_again, dropped_and_added),
    "give_name_to_another": (give_name_to_another, name_given_to_another),
    "foreign_key_and_drop_its_column": (
        foreign_key_and_drop_its_column,
        lambda db: db.drop_column("author_id"),
    ),
    "index_and_drop_its_column": (index_and_drop_its_column, lambda db: db.drop_column("note")),
    "compute_and_rename": (compute_and_rename, computed_and_renamed),
    "constraint_anew": (constraint_anew, constraint_is_new),
    "everything_of_one_column": (everything_of_one_column, all_changed),
    "default_twice": (default_twice, lambda db: db.set("price", default="7")),
}


@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SEQUENCES)
def test_sequence(
    name: str, mode: str, feature: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes first is done first, also where a batch makes one change of all."""
    monkeypatch.setitem(OPERATIONS, name, Operation(*SEQUENCES[name]))
    outcome = run(name, feature, mode, tmp_path, private, foreign_keys=True)
    assert outcome.verdict == "right", outcome.detail


MISSING = {
    "create_index": lambda b: b.create_index("ix_new", ["userId"]),
    "create_unique_constraint": lambda b: b.create_unique_constraint("uq_new", ["userId"]),
    "create_check_constraint": lambda b: b.create_check_constraint("ck_new", '"userId" > 0'),
    "create_foreign_key": lambda b: b.create_foreign_key("fk", "author", ["userId"], ["id"]),
    "create_foreign_key_to": lambda b: b.create_foreign_key("fk", "author", ["pages"], ["userId"]),
    "create_primary_key": lambda b: b.create_primary_key("pk_new", ["userId"]),
    "drop_column": lambda b: b.drop_column("userId"),
    "create_index_of_expression": lambda b: b.create_index("ix", [sa.text('lower("userId")')]),
    "create_partial_index": lambda b: b.create_index(
        "ix", ["pages"], sqlite_where=sa.text('"userId" > 0')
    ),
    "rename_column": lambda b: b.alter_column("userId", new_column_name="user_id"),
    "set_not_null": lambda b: b.alter_column("userId", nullable=False),
    "change_type": lambda b: b.alter_column("userId", type_=sa.Text),
    "change_default": lambda b: b.alter_column("userId", server_default="1"),
}


@pytest.mark.parametrize("feature", ["plain", "no_rows"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", MISSING)
def test_column_that_is_not_there(name: str, mode: str, feature: str, tmp_path: Path) -> None:
    """A quoted name of no column is a string to SQLite: it must not come so far."""
    outcome = run(
        *("comment", feature, mode, tmp_path, private),
        foreign_keys=False,
        call=lambda b, db: MISSING[name](b),
    )
    assert outcome.verdict == "refused", outcome.detail
    assert "userId" in outcome.detail
    assert '""' not in outcome.detail
