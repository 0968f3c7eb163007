"""The developer's own rows: copied from a database that is read and left as it is."""

from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, String, Table, make_url, text

from alembic_lossless.rehearsal import sample
from alembic_lossless.rehearsal.fixtures import reflect
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import Source, find_sources
from tests.conftest import Databases
from tests.library.autogenerate.project import Project

from .stage import DROPPED, ROWS, TABLES, line_of, rehearsed

UNIQUE = """with op.batch_alter_table("author") as batch_op:
    batch_op.create_check_constraint("ck_name", "name <> 'Zoe'")  # here"""
NOT_UNIQUE = """with op.batch_alter_table("author") as batch_op:
    batch_op.drop_constraint("ck_name", type_="check")"""


def copied(project: Project) -> tuple[sample.Copied, dict[str, int]]:
    source = find_sources(project.kinds, project.url)[0][-1]
    with databases.from_chain(project.script, source) as connection:
        done = sample.copy_rows(make_url(project.url), connection, reflect(connection))
        counts = {
            name: connection.scalar(text(f"SELECT count(*) FROM {name}")) or 0
            for name in ("author", "book")
        }
        orphans = connection.execute(
            text("SELECT * FROM book WHERE author_id NOT IN (SELECT id FROM author)")
        ).all()
        assert orphans == []
        connection.rollback()
    return done, counts


def test_a_row_that_only_the_developer_has(place: Project) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    place.upgrade()
    place.run("INSERT INTO author VALUES (4711, 'Zoe')")
    path = place.by_hand(UNIQUE, NOT_UNIQUE)
    place.by_hand("pass")
    assert rehearsed(place, "hand2").failures == []
    (failure,) = rehearsed(place, "hand2", development=True).failures
    assert "with 1 rows of the development database" in failure.database
    assert failure.line == line_of(path)
    assert "4711" in str(failure)


def test_all_rows_are_copied_and_the_database_is_left_alone(place: Project) -> None:
    place.by_hand(TABLES.strip(), DROPPED)
    place.upgrade()
    place.run(*ROWS)
    files = {p: p.read_bytes() for p in place.folder.parent.glob("*") if p.is_file()}
    done, counts = copied(place)
    assert (done.rows, done.notes, counts) == (6, [], {"author": 3, "book": 3})
    assert {p: p.read_bytes() for p in place.folder.parent.glob("*") if p.is_file()} == files


def test_what_points_to_a_row_that_was_not_copied_is_not_copied_either(place: Project) -> None:
    """The development database is behind, and its authors lack what is new."""
    place.by_hand(TABLES.strip(), DROPPED)
    place.upgrade()
    place.run(*ROWS)
    place.by_hand(
        'with op.batch_alter_table("author") as batch_op:\n'
        '    batch_op.add_column(sa.Column("country", sa.String(2), nullable=False))'
    )
    done, counts = copied(place)
    assert counts == {"author": 0, "book": 0}
    assert done.rows == 0
    assert done.notes[0].startswith("3 rows of author not copied: ")
    assert done.notes[1].startswith("3 rows of book not copied: ")


def test_a_circle_of_rows_is_copied_as_far_as_it_fits(place: Project) -> None:
    place.by_hand(
        'op.create_table("author", sa.Column("id", sa.Integer, primary_key=True),\n'
        '    sa.Column("name", sa.String(9)),\n'
        '    sa.Column("teacher", sa.Integer, sa.ForeignKey("author.id", name="fk_teacher")))\n'
        'op.create_table("book", sa.Column("id", sa.Integer, primary_key=True),\n'
        '    sa.Column("author_id", sa.Integer, sa.ForeignKey("author.id", name="fk_author")))',
        DROPPED,
    )
    place.upgrade()
    place.run(
        "INSERT INTO author VALUES (1, 'a', NULL), (2, 'b', 1), (7, 'g', NULL), (8, 'h', 7)",
        "INSERT INTO book VALUES (1, 1), (2, 2), (3, 8), (4, NULL)",
    )
    place.by_hand(
        'with op.batch_alter_table("author") as batch_op:\n'
        '    batch_op.create_check_constraint("ck_name", "name <> \'g\'")'
    )
    done, counts = copied(place)
    assert counts == {"author": 2, "book": 3}
    assert done.rows == 5
    assert [note.split(":")[0] for note in done.notes] == [
        "1 row of author not copied",
        "1 row of author not copied",
        "1 row of book not copied",
    ]


def test_the_parts_of_a_change_meet_rows_from_before_it(place: Project) -> None:
    """The development database has none of them, or the first."""

    def model(*more: Column) -> None:
        place.metadata.clear()
        Table("person", place.metadata, Column("id", Integer, primary_key=True), *more)

    model(Column("name", String(40)), Column("age", Integer))
    place.new("people")
    place.upgrade()
    place.run("INSERT INTO person VALUES (1, 'Ada', 36), (2, NULL, NULL)")
    model(Column("name", String(40)), Column("crew", Integer, nullable=False))
    consent = "drop-column person.age: unused"
    report = place.new("crews", fill="person.crew=7", accept=consent)
    first, *_, last = report.revisions
    for _ in range(2):
        rehearsal = rehearsed(place, last, development=True)
        assert (rehearsal.failures, rehearsal.notes) == ([], [])
        assert rehearsal.passed[0].endswith("fixture rows and 2 rows of the development database")
        place.upgrade(first)


def test_too_many_rows_are_sampled(place: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "ROWS", 40)
    monkeypatch.setattr(sample, "SMALL", 10)
    place.by_hand(TABLES.strip(), DROPPED)
    place.upgrade()
    authors = ", ".join(f"({n}, 'x{n}')" for n in range(1, 301))
    books = ", ".join(f"({n}, {301 - n}, NULL, 'b{n % 7}', {n})" for n in range(1, 301))
    place.run(
        f"INSERT INTO author VALUES {authors}",
        f"INSERT INTO book VALUES {books}",
        "UPDATE author SET name = 'the longest of all' WHERE id = 77",
        "UPDATE author SET name = NULL WHERE id = 78",
    )
    done, counts = copied(place)
    assert [note.split(":")[0] for note in done.notes] == [
        "author is too large to copy",
        "book is too large to copy",
    ]
    assert done.rows == sum(counts.values())
    assert 20 <= counts["book"] < 60
    assert counts["author"] < 120
    assert f": {counts['author']} of 300 rows were taken" in done.notes[0]
    assert f": {counts['book']} of 300 rows were taken" in done.notes[1]


def test_the_extremes_are_in_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "ROWS", 30)
    monkeypatch.setattr(sample, "SMALL", 10)
    project = Project(tmp_path)
    project.by_hand(TABLES.strip(), DROPPED)
    project.upgrade()
    project.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " INSERT INTO author SELECT i, 'x' FROM n",
        "UPDATE author SET name = 'the longest of all' WHERE id = 77",
        "UPDATE author SET name = NULL WHERE id = 78",
    )
    source = Source("sqlite")
    with databases.from_chain(project.script, source) as connection:
        sample.copy_rows(make_url(project.url), connection, reflect(connection))
        names = set(connection.scalars(text("SELECT name FROM author")))
        ids = set(connection.scalars(text("SELECT id FROM author")))
        connection.rollback()
    assert names == {"x", "the longest of all", None}
    assert {1, 500} <= ids


def test_rows_for_another_kind_of_database(tmp_path: Path, place: Project) -> None:
    """Development is on SQLite, production elsewhere."""
    own = Project(tmp_path / "own")
    for project in (own, place):
        project.by_hand(
            'op.create_table("t", sa.Column("id", sa.Integer, primary_key=True),\n'
            '    sa.Column("at", sa.DateTime), sa.Column("on", sa.Boolean),\n'
            '    sa.Column("price", sa.Numeric(8, 2)), sa.Column("more", sa.JSON))',
            'op.drop_table("t")',
        )
    own.upgrade()
    own.run(
        "INSERT INTO t VALUES (7, '2024-02-29 10:11:12.000000', 1, 1.5, '{\"a\": 1}'),"
        " (8, NULL, NULL, NULL, NULL)"
    )
    source = find_sources(place.kinds, place.url)[0][-1]
    with databases.from_chain(place.script, source) as connection:
        tables = reflect(connection)
        done = sample.copy_rows(make_url(own.url), connection, tables)
        rows = connection.execute(tables.tables["t"].select()).all()
        empty = connection.scalar(text("SELECT count(*) FROM t WHERE more IS NULL"))
        connection.rollback()
    assert (done.rows, done.notes, empty) == (2, [], 1)
    assert str(rows[0].at) == "2024-02-29 10:11:12"
    assert rows[0].on in (True, 1)


def test_rows_that_cannot_be_read_are_not_called_too_many(
    tmp_path: Path, postgresql: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "ROWS", 20)
    monkeypatch.setattr(sample, "SMALL", 10)
    own = Project(tmp_path / "own")
    place = Project(tmp_path, url=postgresql(), kinds=("postgresql",))
    moment = 'op.create_table("moment", sa.Column("at", sa.DateTime))'
    for project in (own, place):
        project.by_hand(f"{TABLES.strip()}\n{moment}", f'op.drop_table("moment")\n{DROPPED}')
    own.upgrade()
    authors = ", ".join(f"({n}, 'x{n}')" for n in range(1, 101))
    own.run(f"INSERT INTO author VALUES {authors}", "INSERT INTO moment VALUES ('yesterday')")
    source = find_sources(place.kinds, place.url)[0][-1]
    with databases.from_chain(place.script, source) as connection:
        done = sample.copy_rows(make_url(own.url), connection, reflect(connection))
        connection.rollback()
    assert [note.partition(":")[0] for note in done.notes] == [
        "the rows of moment were not copied",
        "author is too large to copy",
    ]


def test_no_database_yet(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.by_hand(TABLES.strip(), DROPPED)
    project.by_hand("pass")
    done = rehearsed(project, development=False)
    again = rehearsed(project, "hand1", development=True)
    assert not Path(make_url(project.url).database or "").exists()
    assert again.failures == []
    assert "development" not in "".join(done.passed + again.passed)
