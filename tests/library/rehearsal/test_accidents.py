"""What a migration can do to rows and a downgrade to a schema: each is met on scratch databases,
on each kind, before a real one meets it; with the row or the line.
"""

import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from alembic_lossless.errors import MigrationError
from alembic_lossless.rehearsal.report import Failure
from alembic_lossless.run.recorder import followed
from tests.library.autogenerate.project import Project

from .operations import (
    ADD,
    DELETE,
    INITIALS,
    INSERT,
    KEY,
    NO_KEY,
    NOT_NULL,
    NOT_UNIQUE,
    NULL,
    REMOVE,
    ROUND,
    UNIQUE,
)
from .stage import DROPPED, ROWS, TABLES, line_of, rehearsed, stock


def caught(project: Project, upgrade: str, downgrade: str = "pass") -> tuple[Failure, int]:
    """Rehearse a revision; return what was found and the number of the line marked "# here"."""
    project.by_hand(TABLES.strip(), DROPPED)
    path = project.by_hand(upgrade, downgrade)
    project.by_hand("pass")  # the schema is not compared with the models before the head
    (failure,) = rehearsed(project, "hand2").failures
    assert failure.file == path.name
    return failure, line_of(path)


def downgrade_of(project: Project) -> int:
    """Return the number of the line where the downgrade of what was caught begins."""
    return line_of(project.folder / "versions" / "hand2.py", "def downgrade")


def on_stock(project: Project) -> int:
    """Bring a real database with rows to the head by stock Alembic."""
    assert stock(project, "upgrade", "hand1") == 0
    project.run(*ROWS)
    return stock(project, "upgrade", "head")


def test_rows_lost_by_a_cascade(place: Project) -> None:
    failure, line = caught(place, DELETE)
    assert on_stock(place) == 0
    assert place.run("SELECT id FROM book") == [(1,)]  # of three

    assert failure.line == line
    assert re.search(r"rows? of book lost.*book\(id=\d+\)|first book \(rowid", str(failure))


def test_values_changed_by_a_cast(place: Project) -> None:
    failure, line = caught(place, ROUND)
    assert on_stock(place) == 0
    prices = [row[0] for row in place.run("SELECT price FROM book ORDER BY id")]
    assert prices != [1.25, 2.5, 3]

    assert failure.line == line
    assert re.search(r"book\(id=\d+\) Decimal\('7.50'\) → 8|id = 1", str(failure))


def test_not_null_over_nulls(place: Project) -> None:
    failure, line = caught(place, NOT_NULL, NULL)
    assert on_stock(place) == 1

    assert (failure.step, failure.line) == ("upgrade", line)
    assert re.search(r"book\(id=\d+\)|id = \d+", str(failure))


def test_unique_over_duplicates(place: Project) -> None:
    failure, line = caught(place, UNIQUE, NOT_UNIQUE)
    assert on_stock(place) == 1

    assert (failure.step, failure.line) == ("upgrade", line)
    assert "x9" in str(failure)


def test_unique_over_what_was_unique_with_another(place: Project) -> None:
    both = 'sa.UniqueConstraint("author_id", "title", name="uq_both"),'
    tables = TABLES.replace(
        "    sa.ForeignKeyConstraint", f"    {both}\n    sa.ForeignKeyConstraint"
    )
    place.by_hand(tables.strip(), DROPPED)
    path = place.by_hand(UNIQUE, NOT_UNIQUE)
    place.by_hand("pass")
    (failure,) = rehearsed(place, "hand2").failures
    assert (failure.step, failure.line) == ("upgrade", line_of(path))


def test_a_foreign_key_over_orphans(place: Project) -> None:
    failure, line = caught(place, KEY, NO_KEY)
    assert on_stock(place) == 1

    assert (failure.step, failure.line) == ("upgrade", line)
    assert re.search(r"book\(id=\d+\)|id = \d+", str(failure))


def test_data_that_is_an_empty_string(place: Project) -> None:
    failure, line = caught(place, INITIALS)
    assert on_stock(place) == 1

    assert (failure.step, failure.line) == ("upgrade", line)
    assert "IndexError: string index out of range" in failure.sentence
    assert re.fullmatch(r"row = \(\d+, ''\)", failure.rows)


def test_a_downgrade_that_leaves_something_over(place: Project) -> None:
    failure, _ = caught(place, f"{ADD}  # here", "pass")
    assert failure.step == "schema after the downgrade"
    assert failure.sentence.startswith("book.isbn is left over")
    assert failure.line == downgrade_of(place)


def test_a_downgrade_that_brings_back_something_else(place: Project) -> None:
    upgrade = REMOVE.replace("isbn", "title")
    downgrade = ADD.replace("isbn", "title") + "  # here"
    failure, line = caught(place, upgrade, downgrade)
    assert (failure.step, failure.line) == ("schema after the downgrade", line)
    assert re.search(
        r"book.title is VARCHAR.*20.*, it was VARCHAR.*40", failure.sentence, re.I
    ) or ("character varying(20), it was character varying(40)" in failure.sentence)


def test_a_downgrade_that_leaves_a_view(place: Project) -> None:
    failure, _ = caught(place, 'op.execute("CREATE VIEW names AS SELECT name FROM author")  # here')
    assert failure.step == "schema after the downgrade"
    assert failure.sentence == "view names is left over"
    assert failure.line == downgrade_of(place)


def test_a_revision_without_a_downgrade(place: Project) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    path = place.by_hand(ADD)
    place.by_hand("pass")
    path.write_text(path.read_text().partition("def downgrade")[0])
    (failure,) = rehearsed(place, "hand2").failures
    assert failure.step == "downgrade"
    assert "no attribute 'downgrade'" in failure.sentence


@pytest.mark.parametrize(
    "downgrade",
    [
        'op.drop_index("ix_none", "book")',
        "raise NotImplementedError",
        'exit("there is no way back")',
    ],
)
def test_a_downgrade_that_cannot_run(place: Project, downgrade: str) -> None:
    failure, line = caught(place, ADD, f"{downgrade}  # here")
    assert (failure.step, failure.line) == ("downgrade", line)


def test_an_upgrade_that_cannot_run_twice(place: Project) -> None:
    """The row is still there, because the downgrade does not take it out."""
    failure, line = caught(place, INSERT)
    assert (failure.step, failure.line) == ("upgrade again", line)
    assert "1000" in str(failure)


def test_a_migration_that_reaches_a_real_database(place: Project, tmp_path: Path) -> None:
    """As one does that imports the application's session."""
    real = create_engine(f"sqlite:///{tmp_path / 'real'}")
    with real.begin() as connection:
        connection.execute(text("CREATE TABLE author (name TEXT)"))
    insert = "INSERT INTO author VALUES ('somebody')"
    upgrade = f"with sa.create_engine('{real.url}').begin() as own:  # here\n"
    failure, line = caught(place, f"{upgrade}    own.execute(sa.text({insert!r}))")
    assert (failure.step, failure.line) == ("upgrade", line)
    assert "Revision hand2 connects to sqlite:///" in failure.sentence
    with pytest.raises(MigrationError, match="Revision hand2 connects to sqlite:///"):
        rehearsed(place, "head")
    ((_, stopped),) = followed([place.script.get_revision("hand2")], real.dialect)
    assert "Revision hand2 connects" in str(stopped)
    with real.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM author")) == 0
