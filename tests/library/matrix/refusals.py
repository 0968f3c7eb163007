"""The cells where a refusal is wanted, why, and a word that the message has to say.

Whatever is not listed here has to be carried out. A cell listed here that is carried out is a
fault as well: the table says what the engine does, no more and no less.
"""

from dataclasses import dataclass

from .features import FEATURES
from .surroundings import CHILDREN_OF_ID

ANY = frozenset(FEATURES)
WITH_ROWS = ANY - {"no_rows"}
WITHOUT_ROWID = frozenset({"without_rowid", "strict_without_rowid"})


@dataclass(frozen=True)
class Refusal:
    """*operations* are refused on *features* because of *reason*; the message says *word*."""

    operations: str
    features: frozenset[str]
    reason: str
    word: str


def _on(*features: str) -> frozenset[str]:
    return frozenset(features)


REFUSALS = (
    # Rows do not satisfy what is asked for.
    Refusal("add_not_null", WITH_ROWS, "a row has no value for the new column", "extra"),
    Refusal("set_not_null_on_nulls", WITH_ROWS, "a row holds NULL", "NULL"),
    Refusal("create_unique_on_duplicates", WITH_ROWS, "two rows hold the same", "more than once"),
    Refusal(
        "create_check_on_violations",
        WITH_ROWS - {"older_rows"},
        "rows break the CHECK",
        "not true",
    ),
    Refusal("create_foreign_key_on_orphans", WITH_ROWS, "the parent row is missing", "no parent"),
    Refusal("create_foreign_key", _on("orphans"), "the parent row is missing", "no parent"),
    Refusal("create_foreign_key_unnamed", _on("orphans"), "the parent row is missing", "no parent"),
    Refusal("retype_unfit", WITH_ROWS, "the type does not hold the values", "INTEGER"),
    Refusal("retype_integer_to_text", _on("odd_values"), "text does not hold a blob", "pages"),
    # Something still uses the column.
    Refusal("drop_column_id", CHILDREN_OF_ID, "another row points to it", "review|book"),
    Refusal("drop_column_isbn", _on("child_of_the_unique"), "another row points to it", "review"),
    Refusal("drop_column_id", _on("view_with_trigger"), "a view shows it", "shown"),
    Refusal("drop_column_note", _on("view_with_trigger"), "a view shows it", "shown"),
    Refusal("drop_column_title", _on("view"), "a view shows it", "cheap"),
    Refusal("drop_column_price", _on("view"), "a view shows it", "cheap"),
    Refusal("drop_column_title", _on("view_of_a_view"), "a view shows it", "wrote"),
    Refusal("drop_column_author_id", _on("view_of_a_view"), "a view shows it", "wrote"),
    Refusal("drop_column_title", _on("trigger_on_insert"), "a trigger uses it", "tr"),
    Refusal("drop_column_price", _on("trigger_on_update_of_column"), "a trigger uses it", "tr"),
    Refusal("drop_column_price", _on("trigger_of_another_table"), "a trigger uses it", "tr"),
    Refusal("drop_column_author_id", _on("trigger_of_another_table"), "a trigger uses it", "tr"),
    Refusal("drop_column_note", _on("trigger_on_delete"), "a trigger uses it", "tr"),
    Refusal("drop_column_id", _on("words_to_be_searched"), "a trigger uses it", "tr"),
    Refusal("drop_column_title", _on("words_to_be_searched"), "a trigger uses it", "tr"),
    Refusal("drop_column_pages", _on("generated_virtual"), "computed from it", "twice"),
    Refusal("drop_column_title", _on("generated_stored"), "computed from it", "shown"),
    Refusal("drop_column_note", _on("generated_stored"), "computed from it", "shown"),
    # Something still needs the key.
    Refusal("drop_primary_key", CHILDREN_OF_ID, "another row points to it", "review|book"),
    Refusal("create_primary_key", CHILDREN_OF_ID, "another row points to it", "review|book"),
    Refusal("drop_unique", _on("child_of_the_unique"), "another row points to it", "review"),
    Refusal("drop_primary_key", WITHOUT_ROWID, "the table is stored by it", "PRIMARY KEY"),
    Refusal("drop_column_id", WITHOUT_ROWID, "the table is stored by it", "PRIMARY KEY"),
    # There is no such constraint.
    Refusal("drop_primary_key", _on("no_primary_key", "made_by_select"), "there is none", "book"),
    Refusal("drop_unique", _on("made_by_select"), "there is none", "uq_book_isbn"),
    Refusal("drop_check", _on("made_by_select"), "there is none", "ck_book_pages"),
    Refusal("drop_foreign_key", _on("made_by_select"), "there is none", "fk_book_author"),
    Refusal("batch_of_several", _on("made_by_select"), "there is none", "ck_book_pages"),
    Refusal("batch_of_several_recreated", _on("made_by_select"), "there is none", "ck_book_pages"),
)


def wanted(operation: str, feature: str) -> Refusal | None:
    """Return the refusal that is wanted in this cell, if one is."""
    for refusal in REFUSALS:
        if refusal.operations == operation and feature in refusal.features:
            return refusal
    return None
