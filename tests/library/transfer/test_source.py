"""The file that is moved: behind, not there, written to meanwhile, with more than its models."""

import sqlite3
from pathlib import Path

import pytest

from alembic_lossless.errors import MigrationError


def test_one_behind_its_migrations_is_refused(library_mover):
    library_mover.chain.add("3333")
    with pytest.raises(MigrationError, match="not at the head"):
        library_mover()


def test_one_that_is_not_there_is_not_made(library_mover):
    library_mover.source = library_mover.source.set(database=library_mover.source.database + "x")
    with pytest.raises(MigrationError, match="does not exist"):
        library_mover()
    assert not Path(library_mover.source.database).exists()


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_one_that_changes_meanwhile_is_noticed(library_mover, journal):
    library_mover.here(f"PRAGMA journal_mode = {journal}")
    held = []

    def write(stage, rows):
        if stage == "copy" and not held:
            writer = sqlite3.connect(library_mover.source.database, timeout=0)
            held.append(writer)
            writer.execute("INSERT INTO author VALUES (50, 'Late')")
            if journal == "WAL":
                writer.commit()  # else it waits for the reader, and still holds its lock

    with pytest.raises(MigrationError, match="written to while its rows were copied"):
        library_mover(progress=write)
    held[0].commit()
    held[0].close()
    assert library_mover.nothing_moved("author", "book")
    assert library_mover().sums["author"].rows == 3


def test_rows_that_point_to_nothing_are_named(library_mover):
    library_mover.here("INSERT INTO book VALUES (9, 77, 'Orphan', 1, 1)")
    assert [str(r) for r in library_mover.refusals()] == [
        "book: 1 row pointing to no row of author (first rowid 9)"
    ]


def test_what_has_no_place_there_is_named_and_may_be_left(library_mover):
    library_mover.here(
        "CREATE TABLE legacy (x)",
        "INSERT INTO legacy VALUES (1), (2)",
        "CREATE TABLE void (x)",
        "ALTER TABLE book ADD COLUMN shelf TEXT",
        "UPDATE book SET shelf = 'A' WHERE id = 1",
    )
    assert [str(r) for r in library_mover.refusals()] == [
        "book.shelf: 1 value without a column in the target; to move without them: "
        'accept="book.shelf"',
        'legacy: 2 rows without a table in the target; to move without them: accept="legacy"',
    ]
    assert library_mover(accepted={"legacy", "book.shelf"}).sums["book"].rows == 3


def test_missing_column_is_refused(library_mover):
    library_mover.here("ALTER TABLE book DROP COLUMN pages")
    with pytest.raises(MigrationError, match=r"has no column book\.pages"):
        library_mover()
