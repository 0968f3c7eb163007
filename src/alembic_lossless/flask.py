"""Takes the place of Flask-Migrate's extension: ``from alembic_lossless.flask import Migrate``.

The env.py and script.py.mako that ``flask db init`` wrote stay as they are. Those of every
Flask-Migrate from 2.0 on take their engine, metadata or options from
``app.extensions["migrate"]``; that is where this extension gets hold of the run.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flask_migrate
from alembic.config import Config
from flask import Flask, current_app
from sqlalchemy import Engine

from . import compat, hints
from .host import make_host
from .run import binds, env, readiness
from .run.connection import inside
from .schema import own_tables
from .settings import Settings

__all__ = ["Migrate"]


class Migrate(flask_migrate.Migrate):  # type: ignore[misc]  # it has no types
    """The extension. Its arguments are those of Flask-Migrate's, and one more.

    :param app: the application, where there is one already.
    :param db: the Flask-SQLAlchemy extension.
    :param directory: the folder of the migrations.
    :param command: the name of the command group.
    :param compare_type: given to Alembic, as *render_as_batch* and all other keywords are.
    :param render_as_batch: whether changes to one table stand in one batch, as SQLite needs it.
    :param seed: called by ``flask db reset`` to fill the new development database with rows.
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: Any = None,
        directory: str | Path = "migrations",
        command: str = "db",
        compare_type: bool = True,
        render_as_batch: bool = True,
        *,
        seed: Callable[[], None] | None = None,
        **kwargs: Any,
    ) -> None:
        self.seed = seed
        super().__init__(app, db, directory, command, compare_type, render_as_batch, **kwargs)

    def init_app(
        self,
        app: Flask,
        db: Any = None,
        directory: str | Path | None = None,
        command: str | None = None,
        compare_type: bool | None = None,
        render_as_batch: bool | None = None,
        *,
        seed: Callable[[], None] | None = None,
        **kwargs: Any,
    ) -> None:
        """Connect the extension to *app*; the arguments are those of the constructor."""
        super().init_app(app, db, directory, command, compare_type, render_as_batch, **kwargs)
        self.seed = seed or self.seed
        app.extensions["migrate"] = Extension(self, self.db, dict(self.alembic_ctx_kwargs))
        from .cli.flask_db import group

        app.cli.add_command(group, name=self.command)

    def get_config(
        self, directory: str | Path | None = None, x_arg: Any = None, opts: Any = None
    ) -> Config:
        """Return Alembic's configuration, each time a new one; see Flask-Migrate's.

        :raises MigrationError: later, where its env.py cannot be reached.
        """
        config: Config = super().get_config(directory, x_arg, opts)
        env.Run.of(config).remember_loggers()
        return config

    def why_not_ready(self) -> str | None:
        """Tell why the application should not serve yet, for a health check.

        A database that newer code has migrated is ready, and so is one that waits with what it
        takes away only.

        :return: None where the schema is the one that this code was written for.
        """
        config = self.get_config()
        engines = {"": project_engine()}
        if binds.are_migrated(Path(str(config.get_main_option("script_location")))):
            engines = project_engines()
        with own_tables.named_by(self.alembic_ctx_kwargs):
            for bind, engine in engines.items():
                if reason := readiness.why_not_ready(engine, config):
                    return reason if len(engines) == 1 else f"{binds.name(bind)}: {reason}"
        return None


class Extension:
    """What ``app.extensions["migrate"]`` is: env.py takes its engine and its options from here."""

    def __init__(self, migrate: Migrate, db: Any, configure_args: dict[str, Any]) -> None:
        self.migrate = migrate
        self.directory = migrate.directory
        self._db = db
        self._configure_args = configure_args

    @property
    def db(self) -> Any:
        """Return the Flask-SQLAlchemy extension; in env.py, with an engine that connects late."""
        return _LazyDatabase(self._db) if self._reach() else self._db

    @property
    def configure_args(self) -> dict[str, Any]:
        """Return what Alembic's ``context.configure`` is given; the same dictionary each time."""
        self._reach()
        return self._configure_args

    @property
    def metadata(self) -> Any:
        """Return the models' tables, which the oldest env.py files ask for here."""
        self._reach()
        return self._db.metadata

    def _reach(self) -> bool:
        """Get hold of the run of env.py that is asking; tell whether one is."""
        context = compat.live_environment()
        if context is None:
            return False
        host = make_host(read_settings, project_engine, hints.FLASK, project_engines)
        env.attach(context, host)
        return True


class _LazyDatabase:
    """The Flask-SQLAlchemy extension as env.py sees it."""

    def __init__(self, db: Any) -> None:
        self._db = db

    @property
    def engine(self) -> Any:
        return env.lazy(self._db.engine)

    @property
    def engines(self) -> dict[str | None, Any]:
        return {bind: env.lazy(engine) for bind, engine in self._db.engines.items()}

    def get_engine(self, *arguments: Any, **keywords: Any) -> Any:
        # Flask-SQLAlchemy from 3.1 on warns of it; whether it is there decides env.py's way.
        if not arguments and not keywords:
            return self.engine
        return env.lazy(self._db.get_engine(*arguments, **keywords))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def project_engine() -> Engine:
    """Return the application's own engine."""
    engine: Engine = current_app.extensions["migrate"]._db.engine
    return engine


def project_engines() -> dict[str, Engine]:
    """Return the application's engines by their binds, the default's first, by the empty name."""
    engines = current_app.extensions["migrate"]._db.engines
    first = {"": engines[None]} if None in engines else {}
    return first | {bind: engine for bind, engine in engines.items() if bind is not None}


def read_settings(folder: Path) -> Settings:
    """Return the settings of the current application, whose migrations are in *folder*.

    A relative path to SQLite is inside the instance folder, as in Flask-SQLAlchemy's own URL: it
    does not depend on where a command is typed.
    """
    settings = Settings.read(current_app.config, folder)
    url = settings.url and inside(settings.url, Path(current_app.instance_path))
    return replace(settings, url=url)
