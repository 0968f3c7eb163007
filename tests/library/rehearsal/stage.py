"""A chain with two tables to have accidents on; its rehearsal; and the same on stock Alembic."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import make_url

from alembic_lossless.rehearsal.rehearse import rehearse
from alembic_lossless.rehearsal.report import Rehearsal
from alembic_lossless.scratch.sources import find_sources
from tests.library.autogenerate.project import Project

TABLES = """
op.create_table(
    "author",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40)),
)
op.create_table(
    "book",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("author_id", sa.Integer, nullable=False),
    sa.Column("editor_id", sa.Integer),
    sa.Column("title", sa.String(40)),
    sa.Column("price", sa.Numeric(8, 2)),
    sa.ForeignKeyConstraint(["author_id"], ["author.id"], "fk_author", ondelete="CASCADE"),
)
"""
DROPPED = 'op.drop_table("book")\nop.drop_table("author")'

ROWS = [
    "INSERT INTO author VALUES (1, 'Ada'), (2, ''), (3, NULL)",
    "INSERT INTO book VALUES (1, 1, 9, 'Notes', 1.25), (2, 2, 9, NULL, 2.5), (3, 2, 9, 'Notes', 3)",
]


def rehearsed(project: Project, revision: str = "head", development: bool = False) -> Rehearsal:
    """Rehearse on the database that the project is for alone."""
    sources, _ = find_sources(project.kinds, project.url)
    return rehearse(
        project.script,
        revision,
        project.metadata,
        sources[-1:],
        make_url(project.url) if development else None,
    )


def line_of(path: Path, mark: str = "# here") -> int:
    """Return the number of the line that holds *mark*."""
    lines = path.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if mark in line)


STOCK = """
from alembic import context
from sqlalchemy import create_engine, event

engine = create_engine(context.config.get_main_option("sqlalchemy.url").replace("%%", "%"))
if engine.dialect.name == "sqlite":
    @event.listens_for(engine, "connect")
    def foreign_keys(connection, record):
        connection.execute("PRAGMA foreign_keys = ON")
with engine.connect() as connection:
    context.configure(connection=connection, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def stock(project: Project, *arguments: str) -> int:
    """Run stock Alembic's command line on the real database; return its exit code."""
    folder = project.folder.parent / "stock"
    folder.mkdir(exist_ok=True)
    (folder / "env.py").write_text(STOCK)
    url = make_url(project.url).render_as_string(hide_password=False).replace("%", "%%")
    (folder / "alembic.ini").write_text(
        f"[alembic]\nscript_location = {folder}\nsqlalchemy.url = {url}\n"
        f"version_locations = {project.folder / 'versions'}\npath_separator = newline\n"
    )
    command = [sys.executable, "-m", "alembic", "-c", str(folder / "alembic.ini"), *arguments]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    return done.returncode
