"""Which file of a SQLite database this account may not write, whose it is, and what to type."""

import os
import shlex
from contextlib import suppress
from pathlib import Path

from ..errors import MigrationError

#: What stands beside a database: SQLite's own files, and the lock file of migrations.
_BESIDE = ("-wal", "-shm", "-journal", ".lock")


def why_not_writable(database: Path) -> str | None:
    """Say why this account cannot write a SQLite database, and how it could.

    :param database: the file, which need not be there.
    :return: sentences for a person; None where its files and folder may all be written.
    """
    folder = database.parent
    if not os.path.isdir(folder):
        return f"There is no folder {folder}. Make it, and run again: mkdir -p {_typed([folder])}"
    beside = (database.with_name(database.name + ending) for ending in _BESIDE)
    barred = [path for path in (database, folder, *beside) if not _may_write(path)]
    if not barred:
        return None
    account, owner = _account(os.geteuid()), _owner(barred[0])
    listed, it = " and ".join(map(str, barred)), "it" if len(barred) == 1 else "them"
    if account == owner:
        return (
            f"This account, {account}, may not write {listed}: its permissions forbid it, or its "
            f"disk is read-only. Allow it, and run again: chmod u+w {_typed(barred)}"
        )
    belong = "belongs" if len(barred) == 1 else "belong"
    # The application of another account would lose its database with the file.
    remedy = f"Run this as {owner}, or give" if database in barred else "Give"
    return (
        f"{listed} {belong} to {owner}, and this account, {account}, may not write {it}. {remedy} "
        f"{it} to this account, and run again: sudo chown {account} {_typed(barred)}"
    )


def require_writable(database: Path) -> None:
    """Make sure that the file of a SQLite database may be written, where there is one.

    SQLite opens it all the same, and says so when the first row is written.

    :raises MigrationError: where it may not.
    """
    if not _may_write(database):
        raise MigrationError(f"Nothing was changed. {why_not_writable(database)}")


def _may_write(path: Path) -> bool:
    return not os.path.exists(path) or os.access(
        path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids
    )


def _owner(path: Path) -> str:
    return _account(os.stat(path).st_uid)


def _account(number: int) -> str:
    with suppress(ImportError, KeyError):
        from pwd import getpwuid  # not on Windows

        return getpwuid(number).pw_name
    return f"user {number}"


def _typed(paths: list[Path]) -> str:
    return " ".join(shlex.quote(str(path)) for path in paths)
