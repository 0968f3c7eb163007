"""Which constraint a name means, where SQLite gave it none."""

import pytest
import sqlalchemy as sa

from alembic_lossless import naming
from alembic_lossless.errors import MigrationError


def test_the_models_own_convention_names_constraints(base):
    metadata = sa.MetaData(naming_convention={"fk": "%(table_name)s__%(column_0_name)s"})
    base.migrate(
        lambda op: op.create_foreign_key(None, "t", "p", ["a"], ["id"]), target_metadata=metadata
    )
    assert "CONSTRAINT t__a FOREIGN KEY" in base.text()
    base.execute("DROP TABLE t; CREATE TABLE t (a INTEGER REFERENCES p)")
    base.migrate(
        lambda op: op.drop_constraint("t__a", "t", type_="foreignkey"), target_metadata=metadata
    )
    assert base.text() == "CREATE TABLE t (a INTEGER)"


@pytest.mark.parametrize("convention", [{}, dict(naming.convention)])
@pytest.mark.parametrize("kind", ["foreignkey", "unique", "primary", "check"])
def test_no_name_at_all(base, convention, kind):
    base.execute(
        "DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER UNIQUE REFERENCES p, "
        "CHECK (a > 0))"
    )
    metadata = sa.MetaData(naming_convention=convention)
    base.migrate(lambda op: op.drop_constraint(None, "t", type_=kind), target_metadata=metadata)
    words = {"foreignkey": "REFERENCES", "unique": "UNIQUE", "primary": "KEY", "check": "CHECK"}
    assert [w for w in words.values() if w not in base.text()] == [words[kind]]
    with pytest.raises(MigrationError, match=r"has no (FOREIGN KEY|UNIQUE|PRIMARY KEY|CHECK). It"):
        base.migrate(lambda op: op.drop_constraint(None, "t", type_=kind), target_metadata=metadata)


def test_names_of_postgresql_number_what_would_be_called_the_same(database):
    base = database(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER CHECK (a > 0) "
        "CHECK (a < 9) REFERENCES p, b INTEGER, FOREIGN KEY (a) REFERENCES p (id), CHECK (a < b))"
    )
    base.migrate(
        lambda op: op.drop_constraint("t_check", "t", type_="check"),
        lambda op: op.drop_constraint("t_a_check1", "t"),
        lambda op: op.drop_constraint("t_a_fkey1", "t"),
    )
    assert base.text() == "CREATE TABLE t (a INTEGER CHECK (a > 0) REFERENCES p, b INTEGER)"


@pytest.mark.parametrize(
    ("table", "column", "name"),
    [
        # As PostgreSQL 15 named them.
        (
            "a_table_with_quite_a_long_name_to_it",
            "and_a_column_with_a_longer_one_still",
            "a_table_with_quite_a_long_na_and_a_column_with_a_longer_o_check",
        ),
        ("t" * 50, "c" * 10, "t" * 46 + "_cccccccccc_check"),
        ("short", "x" * 55, "short_" + "x" * 51 + "_check"),
    ],
)
def test_names_of_postgresql_are_cut_as_it_cuts_them(database, table, column, name):
    base = database(f"CREATE TABLE {table} ({column} INTEGER CHECK ({column} > 0))")
    base.migrate(lambda op: op.drop_constraint(name, table, type_="check"))
    assert "CHECK" not in base.text(table)


def test_a_table_or_column_renamed_since_keeps_its_names(base):
    def change(op):
        op.create_foreign_key(None, "t", "p", ["a"], ["id"])
        op.rename_table("t", "renamed")
        op.drop_constraint("t_a_fkey", "renamed", type_="foreignkey")
        with op.batch_alter_table("renamed") as batch:
            batch.alter_column("f", new_column_name="flag")
            batch.drop_constraint("t_f_check", type_="check")

    base.migrate(change)
    assert "FOREIGN" not in base.text("renamed")
    assert "CHECK" not in base.text("renamed")


RENAMED = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER UNIQUE REFERENCES p, "
    "b INTEGER, CHECK (a < b), CHECK (a > 0), UNIQUE (a, b), UNIQUE (b))"
)


@pytest.mark.parametrize(
    ("name", "kind", "gone"),
    [
        ("t_a_key", "unique", "UNIQUE REFERENCES"),
        ("a", "unique", "UNIQUE REFERENCES"),  # MySQL's
        ("t_a_fkey", "foreignkey", "REFERENCES"),
        ("t_check", "check", "CHECK (c < b)"),
        ("t_a_check", "check", "CHECK (c > 0)"),
        ("t_a_b_key", "unique", "UNIQUE (c, b)"),
    ],
)
@pytest.mark.parametrize("runs", [1, 2])
def test_a_renamed_columns_constraints_keep_their_names(database, name, kind, gone, runs):
    """PostgreSQL keeps a constraint's name when its column gets another."""
    base = database(RENAMED)
    base.execute("INSERT INTO p VALUES (1); INSERT INTO t VALUES (1, 2)")
    changes = [
        lambda op: op.alter_column("t", "a", new_column_name="c"),
        lambda op: op.drop_constraint(name, "t", type_=kind),
    ]
    if runs == 1:
        base.migrate(*changes)
    else:
        for change in changes:
            base.migrate(change)
    assert gone not in base.text().replace(f'CONSTRAINT "{name}" ', "")
    assert base.rows("SELECT * FROM t") == [(1, 2)]


@pytest.mark.parametrize(
    ("name", "kind", "gone"),
    [
        ("t_a_key", "unique", "UNIQUE REFERENCES"),
        ("t_a_fkey", "foreignkey", "REFERENCES"),
        ("t_check", "check", "CHECK (a < b)"),
        ("t_a_check", "check", "CHECK (a > 0)"),
        ("t_b_check1", "check", "CHECK (b < 9)"),
        ("t_pkey", "primary", "PRIMARY"),
        ("t_a_b_key", "unique", "UNIQUE (a, b)"),
    ],
)
def test_a_renamed_tables_constraints_keep_their_names(database, name, kind, gone):
    base = database(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, "
        "a INTEGER UNIQUE REFERENCES p, b INTEGER, CHECK (a < b), CHECK (a > 0), UNIQUE (a, b), "
        "CHECK (b > 0), CHECK (b < 9))"
    )
    base.migrate(lambda op: op.rename_table("t", "u"))
    base.migrate(lambda op: op.drop_constraint(name, "u", type_=kind))
    assert gone not in base.text("u")


@pytest.mark.parametrize(
    ("name", "kind", "only"),
    [
        ("t_q_id_fkey", "foreignkey", "FOREIGN KEY (a) to p"),
        ("t_was_key", "unique", "UNIQUE (a)"),
        ("t_was_check", "check", "CHECK (a > 0)"),
        ("t_was_check", None, "CHECK (a > 0)"),
    ],
)
def test_a_name_that_fits_nothing_does_not_mean_the_only_one(database, name, kind, only):
    base = database(
        "CREATE TABLE p (id INTEGER PRIMARY KEY);"
        "CREATE TABLE t (a INTEGER UNIQUE REFERENCES p CHECK (a > 0), b INTEGER)"
    )
    before = base.text()
    with pytest.raises(MigrationError) as refused:
        base.migrate(lambda op: op.drop_constraint(name, "t", type_=kind))
    assert f'has no "{name}"' in str(refused.value)
    assert only in str(refused.value)
    assert base.text() == before


def test_mysqls_number_of_the_only_key_left(database):
    base = database("CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a REFERENCES p)")
    base.migrate(lambda op: op.drop_constraint("t_ibfk_3", "t", type_="foreignkey"))
    assert "REFERENCES" not in base.text()


@pytest.mark.parametrize("batch", [True, False])
def test_mysqls_numbers_outlive_each_other(database, batch):
    base = database(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (a INTEGER REFERENCES p, "
        "b INTEGER REFERENCES p, c INTEGER REFERENCES p)"
    )

    def change(op):
        if not batch:
            op.drop_constraint("t_ibfk_1", "t", type_="foreignkey")
            op.drop_constraint("t_ibfk_2", "t", type_="foreignkey")
            return
        with op.batch_alter_table("t") as tell:
            tell.drop_constraint("t_ibfk_1", type_="foreignkey")
            tell.drop_constraint("t_ibfk_2", type_="foreignkey")

    base.migrate(change)
    assert base.rows("SELECT \"from\" FROM pragma_foreign_key_list('t')") == [("c",)]


@pytest.mark.parametrize("name", ["t_b_key", "t_b_a_key", "t_key", "u_was_key", "t_was"])
def test_a_name_of_columns_that_are_there_means_no_other(database, name):
    base = database("CREATE TABLE t (a INTEGER UNIQUE, b INTEGER)")
    with pytest.raises(MigrationError, match=f'has no "{name}"'):
        base.migrate(lambda op: op.drop_constraint(name, "t", type_="unique"))


def test_to_mysql_a_unique_index_and_a_constraint_are_the_same(base):
    base.migrate(
        lambda op: op.create_index("one", "t", ["b"], unique=True),
        lambda op: op.drop_constraint("one", "t", type_="unique"),
        lambda op: op.create_unique_constraint("two", "t", ["b"]),
        lambda op: op.drop_index("two", "t"),
    )
    assert "one" not in base.schema()
    assert "two" not in base.text()
