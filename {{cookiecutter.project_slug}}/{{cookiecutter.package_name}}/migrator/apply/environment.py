"""What ``env.py`` calls: Alembic's own steps run between our checks."""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, Connection, Engine

from .. import MigratorError, scratch
from ..sqlite import impl
from .connection import borrowed, private, violations


def guard(
    engine: Engine,
    context: Any,
    options: MutableMapping[str, Any],
    settings: Mapping[str, Any],
) -> "Guard":
    """Return what takes *engine*'s place in ``env.py``: safe connections to the same database.

    :param engine: names the database; no connection is made through it.
    :param context: Alembic's ``context`` module.
    :param options: what ``env.py`` gives ``context.configure``; ours are added to it.
    :param settings: the application's configuration.
    """
    return Guard(engine.url, context, options, settings)


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

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Give the connection that this run of ``env.py`` migrates, or compares with.

        :raises MigratorError: when the connection a caller gave cannot be used safely, or the
            database is in memory and would vanish with this connection.
        """
        given = self._context.config.attributes.get("connection")
        if given is not None:
            with borrowed(given) as connection:
                yield self._watched(connection)
        elif _writes_revision(self._context):
            with self._scratch() as connection:
                yield connection
        elif _in_memory(self.url):
            raise MigratorError(
                "A SQLite database in memory would be gone with the migrations' own connection: "
                'give yours in config.attributes["connection"].'
            )
        else:
            with private(self.url).connect() as connection:
                yield self._watched(connection)

    def _watched(self, connection: Connection) -> Connection:
        if connection.dialect.name == "sqlite":
            impl.require()
            self._options["on_version_apply"] = foreign_keys_kept(connection)
        return connection

    @contextmanager
    def _scratch(self) -> Iterator[Connection]:
        have, missing = scratch.sources(self._settings["MIGRATION_DATABASES"], self.url)
        self._options["sources"], self._options["missing"] = have, missing
        self._options["process_revision_directives"] = review
        # The comparison of two databases sees more of CHECKs than the plugin, which also leaves
        # constraints of its own in the models.
        self._options["autogenerate_plugins"] = ["alembic.autogenerate.*"]
        metadata = self._options["target_metadata"]
        with scratch.from_chain(self._context.script, have[-1], metadata=metadata) as connection:
            yield connection


def _in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _writes_revision(context: Any) -> bool:
    revision_context = context._proxy.context_opts.get("revision_context")
    return revision_context is not None and revision_context.command_args["autogenerate"]


def review(context: MigrationContext, revision: Any, directives: list[Any]) -> None:
    """Lay the checklist over a new revision before Alembic writes it."""
    from ..author import process_revision_directives

    process_revision_directives(context, revision, directives)


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
            raise MigratorError(
                f"Revision {step.up_revision_id} would leave {len(new)} row(s) without the row "
                f"they point to, first {table} (rowid {rowid}) → {parent}; it was rolled back. "
                "Delete or repair these rows in the migration before it ends."
            )

    return check
