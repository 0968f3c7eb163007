"""Databases that these migrations did not make."""

import re
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.util import load_python_file

from alembic_lossless import adopt, naming
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.errors import MigrationError
from alembic_lossless.run import history
from alembic_lossless.run.connection import private
from alembic_lossless.schema import diff
from alembic_lossless.schema.dialect_support import kind_of
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import find_sources

#: What a project's revisions are written by.
(PACKAGE,) = Path(__file__).parents[3].glob("*cookiecutter.project_slug*/*cookiecutter*")
MAKO = PACKAGE / "migrations" / "script.py.mako"


def models() -> sa.MetaData:
    metadata = sa.MetaData(naming_convention=naming.convention)
    sa.Table(
        "author",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
    )
    sa.Table(
        "book",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("author_id", sa.ForeignKey("author.id"), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("year", sa.Integer),
        sa.Column("pages", sa.Integer),
        sa.CheckConstraint("year > 0", name="year_is_positive"),
    )
    return metadata


#: By hand: no length, no CHECK, no key, another index, and columns of its own.
BY_HAND = {
    "sqlite": [
        "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT)",
        "CREATE TABLE book (id INTEGER PRIMARY KEY, author_id INTEGER, title VARCHAR(200) NOT NULL,"
        " year INTEGER, shelf TEXT)",
        "CREATE INDEX book_title ON book (title)",
    ],
    "postgresql": [
        "CREATE TABLE author (id SERIAL PRIMARY KEY, name TEXT)",
        "CREATE TABLE book (id SERIAL PRIMARY KEY, author_id INTEGER, title VARCHAR(200) NOT NULL,"
        " year INTEGER, shelf TEXT)",
        "CREATE INDEX book_title ON book (title)",
    ],
    "mysql": [
        "CREATE TABLE author (id INTEGER PRIMARY KEY AUTO_INCREMENT, name VARCHAR(50))",
        "CREATE TABLE book (id INTEGER PRIMARY KEY AUTO_INCREMENT, author_id INTEGER,"
        " title VARCHAR(200) NOT NULL, year INTEGER, shelf TEXT)",
        "CREATE INDEX book_title ON book (title)",
    ],
}
ROWS = [
    "INSERT INTO author VALUES (1, 'Lem'), (2, 'Le Guin')",
    "INSERT INTO book (id, author_id, title, year, shelf) VALUES (1, 1, 'Solaris', 1961, 'A')",
]

CONSENT = "drop-column book.shelf: one shelf now; drop-index book.book_title: nobody looks for it"


class Adopter:
    """A project whose chain makes its models, and a database that somebody else made."""

    def __init__(self, chain, url: sa.URL, run) -> None:
        self.chain = chain
        self.url = url
        self.metadata = models()
        self.options: dict[str, object] = {}
        self._run = run
        shutil.copy(MAKO, chain.folder)
        kind = kind_of(url)
        self.source = next(s for s in find_sources([kind], url)[0] if s.kind == kind)

    def run(self, *statements):
        return self._run(self.url, *statements)

    def compare(self, revision=None) -> adopt.Comparison:
        with private(self.url).connect() as connection:
            script, metadata = self.chain.script, self.metadata
            return adopt.compare_with_chain(
                connection, script, metadata, self.source, revision, self.options
            )

    def close(self, **answers) -> adopt.ClosingRevision:
        given = Answers.parse(**answers)
        with private(self.url).connect() as connection:
            script, metadata = self.chain.script, self.metadata
            return adopt.write_closing_revision(
                connection, script, metadata, self.source, given, self.options
            )

    def adopt(self, **answers) -> adopt.ClosingRevision:
        """Go the whole way, until nothing differs."""
        closed = self.close(**answers)
        with private(self.url).connect() as connection:
            adopt.mark(connection, closed.revision)
        self.stamp("2222")
        self.chain.upgrade(self.url)
        assert self.compare().differences == []
        return closed

    def stamp(self, revision: str) -> None:
        self.run(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)",
            "DELETE FROM alembic_version",
            f"INSERT INTO alembic_version VALUES ('{revision}')",
        )


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def adopter(request, library, sqlite_url, run) -> Adopter:
    kind = request.param
    url = sqlite_url if kind == "sqlite" else sa.make_url(request.getfixturevalue(kind)())
    return Adopter(library, url, run)


def test_one_by_create_all_stands_at_the_head(adopter):
    with private(adopter.url).begin() as connection:
        adopter.metadata.create_all(connection)
    comparison = adopter.compare()
    assert comparison.equals == ("2222",)
    assert comparison.differences == []
    assert comparison.at == frozenset()


def test_one_of_older_models_stands_where_these_stood(adopter):
    adopter.chain.upgrade(adopter.url, "1111")
    adopter.run("DROP TABLE alembic_version")
    comparison = adopter.compare()
    assert comparison.equals == ("1111",)
    assert [str(item.key) for item in comparison.differences] == ["book.pages"]
    assert adopter.compare("1111").equals == ("1111",)
    assert adopter.compare("2222").equals is None


def test_one_with_another_chains_revision_is_told_apart(adopter):
    adopter.chain.upgrade(adopter.url)
    adopter.stamp("ffff")
    comparison = adopter.compare()
    assert not comparison.known
    assert comparison.equals == ("2222",)


def test_an_empty_one_stands_nowhere(adopter):
    assert adopter.compare().equals is None


class TestClosing:
    @pytest.fixture
    def by_hand(self, adopter) -> Adopter:
        adopter.run(*BY_HAND[adopter.source.kind], *ROWS)
        return adopter

    def test_asks_before_it_drops(self, by_hand):
        before = sorted((by_hand.chain.folder / "versions").glob("*.py"))
        with pytest.raises(
            MigrationError,
            match=r'Run alembic-lossless adopt again with\s+--accept "drop-column book\.shelf',
        ):
            by_hand.close()
        assert sorted((by_hand.chain.folder / "versions").glob("*.py")) == before

    def test_brings_it_to_the_head_with_its_rows(self, by_hand):
        assert by_hand.compare().equals is None
        closed = by_hand.adopt(accept=CONSENT)
        comparison = by_hand.compare()
        assert comparison.equals == tuple(comparison.at) == (closed.revision,)
        assert by_hand.run("SELECT id, author_id, title, year FROM book") == [
            (1, 1, "Solaris", 1961)
        ]
        assert by_hand.run("SELECT name FROM author ORDER BY id") == [("Lem",), ("Le Guin",)]

    def test_is_nothing_to_a_database_that_the_chain_makes(self, by_hand):
        with databases.from_chain(by_hand.chain.script, by_hand.source) as made:
            before = diff.describe(made)
        by_hand.close(accept=CONSENT)
        with databases.from_chain(by_hand.chain.script, by_hand.source) as made:
            assert diff.describe(made) == before

    def test_is_plain_alembic(self, by_hand):
        text = by_hand.close(accept=CONSENT).path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.startswith(("import", "from"))]
        assert set(lines) <= {
            "import sqlalchemy as sa",
            "from alembic import op",
            "from sqlalchemy.dialects import mysql",
            "from sqlalchemy.dialects import postgresql",
        }

    def test_is_found_again_for_another_of_the_same_schema(self, by_hand):
        closed = by_hand.close(accept=CONSENT)
        assert by_hand.compare().closed_by == closed.revision
        by_hand.run("DROP INDEX book_title" + " ON book" * (by_hand.source.kind == "mysql"))
        assert by_hand.compare().closed_by is None

    def test_wants_models_and_migrations_to_agree(self, by_hand):
        sa.Table("shelf", by_hand.metadata, sa.Column("id", sa.Integer, primary_key=True))
        with pytest.raises(MigrationError, match="models and the migrations differ"):
            by_hand.close(accept=CONSENT)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_names_of_another_convention_are_changed_in_place(kind, library, run, request):
    """Stock Flask-Migrate lets the server name constraints; no key is built anew for that."""
    adopter = Adopter(library, sa.make_url(request.getfixturevalue(kind)()), run)
    stock = sa.MetaData()
    for table in models().sorted_tables:
        table.to_metadata(stock)
    for table in stock.tables.values():
        for constraint in table.constraints:
            constraint.name = None
    with private(adopter.url).begin() as connection:
        stock.create_all(connection)
    text = adopter.adopt().path.read_text(encoding="utf-8")
    assert "RENAME" in text
    if kind == "postgresql":
        assert "create_" not in text


def test_rows_that_do_not_fit_are_found_on_a_copy(library, sqlite_url, run):
    adopter = Adopter(library, sqlite_url, run)
    adopter.run(*BY_HAND["sqlite"], "INSERT INTO book VALUES (1, 1, 'Solaris', -1, NULL)")
    content = Path(sqlite_url.database).read_bytes()
    with pytest.raises(MigrationError, match=r"CHECK \(year > 0\) is not true in 1 row \(id = 1\)"):
        adopter.close(accept=CONSENT)
    assert Path(sqlite_url.database).read_bytes() == content


def test_rows_without_a_value_are_asked_for_and_filled(adopter):
    adopter.run(*BY_HAND[adopter.source.kind], *ROWS, "INSERT INTO author (id) VALUES (3)")
    with pytest.raises(MigrationError, match=r"--fill .author\.name='\?'") as asked:
        adopter.close(accept=CONSENT)
    assert "book.title" not in str(asked.value), "every book has one"
    closed = adopter.adopt(accept=CONSENT, fill="author.name='nobody'")
    assert "one shelf now" in closed.path.read_text(encoding="utf-8")
    assert adopter.run("SELECT name FROM author WHERE id = 3") == [("nobody",)]


def test_what_is_called_otherwise_keeps_its_rows(adopter):
    by_hand = BY_HAND[adopter.source.kind]
    made = [statement.replace("year", "printed") for statement in by_hand]
    adopter.run(*made, *(row.replace("year", "printed") for row in ROWS))
    with pytest.raises(MigrationError, match=r'either  --rename "book\.printed:year"'):
        adopter.close(accept=CONSENT)
    adopter.adopt(accept=CONSENT, rename="book.printed:year")
    assert adopter.run("SELECT title, year FROM book") == [("Solaris", 1961)]


#: What the models lack, on tables that they have.
EXTRA = {
    "sqlite": [
        "CREATE TABLE author (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL DEFAULT 'x',"
        " CONSTRAINT uq_author_name UNIQUE (name), CONSTRAINT ck_author_long CHECK (length(name)))",
        "CREATE TABLE book (id INTEGER PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES author,"
        " title VARCHAR(200) NOT NULL, year INTEGER NOT NULL, pages INTEGER REFERENCES author,"
        " UNIQUE (title, year), CONSTRAINT ck_book_year_is_positive CHECK (year > 0))",
        "CREATE INDEX by_title ON book (title)",
    ],
    "postgresql": [
        "CREATE TABLE author (id SERIAL PRIMARY KEY, name VARCHAR(100) NOT NULL DEFAULT 'x',"
        " CONSTRAINT uq_author_name UNIQUE (name), CONSTRAINT ck_author_long"
        " CHECK (length(name) > 0))",
        "CREATE TABLE book (id SERIAL PRIMARY KEY, author_id INTEGER NOT NULL REFERENCES author,"
        " title VARCHAR(200) NOT NULL, year INTEGER NOT NULL, pages INTEGER,"
        " CONSTRAINT fk_pages FOREIGN KEY (pages) REFERENCES author,"
        " CONSTRAINT uq_title UNIQUE (title, year),"
        " CONSTRAINT ck_book_year_is_positive CHECK (year > 0))",
        "CREATE INDEX by_title ON book (title)",
        "COMMENT ON COLUMN book.year IS 'of print'",
        "COMMENT ON TABLE book IS 'on paper'",
    ],
    "mysql": [
        "CREATE TABLE author (id INTEGER PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL"
        " DEFAULT 'x', CONSTRAINT uq_author_name UNIQUE (name), CONSTRAINT ck_author_long"
        " CHECK (length(name) > 0))",
        "CREATE TABLE book (id INTEGER PRIMARY KEY AUTO_INCREMENT, author_id INTEGER NOT NULL,"
        " title VARCHAR(200) NOT NULL, year INTEGER NOT NULL COMMENT 'of print', pages INTEGER,"
        " CONSTRAINT fk_book_author_id_author FOREIGN KEY (author_id) REFERENCES author (id),"
        " CONSTRAINT fk_pages FOREIGN KEY (pages) REFERENCES author (id),"
        " CONSTRAINT uq_title UNIQUE (title, year),"
        " CONSTRAINT ck_book_year_is_positive CHECK (year > 0)) COMMENT 'on paper'",
        "CREATE INDEX by_title ON book (title)",
    ],
}
#: What is asked about, on each of them.
ASKED = {
    "sqlite": {
        "drop-default author.name",
        "drop-check author.ck_author_long",
        "drop-not-null book.year",
        "drop-index book.by_title",
        "drop-unique book.UNIQUE (title, year)",
        "drop-foreign-key book.FOREIGN KEY (pages) REFERENCES author ()",
    },
    "postgresql": {
        "drop-default author.name",
        "drop-check author.ck_author_long",
        "drop-not-null book.year",
        "drop-index book.by_title",
        "drop-unique book.uq_title",
        "drop-foreign-key book.fk_pages",
        "drop-comment book.year",
        "drop-comment book",
    },
}
ASKED["mysql"] = ASKED["postgresql"]


def test_each_object_that_the_models_lack_wants_consent(adopter):
    adopter.run(*EXTRA[adopter.source.kind])
    adopter.run(
        "INSERT INTO author (id, name) VALUES (1, 'Lem')",
        "INSERT INTO book (id, author_id, title, year) VALUES (1, 1, 'Solaris', 1961)",
    )
    before = sorted((adopter.chain.folder / "versions").glob("*.py"))
    with pytest.raises(MigrationError) as refused:
        adopter.close()
    asked = re.findall(r'--accept "(.*): the reason"', str(refused.value))
    assert set(asked) == ASKED[adopter.source.kind]
    with pytest.raises(MigrationError, match=r"drop-check author\.ck_author_long"):
        adopter.close(accept="; ".join(f"{a}: old" for a in asked if "ck_author" not in a))
    assert sorted((adopter.chain.folder / "versions").glob("*.py")) == before
    closed = adopter.adopt(accept="; ".join(f"{consent}: old" for consent in asked))
    assert load_python_file(closed.path.parent, closed.path.name).accepted == dict.fromkeys(
        asked, "old"
    )
    assert adopter.run("SELECT id, author_id, title, year FROM book") == [(1, 1, "Solaris", 1961)]


def test_closing_revision_claims_no_revision_of_its_own(postgresql, library, run):
    adopter = Adopter(library, sa.make_url(postgresql()), run)
    adopter.run(*BY_HAND["postgresql"], *ROWS)
    text = adopter.adopt(accept=CONSENT).path.read_text(encoding="utf-8")
    for claim in ("CONCURRENTLY", "NOT VALID", "not_valid", "revision of its own"):
        assert claim not in text
    assert "whose locks are held to its end" in " ".join(text.split())


def test_own_tables_are_not_proposed_for_dropping(adopter):
    adopter.run(*BY_HAND[adopter.source.kind], *ROWS)
    with private(adopter.url).begin() as connection:
        history.ensure(connection)
    adopter.run("CREATE TABLE alembic_lossless_adopt_old (closes INTEGER)")
    assert "alembic_lossless_log" not in adopter.adopt(accept=CONSENT).path.read_text("utf-8")
    with private(adopter.url).connect() as connection:
        assert sa.inspect(connection).has_table("alembic_lossless_log")


def include_object(item, name, kind, reflected, compare_to):
    return name not in ("legacy", "by_shelf", "shelf")


def include_name(name, kind, parents):
    return kind != "table" or not name.startswith("tmp_")


#: What belongs to somebody else, with a row in it.
ELSEWHERE = [
    "CREATE TABLE legacy (id INTEGER PRIMARY KEY)",
    "INSERT INTO legacy VALUES (1)",
    "CREATE TABLE tmp_import (id INTEGER PRIMARY KEY)",
    "INSERT INTO tmp_import VALUES (2)",
]


def test_what_env_leaves_out_is_neither_compared_nor_dropped(adopter):
    adopter.run(*BY_HAND[adopter.source.kind], *ROWS, *ELSEWHERE)
    adopter.run("CREATE INDEX by_shelf ON book (author_id)")
    adopter.options = {"include_object": include_object, "include_name": include_name}
    before = {str(item.key) for item in adopter.compare().differences}
    assert not {"table legacy", "table tmp_import", "book.shelf"} & before
    closed = adopter.adopt(accept="drop-index book.book_title: nobody looks for it")
    text = closed.path.read_text(encoding="utf-8")
    for left_out in ("legacy", "tmp_import", "by_shelf", '"shelf"'):
        assert left_out not in text
    assert adopter.run("SELECT title, year, shelf FROM book") == [("Solaris", 1961, "A")]
    assert adopter.run("SELECT id FROM legacy") == [(1,)]
    assert adopter.run("SELECT id FROM tmp_import") == [(2,)]
    assert adopter.compare().equals == (closed.revision,)


def test_database_with_nothing_but_what_env_leaves_out_is_empty(adopter):
    adopter.run(*ELSEWHERE)
    adopter.options = {"include_object": include_object, "include_name": include_name}
    assert adopter.compare().is_empty
    adopter.options = {}
    assert not adopter.compare().is_empty


@pytest.fixture
def in_schemas(library, postgresql, run) -> Adopter:
    """Models and a database with a table in a schema; another schema is somebody else's."""
    adopter = Adopter(library, sa.make_url(postgresql()), run)
    adopter.chain.add(
        "3333",
        'op.execute("CREATE SCHEMA app")',
        'op.create_table("unit", sa.Column("id", sa.Integer(), nullable=False),'
        ' sa.PrimaryKeyConstraint("id", name="pk_unit"), schema="app")',
    )
    sa.Table("unit", adopter.metadata, sa.Column("id", sa.Integer, primary_key=True), schema="app")
    adopter.run(
        *BY_HAND["postgresql"],
        *ROWS,
        "CREATE SCHEMA app",
        "CREATE TABLE app.unit (id SERIAL PRIMARY KEY, size INTEGER)",
        "INSERT INTO app.unit (size) VALUES (3)",
        "CREATE SCHEMA audit",
        "CREATE TABLE audit.log (id INTEGER PRIMARY KEY)",
        "INSERT INTO audit.log VALUES (1)",
    )
    return adopter


UNIT = CONSENT + "; drop-column unit.size: unused"


def test_schema_that_nobody_knows_is_left_alone(in_schemas):
    in_schemas.run("CREATE SEQUENCE audit.numbers")
    assert "audit" not in str(in_schemas.compare().lines())
    closed = in_schemas.close(accept=UNIT)
    text = closed.path.read_text(encoding="utf-8")
    assert "audit" not in text
    assert "create_table" not in text
    with private(in_schemas.url).connect() as connection:
        adopt.mark(connection, closed.revision)
    in_schemas.stamp("3333")
    in_schemas.chain.upgrade(in_schemas.url)
    assert in_schemas.compare().differences == []
    assert in_schemas.run("SELECT id FROM app.unit") == [(1,)]
    assert in_schemas.run("SELECT id FROM audit.log") == [(1,)]


def test_schema_that_nobody_knows_is_asked_about_where_env_includes_all(in_schemas):
    in_schemas.options = {"include_schemas": True}
    assert "table audit.log" in str(in_schemas.compare().lines())
    with pytest.raises(MigrationError, match=r"drop-table log"):
        in_schemas.close(accept=UNIT)
    in_schemas.options["include_name"] = lambda name, kind, _: (
        kind != "schema" or name in (None, "app")
    )
    assert "audit" not in str(in_schemas.compare().lines())


def test_hook_of_env_names_the_closing_revision(library, sqlite_url, run):
    adopter = Adopter(library, sqlite_url, run)

    def number(context, revision, directives):
        directives[0].rev_id = "3333"

    adopter.options = {"process_revision_directives": number}
    adopter.run(*BY_HAND["sqlite"], *ROWS)
    closed = adopter.adopt(accept=CONSENT)
    assert closed.revision == "3333"
    assert adopter.run("SELECT title, year FROM book") == [("Solaris", 1961)]


def test_what_the_hook_of_env_spares_is_neither_named_nor_dropped(adopter):
    def spare(context, revision, directives):
        proposed = directives[0].upgrade_ops
        proposed.ops = [op for op in proposed.ops if getattr(op, "table_name", "") != "notes"]

    adopter.options = {"process_revision_directives": spare}
    with private(adopter.url).begin() as connection:
        adopter.metadata.create_all(connection)
    adopter.run("CREATE TABLE notes (id INTEGER)", "INSERT INTO notes VALUES (1)")
    assert adopter.compare().equals == ("2222",)
    adopter.run("ALTER TABLE book ADD COLUMN shelf TEXT")
    (difference,) = adopter.compare().differences
    assert str(difference.key) == "book.shelf"
    adopter.adopt(accept="drop-column book.shelf: one shelf now")
    assert adopter.run("SELECT id FROM notes") == [(1,)]
