"""SQLite is migrated by our implementation, and stops where it is not; other databases are not
touched."""

import io
import subprocess
import sys
from pathlib import Path

import alembic.ddl.impl
import pytest
import sqlalchemy as sa
from alembic.ddl.sqlite import SQLiteImpl
from alembic.migration import MigrationContext
from alembic.operations import Operations

import alembic_lossless
from alembic_lossless import compat, sqlite
from alembic_lossless.errors import MigrationError

#: Takes away the last part of a path; that of an object, from all objects made from now on.
TAKE_AWAY = """
import importlib

def take_away(module, path):
    owner = importlib.import_module(module)
    *way, last = path.split(".")
    for part in way:
        owner = owner if part == "()" else getattr(owner, part)
    if "()" in way:
        make = owner.__init__
        def bare(self, *arguments, **keywords):
            make(self, *arguments, **keywords)
            delattr(self, last)
        owner.__init__ = bare
    else:
        ancestors = getattr(owner, "__mro__", [owner])
        delattr(next(class_ for class_ in ancestors if last in vars(class_)), last)
"""


@pytest.mark.parametrize(("module", "path"), compat.PARTS)
@pytest.mark.parametrize("moment", ["imported before", "imported after"])
def test_a_missing_private_part_stops_with_one_sentence(module, path, moment):
    take_away = f"take_away({module!r}, {path!r})"
    first, then = ("", take_away) if moment == "imported before" else (take_away, "")
    code = f"""{TAKE_AWAY}
import alembic, sqlalchemy, alembic.ddl.sqlite, alembic.operations
from alembic_lossless.errors import MigrationError
{first}
try:
    import alembic_lossless.sqlite
    {then}
    alembic_lossless.sqlite.require()
except MigrationError as error:
    print(error)
"""
    root = str(Path(alembic_lossless.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert f"has no {module}.{path}, which" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1


def test_another_implementation_in_its_place_is_seen(monkeypatch, base):
    sqlite.require()
    monkeypatch.setitem(alembic.ddl.impl._impls, "sqlite", SQLiteImpl)
    assert not sqlite.in_force()
    with (
        pytest.raises(MigrationError, match="would be migrated by stock Alembic"),
        base.migrating(),
    ):
        raise AssertionError("not reached")


def test_a_context_made_before_is_seen(monkeypatch):
    engine = sa.create_engine("sqlite://", poolclass=sa.NullPool)
    with engine.connect() as connection:
        with monkeypatch.context() as patch:
            patch.setitem(alembic.ddl.impl._impls, "sqlite", SQLiteImpl)
            context = MigrationContext.configure(connection)
        sqlite.require()
        with pytest.raises(MigrationError, match="would be migrated by stock Alembic"):
            sqlite.require(context)


def test_a_replaced_method_put_back_is_seen(monkeypatch):
    from alembic.operations.batch import BatchOperationsImpl

    monkeypatch.setattr(BatchOperationsImpl, "flush", BatchOperationsImpl.flush.stock)
    assert not sqlite.in_force()


def test_importing_it_twice_replaces_nothing_twice():
    from alembic.operations.batch import BatchOperationsImpl

    stock = BatchOperationsImpl.flush.stock
    assert not hasattr(stock, "stock")


def test_importing_it_needs_sqlalchemy_and_alembic_only():
    code = """
import sys
import alembic.command, sqlalchemy
before = set(sys.modules)
import alembic_lossless.sqlite
print(*sorted(set(sys.modules) - before))
"""
    root = str(Path(alembic_lossless.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    loaded = set(done.stdout.split())
    assert "alembic_lossless.sqlite.impl" in loaded, done.stderr
    packages = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert packages <= {"alembic", "sqlalchemy", "alembic_lossless"}
    own = {name.split(".")[1] for name in loaded if name.startswith("alembic_lossless.")}
    assert own == {"compat", "errors", "hints", "naming", "quoting", "sqlite", "tokens"}


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
