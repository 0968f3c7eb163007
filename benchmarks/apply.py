"""``flask db upgrade`` beside stock Flask-Migrate's ``flask db upgrade``, in one run.

    python benchmarks/apply.py [RUNS]

With nothing to do, at 10 and at 1,000 revisions: what the command itself takes, beyond the floor
(``flask routes`` of the same application), as a ratio to stock. And 1,000 revisions from empty.
Each command is a process of its own, and the two sides take turns. Each figure is told twice, by
the clock and by the processor's time: the clock also counts the disk, and whatever else the machine
does. With nothing to do it is the lower quartile of all runs, because a few milliseconds are looked
for on top of some hundred, and what disturbs a run only ever adds to it; from empty the median.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.servers.run.shop import Shop


def chain(shop: Shop, length: int) -> None:
    """Write revisions that each add a column to a table, or make a new one every 50."""
    for number in range(length):
        table = f"t{number // 50}"
        if number % 50 == 0:
            key = 'sa.Column("id", sa.Integer, primary_key=True)'
            shop.revision(f"r{number:04}", f'op.create_table("{table}", {key})')
        else:
            column = f'sa.Column("c{number}", sa.Integer)'
            shop.revision(f"r{number:04}", f'op.add_column("{table}", {column})')


def processor() -> float:
    """The processor's seconds of all children that have ended."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(shop: Shop, *command: str) -> tuple[float, float]:
    """Run a command; return the seconds on the clock, and the processor's."""
    # As it is in use: with the compiled modules kept.
    environment = {**shop.environment(), "PYTHONDONTWRITEBYTECODE": ""}
    before, begin = processor(), time.perf_counter()
    done = subprocess.run(
        [shop.python, "-m", "flask", *command],
        cwd=shop.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    spent, worked = time.perf_counter() - begin, processor() - before
    if done.returncode:
        sys.exit(done.stdout)
    return spent, worked


def compare(folder: Path, length: int, runs: int) -> None:
    """Measure a chain of *length*, and print what came out."""
    sides: dict[str, Shop] = {}
    for side in ("ours", "stock"):
        root = folder / f"{side}{length}"
        sides[side] = Shop(root, f"sqlite:///{root}.sqlite")
        chain(sides[side], length)
    sides["stock"].leave()

    empty: dict[str, list[tuple[float, float]]] = {"ours": [], "stock": []}
    for _ in range(5 if length >= 1000 else 1):
        for side, shop in sides.items():
            Path(f"{shop.root}.sqlite").unlink(missing_ok=True)
            empty[side].append(once(shop, "db", "upgrade"))
    if length >= 1000:
        for number, what in enumerate(("clock", "processor")):
            ours, theirs = (median(one[number] for one in empty[side]) for side in sides)
            print(
                f"{length} revisions from empty ({what}): ours {ours:.2f} s,"
                f" stock {theirs:.2f} s, ratio {ours / theirs:.2f}"
            )

    spent: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(runs):
        for side, shop in sides.items():
            spent.setdefault((side, "floor"), []).append(once(shop, "routes"))
            spent.setdefault((side, "all"), []).append(once(shop, "db", "upgrade"))
    for number, what in enumerate(("clock", "processor")):
        at = {
            key: sorted(value[number] for value in values)[len(values) // 4]
            for key, values in spent.items()
        }
        own = {side: at[side, "all"] - at[side, "floor"] for side in sides}
        ratio = f"{own['ours'] / own['stock']:.2f}" if own["ours"] > 0 else "below the floor"
        print(
            f"{length} revisions, nothing to do ({what}): ours {at['ours', 'all']:.3f} s"
            f" (floor {at['ours', 'floor']:.3f}), stock {at['stock', 'all']:.3f} s"
            f" (floor {at['stock', 'floor']:.3f}); the command itself: ours {own['ours']:.3f},"
            f" stock {own['stock']:.3f}, ratio {ratio}"
        )


def main(runs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), 10, runs)
        compare(Path(folder), 1000, max(1, runs // 4))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
