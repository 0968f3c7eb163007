"""Every setting: its default, its meaning, and where it is read from.

Weakest first: the defaults here; the table ``[tool.alembic-lossless]`` of the project's
pyproject.toml, where a setting is written in small letters (``backup = "…"``); Flask's
configuration, where it begins with ``MIGRATION_`` (``MIGRATION_BACKUP``); the environment, by that
same name. Every default is safe in production.

Whether a database is one for development is told by one place alone: Flask's configuration, or the
environment where there is no Flask.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from .errors import MigrationError

#: The kinds of database that migrations can be written for.
KINDS = ("sqlite", "postgresql", "mysql")

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


@dataclass(frozen=True)
class Limits:
    """How long things may last, in seconds. A limit of 0 on a statement is none."""

    #: In all, for another process that migrates, and for a table that somebody else holds.
    wait: float = 300
    #: For one statement to get its lock; the application's queries queue up behind it meanwhile.
    lock: float = 2
    #: For one statement to run.
    statement: float = 3600


@dataclass(frozen=True)
class Settings:
    """The settings of one project; each field is a setting."""

    #: Seconds to wait in all, for another process that migrates or a lock that somebody holds.
    lock_wait: float = 300
    #: Seconds that one statement waits for its lock, while the application's queries queue behind.
    lock_timeout: float = 2
    #: Seconds that one statement may run; 0 is no limit.
    statement_timeout: float = 3600
    #: A folder for backups before an upgrade. Empty: SQLite's beside the database, servers none.
    #: "off": none at all.
    backup: str = ""
    #: The kinds of database that new migrations are reviewed on, beside the one in use.
    databases: tuple[str, ...] = ()
    #: Whether the database may be dropped and rebuilt at will. Unset, it counts as production.
    development: bool | None = None
    #: The database as the role that migrates; empty where that is the application's own.
    url: URL | None = None
    #: The password of that role, where the URL holds none.
    password: str = ""
    #: Whether that URL is known to name the application's database, however it reads.
    same_database: bool = False
    #: The identifier of a server elsewhere whose databases may be dropped in development.
    development_server: str = ""

    @property
    def limits(self) -> Limits:
        """Return the three limits of a connection."""
        return Limits(self.lock_wait, self.lock_timeout, self.statement_timeout)

    @classmethod
    def read(
        cls, configuration: Mapping[str, Any] | None = None, folder: Path | None = None
    ) -> "Settings":
        """Read the settings of a project.

        :param configuration: Flask's, where there is Flask.
        :param folder: the folder of the migrations; the nearest pyproject.toml above counts.
        :raises MigrationError: for a value that cannot be meant, with exit code 2.
        """
        texts: dict[str, tuple[str, Any]] = {}
        for name, value in _of_pyproject(folder).items():
            texts[name.replace("-", "_")] = (f"[tool.alembic-lossless] {name}", value)
        for field in fields(cls):
            places = [configuration or {}, os.environ]
            if field.name == "development":
                texts.pop(field.name, None)
                places = [os.environ if configuration is None else configuration]
            for name in names(field.name):
                for values in places:
                    if values.get(name) not in (None, ""):
                        texts[field.name] = (name, values[name])
        known = {field.name for field in fields(cls)}
        return cls(
            **{
                field: _checked(field, *text)
                for field, text in texts.items()
                if field in known and text[1] is not None
            }
        )


def names(field: str) -> tuple[str, ...]:
    """Return what a setting is called in Flask's configuration and in the environment."""
    # The name by which the migrating role's URL was known before this library.
    return (
        ("SQLALCHEMY_ALEMBIC_URI", "MIGRATION_URL")
        if field == "url"
        else (f"MIGRATION_{field.upper()}",)
    )


def _of_pyproject(folder: Path | None) -> dict[str, Any]:
    for parent in folder.resolve().parents if folder else ():
        file = parent / "pyproject.toml"
        if file.is_file():
            try:
                tools = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
            except tomllib.TOMLDecodeError as error:
                raise MigrationError(f"{file} is not valid TOML: {error}.", 2) from None
            table = tools.get("alembic-lossless", {})
            return {key: value for key, value in table.items() if not isinstance(value, dict)}
    return {}


def _checked(field: str, name: str, value: Any) -> Any:
    if field in ("lock_wait", "lock_timeout", "statement_timeout"):
        return _seconds(name, value)
    if field in ("development", "same_database"):
        return _truth(name, value)
    if field == "databases":
        return _kinds(name, value)
    return parse_url(value, name) if field == "url" else str(value)


def _seconds(name: str, value: Any) -> float:
    try:
        return max(0.0, float(value))
    except (TypeError, ValueError):
        raise MigrationError(f"{name} is {value!r}: give a number of seconds.", 2) from None


def _truth(name: str, value: Any) -> bool:
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise MigrationError(f"{name} is {value!r}: give true or false.", 2)


def _kinds(name: str, value: Any) -> tuple[str, ...]:
    parts = value.replace(",", " ").split() if isinstance(value, str) else list(value)
    kinds = tuple("mysql" if part == "mariadb" else str(part) for part in parts)
    for kind in kinds:
        if kind not in KINDS:
            raise MigrationError(f"{name} names {kind!r}: give some of {', '.join(KINDS)}.", 2)
    return kinds


def parse_url(value: str | URL, name: str) -> URL:
    """Return *value*, a database URL or its text, as a URL.

    :param name: where the text comes from, for the message.
    :raises MigrationError: where it is none, with exit code 2; the text, which may hold a
        password, is not repeated.
    """
    try:
        return make_url(value)
    except (ArgumentError, ValueError):
        raise MigrationError(
            f"{name} is not a database URL, so no database can be reached: write it like "
            "postgresql://user:password@host/database or sqlite:////path/to/file.sqlite.",
            2,
        ) from None
