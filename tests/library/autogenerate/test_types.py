"""Files name no type of the application's own: they outlive it."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Integer, Table
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import CHAR, TypeDecorator, UserDefinedType

from alembic_lossless.autogenerate.render import body
from alembic_lossless.checklist.finding import Operation
from alembic_lossless.scratch.sources import Source
from tests.library.autogenerate.project import Project


class GUID(TypeDecorator[uuid.UUID]):
    """The recipe of SQLAlchemy's documentation."""

    impl = CHAR
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.UUID())
        return dialect.type_descriptor(CHAR(32))


class Money(TypeDecorator[Any]):
    """Takes arguments that its column does not know."""

    impl = sa.Numeric
    cache_ok = True

    def __init__(self, currency: str, digits: int) -> None:
        super().__init__(digits, 2)
        self.currency = currency


class Settings(TypeDecorator[Any]):
    impl = sa.JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        own = {"postgresql": postgresql.JSONB(), "mysql": mysql.LONGTEXT()}
        return dialect.type_descriptor(own.get(dialect.name, sa.JSON()))


class Tags(TypeDecorator[Any]):
    """A type of the application's on one of its own."""

    impl = Settings
    cache_ok = True


class Name(sa.String):
    """More than a String in Python alone."""


class Point(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self) -> str:
        return "POINT"


GUID_TEXT = "sa.CHAR(length=32).with_variant(sa.UUID(), 'postgresql')"


@pytest.mark.parametrize(
    ("type_", "kinds", "expected"),
    [
        (GUID(), ("sqlite", "postgresql", "mysql"), GUID_TEXT),
        (GUID(), ("postgresql", "sqlite"), GUID_TEXT),
        (GUID(), ("sqlite",), "sa.CHAR(length=32)"),
        (GUID(), ("postgresql",), "sa.UUID()"),
        (Money("EUR", 9), ("sqlite", "postgresql"), "sa.Numeric(precision=9, scale=2)"),
        (
            Settings(),
            ("sqlite", "postgresql", "mysql"),
            "sa.JSON().with_variant(mysql.LONGTEXT(), 'mysql', 'mariadb')"
            ".with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')",
        ),
        (
            Tags(),
            ("sqlite", "postgresql"),
            "sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')",
        ),
        (Name(30), ("sqlite", "postgresql"), "sa.String(length=30)"),
        (
            sa.String(9).with_variant(Name(30), "postgresql"),
            ("sqlite", "postgresql"),
            "sa.String(length=9).with_variant(sa.String(length=30), 'postgresql')",
        ),
        (
            Money("EUR", 9).with_variant(sa.Integer(), "sqlite"),
            ("sqlite", "postgresql"),
            "sa.Integer().with_variant(sa.Numeric(precision=9, scale=2), 'postgresql')",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_type_of_application_is_written_as_what_databases_store(
    type_: Any, kinds: tuple[str, ...], expected: str
) -> None:
    context = MigrationContext.configure(dialect_name="sqlite", opts=options(kinds))
    text, imports = body([Operation(ops.AddColumnOp("user", Column("id", type_)))], context)
    assert expected in text
    assert not any("tests" in line for line in imports)
    for name in ("postgresql", "mysql"):
        assert (f"{name}." in text) == (f"from sqlalchemy.dialects import {name}" in imports)


def options(kinds: tuple[str, ...]) -> dict[str, Any]:
    return {"sources": [Source(kind) for kind in kinds], "missing": []}


def test_type_with_sql_of_its_own_is_imported_as_by_stock() -> None:
    """Nothing but the class itself says what its column is."""
    context = MigrationContext.configure(dialect_name="sqlite", opts=options(("sqlite",)))
    text, imports = body([Operation(ops.AddColumnOp("user", Column("at", Point())))], context)
    assert f"{__name__}.Point()" in text
    assert f"import {__name__}" in imports


def test_render_item_of_project_comes_first() -> None:
    def render_item(kind: str, item: Any, _: Any) -> str | bool:
        return "own.Guid()" if kind == "type" and isinstance(item, GUID) else False

    opts = {**options(("sqlite",)), "render_item": render_item}
    context = MigrationContext.configure(dialect_name="sqlite", opts=opts)
    assert (
        "own.Guid()" in body([Operation(ops.AddColumnOp("user", Column("id", GUID())))], context)[0]
    )


def test_chain_with_types_of_application_agrees_with_models(on_both: Project) -> None:
    Table(
        "user",
        on_both.metadata,
        Column("id", GUID(), primary_key=True),
        Column("price", Money("EUR", 9), nullable=False, server_default="0"),
        Column("settings", Settings()),
    )
    on_both.new("first")
    assert "tests" not in on_both.last()
    on_both.upgrade()
    assert on_both.verify().agrees
    assert on_both.new("nothing").paths == []


def test_change_of_type_of_application_downgrades_to_what_it_was(project: Project) -> None:
    Table("user", project.metadata, Column("id", Integer, primary_key=True), Column("x", GUID()))
    project.new("first")
    project.upgrade()
    first = project.schema()
    project.metadata.clear()
    Table("user", project.metadata, Column("id", Integer, primary_key=True), Column("x", Name(90)))
    project.new("other type")
    assert "tests" not in project.last()
    project.upgrade()
    assert project.verify().agrees
    project.downgrade()
    assert project.schema() == first
