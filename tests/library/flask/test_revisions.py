"""What a revision of a Flask-Migrate project may do besides its operations."""

from pathlib import Path

import flask_migrate
import pytest

from tests.library.flask.project import REVISION, StockProject

TEMPLATE = Path(flask_migrate.__file__).parent / "templates" / "flask"

SESSION = """from app import Customer, db
    db.session.add(Customer(name="Hedy"))
    db.session.commit()"""
READS = """from app import db
    assert sa.inspect(db.engine).has_table("customer")"""


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> StockProject:
    """A project at its tenth revision."""
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")()
    project = StockProject(tmp_path / "project", url, TEMPLATE)
    project.edit("app.py", "from models import Base", "from models import Base, Customer")
    project.write_chain()
    project.change_import()
    project.flask("upgrade")
    return project


def add(project: StockProject, upgrade: str) -> Path:
    """Write one more revision by hand."""
    path = project.migrations / "versions" / "0011_.py"
    text = REVISION.format(number=11, revision="0011", down="0010", upgrade=upgrade)
    path.write_text(text)
    return path


def test_revision_that_writes_through_the_session_stops_at_its_line(project: StockProject) -> None:
    path = add(project, SESSION)
    line = path.read_text().splitlines().index("    db.session.commit()") + 1
    refused = project.flask("upgrade", code=1)
    assert f"in line {line} of {path}" in refused
    assert "op.get_bind()" in refused
    assert project.rows("SELECT version_num FROM alembic_version") == [("0010",)]
    assert project.rows("SELECT count(*) FROM customer") == [(2,)]


def test_revision_that_reads_through_the_engine_runs(project: StockProject) -> None:
    add(project, READS)
    assert "at 0011." in project.flask("upgrade")


def test_revision_that_reads_the_configuration_runs_in_scratch_databases(
    project: StockProject,
) -> None:
    add(project, 'assert op.get_context().config.get_main_option("script_location")')
    assert "at 0011." in project.flask("upgrade")
    assert "models and migrations agree" in project.flask("check")
