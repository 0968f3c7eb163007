"""Generated tables and edits: the schema is the model's, every other byte and every row is kept."""

from __future__ import annotations

import copy
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alembic_lossless.errors import MigrationError
from tests.library.matrix import apsw_dbapi
from tests.library.sqlite.edits import Edit, Outside, edits
from tests.library.sqlite.model import Model, insert, models, q
from tests.library.sqlite.support import Base

RUN = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: Python's own SQLite, and one that has the newest forms of ALTER TABLE.
DRIVERS = [pytest.param(sqlite3, id="own"), pytest.param(apsw_dbapi, id="newest")]


def describe(database: Base) -> dict[str, Any]:
    """Read the schema of t, as the model has it, from SQLite's own PRAGMAs."""
    rows = database.rows("PRAGMA table_xinfo('t')")
    uniques = []
    for _, name, _, origin, _ in database.rows("PRAGMA index_list('t')"):
        columns = tuple(row[2] for row in database.rows(f"PRAGMA index_info({q(name)})"))
        if origin == "u":
            uniques.append(columns)
    key = sorted((row[5], row[1]) for row in rows if row[5])
    return {
        "columns": [(row[1], row[2], bool(row[3]), row[4]) for row in rows],
        "primary": tuple(name for _, name in key),
        "uniques": sorted(uniques),
        "parents": sorted(row[3] for row in database.rows("PRAGMA foreign_key_list('t')")),
        "indexes": {
            name: database.rows(f"PRAGMA index_info({q(name)})")[0][2]
            for _, name, _, origin, _ in database.rows("PRAGMA index_list('t')")
            if origin == "c"
        },
    }


def expected(model: Model) -> dict[str, Any]:
    return {
        "columns": [(n, c.type, c.not_null, c.default) for n, c in model.columns.items()],
        "primary": model.primary,
        "uniques": sorted(model.uniques),
        "parents": sorted(model.parents),
        "indexes": model.indexes,
    }


def refuses(database: Base, model: Model) -> None:
    """Every CHECK of the model refuses its word, and nothing else is refused by one."""
    with closing(sqlite3.connect(database.path)) as connection:
        for name, (column, word) in model.checks.items():
            sql = f"INSERT INTO t ({q(column)}) VALUES (?)"
            with pytest.raises(sqlite3.IntegrityError) as error:
                connection.execute(sql, [word])
            assert name in str(error.value) or "NOT NULL" in str(error.value)


def stored(database: Base, model: Model) -> list[tuple[Any, ...]]:
    names = ", ".join(f"{q(n)}, typeof({q(n)})" for n in model.columns)
    return sorted(database.rows(f"SELECT {names} FROM t"), key=repr)


def meant(model: Model) -> list[tuple[Any, ...]]:
    kinds = {int: "integer", str: "text", type(None): "null"}
    rows = [
        tuple(x for n in model.columns for x in (row[n], kinds[type(row[n])])) for row in model.rows
    ]
    return sorted(rows, key=repr)


def make(folder: str, model: Model, script: str, driver: Any) -> Base:
    database = Base(Path(folder) / "app.sqlite", script, driver=driver)
    with closing(sqlite3.connect(database.path)) as connection, connection:
        for sql, values in insert(model):
            connection.execute(sql, values)
    assert describe(database) == expected(model)
    return database


def untouched(parts: list[str], told: list[Edit]) -> list[str]:
    """The definitions that no edit names: none that holds a column of one."""
    names = [name for edit in told for name in (edit.column, edit.extra) if isinstance(name, str)]
    return [part for part in parts if not any(name in part.replace('""', '"') for name in names)]


def judge(database: Base, model: Model, parts: list[str], told: list[Edit]) -> None:
    database.check()
    assert describe(database) == expected(model)
    assert stored(database, model) == meant(model)
    refuses(database, model)
    text, at = database.text(), 0
    for part in untouched(parts, told):
        assert part in text[at:], (part, text)
        at = text.index(part, at) + len(part)


@pytest.mark.parametrize("driver", DRIVERS)
@RUN
@given(data=st.data())
def test_one_edit_after_another(driver: Any, data: Any) -> None:
    """Out of batch: each edit is carried out, or refused with nothing changed at all."""
    model, _, parts, script = data.draw(models())
    with tempfile.TemporaryDirectory() as folder:
        database = make(folder, model, script, driver)
        told: list[Edit] = []
        for _ in range(data.draw(st.integers(1, 3))):
            edit = edits(model, data.draw)
            before = (database.schema(), stored(database, model))
            if edit.fails(model):
                with pytest.raises(MigrationError) as error:
                    database.migrate(lambda op, edit=edit: edit.tell(Outside(op)))
                assert "\n" not in str(error.value)
                assert (database.schema(), stored(database, model)) == before
            else:
                database.migrate(lambda op, edit=edit: edit.tell(Outside(op)))
                edit.apply(model)
                told.append(edit)
            judge(database, model, parts, told)


@pytest.mark.parametrize("driver", DRIVERS)
@RUN
@given(data=st.data())
def test_a_batch_is_one_edit(driver: Any, data: Any) -> None:
    """In batch, also with the rebuild forced: all edits at once, at most one rebuild.

    Two edits depend on what was done before them and may start over: a rename, and the default of
    a column that is new itself.
    """
    model, _, parts, script = data.draw(models())
    with tempfile.TemporaryDirectory() as folder:
        database = make(folder, model, script, driver)
        goal, told = copy.deepcopy(model), []
        for _ in range(data.draw(st.integers(1, 4))):
            edit = edits(goal, data.draw)
            if not edit.fails(goal):
                edit.apply(goal)
                told.append(edit)
        recreate = data.draw(st.sampled_from(["auto", "always"]))

        def change(op: Any) -> None:
            with op.batch_alter_table("t", recreate=recreate) as batch:
                for edit in told:
                    edit.tell(batch)

        ways = database.migrate(change)
        starts = sum(edit.what in ("rename", "set_default", "drop_default") for edit in told)
        assert ways.count("a rebuild") <= 1 + starts
        judge(database, goal, parts, told)
