"""Where the settings come from.

Weakest first: the defaults; ``instance/settings.py``, a developer's own; the file that the variable
``SETTINGS`` names, in its place; the environment, where ``DATABASE_URL`` sets the database and
``{{ cookiecutter.package_name | upper }}_SECRET_KEY`` sets ``SECRET_KEY``.
"""

import os
from collections.abc import Mapping
from typing import Any

from flask import Config, Flask
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

PREFIX = __package__.upper()
URI = "SQLALCHEMY_DATABASE_URI"
EMBEDDED = make_url(f"sqlite:///{__package__}.sqlite")  # in the folder instance/

DEFAULTS: dict[str, Any] = {
    "TITLE": {{ cookiecutter.project_name | py_string }},
    "SECRET_KEY": "development",
    # What migrations are written for: what develops, and what serves.
    "MIGRATION_DATABASES": ["sqlite"{% if cookiecutter.database != "sqlite" %}, "{{ cookiecutter.database }}"{% endif %}],
    # Whether `make db` may drop the database: the embedded one always; another where
    # instance/settings.py names it and says so; none while SETTINGS is set.
    "MIGRATION_DEVELOPMENT": False,
}

# What hosts write into DATABASE_URL, and the drivers that are installed here.
DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
DRIVERS |= {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


def load(app: Flask, overrides: Mapping[str, Any]) -> None:
    """Fill ``app.config``; *overrides* win over all other settings.

    :raises SystemExit: with one sentence, when a setting is missing or wrong.
    """
    config, server_file = app.config, os.environ.get("SETTINGS")
    file = server_file or f"{app.instance_path}/settings.py"
    config.from_mapping(DEFAULTS)
    read_file(config, file, required=bool(server_file))
    in_file = dict(config)
    config.from_prefixed_env(PREFIX)
    for key in ("TITLE", "SECRET_KEY"):  # Text, also where it looks like a number.
        config[key] = os.environ.get(f"{PREFIX}_{key}", config[key])
    config.from_mapping(overrides)

    own = database_url(file, in_file.get(URI) or EMBEDDED)
    named = {key: os.environ.get(key) for key in (f"{PREFIX}_{URI}", "DATABASE_URL")}
    if URI in overrides:
        named = {file: overrides[URI]}
    elif server_file:
        named = {file: in_file.get(URI)} | named
    urls = {source: database_url(source, uri) for source, uri in named.items() if uri}
    if server_file and file not in urls:
        raise SystemExit(f"{file} names no database, so a wrong one could be used: add {URI}.")
    if len(set(urls.values())) > 1:
        secrets = ["password", "passwd", "sslpassword"]  # repr() hides the one before the @
        shown = {name: repr(url.difference_update_query(secrets)) for name, url in urls.items()}
        both = " and ".join(f"{name} names {url}" for name, url in shown.items())
        raise SystemExit(f"{both}, and the wrong one could be changed: remove all but one.")
    config[URI] = url = next(iter(urls.values()), own)

    droppable = [EMBEDDED]
    if in_file["MIGRATION_DEVELOPMENT"] is True:
        droppable += [own, in_file.get("SQLALCHEMY_ALEMBIC_URI")]
    migrated = config.get("SQLALCHEMY_ALEMBIC_URI") or url
    config["MIGRATION_DEVELOPMENT"] = not server_file and migrated in droppable
    if not config["MIGRATION_DEVELOPMENT"] and config["SECRET_KEY"] in ("", None, "development"):
        where = f"put a long random text into {PREFIX}_SECRET_KEY, or into {file}"
        raise SystemExit(f"SECRET_KEY is not set, and this is no development database: {where}.")
    if url == EMBEDDED:
        try:
            os.makedirs(app.instance_path, exist_ok=True)
        except OSError as error:
            why = f"{app.instance_path} cannot be made ({error.strerror})"
            raise SystemExit(f"{why}: let this account write there, or set DATABASE_URL.") from None


def read_file(config: Config, file: str, *, required: bool) -> None:
    """Read the settings in *file*, which is Python."""
    try:
        config.from_pyfile(os.path.abspath(file), silent=not required)
    except FileNotFoundError:
        raise SystemExit(f"SETTINGS names {file}, and there is no such file.") from None
    except Exception as error:
        raise SystemExit(f"{file} cannot be read: {type(error).__name__}: {error}.") from None


def database_url(source: str, uri: str | URL) -> URL:
    """Read *uri*, which *source* names, with the driver that is installed here."""
    try:
        url = make_url(uri)
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        url.get_dialect().import_dbapi()
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        example = "postgresql://user:password@host/database or sqlite:////path/to/file.sqlite"
        words = f"{source} names no database URL that SQLAlchemy knows"
        raise SystemExit(f"{words}: write it like {example}.") from None
    except ImportError as error:
        driver = "psycopg[binary]" if error.name == "psycopg" else error.name
        remedy = "add it to the dependencies in pyproject.toml, then make install"
        raise SystemExit(f"{url.drivername}://… needs {driver}: {remedy}.") from None
    return url
