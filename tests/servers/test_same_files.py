"""The same migration files bring SQLite and a real server to the schema of the models."""

import sqlalchemy as sa

from tests.conftest import Databases
from tests.support.project import Project

ROOM = '''"""Rooms, with what only a server can hold."""

from sqlalchemy import JSON, Index, Integer, Sequence, String
from sqlalchemy.dialects.postgresql import JSONB, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from ..extensions import db


class Room(db.Model):
    """A room with a number on its door."""

    __tablename__ = "room"
    __table_args__ = (
        Index("ix_room_tags", "tags", postgresql_using="gin"),
        ExcludeConstraint(("number", "="), name="ex_room_number", using="btree"),
        {"comment": "what people sleep in"},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(
        Integer, Sequence("room_number", metadata=db.metadata), comment="painted on the door"
    )
    name: Mapped[str] = mapped_column(String(40), unique=True)
    tags: Mapped[dict] = mapped_column(JSON().with_variant(JSONB, "postgresql"))
'''


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_what_sqlite_cannot_hold_stays_with_postgresql(start, postgresql: Databases) -> None:
    project: Project = start(database="postgresql")
    (project.package / "models" / "room.py").write_text(ROOM)
    said = project.make("newmigration", "m=add rooms").stdout
    (file,) = project.versions() - project.versions_at_first
    text = (project.versions_folder / file).read_text()
    docstring = text.split('"""')[1]
    for word in ("ix_room_tags", "ex_room_number", "room_number"):
        assert word in docstring
        assert word in said
    assert "not-on-sqlite" in docstring
    assert "alembic_lossless" not in text

    url = postgresql()
    server = {"DATABASE_URL": url, "BAKED_SECRET_KEY": "long and random"}
    project.make("migrate", **server)
    assert ask(url, "SELECT obj_description('room'::regclass)") == [("what people sleep in",)]
    assert ask(url, "SELECT col_description('room'::regclass, 2)") == [("painted on the door",)]
    assert ask(url, "SELECT sequencename FROM pg_sequences WHERE sequencename = 'room_number'")
    assert ask(url, "SELECT 1 FROM pg_indexes WHERE indexdef LIKE '%USING gin (tags)%'")
    assert ask(url, "SELECT 1 FROM pg_constraint WHERE contype = 'x'")

    project.make("migrate")
    assert project.columns("room") == ["id", "number", "name", "tags"]
    assert "othing" in project.make("newmigration", "m=again").stdout
    project.make("check")

    project.make("rollback")
    project.flask("db", "downgrade", **server)
    assert not ask(url, "SELECT 1 FROM pg_sequences WHERE sequencename = 'room_number'")
    project.make("migrate", **server)


def test_the_example_on_mariadb(start, mariadb: Databases) -> None:
    project: Project = start(database="mysql")
    url = mariadb()
    server = {"DATABASE_URL": url, "BAKED_SECRET_KEY": "long and random"}
    project.make("migrate", **server)
    assert ask(url, "SELECT count(*) FROM book") == [(0,)]
    project.add_to_author("    nickname: Mapped[str | None] = mapped_column(String(50))\n")
    project.make("newmigration", "m=add nickname", **server)
    project.make("migrate", **server)
    assert ask(url, "SELECT nickname FROM author") == []
    project.make("migrate")
    assert "nickname" in project.columns("author")


def test_offline_sql_for_a_server(start, postgresql: Databases) -> None:
    project: Project = start(database="postgresql")
    url = postgresql()
    server = {"DATABASE_URL": url, "BAKED_SECRET_KEY": "long and random"}
    sql = project.flask("db", "upgrade", "--sql", **server).stdout
    assert "CREATE TABLE author" in sql
    assert ask(
        url, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'author'"
    ) == [(0,)]
    assert "CREATE TABLE author" in project.make("plan", **server).stdout
