"""What a migration can do to rows and a downgrade to a schema: each is met on throwaway databases,
on each kind, before a real one meets it; with the row or the line.
"""

import re
from pathlib import Path

import pytest
from migrator import MigratorError
from migrator.author.rehearse import Failure
from migrator.watch import followed
from sqlalchemy import CheckConstraint, Column, Integer, Table, create_engine, text

from tests.conftest import Databases
from tests.engine.author.project import Project

from .stage import DROPPED, ROWS, TABLES, line_of, rehearsed, stock

DELETE = """op.execute("DELETE FROM author WHERE name = ''")  # here"""
ROUND = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("price", existing_type=sa.Numeric(8, 2), type_=sa.Integer())  # here"""
NOT_NULL = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("title", existing_type=sa.String(40), nullable=False)  # here"""
NULL = NOT_NULL.replace("False", "True").replace("# here", "")
UNIQUE = """with op.batch_alter_table("book") as batch_op:
    batch_op.create_unique_constraint("uq_title", ["title"])  # here"""
NOT_UNIQUE = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_constraint("uq_title", type_="unique")"""
KEY = """with op.batch_alter_table("book") as batch_op:
    batch_op.create_foreign_key("fk_editor", "author", ["editor_id"], ["id"])  # here"""
NO_KEY = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_constraint("fk_editor", type_="foreignkey")
if op.get_context().dialect.name in ("mysql", "mariadb"):
    op.drop_index("fk_editor", "book")  # it made one for the key"""
CHECK = """with op.batch_alter_table("book") as batch_op:
    batch_op.create_check_constraint("ck_long", "length(title) > 5")  # here"""
NO_CHECK = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_constraint("ck_long", type_="check")"""
NARROW = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("title", existing_type=sa.String(40), type_=sa.String(3))  # here"""
WIDEN = NARROW.replace("(40)", "(0)").replace("(3)", "(40)").replace("(0)", "(3)")
NUMBER = """with op.batch_alter_table("book") as batch_op:
    new = {"type_": sa.Integer(), "postgresql_using": "title::integer"}
    batch_op.alter_column("title", existing_type=sa.String(40), **new)  # here"""
TEXT = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("title", existing_type=sa.Integer(), type_=sa.String(40))"""
INITIALS = """bind = op.get_bind()
for row in bind.execute(sa.text("SELECT id, name FROM author WHERE name IS NOT NULL")).all():
    initial = row.name[0]  # here
    change = sa.text("UPDATE author SET name = :n WHERE id = :i")
    bind.execute(change, {"n": initial, "i": row.id})"""
ADD = """with op.batch_alter_table("book") as batch_op:
    batch_op.add_column(sa.Column("isbn", sa.String(20)))"""
REMOVE = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_column("isbn")"""
INSERT = """author = sa.table("author", sa.column("id"), sa.column("name"))
op.bulk_insert(author, [{"id": 1000, "name": "nobody"}])  # here"""


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
    with pytest.raises(MigratorError, match="Revision hand2 connects to sqlite:///"):
        rehearsed(place, "head")
    ((_, stopped),) = followed([place.script.get_revision("hand2")], real.dialect)
    assert "Revision hand2 connects" in str(stopped)
    with real.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM author")) == 0


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
    # A server names one value at a time that is no number.
    one_by_one = upgrade == NUMBER and place.kinds != ("sqlite",)
    what = "no rows were made for book" if one_by_one else f"without rows that break {consent}"
    assert rehearsal.notes[0].endswith(f"{what}, as accepted in the file: looked at all")

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
    told = "before it, for example: op.execute('UPDATE book SET title = … WHERE title IS NULL')"
    assert str(failure).splitlines()[1].strip() == told


def test_one_consent_is_added_to_another(place: Project) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    path = place.by_hand(f"{NOT_NULL}\n{CHECK}", f"{NO_CHECK}\n{NULL}")
    place.by_hand("pass")
    path.write_text(path.read_text() + '\naccepted = {"drop-column book.x": "unused"}\n')
    (failure,) = rehearsed(place, "hand2").failures
    both = '{"drop-column book.x": "unused", "set-not-null book.title": "the reason"}'
    fill = """op.execute("UPDATE book SET title = '' WHERE title IS NULL")"""
    assert str(failure).splitlines()[1:] == [
        f"    before it, for example: {fill}",
        f"    where no database has such rows, in the file: accepted = {both}",
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
