"""What plugs the engine into Alembic: batch options, names, offline mode, and being in force."""

import importlib
import io
import subprocess
import sys

import alembic.ddl.impl
import pytest
import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from alembic.migration import MigrationContext
from alembic.operations import Operations
from migrator import MigratorError, naming
from migrator.sqlite import impl
from migrator.sqlite.alter import ALTER, REBUILD, TEXT
from migrator.sqlite.database import Database

TABLE = """
CREATE TABLE p (id INTEGER PRIMARY KEY);
CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a INTEGER, b TEXT, f BOOLEAN CHECK (f IN (0, 1)));
INSERT INTO p VALUES (1);
INSERT INTO t VALUES (1, 1, 'x', 1), (2, 1, 'y', 0);
"""


@pytest.fixture
def base(database):
    return database(TABLE)


def columns(base):
    return [row[1] for row in base.rows("PRAGMA table_xinfo(t)")]


# Being in force.


@pytest.mark.parametrize(("module", "path", "_"), impl.PRIVATE)
def test_a_missing_private_part_stops_with_one_sentence(monkeypatch, module, path, _):
    owner = importlib.import_module(module)
    *way, last = path.split(".")
    for part in way:
        owner = getattr(owner, part)
    owner = next((c for c in getattr(owner, "__mro__", [owner]) if last in vars(c)), owner)
    monkeypatch.delattr(owner, last)
    with pytest.raises(MigratorError) as error:
        impl.require()
    assert f"has no {module}.{path}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("module", "path", "_"), impl.PRIVATE)
def test_it_stops_already_when_it_is_imported(module, path, _):
    code = (
        f"import importlib, alembic, sqlalchemy, alembic.ddl.sqlite, alembic.operations\n"
        f"owner = importlib.import_module({module!r})\n"
        f"*way, last = {path.split('.')!r}\n"
        f"for part in way: owner = getattr(owner, part)\n"
        f"owner = next((c for c in getattr(owner, '__mro__', [owner]) if last in vars(c)), owner)\n"
        f"delattr(owner, last)\n"
        f"from migrator import MigratorError\n"
        f"try:\n    import migrator.sqlite.impl\n"
        f"except MigratorError as error:\n    print(error)\n"
    )
    root = str(importlib.import_module("migrator").__path__[0]).removesuffix("/migrator")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False
    )
    assert f"has no {module}.{path}" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1


def test_another_implementation_in_its_place_is_seen(monkeypatch, base):
    impl.require()
    monkeypatch.setitem(alembic.ddl.impl._impls, "sqlite", SQLiteImpl)
    assert not impl.in_force()
    with pytest.raises(MigratorError, match="would be migrated by stock Alembic"), base.migrating():
        raise AssertionError("not reached")


def test_a_context_made_before_is_seen(monkeypatch):
    engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)
    with engine.connect() as connection:
        with monkeypatch.context() as patch:
            patch.setitem(alembic.ddl.impl._impls, "sqlite", SQLiteImpl)
            context = MigrationContext.configure(connection)
        impl.require()
        with pytest.raises(MigratorError, match="would be migrated by stock Alembic"):
            impl.require(context)


def test_a_replaced_method_put_back_is_seen(monkeypatch):
    from alembic.operations.batch import BatchOperationsImpl

    monkeypatch.setattr(BatchOperationsImpl, "flush", BatchOperationsImpl.flush.stock)
    assert not impl.in_force()


def test_importing_it_twice_replaces_nothing_twice():
    from alembic.operations.batch import BatchOperationsImpl

    stock = BatchOperationsImpl.flush.stock
    assert not hasattr(stock, "stock")


def test_other_dialects_are_left_alone():
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer}
    )
    op = Operations(context)
    with op.batch_alter_table("t") as batch:
        batch.alter_column("a", nullable=False)
        batch.drop_constraint("ck", type_="check")
    op.drop_constraint("uq", "t", type_="unique")
    with op.get_context().autocommit_block():
        op.execute("VACUUM")
    lines = [line for line in buffer.getvalue().splitlines() if line]
    assert lines == [
        "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
        "ALTER TABLE t DROP CONSTRAINT ck;",
        "ALTER TABLE t DROP CONSTRAINT uq;",
        "COMMIT;",
        "VACUUM;",
        "BEGIN;",
    ]


# Batch mode.


def test_all_operations_of_a_batch_are_one_edit(base):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("n", sa.String(5), nullable=False, server_default="q"))
            batch.alter_column("a", new_column_name="z", nullable=False)
            batch.create_unique_constraint("uq", ["z", "b"])
            batch.create_foreign_key("fk", "p", ["a"], ["id"])
            batch.create_index("ix", ["z"])
            batch.drop_column("f")

    assert base.migrate(change) == [ALTER, REBUILD]
    assert columns(base) == ["id", "z", "b", "n"]
    assert "UNIQUE (z, b)" in base.text()
    assert base.rows("SELECT z, b, n FROM t") == [(1, "x", "q"), (1, "y", "q")]
    assert base.schema()["ix"] == "CREATE INDEX ix ON t (z)"
    assert base.rows("SELECT \"from\" FROM pragma_foreign_key_list('t')") == [("z",)]


def test_a_default_given_and_dropped_in_one_batch_stays_in_the_rows(base):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("n", sa.Integer, nullable=False, server_default="7"))
            batch.alter_column("n", server_default=None)

    base.migrate(change)
    assert base.rows("SELECT n FROM t") == [(7,), (7,)]
    assert base.rows("SELECT dflt_value FROM pragma_table_info('t') WHERE name = 'n'") == [(None,)]


@pytest.mark.parametrize(
    ("where", "order"),
    [
        ({"insert_before": "a"}, ["id", "n", "a", "b", "f"]),
        ({"insert_after": "a"}, ["id", "a", "n", "b", "f"]),
        ({"insert_after": "f"}, ["id", "a", "b", "f", "n"]),
        ({}, ["id", "a", "b", "f", "n"]),
    ],
)
def test_columns_are_put_where_they_are_asked_for(base, where, order):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("n", sa.Integer), **where)

    base.migrate(change)
    assert columns(base) == order
    assert base.rows("SELECT a, n, b FROM t") == [(1, None, "x"), (1, None, "y")]


def test_partial_reordering(base):
    def change(op):
        with op.batch_alter_table(
            "t", recreate="always", partial_reordering=[("f", "a"), ("b", "id")]
        ):
            pass

    assert base.migrate(change) == [REBUILD]
    assert columns(base) == ["b", "id", "f", "a"]
    assert base.rows("SELECT id, a, b, f FROM t") == [(1, 1, "x", 1), (2, 1, "y", 0)]

    def circle(op):
        with op.batch_alter_table("t", partial_reordering=[("a", "b"), ("b", "a")]):
            op.alter_column("t", "a", nullable=False)

    def circle_in_batch(op):
        with op.batch_alter_table("t", partial_reordering=[("a", "b"), ("b", "a")]) as batch:
            batch.alter_column("a", nullable=False)

    with pytest.raises(MigratorError, match="round in a circle"):
        base.migrate(circle_in_batch)


def test_copy_from_names_what_stands_without_a_name(base):
    base.execute(
        "DROP TABLE t; CREATE TABLE t (a INTEGER UNIQUE CHECK (a > 0), b INTEGER -- kept\n)"
    )
    copied = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("a", sa.Integer),
        sa.UniqueConstraint("a", name="only_one"),
        sa.CheckConstraint("a > 0", name="positive"),
    )

    def change(op):
        with op.batch_alter_table("t", copy_from=copied) as batch:
            batch.drop_constraint("only_one", type_="unique")
            batch.drop_constraint("positive", type_="check")

    base.migrate(change)
    assert base.text() == "CREATE TABLE t (a INTEGER, b INTEGER -- kept\n)"


def test_table_args_are_added_once(base):
    def change(op):
        with op.batch_alter_table(
            "t",
            table_args=(sa.CheckConstraint("a > 0", name="ck"), sa.CheckConstraint("f IN (0, 1)")),
        ) as batch:
            batch.alter_column("b", nullable=False)

    base.migrate(change)
    base.migrate(change)
    assert base.text().count("CHECK") == 2
    assert base.text().count("CONSTRAINT ck CHECK (a > 0)") == 1


def test_table_kwargs(base):
    def change(op):
        with op.batch_alter_table("t", table_kwargs={"sqlite_autoincrement": True}) as batch:
            batch.alter_column("b", nullable=False)

    base.migrate(change)
    assert "PRIMARY KEY AUTOINCREMENT" in base.text()
    base.execute("CREATE TABLE w (k TEXT PRIMARY KEY NOT NULL, v INTEGER)")

    def options(op):
        with op.batch_alter_table(
            "w",
            recreate="always",
            table_kwargs={"sqlite_with_rowid": False, "sqlite_strict": True},
        ):
            pass

    base.migrate(options)
    assert base.text("w").endswith((") WITHOUT ROWID, STRICT", ") STRICT, WITHOUT ROWID"))


def test_reflect_args_and_a_naming_convention_are_names(base):
    def change(op):
        with op.batch_alter_table(
            "t",
            reflect_args=[sa.CheckConstraint("f IN (0, 1)", name="is_bool")],
            naming_convention={"pk": "key_of_%(table_name)s"},
        ) as batch:
            batch.drop_constraint("is_bool", type_="check")
            batch.drop_constraint("key_of_t", type_="primary")

    base.migrate(change)
    assert "CHECK" not in base.text()
    assert "PRIMARY" not in base.text()


def test_a_new_key_column_in_a_batch_numbers_the_rows(database):
    base = database("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x'), ('y')")

    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.add_column(sa.Column("id", sa.Integer, primary_key=True), insert_before="a")

    base.migrate(change)
    assert base.rows("SELECT * FROM t") == [(1, "x"), (2, "y")]
    assert base.rows("SELECT pk FROM pragma_table_info('t') WHERE name = 'id'") == [(1,)]


@pytest.mark.parametrize("key", [{"primary_key": True}, {"nullable": False}])
def test_a_new_column_that_counts_numbers_the_rows(database, key):
    """As PostgreSQL does, which makes it SERIAL; the key comes by an operation of its own."""
    base = database("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x'), ('y')")
    arguments = [] if "primary_key" in key else [sa.Identity()]
    ways = base.migrate(
        lambda op: op.add_column("t", sa.Column("id", sa.Integer, *arguments, **key)),
        lambda op: op.create_primary_key("t_pkey", "t", ["id"]),
    )
    assert ways == [REBUILD, REBUILD]
    assert base.rows("SELECT a, id FROM t") == [("x", 1), ("y", 2)]
    base.execute("DELETE FROM t; INSERT INTO t (a) VALUES ('z')")
    assert base.rows("SELECT * FROM t") == [("z", 1)]


def test_what_went_with_its_column_is_named_in_one_sentence(base):
    def change(op):
        with op.batch_alter_table("t") as batch:
            batch.alter_column("a", new_column_name="z")
            batch.drop_column("f")
            batch.drop_constraint("t_f_check", type_="check")

    with pytest.raises(MigratorError, match=r'Table "t" has no "t_f_check"\. It has: PRIMARY KEY'):
        base.migrate(change)


def test_the_foreign_key_that_is_wrong_is_blamed(database, monkeypatch):
    """And where the others need not be looked at, it is in nobody's way."""
    base = database(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE t "
        "(id INTEGER PRIMARY KEY, p_id INTEGER, other INTEGER REFERENCES p (name))"
    )
    with monkeypatch.context() as patch, base.migrating() as op:
        patch.setattr(Database, "writable_schema", lambda self: False)
        with pytest.raises(MigratorError, match=r'"p" has no .* name, .* foreign key other of "t"'):
            op.create_foreign_key("fk", "t", "p", ["p_id"], ["id"])
    with base.migrating() as op:
        op.create_foreign_key("fk", "t", "p", ["p_id"], ["id"])
    parents = 'SELECT "from", "to" FROM pragma_foreign_key_list(\'t\')'
    assert sorted(base.rows(parents)) == [("other", "name"), ("p_id", "id")]


def test_if_exists_and_if_not_exists(base):
    def change(op):
        op.drop_column("t", "zz", if_exists=True)
        op.add_column("t", sa.Column("a", sa.Text), if_not_exists=True)
        op.drop_constraint("zz", "t", type_="check", if_exists=True)
        op.drop_index("zz", "t", if_exists=True)
        op.drop_index("zz", if_exists=True)
        op.drop_table("zz", if_exists=True)
        op.create_index("ix", "t", ["a"], if_not_exists=True)
        op.create_index("ix", "t", ["a"], if_not_exists=True)
        with op.batch_alter_table("t") as batch:
            batch.drop_column("zz", if_exists=True)

    before = base.text()
    assert base.migrate(change) == []
    assert base.text() == before


def test_comments_are_no_obstacle(base):
    def change(op):
        op.create_table_comment("t", "all of them")
        op.drop_table_comment("t")
        op.alter_column("t", "a", comment="a number")
        op.add_column("t", sa.Column("n", sa.Integer, comment="another"))
        with op.batch_alter_table("t") as batch:
            batch.create_table_comment("all of them")
            batch.alter_column("a", comment="a number")

    assert base.migrate(change) == [ALTER]


def test_checks_of_a_type_come_and_go_with_it(base):
    old = sa.Enum("x", "y", name="kind", create_constraint=True)
    new = sa.Enum("x", "y", "z", name="kind", create_constraint=True)
    base.migrate(
        lambda op: op.add_column("t", sa.Column("k", old)),
        lambda op: op.alter_column("t", "k", existing_type=old, type_=new),
        # Made by a SQLAlchemy before 1.4, which the migration does not tell.
        lambda op: op.alter_column("t", "f", existing_type=sa.Boolean(), type_=sa.Integer()),
    )
    assert base.text().count("CHECK") == 1
    assert "CONSTRAINT kind CHECK (k IN ('x', 'y', 'z'))" in base.text()


@pytest.mark.parametrize("condition", ["a > 1", sa.text("a > 1")])
def test_indexes_of_a_server(base, condition):
    def change(op):
        op.create_index("ix", "t", ["b"], unique=True, postgresql_where=condition)
        op.create_index("gin", "t", [sa.text("lower(b)")], postgresql_using="gin")
        op.drop_index("gin")

    base.migrate(change)
    assert base.schema()["ix"] == "CREATE UNIQUE INDEX ix ON t (b) WHERE a > 1"
    assert "gin" not in base.schema()


def test_to_mysql_a_unique_index_and_a_constraint_are_the_same(base):
    base.migrate(
        lambda op: op.create_index("one", "t", ["b"], unique=True),
        lambda op: op.drop_constraint("one", "t", type_="unique"),
        lambda op: op.create_unique_constraint("two", "t", ["b"]),
        lambda op: op.drop_index("two", "t"),
    )
    assert "one" not in base.schema()
    assert "two" not in base.text()


# Names.


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
    with pytest.raises(MigratorError, match=r"has no (FOREIGN KEY|UNIQUE|PRIMARY KEY|CHECK). It"):
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
            batch.drop_constraint("renamed_f_check", type_="check")

    base.migrate(change)
    assert "FOREIGN" not in base.text("renamed")
    assert "CHECK" not in base.text("renamed")


@pytest.mark.parametrize(
    ("name", "kind", "gone"),
    [
        ("t_was_key", "unique", "UNIQUE"),
        ("t_was_fkey", "foreignkey", "REFERENCES"),
        ("t_was_and_b_check", "check", "CHECK"),
        ("t_ibfk_3", "foreignkey", "REFERENCES"),
    ],
)
def test_a_name_of_columns_that_have_others_by_now(database, name, kind, gone):
    """PostgreSQL keeps a constraint's name when its column gets another."""
    base = database(
        "CREATE TABLE p (id INTEGER PRIMARY KEY);"
        "CREATE TABLE t (a INTEGER UNIQUE REFERENCES p, b INTEGER, CHECK (a < b), UNIQUE (a, b))"
    )
    if kind == "unique":
        with pytest.raises(MigratorError, match='has no "t_was_key"'):
            base.migrate(lambda op: op.drop_constraint(name, "t", type_=kind))
        base.migrate(lambda op: op.drop_constraint("t_a_b_key", "t"))
    base.migrate(lambda op: op.drop_constraint(name, "t", type_=kind))
    assert gone not in base.text()


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
    with pytest.raises(MigratorError, match=f'has no "{name}"'):
        base.migrate(lambda op: op.drop_constraint(name, "t", type_="unique"))


def test_a_renaming_to_other_capitals(base):
    base.migrate(lambda op: op.alter_column("t", "a", new_column_name="A"))
    assert columns(base) == ["id", "A", "b", "f"]


# The transaction, and offline mode.


def test_an_autocommit_block_stays_in_the_transaction(base):
    before = base.schema()

    def change(op):
        op.add_column("t", sa.Column("n", sa.Integer))
        with op.get_context().autocommit_block():
            op.execute("CREATE INDEX ix ON t (n)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        base.migrate(change)
    assert base.schema() == before


def offline(change):
    buffer = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="sqlite", opts={"as_sql": True, "output_buffer": buffer}
    )
    change(Operations(context))
    return [line for line in buffer.getvalue().splitlines() if line]


def in_batch(tell):
    def change(op):
        with op.batch_alter_table("t") as batch:
            tell(batch)

    return change


PRINTED = [
    (
        lambda op: op.add_column("t", sa.Column("n", sa.Integer)),
        "ALTER TABLE t ADD COLUMN n INTEGER;",
    ),
    (
        lambda op: op.alter_column("t", "a", new_column_name="z", existing_nullable=False),
        "ALTER TABLE t RENAME COLUMN a TO z;",
    ),
    (lambda op: op.drop_column("t", "a"), "ALTER TABLE t DROP COLUMN a;"),
    (lambda op: op.rename_table("t", "u"), "ALTER TABLE t RENAME TO u;"),
    (lambda op: op.drop_table("t"), "DROP TABLE t;"),
    (lambda op: op.create_index("ix", "t", ["a"]), "CREATE INDEX ix ON t (a);"),
    (lambda op: op.drop_index("ix", "t"), "DROP INDEX ix;"),
    (lambda op: op.drop_index("ix"), "DROP INDEX ix;"),
    (
        in_batch(lambda batch: batch.add_column(sa.Column("n", sa.Text, server_default="x"))),
        "ALTER TABLE t ADD COLUMN n TEXT DEFAULT 'x';",
    ),
]


@pytest.mark.parametrize(("change", "line"), PRINTED)
def test_offline_prints_what_sqlite_can_do(change, line):
    assert offline(change) == [line]


STOPPED = [
    lambda op: op.alter_column("t", "a", nullable=False),
    lambda op: op.alter_column("t", "a", new_column_name="z", nullable=True),
    lambda op: op.alter_column("t", "a", server_default=None),
    lambda op: op.alter_column("t", "a", type_=sa.Text()),
    lambda op: op.create_unique_constraint("uq", "t", ["a"]),
    lambda op: op.create_foreign_key("fk", "t", "p", ["a"], ["id"]),
    lambda op: op.drop_constraint("ck", "t", type_="check"),
    lambda op: op.add_column("t", sa.Column("n", sa.Integer, nullable=False)),
    lambda op: op.add_column("t", sa.Column("n", sa.DateTime, server_default=sa.func.now())),
    lambda op: op.add_column("t", sa.Column("n", sa.Integer, sa.Computed("a", persisted=True))),
    in_batch(lambda batch: batch.add_column(sa.Column("n", sa.Integer), insert_after="a")),
    in_batch(lambda batch: batch.alter_column("a", nullable=False)),
]


@pytest.mark.parametrize("change", STOPPED)
def test_offline_stops_at_anything_else(change):
    with pytest.raises(MigratorError) as error:
        offline(change)
    assert "`make plan`" in str(error.value)
    assert "\n" not in str(error.value)


def test_ways_are_told(base):
    with base.migrating() as op:
        op.alter_column("t", "a", nullable=False)
        op.create_unique_constraint("uq", "t", ["b"])
    steps = op.get_context().impl.steps
    assert [(s.table, s.way) for s in steps] == [("t", TEXT), ("t", REBUILD)]
    assert any(s.startswith("INSERT OR ABORT") for s in steps[1].statements)
