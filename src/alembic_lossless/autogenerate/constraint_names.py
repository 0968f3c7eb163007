"""The names of one constraint in databases that were made at different times.

A revision that gives a constraint no name leaves that to the naming convention of the day on which
it runs, and without one to the server. A scratch database has the names of today's convention; a
database that is older than the convention has the server's. What drops such a constraint has to
find it by either name.
"""

from collections.abc import Mapping
from functools import cached_property

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Dialect, MetaData
from sqlalchemy.exc import DBAPIError

from .. import naming
from ..checklist.development import Look
from ..checklist.unnamed import Unnamed, unnamed
from ..errors import MigrationError
from ..run import status
from ..schema import diff
from ..schema.dialect_support import kind_of
from ..schema.model import Key, Schema
from ..scratch import snapshot
from ..scratch.databases import from_chain, from_models
from ..scratch.sources import Source


def names_without_convention(
    script: ScriptDirectory,
    source: Source,
    metadata: MetaData,
    schema: Schema,
    revision: str = "heads",
) -> dict[Key, str]:
    """Run the chain without the models' naming convention, and find what is called otherwise then.

    :param script: the chain.
    :param source: where scratch databases can be created.
    :param metadata: the models, for their naming convention.
    :param schema: what the chain makes with the convention.
    :param revision: how far the chain runs, as ``alembic upgrade`` takes it.
    :return: the server's own names, by the key in *schema*. None where a revision needs the
        convention: no database that is older got past it. What SQLite leaves without a name is not
        among them: it is found by the convention's.
    """
    if not naming.has_convention(metadata):
        return {}
    try:
        with from_chain(script, source, revision, MetaData()) as scratch:
            older = diff.describe(scratch)
    except MigrationError:
        return {}
    return _names_to_drop_by(older, schema)


def names_before_convention(
    script: ScriptDirectory, source: Source, metadata: MetaData, database: Connection
) -> dict[Key, str]:
    """Find what an older database calls otherwise than today's naming convention does.

    :param script: the chain.
    :param source: where scratch databases can be created.
    :param metadata: the models, for their naming convention.
    :param database: is only read.
    :return: today's name by the key in the database, for what no revision named.
    """
    if not naming.has_convention(metadata):
        return {}
    schema = diff.describe(database)
    with from_models(metadata, source, like=database) as models:
        expected = diff.describe(models)
    chain = reversed(list(script.walk_revisions()))
    left = unnamed(chain, database.dialect, metadata.naming_convention)
    return {
        key._replace(name=name): key.name
        for key, name in diff.called_otherwise(schema, expected).items()
        if not left.is_whole or (key.table, key.name) in left.names
    }


def _names_to_drop_by(older: Schema, schema: Schema) -> dict[Key, str]:
    return {
        key: name
        for key, name in diff.called_otherwise(older, schema).items()
        # Never a name by which something else would go.
        if name != str(schema[key]) and key._replace(name=name) not in schema
    }


class OtherNames:
    """What databases call otherwise that were made by the same chain at another time.

    The chain runs for it, so nothing is asked before something is dropped.

    :param script: the chain.
    :param source: where scratch databases can be created.
    :param metadata: the models, for their naming convention.
    :param dialect: of the scratch databases.
    :param development: opens the development database for reading, where there is one.
    """

    def __init__(
        self,
        script: ScriptDirectory,
        source: Source,
        metadata: MetaData,
        dialect: Dialect,
        development: Look | None = None,
    ) -> None:
        self._script, self._source, self._metadata = script, source, metadata
        self._dialect, self._development = dialect, development

    def of(self, key: Key) -> list[str]:
        """Return the other names of a constraint or an index; none where it has only its own.

        :param key: what it is called at the head of the chain, in a scratch database.
        """
        names = [self._in_development.get(key), self._in_snapshot.get(key)]
        if not self._unnamed.is_whole or (key.table, key.name) in self._unnamed.names:
            names.insert(0, self._without_convention.get(key))
        return list(dict.fromkeys(name for name in names if name))

    @cached_property
    def _unnamed(self) -> Unnamed:
        if not naming.has_convention(self._metadata):
            return Unnamed()
        chain = reversed(list(self._script.walk_revisions()))
        return unnamed(chain, self._dialect, self._metadata.naming_convention)

    @cached_property
    def _in_snapshot(self) -> Mapping[Key, str]:
        return snapshot.names(self._script, self._source.kind)

    @cached_property
    def _schema(self) -> Schema:
        with from_chain(self._script, self._source, metadata=self._metadata) as scratch:
            return diff.describe(scratch)

    @cached_property
    def _without_convention(self) -> Mapping[Key, str]:
        return names_without_convention(self._script, self._source, self._metadata, self._schema)

    @cached_property
    def _in_development(self) -> Mapping[Key, str]:
        schema = self._development_schema()
        return _names_to_drop_by(schema, self._schema) if schema else {}

    def _development_schema(self) -> Schema:
        """Return the schema of the development database, where it is at the head of the chain."""
        if self._development is None:
            return {}
        try:
            with self._development() as connection:
                if (
                    connection is not None
                    and kind_of(connection.engine.url) == self._source.kind
                    and status.current(connection) == set(self._script.get_heads())
                ):
                    return diff.describe(connection)
        except DBAPIError:  # the application's role may not read it
            pass
        return {}
