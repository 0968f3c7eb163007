"""Where the settings come from.

Weakest first: the defaults below; ``instance/settings.py``, a developer's own; the file that the
variable ``SETTINGS`` names (then ``instance/settings.py`` is not read); the environment, where
``{{ cookiecutter.package_name | upper }}_SECRET_KEY`` sets ``SECRET_KEY``
and ``DATABASE_URL`` the database.
"""

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

PREFIX = __package__.upper()
URI = "SQLALCHEMY_DATABASE_URI"

DEFAULTS: dict[str, Any] = {
    "TITLE": {{ cookiecutter.project_name | py_string }},
    "SECRET_KEY": "development",
    # A relative path is inside the folder instance/.
    URI: f"sqlite:///{__package__}.sqlite",
    # What migrations are written for: what develops, and what serves.
    "MIGRATION_DATABASES": ["sqlite"{% if cookiecutter.database != "sqlite" %}, "{{ cookiecutter.database }}"{% endif %}],
    # Whether `make db` may drop the database: the one above always; another where
    # instance/settings.py names it and says so; none while SETTINGS is set.
    "MIGRATION_DEVELOPMENT": False,
}

# What hosts write into DATABASE_URL, and the drivers that are installed here.
DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}


class SettingsError(SystemExit):
    """The application cannot start: one sentence, whichever command line started it."""


def load(app: Flask, overrides: Mapping[str, Any]) -> None:
    """Fill ``app.config``; *overrides* win over all other settings.

    :raises SettingsError: when a setting is missing or wrong, or two databases are named.
    """
    config = app.config
    config.from_mapping(DEFAULTS)
    file = os.environ.get("SETTINGS", "")
    if file and not os.path.isfile(file):
        raise SettingsError(f"SETTINGS names {file}, and there is no such file: correct the path.")
    config.from_pyfile(os.path.abspath(file) if file else "settings.py", silent=not file)
    in_file = dict(config)
    config.from_prefixed_env(PREFIX)
    for key in ("TITLE", "SECRET_KEY"):  # Text, also where it looks like a number.
        config[key] = os.environ.get(f"{PREFIX}_{key}", config[key])
    config[URI] = os.environ.get("DATABASE_URL") or config[URI]
    config.from_mapping(overrides)
    url, developers, embedded = map(database_url, (config[URI], in_file[URI], DEFAULTS[URI]))

    named = {file: in_file[URI]} if file and developers != embedded else {}
    named |= {key: os.environ.get(key) for key in (f"{PREFIX}_{URI}", "DATABASE_URL")}
    urls = {name: database_url(uri) for name, uri in named.items() if uri}
    if len(set(urls.values())) > 1 and URI not in overrides:
        both = " and ".join(f"{name} names {shown(url)}" for name, url in urls.items())
        raise SettingsError(f"{both}, and the wrong one could be changed: remove all but one.")

    config[URI] = url
    migrated = config.get("SQLALCHEMY_ALEMBIC_URI") or url
    allowed = [embedded]
    if in_file["MIGRATION_DEVELOPMENT"] is True:
        allowed += [developers, in_file.get("SQLALCHEMY_ALEMBIC_URI")]
    config["MIGRATION_DEVELOPMENT"] = not file and migrated in allowed
    if not config["MIGRATION_DEVELOPMENT"] and config["SECRET_KEY"] in ("", None, "development"):
        raise SettingsError(
            f"SECRET_KEY is not set, and {shown(url)} is not the development database: put a long "
            f"random text into {PREFIX}_SECRET_KEY, or into the file that SETTINGS names."
        )
    if url == embedded:
        try:
            os.makedirs(app.instance_path, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"{app.instance_path} cannot be made ({error.strerror}), where the database is to "
                "be: let this account write there, or name another database in DATABASE_URL."
            ) from None


def database_url(uri: str | URL) -> URL:
    """Read *uri*, with the driver that is installed here.

    :raises SettingsError: when it is no database URL, or its driver is not installed.
    """
    try:
        url = make_url(uri)
        url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
        url.get_dialect().import_dbapi()
    except ArgumentError:
        raise SettingsError(
            f"{URI}, or DATABASE_URL, is no database URL that SQLAlchemy knows: write it like "
            "postgresql://user:password@host/database or sqlite:////path/to/file.sqlite."
        ) from None
    except ImportError as error:
        package = {"psycopg": "psycopg[binary]"}.get(error.name or "", error.name)
        raise SettingsError(
            f"{url.drivername}://… needs {package}, which is not installed: add it to the "
            "dependencies in pyproject.toml, then make install."
        ) from None
    return url


def shown(url: URL) -> str:
    """Return *url* without its passwords."""
    secrets = [key for key in url.query if "password" in key]
    return url.difference_update_query(secrets).render_as_string()
