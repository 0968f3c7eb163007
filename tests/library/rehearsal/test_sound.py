"""What a migration says it does is no accident: sound migrations pass, on each kind."""

import pytest
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Enum,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
)

from alembic_lossless.errors import MigrationError
from alembic_lossless.schema.own_tables import VERSION_TABLE
from alembic_lossless.scratch.sources import find_sources
from tests.library.autogenerate.project import Project

from .stage import DROPPED, TABLES, rehearsed

SOUND = {
    "nothing": ("pass", "pass"),
    "column renamed": (
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.alter_column("title", new_column_name="name", existing_type=sa.String(40))',
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.alter_column("name", new_column_name="title", existing_type=sa.String(40))',
    ),
    "table renamed": ('op.rename_table("book", "volume")', 'op.rename_table("volume", "book")'),
    "table renamed by hand": (
        'op.execute("ALTER TABLE book RENAME TO volume")',
        'op.execute("ALTER TABLE volume RENAME TO book")',
    ),
    "column renamed by hand": (
        'op.execute("ALTER TABLE book RENAME COLUMN title TO name")',
        'op.execute("ALTER TABLE book RENAME COLUMN name TO title")',
    ),
    "column dropped": (
        'with op.batch_alter_table("book") as batch_op:\n    batch_op.drop_column("title")',
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.add_column(sa.Column("title", sa.String(40)))',
    ),
    "table dropped": (
        'op.drop_table("book")',
        TABLES[TABLES.index('op.create_table(\n    "book"') :].strip(),
    ),
    "type widened": (
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.alter_column("title", existing_type=sa.String(40), type_=sa.Text())\n'
        '    batch_op.alter_column("price", existing_type=sa.Numeric(8, 2),'
        " type_=sa.Numeric(9, 3))",
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.alter_column("title", existing_type=sa.Text(), type_=sa.String(40))\n'
        '    batch_op.alter_column("price", existing_type=sa.Numeric(9, 3),'
        " type_=sa.Numeric(8, 2))",
    ),
    "filled, then not null": (
        "op.execute(\"UPDATE book SET title = 'untitled' WHERE title IS NULL\")\n"
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.alter_column("title", existing_type=sa.String(40), nullable=False)',
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.alter_column("title", existing_type=sa.String(40), nullable=True)',
    ),
    "column with a value for the rows": (
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.add_column(sa.Column("crew", sa.Integer, nullable=False,'
        ' server_default="0"))',
        'with op.batch_alter_table("book") as batch_op:\n    batch_op.drop_column("crew")',
    ),
    "values moved in a loop": (
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.add_column(sa.Column("label", sa.String(80)))\n'
        'book = sa.table("book", sa.column("id"), sa.column("title"), sa.column("label"))\n'
        "bind = op.get_bind()\n"
        "for row in bind.execute(sa.select(book.c.id, book.c.title)).all():\n"
        "    bind.execute(sa.update(book).where(book.c.id == row.id)"
        '.values(label=f"<{row.title}>"))',
        'with op.batch_alter_table("book") as batch_op:\n    batch_op.drop_column("label")',
    ),
    "rows put in and taken out": (
        'op.bulk_insert(sa.table("author", sa.column("id")), [{"id": 1000}])',
        'op.execute("DELETE FROM author WHERE id = 1000")',
    ),
    "children deleted before parents": (
        'op.execute("DELETE FROM book WHERE author_id IN ("\n'
        "    \"SELECT id FROM author WHERE name = '')\")\n"
        "op.execute(\"DELETE FROM author WHERE name = ''\")",
        "pass",
    ),
    "orphans cleared, then a key": (
        'op.execute("UPDATE book SET editor_id = NULL'
        ' WHERE editor_id NOT IN (SELECT id FROM author)")\n'
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.create_foreign_key("fk_editor", "author", ["editor_id"], ["id"])\n'
        '    batch_op.create_index("ix_book_editor_id", ["editor_id"])',
        'with op.batch_alter_table("book") as batch_op:\n'
        '    batch_op.drop_constraint("fk_editor", type_="foreignkey")\n'
        '    batch_op.drop_index("ix_book_editor_id")',
    ),
    "table copied by hand": (
        'op.create_table("draft", sa.Column("id", sa.Integer, primary_key=True),\n'
        '    sa.Column("title", sa.String(40)))\n'
        'op.execute("INSERT INTO draft (id, title) SELECT id, title FROM book")',
        'op.drop_table("draft")',
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_a_migration_says_is_no_accident(place: Project, name: str) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    place.by_hand(*SOUND[name])
    place.by_hand("pass")
    rehearsal = rehearsed(place, "hand2")
    assert rehearsal.failures == []
    (passed,) = rehearsal.passed
    assert "fixture rows" in passed


def test_a_key_that_is_renamed(place: Project) -> None:
    """On MySQL it keeps its counter only where the operation says so; the downgrade forgot it."""
    rename = (
        'with op.batch_alter_table("author") as batch_op:\n'
        '    batch_op.alter_column("{}", new_column_name="{}", existing_type=sa.Integer,'
        " existing_nullable=False)"
    )
    place.by_hand(TABLES.strip(), DROPPED)
    place.by_hand(rename.format("id", "number"), rename.format("number", "id"))
    place.by_hand("pass")
    found = [failure.sentence for failure in rehearsed(place, "hand2").failures]
    lost = ["default of author.id is missing, it was auto_increment"]
    assert found == (lost if place.kinds == ("mysql",) else [])


RENAMED = (
    'with op.batch_alter_table("person") as batch_op:\n'
    '    batch_op.alter_column("{}", new_column_name="{}", existing_type=sa.Integer)'
)


@pytest.mark.parametrize(
    ("upgrade", "downgrade"),
    [
        (RENAMED.format("a", "c"), RENAMED.format("c", "a")),
        ('op.rename_table("person", "user")', 'op.rename_table("user", "person")'),
    ],
)
def test_rename_of_what_constraints_without_a_name_are_on_passes(
    upgrade: str, downgrade: str, place: Project
) -> None:
    """SQLite's get the names then that PostgreSQL gave them, and keep them on the way back."""
    place.by_hand(
        'op.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, a INTEGER UNIQUE, b INTEGER,'
        ' CHECK (a > 0 AND b > 0))")',
        'op.drop_table("person")',
    )
    place.by_hand(upgrade, downgrade)
    place.by_hand("pass")
    assert rehearsed(place, "hand2").failures == []


def test_what_is_generated_passes(place: Project) -> None:
    def tables(*columns: Column, values: tuple[str, ...], least: int) -> None:
        place.metadata.clear()
        Table("crew", place.metadata, Column("id", Integer, primary_key=True))
        Table(
            "user",
            place.metadata,
            Column("id", Integer, primary_key=True),
            Column("mood", Enum(*values, name="mood", create_constraint=True)),
            Column("age", Integer, CheckConstraint(f"age >= {least}", name="age")),
            Column("boss_id", ForeignKey("user.id")),
            *columns,
        )

    tables(Column("nick", String(20), unique=True), values=("fine", "bad"), least=18)
    place.new("users")
    tables(
        Column("nick", String(40), unique=True),
        Column("crew_id", ForeignKey("crew.id", ondelete="CASCADE"), index=True),
        Column("about", Text),
        Column("active", Boolean),
        values=("fine", "bad", "so so"),
        least=16,
    )
    report = place.new("more")
    for revision in report.revisions:
        assert rehearsed(place, revision).failures == []


def test_the_parts_of_one_change_meet_the_rows_from_before(place: Project) -> None:
    """PostgreSQL builds the index in a revision of its own: nobody fills the column meanwhile."""

    def model(*more: Column) -> None:
        place.metadata.clear()
        Table("user", place.metadata, Column("id", Integer, primary_key=True), *more)

    model()
    place.new("users")
    model(Column("mail", String(40), unique=True))
    for revision in place.new("mails").revisions:
        assert rehearsed(place, revision).failures == []


def test_a_table_is_renamed_with_its_check(place: Project) -> None:
    """The way back makes the CHECK while the table has its new name."""

    def model(name: str) -> None:
        place.metadata.clear()
        check = CheckConstraint("age > 17", name="adult")
        columns = Column("id", Integer, primary_key=True), Column("age", Integer)
        Table(name, place.metadata, *columns, check)

    model("person")
    place.new("people")
    model("human")
    for revision in place.new("humans", rename="person:human").revisions:
        assert rehearsed(place, revision).failures == []


def test_a_dropped_column_that_was_not_null(place: Project) -> None:
    """The rows that are there by then hold nothing that the way back could put into it."""

    def model(*more: Column) -> None:
        place.metadata.clear()
        Table("person", place.metadata, Column("id", Integer, primary_key=True), *more)

    model(Column("name", String(40), nullable=False), Column("age", Integer, nullable=False))
    place.new("people")
    model()
    consent = "drop-column person.name: unused; drop-column person.age: unused"
    for revision in place.new("nameless", accept=consent).revisions:
        assert rehearsed(place, revision).failures == []


def test_the_schema_has_to_be_the_models(place: Project) -> None:
    Table("user", place.metadata, Column("id", Integer, primary_key=True), Column("a", Integer))
    place.by_hand(
        'op.create_table("user", sa.Column("id", sa.Integer, primary_key=True), '
        'sa.Column("a", sa.Text))',
        'op.drop_table("user")',
    )
    (failure,) = rehearsed(place).failures
    assert (failure.step, failure.line) == ("schema after the upgrade", 11)
    assert failure.sentence.startswith("user.a: the migrations say ")


def test_models_that_are_ahead_do_not_stop_the_rehearsal(place: Project) -> None:
    Table("user", place.metadata, Column("id", Integer, primary_key=True), Column("a", Integer))
    place.by_hand(
        'op.create_table("user", sa.Column("id", sa.Integer, primary_key=True))',
        'op.drop_table("user")',
    )
    rehearsal = rehearsed(place)
    assert len(rehearsal.passed) == 1
    assert rehearsal.failures == []
    (item,) = rehearsal.ahead
    assert ": user.a: missing, the models say " in item
    with pytest.raises(MigrationError, match="the models are ahead of it") as refused:
        rehearsal.check(applied=False)
    assert refused.value.exit_code == 4


def test_nothing_is_left_of_it(place: Project) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    place.by_hand("raise ValueError")
    assert rehearsed(place).failures
    source = find_sources(place.kinds, place.url)[0][-1]
    if source.url is not None:
        databases = {"postgresql": "SELECT datname FROM pg_database"}.get(
            source.kind, "SHOW DATABASES"
        )
        assert not [
            row[0] for row in place.run(databases) if row[0].startswith("alembic_lossless_scratch")
        ]
    assert place.schema() == {}
    assert VERSION_TABLE not in {key.table for key in place.schema()}
