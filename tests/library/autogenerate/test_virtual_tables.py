"""SQLite's virtual tables, made by hand, stay beside every change, and find what they index."""

import sqlalchemy as sa

from tests.library.autogenerate.project import Project, models
from tests.library.rehearsal.stage import rehearsed

VIRTUAL = """
op.execute("CREATE VIRTUAL TABLE notes USING fts5(body)")
op.execute("CREATE VIRTUAL TABLE places USING rtree(id, x0, x1)")
op.execute("CREATE VIRTUAL TABLE old_notes USING fts4(body)")
op.execute("CREATE VIRTUAL TABLE letters USING fts5(body, content='letter', content_rowid='id')")
op.execute(
    "CREATE TRIGGER letter_ai AFTER INSERT ON letter BEGIN "
    "INSERT INTO letters(rowid, body) VALUES (new.id, new.body); END"
)
op.execute(
    "CREATE TRIGGER letter_ad AFTER DELETE ON letter BEGIN "
    "INSERT INTO letters(letters, rowid, body) VALUES ('delete', old.id, old.body); END"
)
"""
DROPPED = """
op.execute("DROP TRIGGER letter_ai")
op.execute("DROP TRIGGER letter_ad")
for name in ("letters", "old_notes", "places", "notes"):
    op.execute(f"DROP TABLE {name}")
"""


def letter(*more: sa.Column, is_unique: bool = False) -> sa.MetaData:
    """The models: a table that a virtual table indexes."""
    metadata = models()
    columns = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("body", sa.Text), *more]
    table = sa.Table("letter", metadata, *columns)
    if is_unique:
        table.append_constraint(sa.UniqueConstraint("body", name="uq_letter_body"))
    return metadata


def found(project: Project) -> list[list[tuple]]:
    return [
        project.run("SELECT rowid FROM letters WHERE letters MATCH 'world'"),
        project.run("SELECT body FROM notes WHERE notes MATCH 'note'"),
        project.run("SELECT body FROM old_notes WHERE old_notes MATCH 'old'"),
        project.run("SELECT id FROM places WHERE x0 < 1"),
    ]


def test_virtual_tables_beside_every_change_stay_and_find(tmp_path):
    project = Project(tmp_path)
    project.development = True
    project.metadata = letter()
    project.new("letters")
    project.by_hand(VIRTUAL, DROPPED)
    project.upgrade()
    project.run(
        "INSERT INTO letter (body) VALUES ('dear reader'), ('hello world')",
        "INSERT INTO notes VALUES ('a note')",
        "INSERT INTO old_notes VALUES ('an old note')",
        "INSERT INTO places VALUES (1, 0, 2)",
    )
    at_first = found(project)
    assert at_first == [[(2,)], [("a note",)], [("an old note",)], [(1,)]]
    assert project.new("nothing").paths == []
    agreement = project.verify()
    assert agreement.agrees
    listed = [line.strip() for line in agreement.lines()]
    assert "kept: virtual table letters" in listed
    assert not any("letters_data" in line for line in listed)

    sender, always = (sa.Column("sender", sa.String(20), nullable=n) for n in (True, False))
    for metadata, answers in [
        (letter(is_unique=True), {"accept": "add-unique uq_letter_body: each is written once"}),
        (letter(sender, is_unique=True), {}),
        (letter(always, is_unique=True), {"fill": "letter.sender='x'"}),
    ]:
        project.metadata = metadata
        assert project.new("change", **answers).paths
        rehearsal = rehearsed(project, development=True)
        assert rehearsal.failures == [], rehearsal.lines()
        project.upgrade()
        assert found(project) == at_first
        assert project.new("nothing").paths == []

    project.run("INSERT INTO letter (body, sender) VALUES ('new world', 'x')")
    assert found(project)[0] == [(2,), (3,)]
    for _ in range(3):
        project.downgrade()
    assert found(project)[0] == [(2,), (3,)]
    project.upgrade()
    assert found(project)[0] == [(2,), (3,)]
