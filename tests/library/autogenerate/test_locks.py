"""What plan says of locks is what real servers take."""

import pytest
import sqlalchemy as sa

from alembic_lossless.checklist.locks import Locks
from tests.conftest import Databases

TABLES = [
    "CREATE TABLE author (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL, born INTEGER)",
    "CREATE TABLE book (id INTEGER PRIMARY KEY, author_id INTEGER, title VARCHAR(200),"
    " year INTEGER, pages INTEGER CHECK (pages > 0))",
    "ALTER TABLE book ADD CONSTRAINT fk_known FOREIGN KEY (author_id) REFERENCES author (id)",
    "CREATE INDEX ix_title ON book (title)",
    "CREATE TABLE loan (id INTEGER PRIMARY KEY, book_id INTEGER)",
    "INSERT INTO author VALUES (1, 'Lem', 1921)",
    "INSERT INTO book VALUES (1, 1, 'Solaris', 1961, 204)",
    "INSERT INTO loan VALUES (1, 1)",
]

#: PostgreSQL's locks, the weakest first; the first two hold up nobody who reads or writes.
MODES = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
]

NAMES = (
    "SELECT oid, relname FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
HELD = "SELECT relation, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IS NOT NULL"

ON_POSTGRESQL = [
    ("CREATE INDEX ix ON book (year)", "SHARE on book"),
    ('CREATE UNIQUE INDEX ix ON public."book" (year)', "SHARE on public.book"),
    ("DROP INDEX ix_title", "ACCESS EXCLUSIVE"),
    ("ALTER INDEX ix_title RENAME TO ix_titles", "SHARE UPDATE EXCLUSIVE"),
    ("CREATE TABLE shelf (id INTEGER)", ""),
    (
        "CREATE TABLE shelf (\n\tbook INTEGER,\n\tFOREIGN KEY(book) REFERENCES book (id)\n)",
        "SHARE ROW EXCLUSIVE on book",
    ),
    ("DROP TABLE loan", "ACCESS EXCLUSIVE on loan"),
    ("COMMENT ON TABLE book IS 'books'", "SHARE UPDATE EXCLUSIVE on book"),
    ("COMMENT ON COLUMN book.year IS 'printed'", "SHARE UPDATE EXCLUSIVE on book"),
    ("UPDATE book SET year = 1962", "ROW EXCLUSIVE on book"),
    ("DELETE FROM loan WHERE id = 1", "ROW EXCLUSIVE on loan"),
    ("INSERT INTO author VALUES (2, 'Le Guin', 1929)", "ROW EXCLUSIVE on author"),
    ("TRUNCATE TABLE loan", "ACCESS EXCLUSIVE on loan"),
    ("ALTER TABLE book ADD COLUMN isbn VARCHAR(13)", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book DROP COLUMN year", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book ALTER COLUMN year TYPE BIGINT", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book ALTER COLUMN year SET NOT NULL", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book ALTER COLUMN year SET DEFAULT 0", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book ALTER COLUMN year SET STATISTICS 5", "SHARE UPDATE EXCLUSIVE on book"),
    ("ALTER TABLE book SET (fillfactor = 70)", "SHARE UPDATE EXCLUSIVE on book"),
    ("ALTER TABLE book RENAME COLUMN year TO printed", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE loan RENAME TO lent", "ACCESS EXCLUSIVE on loan"),
    ("ALTER TABLE book ADD CONSTRAINT c CHECK (year > 0)", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book ADD CONSTRAINT c CHECK (year > 0) NOT VALID", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book ADD CONSTRAINT u UNIQUE (title)", "ACCESS EXCLUSIVE on book"),
    (
        "ALTER TABLE loan ADD CONSTRAINT k FOREIGN KEY(book_id) REFERENCES book (id)",
        "SHARE ROW EXCLUSIVE on loan, book",
    ),
    (
        "ALTER TABLE loan ADD CONSTRAINT k FOREIGN KEY(book_id) REFERENCES book (id) NOT VALID",
        "SHARE ROW EXCLUSIVE on loan, book",
    ),
    ("ALTER TABLE book DROP CONSTRAINT fk_known", "ACCESS EXCLUSIVE on book"),
    ("ALTER TABLE book VALIDATE CONSTRAINT fk_known", "SHARE UPDATE EXCLUSIVE on book"),
    ("ALTER TABLE book DISABLE TRIGGER USER", "SHARE ROW EXCLUSIVE on book"),
    ("CREATE TYPE mood AS ENUM ('sad', 'glad')", ""),
]


@pytest.fixture(scope="module")
def library(postgresql: Databases) -> sa.Engine:
    engine = sa.create_engine(postgresql(), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in TABLES:
            connection.exec_driver_sql(statement)
    return engine


@pytest.mark.parametrize(("statement", "said"), ON_POSTGRESQL)
def test_postgresql(library: sa.Engine, statement: str, said: str) -> None:
    assert Locks("postgresql").of(statement).partition(":")[0] == said
    with library.connect() as connection:
        names = dict(connection.exec_driver_sql(NAMES).all())
        connection.exec_driver_sql(statement)
        held: dict[str, int] = {}
        for table, mode in connection.exec_driver_sql(HELD):
            if table in names:
                held[names[table]] = max(held.get(names[table], 0), MODES.index(mode))
    lock, _, on = said.partition(" on ")
    if statement.startswith("DROP INDEX"):
        on = "book"  # the statement does not say so
    if "fk_known" in statement and "DROP" in statement:
        on = "book, author"
    mode = lock.title().replace(" ", "") + "Lock"
    expected = {name.removeprefix("public."): MODES.index(mode) for name in on.split(", ") if name}
    assert {name: level for name, level in held.items() if level > 1} == expected


ON_MARIADB = [
    ("ALTER TABLE book ADD COLUMN isbn VARCHAR(13)", "LOCK=NONE on book: nobody waits"),
    ("ALTER TABLE book DROP COLUMN year", "LOCK=NONE on book: nobody waits"),
    ("ALTER TABLE book ADD INDEX ix (year)", "LOCK=NONE on book: nobody waits"),
    ("ALTER TABLE book DROP FOREIGN KEY fk_known", "LOCK=NONE on book: nobody waits"),
    ("ALTER TABLE book ALTER COLUMN year SET DEFAULT 5", "LOCK=NONE on book: nobody waits"),
    ("ALTER TABLE book RENAME INDEX ix_title TO ix_titles", "LOCK=NONE on book: nobody waits"),
    (
        "ALTER TABLE book DROP INDEX ix_title, ADD UNIQUE KEY ux (title)",
        "LOCK=NONE on book: nobody waits",
    ),
    ("ALTER TABLE book ROW_FORMAT=COMPRESSED", "LOCK=NONE on book: nobody waits"),
    ("ALTER TABLE loan ENGINE=MyISAM", "LOCK=SHARED on loan: writes wait"),
    (
        "ALTER TABLE book ROW_FORMAT=DYNAMIC, CONVERT TO CHARACTER SET latin1",
        "LOCK=SHARED on book: writes wait",
    ),
    ("ALTER TABLE book MODIFY year BIGINT", "LOCK=SHARED on book: writes wait"),
    ("ALTER TABLE book CHANGE year printed TEXT", "LOCK=SHARED on book: writes wait"),
    ("ALTER TABLE book ADD CONSTRAINT c CHECK (year > 0)", "LOCK=SHARED on book: writes wait"),
    (
        "ALTER TABLE loan ADD CONSTRAINT k FOREIGN KEY(book_id) REFERENCES book (id)",
        "LOCK=SHARED on loan: writes wait",
    ),
]


@pytest.mark.parametrize(("statement", "said"), ON_MARIADB)
def test_mariadb(mariadb: Databases, statement: str, said: str) -> None:
    """LOCK=NONE is refused where the server could not do it so."""
    url = mariadb()
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for prepared in TABLES:
            connection.exec_driver_sql(prepared)
    assert Locks("mysql").of(statement).startswith(said)
    with engine.connect() as connection:
        if "nobody" in said:
            connection.exec_driver_sql(f"{statement}, LOCK=NONE")
        else:
            with pytest.raises(sa.exc.SQLAlchemyError, match="LOCK=NONE is not supported"):
                connection.exec_driver_sql(f"{statement}, LOCK=NONE")
            connection.exec_driver_sql(f"{statement}, LOCK=SHARED")
    mariadb.drop(url)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE INDEX CONCURRENTLY ix ON book (year)", "SHARE UPDATE EXCLUSIVE on book: nobody"),
        ("DROP INDEX CONCURRENTLY IF EXISTS ix", "SHARE UPDATE EXCLUSIVE: nobody waits"),
    ],
)
def test_nobody_waits_for_what_is_built_concurrently(
    postgresql: Databases, statement: str, said: str
) -> None:
    """A connection that has written, and not committed, is not held up either."""
    assert Locks("postgresql").of(statement).startswith(said)
    engine = sa.create_engine(postgresql(), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for prepared in TABLES:
            connection.exec_driver_sql(prepared)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(statement)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_table_that_was_just_made_holds_up_nobody(kind: str) -> None:
    locks = Locks(kind)
    assert locks.of('CREATE TABLE "shelf" (id INTEGER)') == ""
    assert locks.of("CREATE INDEX ix ON shelf (id)") == ""
    assert locks.of("ALTER TABLE shelf ADD CONSTRAINT c CHECK (id > 0)") == ""
    told = locks.of("ALTER TABLE shelf ADD CONSTRAINT k FOREIGN KEY(id) REFERENCES book (id)")
    assert told.partition(":")[0].endswith("on book" if kind == "postgresql" else "")
