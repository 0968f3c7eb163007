"""Temporary files in memory.

On a disk, creating a file and committing to a SQLite file each took ten to twenty times as long,
and a database of PostgreSQL is some three hundred files.
"""

import os
import tempfile
from pathlib import Path

#: Linux has a file system in memory here, for everyone.
MEMORY = Path("/dev/shm")
#: One test process was seen to need half a gigabyte; four of them may need two, and others some.
ROOM = 4 * 2**30


def use_memory() -> None:
    """Let ``tempfile``, pytest and every process started from here put temporary files in memory.

    Nothing changes where TMPDIR is set, where the machine has no such file system, where programs
    may not be run from it (as in many containers), or where there is too little room.
    """
    if "TMPDIR" not in os.environ and _has_room():
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # asked for anew


def _has_room() -> bool:
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        return False
    disk = os.statvfs(MEMORY)
    runs_programs = not disk.f_flag & os.ST_NOEXEC
    return runs_programs and min(disk.f_bavail * disk.f_frsize, _available()) > ROOM


def _available() -> int:
    """Return how many bytes of memory can be had without swapping."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    kilobytes = {name: value.split()[0] for name, _, value in (x.partition(":") for x in lines)}
    return int(kilobytes["MemAvailable"]) * 1024
