"""Move the example application's tables, with a million rows, from SQLite to real servers.

    python benchmarks/move.py [ROWS]

Prints a table for docs/explanation/benchmarks.md: seconds for each stage, on this machine. The
servers are the ones of the tests, which do not wait for the disk.
"""

import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "{{cookiecutter.project_slug}}" / "{{cookiecutter.package_name}}"
sys.path[:0] = [str(ROOT), str(TEMPLATE)]

from tests.library.transfer.mover import Mover  # noqa: E402
from tests.support.chain import Chain  # noqa: E402
from tests.support.servers import start_mariadb, start_postgresql  # noqa: E402


def fill(file: Path, rows: int) -> None:
    """Write one author for each ten books, all different."""
    books = rows * 10 // 11
    with closing(sqlite3.connect(file)) as connection, connection:
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
        connection.execute(
            f"INSERT INTO author (id, name) {numbers.format(rows // 11)}"
            " SELECT i, 'Author number ' || i || ' Łem' FROM n"
        )
        connection.execute(
            f"INSERT INTO book (id, author_id, title, year, status) {numbers.format(books)}"
            f" SELECT i, 1 + i % {rows // 11}, 'The title of book number ' || i,"
            " CASE WHEN i % 7 THEN 1900 + i % 125 END,"
            " CASE i % 3 WHEN 0 THEN 'wanted' WHEN 1 THEN 'reading' ELSE 'read' END FROM n"
        )


def main(rows: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(Path(folder, "migrations"))  # the example's own migration
        shutil.copytree(TEMPLATE / "migrations/versions", chain.versions, dirs_exist_ok=True)
        file = Path(folder, "library.sqlite")
        source = sa.URL.create("sqlite", database=str(file))
        chain.upgrade(source)
        fill(file, rows)
        size = file.stat().st_size / 1e6
        print(f"{rows:,} rows in 2 tables, {size:.0f} MB of SQLite; seconds:\n")
        print("| to | check | copy | compare | in all | again (compared only) |")
        print("|---|---|---|---|---|---|")
        for name, start in (("PostgreSQL", start_postgresql), ("MariaDB", start_mariadb)):
            server = start()
            try:
                print(f"| {name} | {measured(Mover(chain, source, server.new()))} |")
            finally:
                server.stop()


def measured(mover: Mover) -> str:
    """Move, and move again; the seconds."""
    spent = dict.fromkeys(("check", "copy", "compare"), 0.0)
    begun = last = time.monotonic()

    def progress(stage: str, count: int) -> None:
        nonlocal last
        now = time.monotonic()
        spent[stage] += now - last
        last = now

    moved = mover(progress=progress)
    ended = time.monotonic()
    assert not moved.already
    seconds = [f"{value:.1f}" for value in (*spent.values(), ended - begun)]
    assert mover().already
    return " | ".join([*seconds, f"{time.monotonic() - ended:.1f}"])


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
