"""The matrix on SQLites that are newer than Python's own, with what their ALTER TABLE can do.

3.53 alters NOT NULL and CHECK itself, 3.54 drops a foreign key. The application that looks at the
file afterwards keeps the older one: what the newer wrote has to be good for both.
"""

import importlib
import re
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa

import alembic_lossless.sqlite  # noqa: F401  (puts the engine in force)
from tests.conftest import leave_out

from .cell import FEATURES, MODES, OPERATIONS, modes, private, run
from .refusals import wanted

MODULES = {"pysqlite3": "pysqlite3.dbapi2", "apsw": "tests.library.matrix.apsw_dbapi"}
SOME_OPERATIONS = (
    *("set_not_null", "set_not_null_on_nulls", "drop_not_null", "rename_and_set_not_null"),
    *("create_check", "create_check_on_violations", "drop_check", "drop_foreign_key"),
    *("create_foreign_key", "drop_column_author_id", "change_default", "retype_same_affinity"),
    *("retype_integer_to_text", "create_unique", "create_primary_key", "batch_of_several"),
)
SOME_FEATURES = (
    *("plain", "unnamed_constraints", "inline_constraints", "without_rowid", "strict"),
    *("generated_stored", "trigger_on_insert", "view", "child_cascades", "odd_names"),
    *("self_reference_cascades", "older_rows", "odd_values", "comments", "autoincrement"),
)


@pytest.fixture(scope="module", params=MODULES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    try:
        return importlib.import_module(MODULES[request.param])
    except ImportError:
        leave_out(request.param, "it is not installed")
        raise


def _judge(module: ModuleType, operation: str, feature: str, folder: Path) -> None:
    for mode in modes(operation):
        opener = partial(private, module=module)
        outcome = run(operation, feature, mode, folder, opener, foreign_keys=mode == MODES[0])
        refusal = wanted(operation, feature)
        assert outcome.verdict == ("refused" if refusal else "right"), outcome.detail
        if refusal:
            assert re.search(refusal.word, outcome.detail)


@pytest.mark.parametrize("feature", SOME_FEATURES)
@pytest.mark.parametrize("operation", SOME_OPERATIONS)
def test_cell(module: ModuleType, operation: str, feature: str, tmp_path: Path) -> None:
    """Some cells, on each newer SQLite."""
    _judge(module, operation, feature, tmp_path)


@pytest.mark.trial
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_all_cells(module: ModuleType, operation: str, feature: str, tmp_path: Path) -> None:
    """All cells, on each newer SQLite."""
    _judge(module, operation, feature, tmp_path)


def test_it_is_newer(module: ModuleType) -> None:
    """The module brings a SQLite that Python does not have, else these tests show nothing."""
    assert module.sqlite_version_info > (3, 50)


NATIVE = {
    "set_not_null": "ALTER COLUMN price SET NOT NULL",
    "drop_not_null": "ALTER COLUMN title DROP NOT NULL",
    "create_check": "ADD CONSTRAINT ck_new CHECK",
    "drop_check": "DROP CONSTRAINT ck_book_pages",
    "drop_foreign_key": "DROP CONSTRAINT fk_book_author_id_author",
}


@pytest.mark.parametrize("operation", NATIVE)
def test_newest_alters_itself(operation: str, tmp_path: Path) -> None:
    """Where SQLite's own ALTER TABLE can do it, that is what is sent, and nothing is edited."""
    apsw = pytest.importorskip(MODULES["apsw"])
    sent: list[str] = []

    def keep(*given: object) -> None:
        sent.append(str(given[2]).replace('"', ""))

    sa.event.listen(sa.Engine, "before_cursor_execute", keep)
    try:
        opener = partial(private, module=apsw)
        outcome = run(operation, "plain", "plain", tmp_path, opener, foreign_keys=True)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", keep)
    assert outcome.verdict == "right", outcome.detail
    assert [statement for statement in sent if NATIVE[operation] in statement], sent
    assert not [statement for statement in sent if "sqlite_master SET sql = '" in statement]
