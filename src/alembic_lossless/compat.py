"""Everything private of Alembic and SQLAlchemy that this library touches, as plain functions.

Tested with Alembic 1.20.1 and SQLAlchemy 2.1.9.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import alembic
from alembic import context as alembic_context
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Engine, NullPool, create_engine, event

from .errors import MigrationError


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
    stock = EnvironmentContext.run_migrations
    stock = getattr(stock, "stock", stock)

    def run_migrations(self: EnvironmentContext, **keywords: Any) -> None:
        if not is_wrapped(self):
            raise MigrationError(reason)
        stock(self, **keywords)

    run_migrations.stock = stock  # type: ignore[attr-defined]
    EnvironmentContext.run_migrations = run_migrations  # type: ignore[method-assign]


def engine_beside(
    engine: Engine, url: URL, add: Callable[[str, dict[str, Any]], bool]
) -> tuple[Engine, bool]:
    """Return another engine, for *url*, that connects as *engine* does, and keeps no connection.

    It has the same driver, connect arguments, ``creator``, dialect options and ``connect``
    listeners, and none of the listeners for transactions and statements.

    :param add: puts more into a driver's connect arguments; tells whether it could.
    :return: the engine, and whether *add* was asked and could.
    """
    theirs, arguments, added = engine.dialect, _connect_arguments(engine), False
    creator = engine.pool._creator
    if arguments is not None:
        positional, named = theirs.create_connect_args(url)
        usual = theirs.create_connect_args(engine.url)[1]
        more = {key: value for key, value in arguments.items() if usual.get(key) != value}
        options = {**named, **more}
        added = add(theirs.driver, options)

        def connect(record: Any = None) -> Any:
            for listener in theirs.dispatch.do_connect:
                connection = listener(theirs, record, positional, options)
                if connection is not None:
                    return connection
            return theirs.connect(*positional, **options)

        creator = connect
    beside = create_engine(url, creator=creator, poolclass=NullPool, module=theirs.dbapi)
    vars(beside.dialect).update(
        {name: value for name, value in vars(theirs).items() if name not in _OF_ONE_DIALECT}
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
    found: dict[str, Any] | None = inspect.getclosurevars(creator).nonlocals.get("cparams")
    return found


def version() -> str:
    """Return Alembic's version, for a message."""
    return alembic.__version__


def revisions_to_undo(script: ScriptDirectory, target: str, at: Iterable[str]) -> list[str]:
    """Return the revisions that Alembic would undo on the way to *target*, in its order."""
    steps = script._downgrade_revs(target, tuple(at))  # type: ignore[arg-type]  # as it is given
    return [step.revision.revision for step in steps]
