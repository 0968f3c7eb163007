"""What a file accepts: that no database has such rows, of one thing, and no more than that."""

import re
from pathlib import Path

import pytest
from sqlalchemy import CheckConstraint, Column, Integer, Table

from tests.conftest import Databases
from tests.library.autogenerate.project import Project

from .operations import (
    CHECK,
    KEY,
    NARROW,
    NO_CHECK,
    NO_KEY,
    NOT_NULL,
    NOT_UNIQUE,
    NULL,
    NUMBER,
    REMOVE,
    TEXT,
    UNIQUE,
    WIDEN,
)
from .stage import DROPPED, ROWS, TABLES, line_of, rehearsed


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "consent"),
    [
        (NOT_NULL, NULL, "set-not-null book.title"),
        (UNIQUE, NOT_UNIQUE, "add-unique uq_title"),
        (KEY, NO_KEY, "add-foreign-key fk_editor"),
        (CHECK, NO_CHECK, "add-check ck_long"),
        (NARROW, WIDEN, "narrow-type book.title"),
        (NUMBER, TEXT, "narrow-type book.title"),
    ],
)
def test_made_rows_that_no_database_has(
    place: Project, upgrade: str, downgrade: str, consent: str
) -> None:
    """A person who knows it says so in the file; the development database's rows still count."""
    place.by_hand(TABLES.strip(), DROPPED)
    path = place.by_hand(upgrade, downgrade)
    place.by_hand("pass")
    (failure,) = rehearsed(place, "hand2").failures
    assert f'accepted = {{"{consent}": "the reason"}}' in str(failure)

    path.write_text(path.read_text() + f'\naccepted = {{"{consent}": "looked at all"}}\n')
    rehearsal = rehearsed(place, "hand2")
    assert rehearsal.failures == []
    left_out = f"without rows that break {consent}, as accepted in the file: looked at all"
    assert rehearsal.notes[0].endswith(left_out)

    place.upgrade("hand1")
    place.run(*ROWS)
    (failure,) = rehearsed(place, "hand2", development=True).failures
    assert "of the development database" in failure.database
    assert (failure.step, failure.line) == ("upgrade", line_of(path))
    assert "accepted = " not in str(failure)
    assert "accepts it where no database has such rows, and this one has" in str(failure)


VALIDATED = """op.execute("ALTER TABLE book ADD CONSTRAINT ck_long CHECK (price > 1) NOT VALID")
op.execute("ALTER TABLE book VALIDATE CONSTRAINT ck_long")  # here"""
OVERLAP = (
    """op.create_exclude_constraint("ex_title", "book", ("title", "="), using="btree")  # here"""
)


@pytest.mark.parametrize(
    ("upgrade", "consent", "name"),
    [(VALIDATED, "add-check ck_long", "ck_long"), (OVERLAP, "add-exclusion ex_title", "ex_title")],
)
def test_made_rows_that_postgresql_looks_at(
    postgresql: Databases, tmp_path: Path, upgrade: str, consent: str, name: str
) -> None:
    place = Project(tmp_path, url=postgresql(), kinds=("postgresql",))
    place.by_hand(TABLES.strip(), DROPPED)
    path = place.by_hand(upgrade, f'op.drop_constraint("{name}", "book")')
    place.by_hand("pass")
    (failure,) = rehearsed(place, "hand2").failures
    assert failure.line == line_of(path)
    assert f'accepted = {{"{consent}": "the reason"}}' in str(failure)
    path.write_text(path.read_text() + f'\naccepted = {{"{consent}": "looked at all"}}\n')
    assert rehearsed(place, "hand2").failures == []


def test_rows_that_can_be_read_no_more(postgresql: Databases, tmp_path: Path) -> None:
    """A column that is computed when it is read fails there, and not in the upgrade."""
    place = Project(tmp_path, url=postgresql(), kinds=("postgresql",))
    place.by_hand(TABLES.strip(), DROPPED)
    twice = 'sa.Column("twice", sa.Integer, sa.Computed("editor_id * 2"))'
    path = place.by_hand(
        f'op.add_column("book", {twice})  # here', 'op.drop_column("book", "twice")'
    )
    place.by_hand("pass")
    (failure,) = rehearsed(place, "hand2").failures
    assert failure.line == line_of(path)
    assert "integer out of range" in str(failure)
    assert 'accepted = {"add-computed book.twice"' in str(failure)
    path.write_text(path.read_text() + '\naccepted = {"add-computed book.twice": "small"}\n')
    assert rehearsed(place, "hand2").failures == []


def test_rows_that_the_chain_put_in_are_in_every_database(place: Project) -> None:
    own = 'op.execute("INSERT INTO author (id, name) VALUES (7, NULL)")'
    place.by_hand(f"{TABLES.strip()}\n{own}", DROPPED)
    path = place.by_hand(NOT_NULL.replace("book", "author").replace("title", "name"))
    place.by_hand("pass")
    path.write_text(path.read_text() + '\naccepted = {"set-not-null author.name": "all named"}\n')
    (failure,) = rehearsed(place, "hand2").failures
    assert (failure.step, failure.line) == ("upgrade", line_of(path))


@pytest.mark.parametrize(
    ("upgrade", "downgrade"), [(NOT_NULL, NULL), (KEY, NO_KEY), (NARROW, WIDEN)]
)
def test_the_line_that_is_told_settles_it(place: Project, upgrade: str, downgrade: str) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    path = place.by_hand(upgrade, downgrade)
    place.by_hand("pass")
    (failure,) = rehearsed(place, "hand2").failures
    line = str(failure).splitlines()[1].partition("for example: ")[2]
    path.write_text(
        path.read_text().replace("    with op.batch", f"    {line}\n    with op.batch", 1)
    )
    assert rehearsed(place, "hand2").failures == []


def test_a_line_that_the_table_does_not_take_is_told_without_its_value(place: Project) -> None:
    positive = 'sa.CheckConstraint("title <> \'\'", name="ck_title"),'
    place.by_hand(
        TABLES.replace("    sa.Foreign", f"    {positive}\n    sa.Foreign").strip(), DROPPED
    )
    place.by_hand(NOT_NULL, NULL)
    place.by_hand("pass")
    (failure,) = rehearsed(place, "hand2").failures
    fix = "op.execute('UPDATE book SET title = … WHERE title IS NULL')"
    line = str(failure).splitlines()[1].strip()
    assert line == f"fix such rows first, for example: {fix}"


def test_one_consent_is_added_to_another(place: Project) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    path = place.by_hand(f"{NOT_NULL}\n{CHECK}", f"{NO_CHECK}\n{NULL}")
    place.by_hand("pass")
    path.write_text(path.read_text() + '\naccepted = {"drop-column book.x": "unused"}\n')
    (failure,) = rehearsed(place, "hand2").failures
    both = '{"drop-column book.x": "unused", "set-not-null book.title": "the reason"}'
    fill = """op.execute("UPDATE book SET title = '' WHERE title IS NULL")"""
    assert str(failure).splitlines()[1:] == [
        f"    fix such rows first, for example: {fill}",
        f"    where no database has such rows, write into the file: accepted = {both}",
    ]


def test_a_consent_given_beforehand_holds_for_every_part(place: Project) -> None:
    """PostgreSQL looks at the rows in a revision of its own."""

    def model(*more: CheckConstraint) -> None:
        place.metadata.clear()
        columns = Column("id", Integer, primary_key=True), Column("age", Integer)
        Table("user", place.metadata, *columns, *more)

    model()
    place.new("users")
    model(CheckConstraint("age > 17", name="adult"))
    report = place.new("adults", accept="add-check ck_user_adult: looked at all")
    for revision in report.revisions:
        assert rehearsed(place, revision).failures == []


def test_a_consent_is_to_one_thing_on_the_way_up(place: Project) -> None:
    """That a column is dropped is accepted, not that it cannot be brought back."""
    place.by_hand(TABLES.strip(), DROPPED)
    downgrade = (
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.add_column(sa.Column("title", sa.String(40)))\n'
        '    batch_op.alter_column("title", existing_type=sa.String(40), nullable=False)'
    )
    path = place.by_hand(REMOVE.replace("isbn", "title"), downgrade)
    place.by_hand("pass")
    consents = {"drop-column book.title": "unused", "set-not-null book.title": "sure"}
    path.write_text(path.read_text() + f"\naccepted = {consents!r}\n")
    rehearsal = rehearsed(place, "hand2")
    assert rehearsal.notes == []
    assert [failure.step for failure in rehearsal.failures] == ["downgrade"]


LENT = """
op.create_table(
    "loan",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("book_id", sa.Integer, nullable=False),
    sa.ForeignKeyConstraint(["book_id"], ["book.id"], "fk_book"),
)
"""


@pytest.mark.parametrize(
    ("upgrade", "downgrade", "consent"),
    [
        (NOT_NULL, NULL, "set-not-null book.title"),
        (UNIQUE, NOT_UNIQUE, "add-unique uq_title"),
        (KEY, NO_KEY, "add-foreign-key fk_editor"),
        (CHECK, NO_CHECK, "add-check ck_long"),
        (NARROW, WIDEN, "narrow-type book.title"),
    ],
)
def test_a_consent_is_not_to_all_that_the_table_holds(
    place: Project, upgrade: str, downgrade: str, consent: str
) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    wrong = 'op.execute("UPDATE book SET author_id = -1")'
    path = place.by_hand(f"{upgrade}\n{wrong}", downgrade)
    place.by_hand("pass")
    path.write_text(path.read_text() + f'\naccepted = {{"{consent}": "looked at all"}}\n')
    (failure,) = rehearsed(place, "hand2").failures
    assert failure.step == "upgrade"
    assert re.search("foreign key|pointed to", failure.sentence, re.IGNORECASE)


def test_a_consent_is_not_to_what_points_to_the_table(place: Project) -> None:
    place.by_hand(TABLES.strip() + LENT, f'op.drop_table("loan")\n{DROPPED}')
    wrong = 'op.execute("UPDATE loan SET book_id = -1")'
    path = place.by_hand(f"{NOT_NULL}\n{wrong}", NULL)
    place.by_hand("pass")
    path.write_text(path.read_text() + '\naccepted = {"set-not-null book.title": "all have"}\n')
    (failure,) = rehearsed(place, "hand2").failures
    assert failure.step == "upgrade"
    assert re.search("foreign key|pointed to", failure.sentence, re.IGNORECASE)


def test_consent_in_an_earlier_part_of_a_change_holds_for_the_later_ones(
    postgresql: Databases, tmp_path: Path
) -> None:
    """The last part of it is rehearsed on rows that were there before the first."""
    place = Project(tmp_path, url=postgresql(), kinds=("postgresql",))

    def model(*columns: Column[int]) -> None:
        place.metadata.clear()
        Table("book", place.metadata, Column("id", Integer, primary_key=True), *columns)

    model(Column("title", Integer), Column("note", Integer))
    place.new("books")
    model(Column("title", Integer, unique=True))
    report = place.new("titles", accept="drop-column book.note: unused")
    index, contract = report.paths[-2:]
    (failure,) = rehearsed(place).failures
    assert "the revision before it does not run on these rows" in str(failure)
    assert "accepted = " not in str(failure)

    consents = {"add-unique uq_book_title": "looked at all"}
    index.write_text(index.read_text() + f"\naccepted = {consents!r}\n")
    rehearsal = rehearsed(place)
    assert rehearsal.failures == []
    assert rehearsal.notes == [
        f"PostgreSQL: without rows that break add-unique uq_book_title, as accepted in {index.name}"
        ": looked at all"
    ]
    assert contract.name.startswith(rehearsal.revision.revision)
