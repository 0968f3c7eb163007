"""For any two versions of a set of models: after a new migration and an upgrade, the schema is the
one that ``create_all`` makes of the second, and a second new migration finds nothing."""

import re
import tempfile
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Date, Enum, MetaData, make_url

from alembic_lossless.autogenerate import migrate
from alembic_lossless.autogenerate.report import Report
from alembic_lossless.checklist.answers import Answers
from alembic_lossless.schema import diff
from alembic_lossless.schema.dialect_support import kind_of
from alembic_lossless.schema.model import Schema
from alembic_lossless.scratch import databases
from alembic_lossless.scratch.sources import Source
from tests.conftest import Databases
from tests.library.autogenerate.generate import ModelsSpec, models
from tests.library.autogenerate.project import Project

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


def answer(models: MetaData, question: str, otherwise: str) -> str:
    """Answer as somebody who renamed nothing, and to whom no row is dear."""
    asked = re.search(r"hold in (\S+)\.(\S+)\?", question)
    if asked is None:
        return "nothing is lost" if "Why" in question else otherwise
    type_ = models.tables[asked[1]].c[asked[2]].type
    if isinstance(type_, Date):
        return "'2020-01-01'"
    return f"'{type_.enums[0]}'" if isinstance(type_, Enum) else "'0'"


def migrated(project: Project, versions: list[ModelsSpec]) -> Report:
    for number, version in enumerate(versions):
        project.metadata.clear()
        project.metadata._sequences.clear()
        version.add_to(project.metadata)
        answers = Answers(ask=partial(answer, version.metadata()))
        report = migrate.write_migration(project.config(), f"version {number}", answers=answers)
    project.upgrade()
    return report


def wanted(version: ModelsSpec, source: Source) -> Schema:
    with databases.from_models(version.metadata(), source) as connection:
        return diff.describe(connection)


def assert_equal(found: Schema, wanted: Schema) -> None:
    differences = [str(item) for item in diff.differences(found, wanted)]
    assert not differences, differences


def check(project: Project, source: Source, versions: list[ModelsSpec]) -> None:
    last = migrated(project, versions)
    assert_equal(project.schema(), wanted(versions[-1], source))
    again = project.new("again")
    assert again.paths == [], [str(operation) for operation in again.operations]
    for _ in last.paths:
        project.downgrade()
    if last.paths:
        assert_equal(project.schema(), wanted(versions[-2], source))
    project.downgrade("base")
    assert project.schema() == {}


@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(versions=st.lists(models(), min_size=2, max_size=2))
def test_on_sqlite(versions: list[ModelsSpec]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(Project(Path(folder)), Source("sqlite"), versions)


def on_server(folder: Path, url: str, versions: list[ModelsSpec]) -> None:
    """Check on the server, and that the same files do for SQLite."""
    kind = kind_of(make_url(url))
    project = Project(folder, url=url, kinds=("sqlite", kind))
    check(project, Source(kind, make_url(url)), versions)
    sqlite = Source("sqlite")
    with databases.from_chain(project.script, sqlite, metadata=project.metadata) as connection:
        found = diff.describe(connection)
    assert_equal(found, wanted(versions[-1], sqlite))


@settings(max_examples=4, deadline=None, suppress_health_check=SLOW)
@given(versions=st.lists(models(comments=True), min_size=2, max_size=2))
def test_on_postgresql(postgresql: Databases, versions: list[ModelsSpec]) -> None:
    url = postgresql()
    with tempfile.TemporaryDirectory() as folder:
        on_server(Path(folder), url, versions)
    postgresql.drop(url)


@settings(max_examples=4, deadline=None, suppress_health_check=SLOW)
@given(versions=st.lists(models(comments=True, expressions=False), min_size=2, max_size=2))
def test_on_mariadb(mariadb: Databases, versions: list[ModelsSpec]) -> None:
    """MariaDB has no indexes on expressions."""
    url = mariadb()
    with tempfile.TemporaryDirectory() as folder:
        on_server(Path(folder), url, versions)
    mariadb.drop(url)
