"""Backups of a database, made before it is upgraded, downgraded or reset.

SQLite is copied beside the database, or into the folder that ``MIGRATION_BACKUP`` names; a server
is dumped where that folder is named. A server's development database is dumped without one too,
into the user's own folder, where the server's program for it is installed. Each backup's name holds
the time and the revision; the last few are retained. ``restore.py`` restores one.
"""

import hashlib
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import URL, inspect

from ..errors import MigrationError
from ..run.connection import Echo, label, private, sqlite_file
from ..schema.dialect_support import kind_of
from ..schema.own_tables import without_own

#: How many backups of a database are retained.
RETAINED = 5
#: What ``MIGRATION_BACKUP`` is where no backups are made.
OFF = "off"
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, order=True)
class Backup:
    """One backup: made when, at which revision.

    It is *set_aside* when it was restored, or made by ``undo``; and it *is_half_applied* where a
    revision was half applied, or half undone, on top of *revision*. ``undo`` chooses neither.
    """

    when: datetime
    revision: str
    set_aside: bool
    path: Path
    is_half_applied: bool = False


def back_up(
    url: URL,
    backup: str,
    at: Iterable[str],
    development: bool | None = False,
    echo: Echo = print,
    is_half_applied: bool = False,
) -> Path | None:
    """Back up the database at *url* before it is changed; the caller holds the migration lock.

    :param url: with the password, where one is needed.
    :param backup: the setting: it is empty (SQLite is copied beside the database, a server only
        in development), names a folder, or is "off".
    :param at: the revisions that the database is at.
    :param development: whether it is a development database.
    :param is_half_applied: whether a revision is half applied there, or half undone.
    :param echo: prints why no backup was made of a server's development database.
    :return: the backup, or None where there is nothing to back up or none is asked for.
    :raises MigrationError: when the backup cannot be made; nothing is left of it then.
    """
    store = BackupStore.of(url, backup, development)
    if not store or not store.has_tables():
        return None
    try:
        return store.add(at, is_half_applied=is_half_applied)
    except OSError as error:  # nobody asked for this one
        echo(f"  ! no backup was made of this development database: {error}")
        return None


@dataclass(frozen=True)
class BackupStore:
    """The backups of one database: files in *folder* whose names begin with *stem*."""

    url: URL
    folder: Path
    stem: str
    #: Whether nobody asked for backups, so that one that cannot be made stops nothing.
    is_optional: bool = False

    @classmethod
    def of(cls, url: URL, backup: str, development: bool | None = False) -> "BackupStore | None":
        """Return the store of the database at *url*; None where no backups of it are made.

        :param url: the database.
        :param backup: see :func:`back_up`.
        :param development: whether it is a development database.
        :raises MigrationError: when ``MIGRATION_BACKUP`` names no folder.
        """
        asked = backup.strip()
        file = sqlite_file(url)
        if asked == OFF or (kind_of(url) == "sqlite" and file is None):
            return None
        if not asked and file:
            return cls(url, file.parent, file.name)
        if not asked:
            is_optional = bool(development) and shutil.which(_program(url)) is not None
            return cls(url, _user_folder(), _stem(url), is_optional=True) if is_optional else None
        folder = Path(asked).absolute()
        if not folder.is_dir():
            raise MigrationError(
                f"MIGRATION_BACKUP names {folder}, which is no folder, so no backup can be made. "
                f"Nothing was changed. Create it, mkdir -p {shlex.quote(str(folder))}, or correct "
                "the setting."
            )
        return cls(url, folder, _stem(url))

    def has_tables(self) -> bool:
        """Tell whether the database holds a table that is not ours."""
        file = sqlite_file(self.url)
        if file is None:
            with private(self.url).connect() as connection:
                return bool(without_own(inspect(connection).get_table_names()))
        if not file.is_file():
            return False
        with _readable(file) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return bool(without_own(row[0] for row in names))

    def backups(self) -> list[Backup]:
        """List the backups, the newest first."""
        stem = re.escape(self.stem)
        pattern = re.compile(stem + r"\.(\d{8}T\d{6}Z)\.([\w+-]+?)(\.half)?(\.undo)?\.bak")
        backups = []
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if match := pattern.fullmatch(path.name):
                when = datetime.strptime(match[1], _TIME).replace(tzinfo=UTC)
                backups.append(Backup(when, match[2], bool(match[4]), path, bool(match[3])))
        return sorted(backups, reverse=True)

    def add(
        self,
        at: Iterable[str],
        instead_of: Backup | None = None,
        is_half_applied: bool = False,
    ) -> Path:
        """Make a backup, and remove those that are more than are retained.

        :param at: the revisions that the database is at.
        :param instead_of: the backup that ``undo`` is about to restore; it stays, and the new one
            is set aside.
        :param is_half_applied: whether a revision is half applied there, or half undone.
        :return: the new backup.
        :raises MigrationError: when it cannot be made.
        :raises OSError: the same, where nobody asked for backups.
        """
        revision = re.sub(r"[^\w+-]", "_", "+".join(sorted(at))) or "base"
        older = self.backups()
        now = datetime.now(UTC).replace(microsecond=0)
        # Never another one's name, and the newest whatever the clock does.
        when = max(now, older[0].when + timedelta(seconds=1)) if older else now
        mark = (".half" if is_half_applied else "") + (".undo" if instead_of else "")
        path = self.folder / f"{self.stem}.{when.strftime(_TIME)}.{revision}{mark}.bak"
        if self.is_optional:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._whole(path) as part:
            file = sqlite_file(self.url)
            _copy(file, part) if file else _dump(self.url, part)
        for backup in _surplus(self.backups()):
            if backup != instead_of:
                backup.path.unlink(missing_ok=True)
        return path

    @contextmanager
    def _whole(self, path: Path) -> Iterator[Path]:
        """Give a name to write to; what is written gets *path*'s name when it is whole."""
        part = path.with_name(f"{self.stem}.part")
        try:
            part.unlink(missing_ok=True)
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            yield part
            part.replace(path)
        except (OSError, sqlite3.Error) as error:
            if self.is_optional:
                raise
            raise MigrationError(
                f"No backup of {label(self.url)} could be made in {self.folder}: {error}. Nothing "
                "was changed, because there would be no way back. Make room there or correct the "
                "cause, or name another folder in MIGRATION_BACKUP, and run again."
            ) from None
        finally:
            for left in (part, part.with_name(f"{part.name}-journal")):
                left.unlink(missing_ok=True)


def _surplus(newest_first: list[Backup]) -> list[Backup]:
    """Return the backups to delete: each revision's newest is deleted last, its oldest before that.

    A migration that is tried again and again pushes out neither the backups of other revisions,
    nor the one that was made before it was tried first.
    """

    def state(backup: Backup) -> tuple[str, bool, bool]:
        return backup.revision, backup.set_aside, backup.is_half_applied

    newest = {state(backup): backup for backup in reversed(newest_first)}
    oldest = {state(backup): backup for backup in newest_first}
    order = [backup for backup in newest_first if backup in newest.values()]
    order += [backup for backup in newest_first if backup in oldest.values()]
    return list(dict.fromkeys([*order, *newest_first]))[RETAINED:]


def _stem(url: URL) -> str:
    """Return what a backup's name begins with: databases of one name may share a folder."""
    file = sqlite_file(url)
    whose = hashlib.sha256((str(file) if file else label(url)).encode()).hexdigest()[:8]
    name = file.name if file else re.sub(r"[^\w+-]", "_", url.database or "database")
    return f"{name}-{whose}"


def _user_folder() -> Path:
    """Return the user's own folder, for backups that no setting has a folder for."""
    from platformdirs import user_data_path  # which a server has no need of

    return user_data_path("alembic-lossless", appauthor=False) / "backups"


def _program(url: URL) -> str:
    """Name the program that dumps the server's database at *url*."""
    if kind_of(url) == "postgresql":
        return "pg_dump"
    return "mariadb-dump" if shutil.which("mariadb-dump") else "mysqldump"


@contextmanager
def _readable(file: Path) -> Iterator[sqlite3.Connection]:
    """Open *file* in a transaction that shows one state of it, whoever writes meanwhile."""
    with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def _copy(file: Path, part: Path) -> None:
    log = file.with_name(f"{file.name}-wal")
    size = file.stat().st_size + (log.stat().st_size if log.exists() else 0)
    if shutil.disk_usage(part.parent).free < size:
        raise OSError(f"{size:,} bytes are needed, and not free there")
    with _readable(file) as live, closing(sqlite3.connect(part)) as backup:
        live.backup(backup)
    shutil.copymode(file, part)


def _dump(url: URL, part: Path) -> None:
    """Write a dump of a server's database; the password goes through the environment, where
    neither the process list nor a log shows it."""
    dump_command = _pg_dump if kind_of(url) == "postgresql" else _mysql_dump
    command, secret = dump_command(url)
    if (program := shutil.which(command[0])) is None:
        raise OSError(f"{command[0]} is not installed here")
    target = f"--file={part}" if kind_of(url) == "postgresql" else f"--result-file={part}"
    run = subprocess.run(
        [program, target, *command[1:]],
        env={**os.environ, **secret},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if run.returncode:
        output = run.stderr.strip().splitlines() or [f"exit {run.returncode}"]
        raise OSError(f"{command[0]}: {output[-1].removeprefix(f'{command[0]}: ')}")


def _pg_dump(url: URL) -> tuple[list[str], dict[str, str]]:
    target, secret = postgresql_target(url)
    return ["pg_dump", "--format=custom", "--no-password", f"--dbname={target}"], secret


#: What libpq takes, since PostgreSQL 13; other drivers' options are not among it.
_LIBPQ = {
    *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
    *("connect_timeout", "client_encoding", "application_name", "fallback_application_name"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "channel_binding", "sslmode", "sslcompression", "sslcert", "sslkey"),
    *("sslpassword", "sslrootcert", "sslcrl", "requirepeer", "ssl_min_protocol_version"),
    *("ssl_max_protocol_version", "krbsrvname", "gsslib", "gssencmode", "target_session_attrs"),
}
#: What asyncpg calls otherwise.
_OF_ASYNCPG = {"database": "dbname", "ssl": "sslmode"}


def postgresql_target(url: URL, database: str | None = None) -> tuple[str, dict[str, str]]:
    """Return how libpq's programs name the database at *url*, and what their environment needs."""
    given = url.get_dialect()().create_connect_args(url)[1]
    options = {}
    for name, value in given.items():
        if value is None:
            continue
        joined = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        options[_OF_ASYNCPG.get(name, name)] = joined
    password = options.pop("password", None)
    if database:
        options["dbname"] = database
    words = (f"{name}={_escaped(value)}" for name, value in options.items() if name in _LIBPQ)
    return " ".join(words), {"PGPASSWORD": password} if password else {}


def _escaped(value: str) -> str:
    """Return a value as libpq reads it in a connection string."""
    text = re.sub(r"([\\'])", r"\\\1", value)
    return f"'{text}'" if not text or re.search(r"\s", text) else text


def _mysql_dump(url: URL) -> tuple[list[str], dict[str, str]]:
    server, secret = mysql_target(url)
    options = ["--single-transaction", "--routines", "--triggers", "--events", "--hex-blob"]
    return [_program(url), *options, *server, "--", url.database or ""], secret


def mysql_target(url: URL) -> tuple[list[str], dict[str, str]]:
    """Return how MariaDB's programs reach the server at *url*, and what their environment needs."""
    options = url.get_dialect()().create_connect_args(url)[1]
    names = {"user": "user", "host": "host", "port": "port", "unix_socket": "socket"}
    server = [f"--{name}={options[key]}" for key, name in names.items() if options.get(key)]
    server += [f"--ssl-{key}={options['ssl'][key]}" for key in options.get("ssl", {})]
    password = options.get("password") or options.get("passwd")
    return [*server, "--default-character-set=utf8mb4"], (
        {"MYSQL_PWD": str(password)} if password else {}
    )
