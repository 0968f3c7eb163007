"""``make plan`` on real servers: the checklist, the SQL, and who waits for which statement."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from tests.support.project import Project


@pytest.mark.parametrize(
    ("kind", "database", "shown"),
    [
        (
            "postgresql",
            "postgresql",
            [
                "-- ACCESS EXCLUSIVE on author: reads and writes wait, for a moment",
                "ALTER TABLE author ADD COLUMN nickname VARCHAR(50);",
                "- ix_author_nickname is an index on a table that may have rows.",
                "is dropped first. (add-index)",
                "-- SHARE UPDATE EXCLUSIVE on author: nobody waits",
                "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_author_nickname ON author (nickname);",
                "- The column book.year is dropped, with its values.",
                "Accepted: unused (drop-column)",
                "-- ACCESS EXCLUSIVE on book: reads and writes wait, for a moment",
                "ALTER TABLE book DROP COLUMN year;",
            ],
        ),
        (
            "mariadb",
            "mysql",
            [
                "-- LOCK=NONE on author: nobody waits",
                "ALTER TABLE author ADD COLUMN nickname VARCHAR(50);",
                "-- LOCK=NONE on author: nobody waits",
                "CREATE INDEX ix_author_nickname ON author (nickname);",
                "- The column book.year is dropped, with its values.",
                "Accepted: unused (drop-column)",
                "-- LOCK=NONE on book: nobody waits",
                "ALTER TABLE book DROP COLUMN year;",
            ],
        ),
    ],
)
def test_plan(
    kind: str,
    database: str,
    shown: list[str],
    start: Callable[..., Project],
    request: pytest.FixtureRequest,
) -> None:
    project = start(database=database)
    url = sa.make_url(request.getfixturevalue(kind)())
    server = {
        "DATABASE_URL": url.render_as_string(hide_password=False),
        "BAKED_SECRET_KEY": "something-long",
    }
    project.make("migrate", **server)
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        before = sa.inspect(connection).get_columns("book")
    project.add_to_author(
        "    nickname: Mapped[str | None] = mapped_column(String(50), index=True)\n"
    )
    project.make("newmigration", "m=add nickname", **server)
    project.edit(
        "models/library.py",
        '        CheckConstraint("year > 0", name="year_is_positive"),\n',
        "",
    )
    project.edit("models/library.py", "    year: Mapped[int | None]\n", "")
    project.make("newmigration", "m=drop year", "accept=drop-column book.year: unused", **server)

    printed = project.make("plan", **server).stdout
    assert "COMMIT" not in printed
    at = 0
    for words in shown:
        at = printed.find(words, at)
        assert at >= 0, f"{words!r} in its place in:\n{printed}"
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        after = sa.inspect(connection).get_columns("book")
    assert [column["name"] for column in after] == [column["name"] for column in before]
