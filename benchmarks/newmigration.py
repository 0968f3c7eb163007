"""A new migration, whole commands side by side in one run: this project's, rehearsed, and stock's.

    python benchmarks/newmigration.py [--repeat N] [--long 1000] [--server postgresql|mariadb]

Both work in the same baked project, whose chain has 10 revisions and then 1,000, on SQLite or a
server that is started for it, and find the same added column. Ours builds the chain,
reviews what it writes and rehearses it on made rows and on those of the development database;
stock's ``flask db migrate`` compares with a database that was brought to the head before. Stock
runs in a copy of the project without the engine. The output is a Markdown table of medians: of the
time on the clock, and of the processor's, which other work on the machine changes less.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.bake import bake
from tests.support.revision import REVISION
from tests.support.servers import Server, start_mariadb, start_postgresql

SERVERS = {
    "postgresql": ("postgresql", start_postgresql),
    "mariadb": ("mysql", start_mariadb),
}

CHANGES = [
    (
        'op.create_table("t{n}", sa.Column("id", sa.Integer(), nullable=False),'
        ' sa.Column("name", sa.String(40)), sa.PrimaryKeyConstraint("id", name="pk_t{n}"))',
        'op.drop_table("t{n}")',
    ),
    (
        'op.add_column("t{n}", sa.Column("extra", sa.Integer()))',
        'op.drop_column("t{n}", "extra")',
    ),
    (
        'op.create_index("ix_t{n}_name", "t{n}", ["name"])',
        'op.drop_index("ix_t{n}_name", "t{n}")',
    ),
    ('op.drop_index("ix_t{n}_name", "t{n}")', 'op.create_index("ix_t{n}_name", "t{n}", ["name"])'),
    (
        'op.drop_table("t{n}")',
        'op.create_table("t{n}", sa.Column("id", sa.Integer(), primary_key=True))',
    ),
]
ISBN = "    isbn: Mapped[str | None] = mapped_column(String(20))\n"
STOCK_ENV = """
from alembic import context
from flask import current_app

db = current_app.extensions["migrate"].db
with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()
"""


def lengthen(versions: Path, length: int) -> None:
    """Write revisions after the example's until the chain has *length*."""
    (first,) = (file for file in versions.glob("*.py") if file.name != "__init__.py")
    match = re.search(r'(?m)^revision = "(\w+)"', first.read_text())
    assert match
    down = match[1]
    for number in range(1, length):
        upgrade, downgrade = CHANGES[(number - 1) % len(CHANGES)]
        table = (number - 1) // len(CHANGES)
        if table == (length - 1) // len(CHANGES):
            upgrade = downgrade = "pass"  # no table is left that the models do not know
        revision = f"{number:012x}"
        text = REVISION.format(
            message=f"revision {number}",
            revision=revision,
            down=down,
            up=upgrade.format(n=table),
            back=downgrade.format(n=table),
        )
        (versions / f"r{number:05}.py").write_text(text)
        down = revision


class Project:
    """A baked project; *stock* without the library."""

    def __init__(
        self, folder: Path, length: int, *, stock: bool, database: str, url: str | None
    ) -> None:
        self.root = bake(folder, project_name="Timed", package_name="timed", database=database)
        self.package = self.root / "timed"
        self.versions = self.package / "migrations" / "versions"
        lengthen(self.versions, length)
        if stock:
            self._leave()
        self.env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
        self.env.pop("SETTINGS", None)
        self.env.pop("DATABASE_URL", None)
        if url:
            self.env["DATABASE_URL"] = url
        self.flask("db", "upgrade" if stock else "reset")
        self.known = set(self.versions.glob("*.py"))
        models = self.package / "models" / "library.py"
        line = "    year: Mapped[int | None]\n"
        text = models.read_text()
        assert line in text
        models.write_text(text.replace(line, line + ISBN))

    def _leave(self) -> None:
        for file in self.package.rglob("*.py"):
            text = file.read_text().replace("alembic_lossless.flask", "flask_migrate")
            file.write_text(text.replace("migrate.why_not_ready()", "None"))
        extensions = self.package / "extensions.py"
        extensions.write_text(extensions.read_text().replace(", seed=seed)", ")"))
        (self.package / "migrations" / "env.py").write_text(STOCK_ENV)

    def flask(self, *arguments: str) -> tuple[float, float]:
        """Run the command and return how long it took, and the processor's part of it."""
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "flask", *arguments],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return took, used

    def timed(self, *arguments: str) -> tuple[float, float]:
        """Run a command that writes one revision, take the file away, and return the time."""
        took = self.flask(*arguments)
        written = set(self.versions.glob("*.py")) - self.known
        assert len(written) == 1, written
        written.pop().unlink()
        return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--long", type=int, default=1000)
    parser.add_argument("--server", choices=SERVERS)
    arguments = parser.parse_args()
    database, start = SERVERS.get(arguments.server, ("sqlite", None))
    server = start() if start else None
    try:
        measure(arguments, database, server)
    finally:
        if server:
            server.stop()


def measure(arguments: argparse.Namespace, database: str, server: Server | None) -> None:
    times: dict[tuple[int, bool], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        places = {}
        for length in (10, arguments.long):
            for stock in (True, False):
                place = f"{length}{stock}".lower()
                url = server.new(f"timed{place}_dev") if server else None
                places[length, stock] = Project(
                    Path(name, place), length, stock=stock, database=database, url=url
                )
        # In turns, so that a busy moment of the machine meets all of them; the first is for the
        # bytecode and for what is kept of a long chain.
        for turn in range(arguments.repeat + 1):
            for key, project in places.items():
                took = project.timed("db", "migrate", "-m", "add isbn")
                if turn:
                    times.setdefault(key, []).append(took)
                elif key == (arguments.long, False):
                    first = f"{took[0]:.2f} s ({took[1]:.2f} s of the processor)"
                    print(
                        f"`flask db migrate` with {key[0]:,} revisions, nothing kept yet: {first}\n"
                    )
    for place, what in enumerate(("on the clock", "of the processor")):
        middle = {k: statistics.median(one[place] for one in found) for k, found in times.items()}
        print(
            f"| seconds {what} | stock `flask db migrate` | `flask db migrate`, rehearsed | ratio |"
        )
        print("|---|---|---|---|")
        for length in (10, arguments.long):
            stock, ours = middle[length, True], middle[length, False]
            print(f"| {length:,} revisions | {stock:.2f} | {ours:.2f} | {ours / stock:.2f} |")
        stock, ours = (middle[arguments.long, s] / middle[10, s] for s in (True, False))
        print(f"| {arguments.long:,} / 10 | {stock:.2f} | {ours:.2f} | |\n")


if __name__ == "__main__":
    main()
