"""MariaDB's tables: their character set and engine, and what changes in them without a copy."""

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql

from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import Models, found, sent, started, there_and_back, write

ADA = "SELECT nickname, note, team FROM user"


def user(nickname: Any = None, **options: Any) -> Models:
    def make(metadata: MetaData) -> None:
        Table("team", metadata, Column("code", String(9), primary_key=True), **options)
        Table(
            "user",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("nickname", String(30)) if nickname is None else nickname._copy(),
            Column("note", Text),
            Column("team", ForeignKey("team.code")),
            **options,
        )

    return make


def with_rows(project: Project, wanted: Models) -> None:
    ada = "INSERT INTO user (nickname, note, team) VALUES ('Åda', 'ö', 'red')"
    started(project, wanted, rows=["INSERT INTO team VALUES ('red')", ada])


def text(collation: str) -> Column[str]:
    return Column("nickname", String(30, collation=collation))


CHANGES: dict[str, tuple[Models, Models]] = {
    "a character set": (user(mysql_charset="latin1"), user(mysql_charset="utf8mb4")),
    "a collation": (user(), user(mysql_collate="utf8mb4_bin")),
    "a row format": (user(), user(mysql_row_format="COMPRESSED")),
    "a comment": (user(comment="it's"), user(comment='5 % of \\ and "more"\nlines')),
    "an engine": (user(mysql_engine="MyISAM"), user(mysql_engine="InnoDB")),
    "a column's collation": (user(text("utf8mb4_bin")), user(text("utf8mb4_unicode_ci"))),
    "a collation for MySQL": (
        user(),
        user(
            Column(
                "nickname",
                String(30).with_variant(mysql.VARCHAR(30, collation="utf8mb4_bin"), "mysql"),
            )
        ),
    ),
}


OWN = Column("nickname", String(30, collation="utf8mb4_bin"))
LATIN = Column("nickname", String(30, collation="latin1_bin"))
#: A column with a collation of its own, in a table that gets another.
CHANGES |= {
    "it keeps its own": (user(OWN), user(OWN, mysql_collate="utf8mb4_unicode_ci")),
    "the table's becomes its own": (user(OWN), user(OWN, mysql_collate="utf8mb4_bin")),
    "it gets the table's": (user(OWN), user(mysql_collate="utf8mb4_unicode_ci")),
    "it gets its own": (user(mysql_collate="utf8mb4_unicode_ci"), user(OWN)),
    "its own character set": (user(LATIN), user(LATIN, mysql_charset="latin1")),
    "both change": (user(LATIN, mysql_charset="latin1"), user(OWN, mysql_charset="utf8mb4")),
    "and its length": (
        user(OWN),
        user(
            Column("nickname", String(50, collation="utf8mb4_bin"), server_default="a {b}: 100%"),
            mysql_collate="utf8mb4_unicode_ci",
        ),
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_it_changes(on_mariadb: Project, case: str) -> None:
    """Columns change with their table, the foreign key out of the way meanwhile."""
    before, after = CHANGES[case]
    with_rows(on_mariadb, before)
    there_and_back(on_mariadb, after, rows=ADA)
    there_and_back(on_mariadb, before, rows=ADA)


def test_convert_takes_along_what_has_its_own(on_mariadb: Project) -> None:
    """What a person would write changes the collation of a column, and the type of another."""
    with_rows(on_mariadb, user(LATIN, mysql_charset="latin1"))
    on_mariadb.run("ALTER TABLE user DROP FOREIGN KEY fk_user_team_team")
    on_mariadb.run("ALTER TABLE user CONVERT TO CHARACTER SET utf8mb4")
    schema = on_mariadb.schema()
    columns = {key.name: str(item) for key, item in schema.items() if key.kind == "column"}
    assert columns["nickname"] == "varchar(30) COLLATE utf8mb4_general_ci"
    assert columns["note"] == "mediumtext COLLATE utf8mb4_general_ci"


def test_sqlite_does_without_a_servers_collation(on_mariadb: Project) -> None:
    """SQLAlchemy writes it out, and SQLite takes no such table."""
    report = write(on_mariadb, "users", user(text("utf8mb4_bin")))
    assert ("not-on-sqlite", "user.nickname", "STRIP") in found(report)
    assert on_mariadb.verify().agrees


def test_a_comment_beside_a_length_copies_nothing(on_mariadb: Project) -> None:
    """SQLite gets the length alone; the server changes the comment in no time."""
    with_rows(on_mariadb, user())
    write(on_mariadb, "longer", user(Column("nickname", String(300), comment="it's")))
    length, comment = [sql for sql in sent(on_mariadb) if sql.startswith("ALTER TABLE user")]
    assert "VARCHAR(300)" in length
    assert "COMMENT" not in length
    on_mariadb.downgrade()
    on_mariadb.run(length)
    on_mariadb.run("SET SESSION alter_algorithm = 'INSTANT'", comment.replace("%%", "%"))
    assert on_mariadb.verify().agrees
