"""PostgreSQL's enum types: made in time, extended, and dropped with their last column."""

from typing import Any

import pytest
from sqlalchemy import Column, Enum, text
from sqlalchemy.exc import SQLAlchemyError

from alembic_lossless.errors import MigrationError
from tests.library.autogenerate.project import Project
from tests.library.checklist.stage import (
    ROWS,
    found,
    plain_alembic,
    started,
    stock,
    table,
    write,
)

MOODS = ["fine", "grumpy"]


def mood(*more: str, **options: Any) -> Column[Any]:
    return Column("mood", Enum(*MOODS, *more, name="mood"), **options)


def test_an_enum_is_made_before_the_first_column(on_both: Project) -> None:
    started(on_both, table())
    with pytest.raises(SQLAlchemyError, match='type "mood" does not exist'):
        stock(on_both.url, table(mood()))
    write(on_both, "mood", table(mood()))
    on_both.upgrade()
    on_both.run("""INSERT INTO "user" (mood) VALUES ('fine')""")
    on_both.downgrade()
    on_both.upgrade()


def test_a_second_table_uses_the_type_that_is_there(on_both: Project) -> None:
    started(on_both, table(mood()))
    both = (table(mood()), table(mood(), name="pet"))
    with pytest.raises(SQLAlchemyError, match='type "mood" already exists'):
        stock(on_both.url, *both)
    write(on_both, "pets", table(mood()), table(mood(), name="pet"))
    on_both.upgrade()
    on_both.downgrade("base")
    assert on_both.schema() == {}


def test_a_new_value_and_its_use_in_one_run(on_both: Project) -> None:
    """Stock sees no difference between two enums, or fails to use the value where it is added."""
    started(on_both, table(mood()))
    stock(on_both.url, table(mood("sad")))
    with pytest.raises(SQLAlchemyError, match="invalid input value for enum"):
        on_both.run("""INSERT INTO "user" (mood) VALUES ('sad')""")
    added, used = "ALTER TYPE mood ADD VALUE 'sad'", "UPDATE \"user\" SET mood = 'sad'"
    together = f"op.execute({added!r})\nop.execute({used!r})"
    assert "unsafe use of new value" in plain_alembic(on_both.url, together)
    write(on_both, "sad", table(mood("sad", server_default="sad")))
    on_both.downgrade("base")
    on_both.upgrade()
    on_both.run('INSERT INTO "user" (id) VALUES (7)')
    assert on_both.run(ROWS) == [(7, "sad")]


def test_values_come_and_go(on_both: Project) -> None:
    insert = """INSERT INTO "user" (mood) VALUES ('fine')"""
    started(on_both, table(mood()), rows=[insert])
    report = write(on_both, "sad", table(mood("it's sad", server_default=text("'it''s sad'"))))
    assert ("enum", "mood", "REWRITE") in found(report)
    on_both.upgrade()
    on_both.run('INSERT INTO "user" (id) VALUES (7)')
    assert on_both.run(ROWS) == [(1, "fine"), (7, "it's sad")]
    assert on_both.verify().agrees

    write(on_both, "no longer sad", table(mood()), accept="enum: nobody is sad any more")
    with pytest.raises(MigrationError, match="invalid input value for enum"):
        on_both.upgrade()
    on_both.run('DELETE FROM "user" WHERE id = 7')
    on_both.upgrade()
    assert on_both.verify().unmanaged == {"sqlite": [], "postgresql": []}  # the type is the models'
    on_both.downgrade("base")
    assert on_both.schema() == {}


def test_type_is_dropped_with_its_last_column(on_both: Project) -> None:
    started(on_both, table(mood()))
    write(on_both, "no moods", table(), accept="drop-column: unused")
    on_both.upgrade()
    assert not any(key.kind == "type" for key in on_both.schema())
    on_both.downgrade()
    on_both.run("""INSERT INTO "user" (mood) VALUES ('fine')""")
    stock(on_both.url, table())
    assert any(key.kind == "type" for key in on_both.schema())
