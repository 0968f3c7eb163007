"""The checklist and the consent reach the file of a revision, whatever its template is."""

import shutil
from pathlib import Path
from types import ModuleType

import pytest
from alembic.util.pyfiles import load_python_file

from alembic_lossless.checklist.file_header import Header, write_into
from tests.library.autogenerate.project import ALEMBIC_MAKO, FLASK_MAKO, Project, models
from tests.library.checklist.stage import nickname, started, table, write

HEADER = Header(
    "Reviewed for SQLite.\n\n- drop column user.nickname",
    {"accepted": {"drop-column user.nickname": 'it says """no""" \\ more'}},
)

IDENTIFIERS = """revision = "1"
down_revision = None
"""


def loaded(path: Path) -> ModuleType:
    return load_python_file(str(path.parent), path.name)


@pytest.mark.parametrize("mako", [FLASK_MAKO, ALEMBIC_MAKO], ids=["flask", "alembic"])
def test_consent_given_is_in_file_and_lets_check_and_rehearsal_pass(
    project: Project, mako: Path
) -> None:
    """Printed, but lost, the consent is asked for again by each check and each rehearsal."""
    shutil.copy(mako, project.folder / "script.py.mako")
    started(project, table(nickname()))
    report = write(project, "unused", table(), accept="drop-column user.nickname: unused")
    (path,) = report.paths
    module = loaded(path)
    assert module.accepted == {"drop-column user.nickname": "unused"}
    assert module.__doc__ is not None
    assert module.__doc__.startswith("unused\n\nRevision ID: ")
    assert "\nReviewed for SQLite.\n\n- drop column user.nickname\n" in module.__doc__
    assert "Accepted: unused (drop-column)" in " ".join(module.__doc__.split())
    project.upgrade()
    assert project.verify().agrees


@pytest.mark.parametrize("mako", [FLASK_MAKO, ALEMBIC_MAKO], ids=["flask", "alembic"])
def test_stock_verb_leaves_question_in_file_for_a_person(project: Project, mako: Path) -> None:
    shutil.copy(mako, project.folder / "script.py.mako")
    started(project, table(nickname()))
    project.metadata = models()
    table()(project.metadata)
    project.migrate()
    assert 'accepted = {"drop-column user.nickname": ""}' in project.last()
    assert "Checklist:" in project.last()


@pytest.mark.parametrize(
    "before",
    [
        f'"""A change.\n\nRevision ID: 1\n"""\n\nimport os\n\n{IDENTIFIERS}',
        f"# A licence.\n'A change.'\nimport os\n{IDENTIFIERS}",
        f"r'''A change.'''\n{IDENTIFIERS}accepted: dict = {{\n}}\n",
        f"import os\n\n{IDENTIFIERS}",
        IDENTIFIERS,
        '"""A change."""\nrevision = "1"; down_revision = None\n',
    ],
    ids=["usual", "comment", "placeholder", "no docstring", "bare", "one line"],
)
def test_header_is_added_to_any_python_file(tmp_path: Path, before: str) -> None:
    path = tmp_path / "1.py"
    path.write_text(f"{before}\n\ndef upgrade():\n    pass\n")
    write_into(path, HEADER)
    module = loaded(path)
    assert module.accepted == HEADER.names["accepted"]
    assert module.__doc__ is not None
    assert module.__doc__.endswith("Reviewed for SQLite.\n\n- drop column user.nickname\n")
    assert module.__doc__.startswith("A change." if "A change." in before else "Reviewed")
    assert (module.revision, module.down_revision) == ("1", None)
    assert module.upgrade() is None
    assert "# A licence.\n" in path.read_text() or "licence" not in before


def test_header_keeps_encoding_of_file(tmp_path: Path) -> None:
    path = tmp_path / "1.py"
    path.write_text(f'# coding: latin-1\n"""Größe."""\n{IDENTIFIERS}', encoding="latin-1")
    write_into(path, HEADER)
    assert "Größe.\n\nReviewed" in path.read_text(encoding="latin-1")


def test_header_of_message_with_quotes_and_backslashes_is_python(project: Project) -> None:
    table(nickname())(project.metadata)
    report = project.new('say """so""" \\ now')
    assert (loaded(report.paths[0]).__doc__ or "").startswith("say '''so''' \\ now\n")
