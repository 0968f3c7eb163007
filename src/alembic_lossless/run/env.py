"""What ``env.py`` calls: Alembic's own steps run between our checks."""

import functools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import click
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from ..backup import store
from ..errors import MigrationError, plural
from ..schema import dialect_support
from ..scratch import databases
from ..scratch.sources import find_sources
from ..sqlite import impl
from . import connection as connections
from . import history, lock, server, status
from .connection import Limits, borrowed, violations
from .executor import Steps, insist, lost


def guard(
    engine: Engine | Connection,
    context: Any,
    options: MutableMapping[str, Any],
    settings: Mapping[str, Any],
) -> "Guard":
    """Return what takes *engine*'s place in ``env.py``: safe connections to the same database.

    :param engine: names the database; no connection is made through it, unless a caller gave it.
    :param context: Alembic's ``context`` module.
    :param options: what ``env.py`` gives ``context.configure``; ours are added to it.
    :param settings: the application's configuration.
    """
    url = engine.engine.url if isinstance(engine, Connection) else engine.url
    return Guard(url, context, options, settings)


class Guard:
    """Connections for one run of ``env.py``."""

    def __init__(
        self,
        url: URL,
        context: Any,
        options: MutableMapping[str, Any],
        settings: Mapping[str, Any],
    ) -> None:
        self.url = url
        self._context = context
        self._options = options
        self._settings = settings
        self._attributes: dict[str, Any] = context.config.attributes
        self._say = self._attributes.get("say") or logging.getLogger(__name__).warning
        insist(context)
        insist(context._proxy)
        self._command: Mapping[str, Any] = context._proxy.context_opts

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give the connection that this run of ``env.py`` migrates, or compares with.

        :raises MigrationError: when the connection a caller gave cannot be used safely, or the
            database is in memory and would vanish with this connection.
        """
        given = self._attributes.get("connection")
        try:
            if given is not None:
                with borrowed(given) as connection:
                    yield self._watched(connection)
            elif _writes_revision(self._command):
                with self._scratch() as connection:
                    yield connection
            elif _in_memory(self.url):
                raise MigrationError(
                    "A SQLite database in memory would be gone with the migrations' own "
                    'connection: give yours in config.attributes["connection"].'
                )
            elif "destination_rev" not in self._command:
                with self._reading() as connection:
                    yield connection
            else:
                with self._migrating() as connection:
                    yield connection
        except MigrationError as error:
            self._exit(error)
            raise

    def _exit(self, error: MigrationError) -> None:
        """Leave a stock command with the error's own code, which Flask-Migrate would make a 1."""
        typed = hasattr(self._context.config.cmd_opts, "cmd")  # alembic upgrade …
        stock = not {"say", "alembic_lossless_report"} & self._attributes.keys()
        if stock and (typed or click.get_current_context(silent=True)):
            click.echo(f"exit {error.exit_code}: {error}", err=True)
            sys.exit(error.exit_code)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        self._options["dont_mutate"] = True
        limits = Limits.of(self._settings)
        with connections.connect(
            self._settings, self.url, limits, read_only=True, say=self._say
        ) as connection:
            yield connection

    @contextmanager
    def _migrating(self) -> Iterator[Connection]:
        """The way of ``make migrate``: look, connect, lock, look again, and only then change."""
        fn = self._command["fn"]
        if self._has_nothing_to_do(fn):
            self._options["dont_mutate"] = True
            self._options["fn"] = lambda *_: ()
            with status.look(self.url, self._settings, self._say) as looking:
                if looking is not None:
                    yield looking
                    return
        limits = Limits.of(self._settings)
        connection = connections.connect(self._settings, self.url, limits, say=self._say)
        try:
            with connection, lock.hold(connection, limits.wait, self._say):
                self._prepare(connection, fn, limits)
                yield connection
        except DBAPIError as error:
            raise lost(error) from error

    def _prepare(self, connection: Connection, fn: Any, limits: Limits) -> None:
        self._watched(connection)
        server.share(connection, self._settings, self._say)
        history.ensure(connection)
        steps = Steps(connection, self._options.get("fn", fn), limits, self._say)
        connection.rollback()
        self._copy_first(connection, fn)
        checks = self._options.get("on_version_apply", ())
        self._options["fn"] = steps
        self._options["on_version_apply"] = (*_as_tuple(checks), steps.note)
        # A step that is tried again takes its own transaction back, and nothing else.
        self._options["transaction_per_migration"] = True
        self._attributes["done"] = steps.done

    def _copy_first(self, connection: Connection, fn: Any) -> None:
        at = status.current(connection)
        connection.rollback()
        if self._attributes.get("copied") or fn.__name__ == "do_stamp":
            return
        if list(fn(tuple(at), None)):
            copy = store.back_up(connection.engine.url, self._settings, at)
            if copy:
                self._say(f"Backed up to {copy}")

    def _has_nothing_to_do(self, fn: Any) -> bool:
        if fn.__name__ == "do_stamp" or self._command.get("purge"):
            return False
        chain = status.of_script(self._context.script)
        seen = status.probe(self.url, self._settings, chain, self._say)
        if seen is None:
            return False
        if seen.ahead and self._command["destination_rev"] in ("head", "heads"):
            return True
        status.require_known(seen.at, chain.known)
        if seen.half:
            return False
        return not list(fn(tuple(seen.at), None))

    def _watched(self, connection: Connection) -> Connection:
        if connection.dialect.name == "sqlite":
            impl.require()
            self._options["fn"] = _in_force(self._command["fn"])
            self._options["on_version_apply"] = foreign_keys_kept(connection)
        return connection

    @contextmanager
    def _scratch(self) -> Iterator[Connection]:
        have, missing = find_sources(self._settings["MIGRATION_DATABASES"], self.url)
        self._options["sources"], self._options["missing"] = have, missing
        # The comparison of two databases sees what these would: the plugin leaves constraints of
        # its own in the models, and defaults with a quote in them break Alembic's query.
        self._options["autogenerate_plugins"] = ["alembic.autogenerate.*"]
        self._options["compare_type"] = self._options["compare_server_default"] = False
        if self._settings.get("DEVELOPMENT"):
            self._options["development"] = partial(status.look, self.url, self._settings)
        metadata = self._options["target_metadata"]
        dialect_support.require_targets(metadata)
        with databases.from_chain(self._context.script, have[-1], metadata=metadata) as connection:
            yield connection


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _in_force(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Have Alembic's *fn* give steps only to a context that migrates SQLite by our engine."""

    @functools.wraps(fn)
    def checked(heads: Any, context: MigrationContext) -> Any:
        impl.require(context)
        return fn(heads, context)

    return checked


def _in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _writes_revision(command: Mapping[str, Any]) -> bool:
    revision_context = command.get("revision_context")
    return revision_context is not None and revision_context.command_args["autogenerate"]


def foreign_keys_kept(connection: Connection) -> Callable[..., None]:
    """Return what Alembic calls after each revision, inside its transaction: a row that lost the
    row it points to rolls the revision back. Violations that were there before are not its fault.
    """
    known = violations(connection)
    connection.rollback()

    def check(*, ctx: MigrationContext, step: Any, **_: Any) -> None:
        new = violations(connection) - known
        if new:
            table, rowid, parent, _key = sorted(new, key=str)[0]
            raise MigrationError(
                f"Revision {step.up_revision_id} would leave {plural(new, 'row')} without the row "
                f"pointed to, first {table} (rowid {rowid}) → {parent}; it was rolled back. "
                "Delete or repair these rows in the migration before it ends."
            )

    return check
