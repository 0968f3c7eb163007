"""A project with SQLALCHEMY_BINDS is told what is not done, and nothing is changed."""

from pathlib import Path

import flask_migrate
import pytest

from tests.library.flask.project import StockProject

TEMPLATES = Path(flask_migrate.__file__).parent / "templates"
BINDS = """    app.config["SQLALCHEMY_BINDS"] = {"meta": f"sqlite:///{app.root_path}/meta.db"}
    db.init_app(app)"""
MODEL = """

class Metric(db.Model):
    __bind_key__ = "meta"
    id = db.Column(db.Integer, primary_key=True)


def create_app("""


def with_binds(folder: Path, template: str) -> StockProject:
    project = StockProject(folder / "project", f"sqlite:///{folder}/shop.db", TEMPLATES / template)
    project.write_chain()
    project.edit("app.py", "    db.init_app(app)", BINDS)
    project.edit("app.py", "\n\ndef create_app(", MODEL)
    project.change_import()
    return project


@pytest.mark.parametrize("words", [("upgrade",), ("upgrade", "--sql"), ("check",), ("plan",)])
def test_env_for_several_databases_is_refused_in_one_sentence(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    project = with_binds(tmp_path, "flask-multidb")
    output = project.flask(*words, code=2)
    assert "env.py migrates several databases" in output
    assert "nothing was changed" in output
    assert not (tmp_path / "shop.db").exists() or not (tmp_path / "shop.db").stat().st_size


def test_models_of_a_bind_are_named_where_env_is_for_one_database(tmp_path: Path) -> None:
    project = with_binds(tmp_path, "flask")
    project.flask("upgrade")
    output = project.flask("check")
    assert "! Not looked at: metric, of the bind 'meta'" in output
    assert "agree" in output
