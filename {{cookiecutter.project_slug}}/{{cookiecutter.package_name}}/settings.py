"""Where the settings come from.

Weakest first: the defaults below; ``instance/settings.py``, a developer's own; the file that the
variable ``SETTINGS`` names (then ``instance/settings.py`` is not read); the environment, where
``{{ cookiecutter.package_name | upper }}_SECRET_KEY`` sets ``SECRET_KEY``, ``DATABASE_URL`` the database and
``MIGRATION_PASSWORD`` itself.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

PACKAGE = __package__
PREFIX = PACKAGE.upper()

DEFAULTS: dict[str, Any] = {
    "TITLE": {{ cookiecutter.project_name | py_string }},
    "SECRET_KEY": "development",
    # Empty: the SQLite file instance/{{ cookiecutter.package_name }}.sqlite.
    "SQLALCHEMY_DATABASE_URI": "",
    # The role that may change the schema, where it is another than the application's.
    "SQLALCHEMY_ALEMBIC_URI": "",
    "MIGRATION_PASSWORD": "",
    # Seconds: for another migrator or a table's lock in all; for one lock; for one statement.
    "MIGRATION_LOCK_WAIT": 300,
    "MIGRATION_LOCK_TIMEOUT": 2,
    "MIGRATION_STATEMENT_TIMEOUT": 3600,
    # A folder for copies and dumps before a migration. Empty: SQLite beside itself, servers none.
    "MIGRATION_BACKUP": "",
    # What migrations are written for: what develops, and what serves.
    "MIGRATION_DATABASES": ["sqlite"{% if cookiecutter.database != "sqlite" %}, "{{ cookiecutter.database }}"{% endif %}],
}

#: Settings that stay text, also where the text looks like a number or JSON.
TEXT = tuple(key for key, value in DEFAULTS.items() if isinstance(value, str))

#: Settings that the environment may also hold by these very names, which messages speak of.
BARE = (
    "MIGRATION_PASSWORD",
    "MIGRATION_LOCK_WAIT",
    "MIGRATION_LOCK_TIMEOUT",
    "MIGRATION_STATEMENT_TIMEOUT",
    "MIGRATION_BACKUP",
)

DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}


class SettingsError(SystemExit):
    """The application cannot start: one sentence, whichever command line started it."""


def load(app: Flask, overrides: Mapping[str, Any]) -> None:
    """Fill ``app.config``; the keys are those of :data:`DEFAULTS`, Flask's and the extensions'.

    :raises SettingsError: when ``SETTINGS`` names no file, a database URI cannot be read, the
        embedded database's folder cannot be made, or the secret key is missing outside development.
    """
    app.config.from_mapping(DEFAULTS)
    named = os.environ.get("SETTINGS")
    if named:
        _from_file(app, Path(named).absolute())
    else:
        app.config.from_pyfile("settings.py", silent=True)
    _from_environment(app)
    app.config.from_mapping(overrides)

    embedded = Path(app.instance_path, f"{PACKAGE}.sqlite")
    for key in ("SQLALCHEMY_DATABASE_URI", "SQLALCHEMY_ALEMBIC_URI"):
        app.config[key] = normalise(app.config[key], Path(app.instance_path), key)
    if not app.config["SQLALCHEMY_DATABASE_URI"]:
        app.config["SQLALCHEMY_DATABASE_URI"] = URL.create("sqlite", database=str(embedded))
        _make(embedded.parent)

    app.config["DEVELOPMENT"] = not overrides and is_development(app.config, embedded)
    if not app.config["DEVELOPMENT"] and app.config["SECRET_KEY"] in ("", None, "development"):
        raise SettingsError(
            f"This is not the development database, and SECRET_KEY is not set: put a long random "
            f"text into {PREFIX}_SECRET_KEY, or into the file that SETTINGS names."
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{folder} cannot be made ({error.strerror}), where the database is to be: let this "
            "account write there, or name another database in DATABASE_URL."
        ) from None


def _from_file(app: Flask, file: Path) -> None:
    if not file.is_file():
        raise SettingsError(f"SETTINGS names {file}, and there is no such file: correct the path.")
    app.config.from_pyfile(str(file))


def _from_environment(app: Flask) -> None:
    for key in BARE:
        app.config[key] = os.environ.get(key, app.config[key])
    app.config.from_prefixed_env(PREFIX)
    for key in TEXT:
        if f"{PREFIX}_{key}" in os.environ:
            app.config[key] = os.environ[f"{PREFIX}_{key}"]
    hosted = os.environ.get("DATABASE_URL")
    if hosted and f"{PREFIX}_SQLALCHEMY_DATABASE_URI" not in os.environ:
        app.config["SQLALCHEMY_DATABASE_URI"] = hosted


def normalise(uri: str | URL, folder: Path, key: str) -> URL | str:
    """Name the driver this project installs, and make a SQLite file's path absolute.

    :return: the URL, or an empty text where *uri* is empty.
    :raises SettingsError: when *uri* is no database URI, or its driver is not installed.
    """
    if not uri:
        return ""
    try:
        url = make_url(uri)
    except ArgumentError:
        raise SettingsError(
            f"{key} is no database URI: write it like postgresql://user:password@host/database "
            "or sqlite:////path/to/file.sqlite."
        ) from None
    url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    _require_driver(url, key)
    on_disk = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    if on_disk and not url.database.startswith("file:"):
        url = url.set(database=str(folder / url.database))
    return url


def _require_driver(url: URL, key: str) -> None:
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        raise SettingsError(
            f"{key} begins with {url.drivername}, which SQLAlchemy does not know: "
            "write sqlite, postgresql, mysql or mariadb."
        ) from None
    except ImportError as error:
        package = {"psycopg": "psycopg[binary]"}.get(error.name or "", error.name)
        raise SettingsError(
            f"{key} needs {package}, which is not installed: add it to the dependencies in "
            "pyproject.toml, then make install."
        ) from None


def is_development(config: Mapping[str, Any], embedded: Path) -> bool:
    """Tell whether this database may be dropped and rebuilt at will.

    That is the embedded SQLite file, or a database of a server on this host whose name ends in
    ``_dev``; never anything while ``SETTINGS`` is set.
    """
    uris = [config["SQLALCHEMY_DATABASE_URI"], config["SQLALCHEMY_ALEMBIC_URI"]]
    return not os.environ.get("SETTINGS") and all(
        _is_embedded(url, embedded) or _is_local(url) for url in uris if url
    )


def _is_embedded(url: URL, embedded: Path) -> bool:
    return (
        url.get_backend_name() == "sqlite"
        and Path(url.database or "").resolve() == embedded.resolve()
    )


def _is_local(url: URL) -> bool:
    local = all(host in LOCAL_HOSTS or host.startswith("/") for host in _hosts(url))
    return local and "service" not in url.query and (url.database or "").endswith("_dev")


def _hosts(url: URL) -> Iterator[str]:
    yield url.host or ""
    for key in ("host", "hostaddr"):
        for value in url.normalized_query.get(key, ()):
            yield from value.split(",")
    if not url.host and "host" not in url.query and url.get_backend_name() == "postgresql":
        yield os.environ.get("PGHOST", "")
        yield os.environ.get("PGHOSTADDR", "")
