"""A disk that loses power: what SQLite wrote and had not synced yet is there by chance only."""

import random
from pathlib import Path
from typing import Any

import apsw

from .apsw_dbapi import *  # noqa: F403  (this is that module, with another disk below)
from .apsw_dbapi import Connection

#: What was done to files, in order: ("write", file, offset, bytes), ("truncate", file, size),
#: ("sync", file), ("delete", file).
log: list[tuple[Any, ...]] = []


class File(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.name = Path(path).name if path else "a temporary file"

    def xWrite(self, data: bytes, offset: int) -> None:
        log.append(("write", self.name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        log.append(("truncate", self.name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        log.append(("sync", self.name))


class Disk(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("watched", "")

    def xOpen(self, name: Any, flags: list[int]) -> File:
        return File(name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        log.append(("delete", Path(filename).name))


disk = Disk()


def connect(path: str, **options: object) -> Connection:
    """Open a file on the watched disk; alone, as a log of changes else needs shared memory."""
    connection = Connection.__new__(Connection)
    connection.own = apsw.Connection(path, vfs="watched")
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def lose_power(before: dict[str, bytes], point: int, lots: random.Random) -> dict[str, bytes]:
    """Return the files as they may be found when the power went after *point* steps of the log."""
    durable = {name: bytearray(held) for name, held in before.items()}
    pending: dict[str, list[tuple[Any, ...]]] = {}
    for kind, name, *rest in log[:point]:
        if kind == "sync":
            for change in pending.pop(name, []):
                _apply(durable, name, *change)
            durable.setdefault(name, bytearray())
        else:
            pending.setdefault(name, []).append((kind, *rest))
    for name, changes in pending.items():
        for change in changes:
            if lots.random() < 0.5:
                _apply(durable, name, *change)
    return {name: bytes(held) for name, held in durable.items()}


def _apply(files: dict[str, bytearray], name: str, kind: str, *change: Any) -> None:
    if kind == "delete":
        files.pop(name, None)
        return
    held = files.setdefault(name, bytearray())
    if kind == "truncate":
        del held[change[0] :]
        return
    offset, data = change
    held.extend(bytes(max(0, offset - len(held))))
    held[offset : offset + len(data)] = data
