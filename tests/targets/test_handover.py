"""Undo, phases, adoption and moving to a server, typed as their documents show them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.support.bake import TEMPLATE
from tests.support.console import play, sections
from tests.support.project import Project

BEFORE_AND_AFTER = sections(TEMPLATE / "docs" / "before-and-after.md")
OUTGROWING = sections(TEMPLATE / "docs" / "outgrowing.md")


def sql_shown(text: str) -> str:
    """The SQL block of a section."""
    return text.split("```sql\n", 1)[1].split("```", 1)[0]


@pytest.mark.parametrize("heading", BEFORE_AND_AFTER)
def test_before_and_after(heading: str, start: Callable[..., Project]) -> None:
    project = start(project_slug="my-project", package_name="my_project")
    text = BEFORE_AND_AFTER[heading]
    if "legacy.sql" in text:
        Path(project.root, "legacy.sql").write_text(sql_shown(text), encoding="utf-8")
    assert play(text, project)


@pytest.mark.parametrize(
    ("kind", "database", "heading", "shown"),
    [
        ("postgresql", "postgresql", "To PostgreSQL", "postgresql://keeper@db.example.org/library"),
        ("mariadb", "mysql", "To MariaDB or MySQL", "mysql://keeper@db.example.org/library"),
    ],
)
def test_outgrowing(
    kind: str,
    database: str,
    heading: str,
    shown: str,
    start: Callable[..., Project],
    request: pytest.FixtureRequest,
) -> None:
    project = start(project_slug="my-project", package_name="my_project", database=database)
    real = sa.make_url(request.getfixturevalue(kind)(user="keeper", password="s3cret & %"))
    uri = real.set(drivername=database).render_as_string(hide_password=False)
    text = OUTGROWING[heading].replace(shown, f"'{uri}'").replace("'…", "…")
    assert play(text, project)

    ready = (
        "from my_project import create_app; from my_project.models.library import Author;"
        "from my_project.extensions import db\n"
        "app = create_app()\nclient = app.test_client()\n"
        "print(client.get('/health/ready').status_code, client.get('/books').status_code)\n"
        "with app.app_context():\n"
        "    db.session.add(Author(name='New')); db.session.commit()\n"
        "    print([author.id for author in db.session.query(Author).order_by(Author.id)])\n"
    )
    done = project.run(
        "python", "-c", ready, DATABASE_URL=uri, MY_PROJECT_SECRET_KEY="something-long"
    )
    assert done.stdout.splitlines() == ["200 200", "[1, 2, 3]"]

    refused = project.make("move", f"to={uri}", fails=True)
    assert "exit 1: The target is not empty (author, book)" in refused.stderr
    assert "s3cret" not in refused.stdout + refused.stderr
