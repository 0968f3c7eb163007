"""The parts of Alembic and SQLAlchemy that are used here and promised to nobody.

Each stands behind a function with a plain name, which says what the part is and which official
hook it would give way to; no other module touches such a part. All of them were tested with the
versions in :data:`TESTED`.

A new one is a function under ``@private("module:path")``. That is enough for :func:`require` to
look for it, as soon as its package is imported.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from alembic import context as alembic_context
from alembic.autogenerate import render, renderers
from alembic.autogenerate.api import AutogenContext
from alembic.ddl import base, impl
from alembic.operations import Operations, batch, ops
from alembic.runtime import migration
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.types import TypeEngine
from sqlalchemy.util import concurrency

from .errors import MigrationError

#: The versions that everything here was tested with.
TESTED = {"alembic": "1.20.1", "sqlalchemy": "2.1.9"}


class PrivatePart(NamedTuple):
    """An object of another package: its module, and the path to it from there.

    ``()`` in the path stands for an object of the class before it.
    """

    module: str
    path: str

    def __str__(self) -> str:
        return f"{self.module}.{self.path}"


#: All parts that functions of this module touch.
PARTS: list[PrivatePart] = []

_Function = TypeVar("_Function", bound=Callable[..., Any])
_ABSENT = object()


def private(*parts: str) -> Callable[[_Function], _Function]:
    """Register the private parts that a function touches.

    :param parts: each as ``module:path``.
    :return: a decorator that leaves the function as it is.
    """

    def register(function: _Function) -> _Function:
        for part in parts:
            module, path = part.split(":")
            if PrivatePart(module, path) not in PARTS:
                PARTS.append(PrivatePart(module, path))
        return function

    return register


def missing_parts() -> list[PrivatePart]:
    """Look for the private parts in the packages that are imported.

    :return: those that are not there.
    """
    return [
        part for part in PARTS if part.module.partition(".")[0] in sys.modules and not _exists(part)
    ]


def _exists(part: PrivatePart) -> bool:
    value: Any = importlib.import_module(part.module)
    for name in part.path.split("."):
        value = value() if name == "()" else getattr(value, name, _ABSENT)
    return value is not _ABSENT


def require() -> None:
    """Make sure that no private part is missing.

    :raises MigrationError: which names those that are, and the versions to install.
    """
    absent = missing_parts()
    if not absent:
        return
    packages = sorted({part.module.partition(".")[0] for part in absent} | set(TESTED))
    installed = " with ".join(f"{name} {version(name)}" for name in packages)
    tested = " ".join(f"{name}=={TESTED[name]}" for name in packages)
    raise MigrationError(
        f"{installed} has no {', '.join(map(str, absent))}, which alembic-lossless is built on, "
        f"so nothing can be migrated safely: pip install {tested}"
    )


def _replace(owner: type, name: str, make: Callable[[Any], Any]) -> None:
    """Put in place of a method what *make* returns for it; a second time undoes the first."""
    current = getattr(owner, name)
    stock = getattr(current, "stock", current)
    replacement = make(stock)
    replacement.stock = stock
    setattr(owner, name, replacement)


def is_replaced(owner: type, name: str) -> bool:
    """Tell whether one of the methods that are replaced here is so still.

    :param owner: the class.
    :param name: the method's.
    :return: False where something else has taken its place.
    """
    return hasattr(getattr(owner, name, None), "stock")


@private("alembic.ddl.impl:_impls", "alembic.ddl.sqlite:SQLiteImpl")
def implementation_of(dialect: str) -> type[impl.DefaultImpl] | None:
    """Ask which class Alembic migrates a kind of database by.

    A class comes into force by its ``__dialect__``, which is official; asking is not. It would give
    way to a function of Alembic that looks up the implementation of a dialect.

    :param dialect: its name.
    :return: the class that was defined last for it, None where there is none.
    """
    return impl._impls.get(dialect)


@private("alembic.operations.base:AbstractOperations._to_impl")
def implementation_for(operation: type) -> Callable[[_Function], _Function]:
    """Replace how Alembic carries an operation out.

    ``Operations.implementation_for(…, replace=True)`` is official since 1.17.2; before that a
    second implementation is an error.

    :param operation: one of ``alembic.operations.ops``.
    :return: a decorator for what takes the operations and the operation.
    """
    return _replacement_in(Operations._to_impl, operation)


def renderer_for(operation: type) -> Callable[[_Function], _Function]:
    """Replace how Alembic renders an operation into a migration file.

    ``renderers.dispatch_for(…, replace=True)`` is there since 1.17.2.

    :param operation: one of ``alembic.operations.ops``.
    :return: a decorator for what takes the autogenerate context and the operation.
    """
    return _replacement_in(renderers, operation)


@private(
    "alembic.autogenerate.render:_render_gen_name",
    "alembic.autogenerate.render:_render_potential_expr",
)
def render_check(context: AutogenContext, operation: ops.CreateCheckConstraintOp) -> str:
    """Render the creation of a CHECK, which Alembic does itself since 1.19.

    :param context: where it is rendered.
    :param operation: the creation.
    :return: a line of Python.
    """
    constraint: Any = operation.to_constraint()
    name = render._render_gen_name(context, operation.constraint_name)
    condition = render._render_potential_expr(constraint.sqltext, context, wrap_in_element=False)
    arguments = [repr(name), condition]
    if not context._has_batch:
        arguments.insert(1, repr(str(operation.table_name)))
        if operation.schema:
            arguments.append(f"schema={str(operation.schema)!r}")
    for keyword, value in constraint.dialect_kwargs.items():
        arguments.append(f"{keyword}={render._render_potential_expr(value, context)}")
    prefix = "batch_op." if context._has_batch else "op."
    return f"{prefix}create_check_constraint({', '.join(arguments)})"


def _replacement_in(dispatcher: Any, operation: type) -> Callable[[_Function], _Function]:
    if "replace" in inspect.signature(dispatcher.dispatch_for).parameters:
        decorate: Callable[[_Function], _Function] = dispatcher.dispatch_for(
            operation, replace=True
        )
        return decorate
    dispatcher._registry.pop((operation, "default"), None)
    older: Callable[[_Function], _Function] = dispatcher.dispatch_for(operation)
    return older


@private("alembic.ddl.base:add_column")
def column_definition(compiler: Any, column: sa.Column[Any], **keywords: Any) -> str:
    """Render a new column as Alembic's ADD COLUMN does, with the constraints written inline.

    Listed among Alembic's DDL internals. It would give way to a method of SQLAlchemy's
    ``DDLCompiler`` that renders a column with its inline foreign key and primary key.

    :param compiler: the ``DDLCompiler`` of a dialect.
    :param column: the new column.
    :param keywords: those of the operation: ``inline_references``, ``inline_primary_key``.
    :return: the definition.
    """
    return str(base.add_column(compiler, column, **keywords)).removeprefix("ADD COLUMN ")


@private("alembic.operations.batch:BatchOperationsImpl.flush")
def take_over_batches(carry_out: Callable[[batch.BatchOperationsImpl], bool]) -> None:
    """Let a function have every batch at its end, in place of Alembic's move and copy.

    ``requires_recreate_in_batch`` sees the whole batch as well, but is not asked where the batch
    has ``recreate="always"``, and nothing is called after the last operation. It would give way to
    a method of ``DefaultImpl`` that carries out a batch.

    :param carry_out: gets the ``BatchOperationsImpl``, whose attributes are the arguments of
        ``batch_alter_table`` and ``batch``, the calls that it collected. Where it returns False,
        Alembic's own code goes on.
    """

    def make(stock: Callable[[Any], None]) -> Callable[[Any], None]:
        def flush(self: batch.BatchOperationsImpl) -> None:
            if not carry_out(self):
                stock(self)

        return flush

    _replace(batch.BatchOperationsImpl, "flush", make)


@private("alembic.runtime.migration:MigrationContext.autocommit_block")
def stay_in_transaction(applies: Callable[[migration.MigrationContext], bool]) -> None:
    """Let ``autocommit_block()`` neither commit nor begin where a function says so.

    It would give way to an attribute of ``DefaultImpl`` like ``transactional_ddl``.

    :param applies: whether that is so for a context.
    """

    def make(stock: Callable[[Any], AbstractContextManager[None]]) -> Callable[[Any], Any]:
        @contextmanager
        def autocommit_block(self: migration.MigrationContext) -> Iterator[None]:
            if applies(self):
                yield
            else:
                with stock(self):
                    yield

        return autocommit_block

    _replace(migration.MigrationContext, "autocommit_block", make)


@private("sqlalchemy.schema:Constraint.()._create_rule")
def is_of_type(constraint: sa.Constraint) -> bool:
    """Tell whether a CHECK belongs to a Boolean or Enum, which decides whether a database has it.

    It would give way to a public attribute of SQLAlchemy's ``Constraint``.

    :param constraint: SQLAlchemy's.
    :return: True where :func:`is_wanted` is to be asked.
    """
    return constraint._create_rule is not None


@private("sqlalchemy.schema:Constraint.()._create_rule")
def is_wanted(constraint: sa.Constraint, compiler: Any) -> bool:
    """Tell whether a database has a constraint, as its type decides.

    It would give way to a public method of SQLAlchemy's ``Constraint``.

    :param constraint: SQLAlchemy's.
    :param compiler: anything with the database's ``dialect``.
    :return: True where no type decides otherwise.
    """
    rule: Any = constraint._create_rule
    return rule is None or bool(rule(compiler))


@private("sqlalchemy.schema:Constraint.()._create_rule")
@contextmanager
def create_rules_kept(constraints: Iterable[sa.Constraint]) -> Iterator[None]:
    """Let ``create_all`` leave constraints as they are.

    A foreign key that closes a circle is added by ALTER, and SQLAlchemy would leave it out ever
    after. It would give way to a ``create_all`` that can be called twice.

    :param constraints: those of the models.
    :return: a context manager around ``create_all``.
    """
    rules = [(constraint, constraint._create_rule) for constraint in constraints]
    try:
        yield
    finally:
        for constraint, rule in rules:
            constraint._create_rule = rule


@private("sqlalchemy.types:TypeEngine._variant_mapping")
def has_variant(type_: TypeEngine[Any], dialect: str) -> bool:
    """Tell whether a type has another for one kind of database.

    It would give way to a public counterpart of ``with_variant``.

    :param type_: SQLAlchemy's.
    :param dialect: the name of the dialect.
    :return: whether ``with_variant`` was called for it.
    """
    return dialect in type_._variant_mapping


@private("sqlalchemy.schema:Constraint._ddl_if")
def is_conditional(item: sa.Constraint | sa.Index) -> bool:
    """Tell whether a constraint or an index declares which databases it is for.

    It would give way to a public counterpart of ``ddl_if``.

    :param item: SQLAlchemy's.
    :return: whether ``ddl_if`` was called for it.
    """
    return item._ddl_if is not None


def single_percents(sql: str, dialect: Any) -> str:
    """Undo the doubling of percent signs that a dialect's driver needs in statements.

    ``IdentifierPreparer._double_percents`` tells whether it was done. It would give way to an
    option of ``compile()``.

    :param sql: as it was compiled.
    :param dialect: SQLAlchemy's.
    :return: the text as a person would write it.
    """
    return sql.replace("%%", "%") if dialect.identifier_preparer._double_percents else sql


@private("sqlalchemy.schema:Constraint._copy")
def copy_constraint(constraint: sa.Constraint, table: sa.Table) -> sa.Constraint:
    """Copy a constraint that a table has already, for another.

    SQLAlchemy's ``copy()`` is deprecated; ``Table.to_metadata`` is official and copies the whole
    table. It would give way to a public function that copies a single constraint.

    :param constraint: the one to copy.
    :param table: the table that the copy is for.
    :return: the copy, not yet part of the table.
    """
    copied: sa.Constraint = constraint._copy(target_table=table)
    return copied


@private(
    "sqlalchemy.schema:Column._copy",
    "sqlalchemy.schema:Constraint._copy",
    "sqlalchemy.schema:FetchedValue._copy",
)
def copy_item(item: Any) -> Any:
    """Copy a column, a constraint, or what a column's values are computed by or counted from.

    It would give way to the same public function as :func:`copy_constraint`.

    :param item: the one to copy.
    :return: the copy, part of no table or column.
    """
    return item._copy()


def can_await() -> bool:
    """Tell whether an asynchronous driver can be used here: under ``AsyncConnection.run_sync``.

    SQLAlchemy runs that in a greenlet of a class of its own; its ``in_greenlet`` is younger than
    the oldest version. It would give way to a public function of its asyncio extension.
    """
    try:
        greenlet = importlib.import_module("greenlet")
    except ImportError:  # it comes with an asynchronous driver, not with SQLAlchemy
        return False
    return type(greenlet.getcurrent()).__name__ == "_AsyncIoGreenlet"


@private("sqlalchemy.util.concurrency:greenlet_spawn")
def run_with_event_loop(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that uses an asynchronous driver, where no event loop runs.

    It would give way to a public function of SQLAlchemy's asyncio extension.
    """
    return asyncio.run(concurrency.greenlet_spawn(function, *arguments))


def live_environment() -> EnvironmentContext | None:
    """Return the context of the env.py that runs now; None where none runs.

    Alembic keeps it behind the functions of the module ``alembic.context``, and names no other
    way to it.
    """
    environment: EnvironmentContext | None = getattr(alembic_context, "_proxy", None)
    return environment


def command_options(environment: EnvironmentContext) -> dict[str, Any]:
    """Return what an Alembic command gave to *environment*: its work ``fn``, its target, …"""
    options: dict[str, Any] = environment.context_opts
    return options


def set_command_options(environment: EnvironmentContext, options: dict[str, Any]) -> None:
    """Let *environment* be as the command made it, before its ``configure`` added more."""
    environment.context_opts = dict(options)


def wrap(environment: EnvironmentContext, **methods: Callable[..., Any]) -> None:
    """Let *methods* take the place of those of this one *environment*.

    The functions of ``alembic.context`` look them up on the instance.
    """
    for name, method in methods.items():
        setattr(environment, name, method)


def require_wrapped(is_wrapped: Callable[[EnvironmentContext], bool], reason: str) -> None:
    """Stop every later run of migrations by an environment that *is_wrapped* denies.

    An env.py that takes neither its engine nor its options from the extension is not reached by
    it, and would run as stock. There is no hook of Alembic's for that moment.
    """

    def make(stock: Callable[..., None]) -> Callable[..., None]:
        def run_migrations(self: EnvironmentContext, **keywords: Any) -> None:
            if not is_wrapped(self):
                raise MigrationError(reason)
            stock(self, **keywords)

        return run_migrations

    _replace(EnvironmentContext, "run_migrations", make)


def engine_beside(
    engine: Engine, url: URL, add: Callable[[str, dict[str, Any]], bool]
) -> tuple[Engine, bool]:
    """Return another engine, for *url*, that connects as *engine* does, and keeps no connection.

    It has the same driver, connect arguments, ``creator``, dialect options and ``connect``
    listeners, and none of the listeners for transactions and statements.

    :param add: puts more into a driver's connect arguments; tells whether it could.
    :return: the engine, and whether *add* was asked and could.
    """
    dialect, arguments, added = engine.dialect, _connect_arguments(engine), False
    creator = engine.pool._creator
    if arguments is not None:
        positional, named = dialect.create_connect_args(url)
        usual = dialect.create_connect_args(engine.url)[1]
        more = {key: value for key, value in arguments.items() if usual.get(key) != value}
        options = {**named, **more}
        added = add(dialect.driver, options)

        def connect(record: Any = None) -> Any:
            for listener in dialect.dispatch.do_connect:
                connection = listener(dialect, record, positional, options)
                if connection is not None:
                    return connection
            return dialect.connect(*positional, **options)

        creator = connect
    beside = create_engine(url, creator=creator, poolclass=NullPool, module=dialect.dbapi)
    vars(beside.dialect).update(
        {name: value for name, value in vars(dialect).items() if name not in _OF_ONE_DIALECT}
    )
    for listener in engine.pool.dispatch.connect.listeners:
        if not str(getattr(listener, "__module__", "")).startswith("sqlalchemy."):
            event.listen(beside, "connect", listener)
    return beside, added


#: What a dialect holds of its own engine's listeners.
_OF_ONE_DIALECT = {"dispatch", "_has_events"}


def _connect_arguments(engine: Engine) -> dict[str, Any] | None:
    """Return what *engine* gives its driver by name; None where the project connects by itself."""
    creator: Any = engine.pool._creator
    if getattr(creator, "__module__", "") != "sqlalchemy.engine.create":
        return None
    arguments: dict[str, Any] | None = inspect.getclosurevars(creator).nonlocals.get("cparams")
    return arguments


@private("alembic.script:ScriptDirectory._downgrade_revs")
def revisions_to_undo(script: ScriptDirectory, target: str, at: Iterable[str]) -> list[str]:
    """Return the revisions that Alembic would undo on the way to *target*, in its order."""
    steps = script._downgrade_revs(target, tuple(at))  # type: ignore[arg-type]  # as it is given
    return [step.revision.revision for step in steps]


@private("alembic.script:ScriptDirectory._generate_template")
def finish_files(script: ScriptDirectory, finish: Callable[[Path], None]) -> None:
    """Let a function finish every file of a revision that is written, before its hooks run.

    A ``post_write_hook`` is official, and Alembic tells a person of each that it runs. It would
    give way to one that can be silent.

    :param script: the chain, of this command.
    :param finish: gets the path of a file; it takes the place of one that was given before.
    """

    def generate(source: Any, target: Any, **values: Any) -> None:
        ScriptDirectory._generate_template(script, source, target, **values)
        finish(Path(target))

    vars(script)["_generate_template"] = generate


@private("alembic.script:ScriptDirectory._load_revisions")
def load_revisions(script: ScriptDirectory) -> list[Script]:
    """Load every file of a chain, which need not be whole.

    ``walk_revisions`` fails with a ``KeyError`` at a gap, and leaves one of two files with the same
    id out. It would give way to a public function that reads the files without joining them.

    :param script: where the files are.
    :return: the revisions, in no order.
    """
    return list(script._load_revisions())
