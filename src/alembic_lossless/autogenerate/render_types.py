"""How a column's type is written into a file, without an import of the application.

A file outlives what it imports. A type of SQLAlchemy's or of an installed package is written as
stock Alembic writes it; one of the application's own as what each database stores:
``sa.CHAR(length=32).with_variant(sa.UUID(), 'postgresql')``.
"""

import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from alembic.runtime.migration import MigrationContext
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.types import TypeDecorator, TypeEngine

from ..checklist.rules.enums import ExistingEnum
from ..run.recorder import quiet

_DIALECTS: dict[str, Any] = {
    "sqlite": sqlite.dialect,
    "postgresql": postgresql.dialect,
    "mysql": mysql.dialect,
}

#: The dialects that a kind of database goes by.
_NAMES = {"mysql": ("mysql", "mariadb")}


def render_type(type_: Any, context: AutogenContext, kinds: Sequence[str]) -> str | bool:
    """Return a type as Python; False where Alembic writes it well.

    :param type_: of a column.
    :param context: of Alembic's renderers; it gets the imports that the text needs.
    :param kinds: the databases that the project uses.
    """
    if isinstance(type_, ExistingEnum):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return _existing_enum(type_)
    module = type(type_).__module__
    dialect = re.match(r"sqlalchemy\.dialects\.(\w+)", module)
    if dialect:
        # Alembic asks the database at hand, which knows its own types alone.
        context.imports.add(f"from sqlalchemy.dialects import {dialect[1]}")
        text = _impl(dialect[1]).render_type(type_, context) or f"{dialect[1]}.{type_!r}"
        return text + _variants(type_._variant_mapping, context)
    if module.startswith("sqlalchemy."):
        return False
    if is_of_application(type_):
        if context.opts.get("user_module_prefix"):
            return False  # script.py.mako imports the module that env.py names
        return _as_stored(type_, context, kinds)
    context.imports.add(f"import {module}")
    return False


def _existing_enum(type_: ExistingEnum) -> str:
    arguments = ", ".join([*(repr(value) for value in type_.enums), f"name={type_.name!r}"])
    existing = f"postgresql.ENUM({arguments}, create_type=False)"
    return f"sa.Enum({arguments}).with_variant({existing}, 'postgresql')"


@cache
def _impl(dialect: str) -> Any:
    with quiet():
        return MigrationContext.configure(dialect_name=dialect).impl


def _variants(variants: Any, context: AutogenContext) -> str:
    return "".join(
        f".with_variant({_repr_type(variant, context)}, {name!r})"
        for name, variant in variants.items()
    )


def is_of_application(type_: TypeEngine[Any]) -> bool:
    """Tell whether the class of a type is the project's own, not an installed package's."""
    module = sys.modules.get(type(type_).__module__)
    file = getattr(module, "__file__", None)
    return file is None or not {"site-packages", "dist-packages"} & set(Path(file).parts)


def _as_stored(type_: Any, context: AutogenContext, kinds: Sequence[str]) -> str | bool:
    """Return what each of *kinds* stores; what PostgreSQL alone stores is its variant."""
    stored = {kind: _stored(type_, kind) for kind in sorted(kinds, key="postgresql".__eq__)}
    if any(is_of_application(stored_type) for stored_type in stored.values()):
        # It has an SQL of its own (get_col_spec), which nothing else can say.
        context.imports.add(f"import {type(type_).__module__}")
        return False
    texts = {kind: _repr_type(stored_type, context) for kind, stored_type in stored.items()}
    first = next(iter(texts.values()))
    variants = {kind: text for kind, text in texts.items() if text != first}
    return first + "".join(
        f".with_variant({text}, {', '.join(map(repr, _NAMES.get(kind, (kind,))))})"
        for kind, text in variants.items()
    )


def _stored(type_: Any, kind: str) -> Any:
    """Return the type of SQLAlchemy's, or of a package's, that *type_* is on a database."""
    dialect = _DIALECTS[kind]()
    # As it was named by the application, not as the dialect's own, private class.
    dialect.type_descriptor = sa.types.to_instance
    while True:
        if variant := type_._variant_mapping.get(kind):
            type_ = variant
        elif not is_of_application(type_):
            return type_
        elif isinstance(type_, TypeDecorator):
            type_ = type_.load_dialect_impl(dialect)
        else:
            return _public(type_)


def _public(type_: Any) -> Any:
    """Return the type of SQLAlchemy's that the application's class is derived from."""
    for base in type(type_).__mro__:
        if base.__module__ in ("sqlalchemy.sql.type_api", "builtins"):
            break
        if base.__module__.startswith("sqlalchemy.") and issubclass(base, TypeEngine):
            return type_.adapt(base)
    return type_
