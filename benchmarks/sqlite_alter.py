"""ALTER TABLE on SQLite, side by side: this project's engine and stock Alembic, in one run.

    python benchmarks/sqlite_alter.py [--rows N] [--only rename_column,drop_check] [--repeat N]

Every operation runs in a process of its own, on a fresh copy of the same database, in batch mode.
Taken are the time of the migration's transaction, on the clock and of the processor, the best of
the repeats, and the peak of what lies on the disk: the database, its journals, and SQLite's
temporary files, deleted ones as well. The output is a Markdown table. Where other work goes on, the
processor's time is the steadier one; it says nothing of the waiting for the disk.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.pool import NullPool

HOME = Path(__file__).resolve().parents[1]
ENGINE = HOME / "{{cookiecutter.project_slug}}" / "{{cookiecutter.package_name}}"

SCHEMA = """
CREATE TABLE owner (id INTEGER NOT NULL, name TEXT, CONSTRAINT pk_owner PRIMARY KEY (id));
CREATE TABLE entry (
  id INTEGER NOT NULL,
  owner_id INTEGER,
  editor_id INTEGER,
  code VARCHAR(20) NOT NULL,
  title VARCHAR(80),
  amount INTEGER DEFAULT 7,
  ratio FLOAT,
  made_at DATETIME NOT NULL,
  body TEXT,
  note TEXT,
  CONSTRAINT pk_entry PRIMARY KEY (id),
  CONSTRAINT ck_entry_amount CHECK (amount >= 0),
  CONSTRAINT fk_entry_owner_id_owner FOREIGN KEY (owner_id) REFERENCES owner (id)
);
"""
INDEXES = """
CREATE INDEX ix_entry_owner_id ON entry (owner_id);
CREATE INDEX ix_entry_title ON entry (title);
CREATE INDEX ix_entry_made_at ON entry (made_at);
"""


@dataclass
class Case:
    """*reach*: how many times as fast as stock it must be; *copies*: it copies the rows."""

    call: Callable[[Any], object]
    reach: float
    copies: bool = False


COPY = 0.95
CASES = {
    "rename_column": Case(lambda b: b.alter_column("title", new_column_name="name"), 100),
    "add_column": Case(  # stock's own is SQLite's too, unless the batch holds something else
        lambda b: b.add_column(sa.Column("extra", sa.Text)), 0
    ),
    "add_column_and_rename": Case(
        lambda b: (
            b.add_column(sa.Column("extra", sa.Integer, server_default="5", nullable=False)),
            b.alter_column("title", new_column_name="name"),
        ),
        100,
    ),
    "set_not_null": Case(lambda b: b.alter_column("title", nullable=False), 30),
    "drop_not_null": Case(lambda b: b.alter_column("code", nullable=True), 30),
    "create_check": Case(lambda b: b.create_check_constraint("ck_new", "ratio >= 0"), 30),
    "drop_check": Case(lambda b: b.drop_constraint("ck_entry_amount", type_="check"), 30),
    "create_foreign_key": Case(
        lambda b: b.create_foreign_key("fk_new", "owner", ["editor_id"], ["id"]), 30
    ),
    "drop_foreign_key": Case(
        lambda b: b.drop_constraint("fk_entry_owner_id_owner", type_="foreignkey"), 30
    ),
    "retype_same_affinity": Case(lambda b: b.alter_column("title", type_=sa.String(120)), 2),
    "drop_column": Case(lambda b: b.drop_column("note"), 2),
    "set_default": Case(lambda b: b.alter_column("note", server_default="-"), 2),
    "change_default": Case(lambda b: b.alter_column("amount", server_default="8"), 2),
    "drop_default": Case(lambda b: b.alter_column("amount", server_default=None), 2),
    "retype_integer_to_text": Case(
        lambda b: b.alter_column("amount", type_=sa.Text), COPY, copies=True
    ),
    "create_unique": Case(
        lambda b: b.create_unique_constraint("uq_new", ["code"]), COPY, copies=True
    ),
    "create_primary_key": Case(
        lambda b: b.create_primary_key("pk_new", ["id", "code"]), COPY, copies=True
    ),
    "add_expression_default": Case(
        lambda b: b.add_column(
            sa.Column("extra", sa.Integer, server_default=sa.text("(1 + abs(-2))"))
        ),
        COPY,
        copies=True,
    ),
}


def build(path: Path, rows: int) -> None:
    """Make the database that every run gets a copy of."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + SCHEMA)
    connection.execute("BEGIN")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    connection.execute(f"INSERT INTO owner {numbers} SELECT i, 'owner ' || i FROM n", (1000,))
    connection.execute(
        f"INSERT INTO entry {numbers} SELECT i, 1 + i % 1000, 1 + i % 997, printf('c-%09d', i), "
        "'title ' || (i * 7919 % 1000003), i % 9, i / 3.0, "
        "datetime(1700000000 + i * 61 % 9000000, 'unixepoch'), "
        "'lorem ipsum dolor sit amet, consectetur', 'note ' || i FROM n",
        (rows,),
    )
    connection.execute("COMMIT")
    connection.executescript(INDEXES + "PRAGMA journal_mode = DELETE;")
    connection.close()


# -- one run, in a process of its own


@contextmanager
def migration(path: Path, tool: str) -> Iterator[MigrationContext]:
    """Open the file as each tool's env.py does."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=NullPool)
    if tool == "here":
        sa.event.listen(engine, "connect", lambda c, _: setattr(c, "isolation_level", None))
        sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        options = {"transactional_ddl": True} if tool == "here" else {}
        context = MigrationContext.configure(connection, opts=options)
        with context.begin_transaction():
            yield context


def run_one(name: str, tool: str, path: Path) -> None:
    """Run one case; print the seconds."""
    if tool == "here":
        sys.path.insert(0, str(ENGINE))
        import alembic_lossless.sqlite  # noqa: F401
    started, busy = time.perf_counter(), time.process_time()
    with migration(path, tool) as context:
        operations = Operations(context)
        with operations.batch_alter_table("entry") as batch:
            CASES[name].call(batch)
    print(json.dumps([time.perf_counter() - started, time.process_time() - busy]))


# -- all runs, watched


def on_disk(folder: Path, process: int) -> int:
    """Return the bytes in *folder*, with those of files that *process* holds open, deleted."""
    found: dict[tuple[int, int], int] = {}
    held = Path(f"/proc/{process}/fd")
    try:
        files = [*folder.iterdir(), *(held.iterdir() if held.exists() else ())]
    except OSError:
        files = [*folder.iterdir()]
    for file in files:
        try:
            if file.parent == held and str(folder) not in os.readlink(file):
                continue
            stat = file.stat()
        except OSError:
            continue
        found[stat.st_dev, stat.st_ino] = stat.st_size
    return sum(found.values())


def measure(name: str, tool: str, template: Path) -> tuple[float, float, int]:
    """Run one case on a fresh copy; return its seconds, on the clock and of the processor, and
    the peak of bytes on disk.
    """
    with tempfile.TemporaryDirectory(dir=template.parent) as place:
        folder = Path(place)
        path = folder / "copy.sqlite"
        shutil.copy(template, path)
        os.sync()
        process = subprocess.Popen(
            [sys.executable, __file__, "--run", name, tool, str(path)],
            env=os.environ | {"SQLITE_TMPDIR": place},
            stdout=subprocess.PIPE,
            text=True,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, on_disk(folder, process.pid))
            time.sleep(0.005)
        said = process.stdout.read() if process.stdout else ""
        if process.returncode:
            raise SystemExit(f"{name} failed with {tool}")
        clock, processor = json.loads(said.splitlines()[-1])
        return clock, processor, peak


def row(name: str, template: Path, repeat: int) -> str:
    """Measure one case with both tools; return its line of the table."""
    runs: dict[str, list[tuple[float, float, int]]] = {tool: [] for tool in TOOLS}
    for _ in range(repeat):  # in turn, so that other work on the machine meets both
        for tool, done in runs.items():
            done.append(measure(name, tool, template))
    seconds = {tool: min(clock for clock, _, _ in runs[tool]) for tool in TOOLS}
    busy = {tool: min(processor for _, processor, _ in runs[tool]) for tool in TOOLS}
    peak = {tool: max(size for _, _, size in runs[tool]) / 1e6 for tool in TOOLS}
    ratio = seconds["stock"] / seconds["here"]
    case = CASES[name]
    missed = ratio < case.reach or (case.copies and peak["here"] > peak["stock"] * 1.02)
    reach = f"{case.reach:g}x" if case.reach else "-"
    return (
        f"| {name} | {seconds['stock']:.3f} | {seconds['here']:.3f} | {ratio:.2f}x "
        f"| {busy['stock'] / busy['here']:.2f}x | {reach} "
        f"| {peak['stock']:.0f} | {peak['here']:.0f} | {'missed' if missed else 'reached'} |"
    )


TOOLS = ("stock", "here")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default=",".join(CASES), help="names of cases, with commas")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", help="where the copies go; a temporary folder by default")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        name, tool, path = asked.run
        run_one(name, tool, Path(path))
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as place:
        template = Path(place) / "template.sqlite"
        build(template, asked.rows)
        print(
            f"{asked.rows:,} rows x 10 columns, 3 indexes, {template.stat().st_size / 1e6:.0f} MB; "
            f"SQLite {sqlite3.sqlite_version}, Python {sys.version.split()[0]}\n"
        )
        print(
            "| operation | stock s | here s | ratio | processor | to reach | stock MB | here MB | |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|---|")
        for name in asked.only.split(","):
            print(row(name, template, asked.repeat), flush=True)


if __name__ == "__main__":
    main()
