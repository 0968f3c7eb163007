"""The differences between models and migrations that a project knows and lives with.

An old project has some: they stand in a file beside the chain, which is committed. Only what is new
is reported and proposed.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import MigrationError
from .diff import Change
from .model import Definition, Key

#: The file's name, in the folder of the migrations.
FILE = "baseline.json"


class Recorded(NamedTuple):
    """One difference as it is recorded: by the texts of both sides."""

    key: Key
    actual: str | None
    expected: str | None

    @classmethod
    def of(cls, change: Change) -> "Recorded":
        """Return how *change* is recorded."""
        return cls(change.key, _text(change.actual), _text(change.expected))


def _text(definition: Definition | None) -> str | None:
    return None if definition is None else str(definition)


class Known(NamedTuple):
    """The known differences on one kind of database."""

    differences: frozenset[Recorded] = frozenset()

    def holds(self, change: Change) -> bool:
        """Tell whether *change* is known."""
        return Recorded.of(change) in self.differences

    def new(self, differences: Iterable[Change]) -> list[Change]:
        """Return those of *differences* that are not known."""
        return [item for item in differences if not self.holds(item)]

    def covers(self, key: Key) -> bool:
        """Tell whether the object that *key* names is known to be on one side only."""
        return any(
            item.key == key and None in (item.actual, item.expected) for item in self.differences
        )


def read(folder: Path) -> dict[str, Known]:
    """Read the file in *folder*.

    :return: the known differences by the kind of database; none where there is no file.
    :raises MigrationError: where the file cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        content: dict[str, list[list[str | None]]] = json.loads(path.read_text(encoding="utf-8"))
        return {
            kind: Known(
                frozenset(
                    Recorded(Key(str(table), str(part), str(name)), actual, expected)
                    for table, part, name, actual, expected in items
                )
            )
            for kind, items in content.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise MigrationError(
            f"{path} cannot be read ({error}), so nobody knows which differences are old. Bring it "
            "back from git, or delete it and write it again with check --write-baseline.",
            exit_code=2,
        ) from error


def write(folder: Path, differences: Mapping[str, Iterable[Change]]) -> Path:
    """Write the file in *folder*; its lines change only where a difference does.

    :param differences: by the kind of database.
    :return: the file.
    """
    lines = []
    for kind in sorted(differences):
        items = sorted(map(Recorded.of, differences[kind]), key=lambda item: item.key)
        rows = [json.dumps([*item.key, item.actual, item.expected]) for item in items]
        lines.append(f"{json.dumps(kind)}: [\n    " + ",\n    ".join(rows) + "\n  ]")
    path = folder / FILE
    path.write_text("{\n  " + ",\n  ".join(lines) + "\n}\n", encoding="utf-8")
    return path
