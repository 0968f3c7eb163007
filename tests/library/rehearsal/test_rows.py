"""The rows that are made: of every table, valid, and the odd ones among them."""

import pytest
from sqlalchemy import Connection, Table, make_url, select, text

from alembic_lossless.rehearsal.fixtures import fill, reflect
from alembic_lossless.schema import diff
from alembic_lossless.scratch.sources import Source, empty_database, find_sources
from tests.library.autogenerate.project import Project

KEYS = {"sqlite": "INTEGER", "postgresql": "SERIAL", "mysql": "INTEGER AUTO_INCREMENT"}
TABLES = """
CREATE TABLE person (
  id {key} PRIMARY KEY, name VARCHAR(20) NOT NULL UNIQUE, nick VARCHAR(20),
  age INTEGER CHECK (age > 17 AND age < 200), price NUMERIC(6, 2), born DATE,
  mood VARCHAR(9) NOT NULL CHECK (mood IN ('fine', 'bad')),
  boss_id INTEGER, twin_id INTEGER NOT NULL,
  FOREIGN KEY (boss_id) REFERENCES person (id), FOREIGN KEY (twin_id) REFERENCES person (id));
CREATE TABLE hen (id INTEGER PRIMARY KEY, egg_id INTEGER NOT NULL {inline});
CREATE TABLE egg (id INTEGER PRIMARY KEY, hen_id INTEGER NOT NULL,
  FOREIGN KEY (hen_id) REFERENCES hen (id));
CREATE TABLE mail (
  id INTEGER PRIMARY KEY, person_id INTEGER NOT NULL,
  address VARCHAR(30) CHECK (address LIKE '%@%'),
  low INTEGER, high INTEGER, code CHAR(3) CHECK (length(code) = 3), CHECK (low < high),
  FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE);
CREATE TABLE pair (a INTEGER NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b),
  FOREIGN KEY (a) REFERENCES person (id), FOREIGN KEY (b) REFERENCES mail (id));
CREATE TABLE never (id INTEGER PRIMARY KEY, x INTEGER CHECK (x > 5 AND x < 3));
CREATE TABLE beside (id INTEGER PRIMARY KEY, never_id INTEGER NOT NULL,
  FOREIGN KEY (never_id) REFERENCES never (id))
"""


def filled(connection: Connection) -> tuple[dict[str, Table], dict[str, str]]:
    key = KEYS["mysql" if connection.dialect.name == "mariadb" else connection.dialect.name]
    inline = "REFERENCES egg (id)" if connection.dialect.name == "sqlite" else ""
    for statement in TABLES.format(key=key, inline=inline).split(";"):
        connection.execute(text(statement))
    if connection.dialect.name != "sqlite":
        connection.execute(
            text("ALTER TABLE hen ADD CONSTRAINT fk_egg FOREIGN KEY (egg_id) REFERENCES egg (id)")
        )
    connection.commit()
    metadata = reflect(connection)
    return dict(metadata.tables), fill(connection, metadata)


def test_rows_for_every_table(place: Project) -> None:
    source = find_sources(place.kinds, make_url(place.url))[0][-1]
    with empty_database(source) as connection:
        tables, unmade = filled(connection)

        def values(table: str, column: str) -> set[object]:
            return set(connection.scalars(select(tables[table].c[column])))

        assert set(unmade) == {"never", "beside"}
        assert "never" in unmade["beside"]
        assert values("person", "mood") == {"fine", "bad"}
        assert {None, "", "ä" * 20, "007"} <= values("person", "nick")
        assert {"", "ä" * 20} <= values("person", "name")
        assert {None, 18, 199} <= values("person", "age")
        assert {str(value) for value in values("person", "price")} >= {"9999.99", "-9999.99"}
        assert None in values("person", "boss_id")
        assert values("mail", "low") > {None, 0}
        assert {len(str(code)) for code in values("mail", "code") - {None}} == {3}
        people, rows = values("person", "id"), list(connection.execute(select(tables["person"])))
        assert len(rows) > len({row.age for row in rows})  # duplicates
        assert values("person", "boss_id") - {None} <= people
        assert values("person", "twin_id") <= people
        assert values("hen", "egg_id") <= values("egg", "id")
        assert values("egg", "hen_id") <= values("hen", "id")
        assert values("pair", "b") <= values("mail", "id")
        connection.rollback()
        # The counter is not behind the rows.
        connection.execute(
            text("INSERT INTO person (name, mood, twin_id) VALUES ('new', 'bad', :id)"),
            {"id": next(iter(people))},
        )
        connection.rollback()


def test_the_circle_s_keys_are_as_before(place: Project) -> None:
    source = find_sources(place.kinds, make_url(place.url))[0][-1]
    with empty_database(source) as connection:
        filled(connection)
        known = diff.describe(connection)
        connection.rollback()
    assert not [value for value in known.values() if "DEFERRABLE" in str(value)]


@pytest.mark.parametrize(("first", "second"), [("", "NOT NULL"), ("NOT NULL", "")])
def test_a_circle_one_side_of_which_can_be_empty(first: str, second: str) -> None:
    with empty_database(Source("sqlite")) as connection:
        for statement in (
            f"CREATE TABLE a (id INTEGER PRIMARY KEY, b_id INTEGER {first} REFERENCES b (id))",
            f"CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER {second} REFERENCES a (id))",
        ):
            connection.execute(text(statement))
        connection.commit()
        assert fill(connection, reflect(connection)) == {}
        assert connection.execute(text("SELECT * FROM a WHERE b_id IS NOT NULL")).all()
        assert connection.execute(text("SELECT * FROM b WHERE a_id IS NOT NULL")).all()
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
