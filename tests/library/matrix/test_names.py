"""A constraint is found by the name that any server would have given it."""

from pathlib import Path

import pytest

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)
from alembic_lossless.naming import check_of_text

from .cell import MODES, private, run

NAMES = {
    ("drop_unique", "unique"): ("uq_book_isbn", "book_isbn_key", "isbn"),
    ("drop_check", "check"): ("book_pages_check", check_of_text("book", "pages > 0")),
    ("drop_foreign_key", "foreignkey"): (
        "fk_book_author_id_author",
        "book_author_id_fkey",
        "book_ibfk_1",
    ),
    ("drop_primary_key", "primary"): ("pk_book", "book_pkey", "PRIMARY"),
}
UNNAMED = {
    "unnamed_constraints": ("drop_unique", "drop_check", "drop_foreign_key", "drop_primary_key"),
    "inline_constraints": ("drop_unique", "drop_check", "drop_foreign_key"),
    "inline_primary_key": ("drop_primary_key",),
    "autoincrement": ("drop_primary_key",),
}
ASKED = [
    (*kind, name, feature)
    for kind, names in NAMES.items()
    for name in names
    for feature, operations in UNNAMED.items()
    if kind[0] in operations
]


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize(("operation", "kind", "name", "feature"), ASKED)
def test_unnamed_is_found(
    operation: str, kind: str, name: str, feature: str, typed: bool, tmp_path: Path
) -> None:
    """By this project's convention, PostgreSQL's and MySQL's, with its type told or not."""
    for mode in MODES:
        outcome = run(
            *(operation, feature, mode, tmp_path, private),
            foreign_keys=True,
            call=lambda b, db: b.drop_constraint(name, **({"type_": kind} if typed else {})),
        )
        assert outcome.verdict == "right", outcome.detail


@pytest.mark.parametrize("feature", ["plain", "unnamed_constraints", "inline_constraints"])
def test_no_name_where_only_one_can_be_meant(feature: str, tmp_path: Path) -> None:
    """A foreign key that has no fellow is found without any name."""
    for mode in MODES:
        outcome = run(
            *("drop_foreign_key", feature, mode, tmp_path, private),
            foreign_keys=True,
            call=lambda b, db: b.drop_constraint(None, type_="foreignkey"),
        )
        assert outcome.verdict == "right", outcome.detail


REFUSED = {
    "no such name": ("plain", "nonsense", "unique", ("nonsense", "uq_book_isbn")),
    "a name of another kind": ("plain", "ck_book_pages", "unique", ("uq_book_isbn",)),
    "it has another name": ("plain", "book_isbn_key", "unique", ("uq_book_isbn",)),
    "two could be meant": (
        "two_keys_to_one_parent",
        None,
        "foreignkey",
        ("fk_book_author_id_author", "fk_book_editor_id_author"),
    ),
}


@pytest.mark.parametrize(("feature", "name", "kind", "listed"), REFUSED.values(), ids=REFUSED)
def test_unknown_is_refused(
    feature: str, name: str | None, kind: str, listed: tuple[str, ...], tmp_path: Path
) -> None:
    """Where none or more than one can be meant, the refusal lists what is there."""
    for mode in MODES:
        outcome = run(
            *("drop_unique", feature, mode, tmp_path, private),
            foreign_keys=True,
            call=lambda b, db: b.drop_constraint(name, type_=kind),
        )
        assert outcome.verdict == "refused", outcome
        for word in listed:
            assert word in outcome.detail
